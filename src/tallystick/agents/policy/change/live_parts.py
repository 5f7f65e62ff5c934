"""The parts of an account, each read through its views at one block; `live.py` puts them together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.diff import is_nothing
from tallystick.agents.policy.change.places import Places
from tallystick.agents.policy.document import (
    Budgets,
    Constraint,
    Newcomers,
    Payee,
    Policy,
    Rates,
    Rule,
    Session,
    Slots,
    Token,
)
from tallystick.agents.policy.engine.buckets import Bucket
from tallystick.agents.policy.engine.state import Counter, Place, SessionState
from tallystick.agents.policy.nouns import NATIVE, NEVER, NOBODY, Level, Role, Scope, Standing
from tallystick.agents.policy.signatures import TRANSFER_OF_COIN, CallForm, parse_call
from tallystick.chain.abi import read
from tallystick.chain.bindings.policy_changes import ChangeScheduled
from tallystick.chain.calls import BlockId
from tallystick.chain.coin import read_coin
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, Rejected

_GET_AGENT_WALLET = "00339509"  # getAgentWallet(uint256), ERC-8004

# What a rule calls things where no policy file is at hand.
_KNOWN_CALLS = ("transfer(address,uint256)", "deposit(uint256)", "withdraw(uint256)", "deposit(uint256,address)")


class Reader:
    """Reads one account at one block."""

    def __init__(self, node: Node, contracts: Contracts, places: Places, at: BlockId, names: Policy | None) -> None:
        self._node, self._contracts, self._places, self._at = node, contracts, places, at
        self._names = names.names() if names else {}
        self._tokens = {one.address: one for one in names.tokens} if names else {}
        self._rules = {one.place: one for one in names.rules} if names else {}
        self._addresses = dict(names.addresses) if names else {}
        self._taken = {*self._names.values(), *(one.name for one in self._rules.values())}

    def addresses(self) -> dict[str, str]:
        """Return the names for people that the file has."""
        return self._addresses

    def _name(self, address: str, kind: str) -> str:
        if address not in self._names:
            self._names[address] = self._new_name(kind)
        return self._names[address]

    def _new_name(self, kind: str) -> str:
        """Return a name that nothing has: the chain knows none, and a part of an address could be forged."""
        name = next(name for n in count(1) if (name := f"{kind}-{n}") not in self._taken)
        self._taken.add(name)
        return name

    # --- budgets

    def buckets(self) -> dict[Place, Bucket]:
        """Return every bucket that there is."""
        found: dict[Place, Bucket] = {}
        for place in self._places.buckets:
            one = self._contracts.account.bucket_of(*place, at=self._at)
            if one.period_s:
                rates = Rates(one.cap, one.refill, one.period_s, one.lifetime_cap)
                found[place] = Bucket(rates, one.balance, one.since, one.lifetime_spent)
        return found

    def tokens(self, buckets: Mapping[Place, Bucket], rules: tuple[Rule, ...]) -> tuple[Token, ...]:
        """Return every token that any bucket or rule is of, and those that are watched."""
        watched = self._contracts.account.tokens(at=self._at)
        addresses = dict.fromkeys([*watched, *(token for _, _, token in buckets)])
        addresses |= dict.fromkeys(rule.token for rule in rules)
        return tuple(self._token(one, buckets) for one in addresses)

    def _token(self, address: str, buckets: Mapping[Place, Bucket]) -> Token:
        known = self._tokens.get(address)
        if known is None:
            coin = read_coin(self._node, address)
            known = Token("ETH" if address == NATIVE else self._name(address, "token"), address, coin.decimals)
        place = (Scope.ACCOUNT, NOBODY, address)
        bucket = buckets.get(place)
        budget = None if bucket is None or is_nothing(place, bucket.rates) else bucket.rates
        return Token(known.name, address, known.decimals, budget)

    def _budgets(self, buckets: Mapping[Place, Bucket], scope: Scope, holder: str) -> Budgets:
        return {
            place[2]: one.rates
            for place, one in buckets.items()
            if place[:2] == (scope, holder) and not is_nothing(place, one.rates)
        }

    # --- rules, payees, newcomers

    def rules(self) -> tuple[Rule, ...]:
        """Return every rule that allows something."""
        found = []
        for target, selector in self._places.rules:
            one = self._contracts.rules.rule_of(self._contracts.address, target, selector, at=self._at)
            if one.is_allowed:
                known = self._rules.get((target, selector))
                call = known.call if known else _call_of(selector)
                constraints = tuple(Constraint(c.word, c.low, c.high) for c in one.constraints)
                if not call.fits(one.recipient_word, one.amount_word, tuple(c.word for c in constraints)):
                    call = parse_call(f"0x{selector.hex()}", "selector")  # its words are no arguments of that function
                found.append(
                    Rule(
                        name=known.name if known else self._new_name("rule"),
                        target=target,
                        call=call,
                        token=one.token,
                        payee_word=one.recipient_word,
                        amount_word=one.amount_word,
                        call_cap=one.call_cap,
                        value_cap=one.value_cap,
                        min_level=Level(min(one.min_level, Level.AUTONOMOUS)),
                        pulls=one.pulls,
                        constraints=constraints,
                    )
                )
        return tuple(found)

    def payees(self, buckets: Mapping[Place, Bucket]) -> tuple[Payee, ...]:
        """Return every payee that is allowed or denied."""
        found = []
        for address in self._places.payees:
            standing, expires = self._contracts.rules.payee_of(self._contracts.address, address, at=self._at)
            if standing != Standing.UNKNOWN:
                ends = expires if standing == Standing.ALLOWED else NEVER
                is_allowed = standing == Standing.ALLOWED  # what bounds the pay of who is denied bounds nothing
                budgets = self._budgets(buckets, Scope.COUNTERPARTY, address) if is_allowed else {}
                found.append(Payee(self._name(address, "payee"), address, Standing(standing), ends, budgets))
        return tuple(found)

    def newcomers(self, buckets: Mapping[Place, Bucket]) -> tuple[Newcomers, dict[str, int]]:
        """Return whose agents may be paid unasked, and from when on each that was introduced and has its wallet yet."""
        registry, cooling_off_s = self._contracts.rules.newcomers_of(self._contracts.address, at=self._at)
        budgets = self._budgets(buckets, Scope.NEWCOMERS, NOBODY)
        introduced: dict[str, int] = {}
        for payee in self._places.newcomers if registry != NOBODY else ():
            agent, usable_at = self._contracts.rules.newcomer_of(self._contracts.address, payee, at=self._at)
            if usable_at and self._wallet_of(registry, agent) == payee:
                introduced[payee] = usable_at
        return Newcomers(registry, cooling_off_s, budgets), introduced

    def _wallet_of(self, registry: str, agent: int) -> str:
        try:
            (wallet,) = read(self._node, registry, _GET_AGENT_WALLET, ["uint256"], [agent], ["address"], self._at)
        except (InvalidInput, Rejected):
            return NOBODY
        return str(wallet)

    # --- sessions and changes

    def sessions(self, buckets: Mapping[Place, Bucket]) -> tuple[SessionState, ...]:
        """Return every session that was not revoked, of whatever epoch."""
        account = self._contracts.account
        keys = [key for key in self._places.sessions if account.role_of(key, at=self._at) == Role.SESSION]
        return tuple(self._session(key, buckets) for key in keys)

    def _session(self, key: str, buckets: Mapping[Place, Bucket]) -> SessionState:
        one = self._contracts.account.session_of(key, at=self._at)
        now = self._contracts.account.state_of(key, at=self._at)
        terms = Session(
            name=self._name(key, "session"),
            key=key,
            level=Level(one.level),
            valid_after=one.valid_after,
            valid_until=one.valid_until,
            operations=one.ops_max,
            operations_s=one.ops_period_s,
            denials=one.denials_max,
            denials_s=one.denials_window_s,
            heartbeat_s=one.heartbeat_s,
            slots=Slots(one.slots, one.slot_period_s, one.slot_cap, one.slot_token),
            mandate=one.mandate_hash,
            budgets=self._budgets(buckets, Scope.SESSION, key),
        )
        operations, denials = Counter(now.ops, now.ops_since), Counter(now.denials, now.denials_since)
        return SessionState(terms, terms.level, now.epoch, operations, denials)

    def scheduled(self) -> tuple[ChangeScheduled, ...]:
        """Return what was announced in this epoch and neither made nor taken back."""
        due_at = self._contracts.changes.due_at
        return tuple(
            one
            for one in self._places.changes.values()
            if due_at(self._contracts.address, one.target, one.data, at=self._at)
        )


def _call_of(selector: bytes) -> CallForm:
    if selector == bytes(4):
        return TRANSFER_OF_COIN
    known = (parse_call(text, text) for text in _KNOWN_CALLS)
    return next((one for one in known if one.selector == selector), parse_call(f"0x{selector.hex()}", "selector"))
