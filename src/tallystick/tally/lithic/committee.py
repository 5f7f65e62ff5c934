"""Answers by committees on this workspace's chain, for who asks and for who answers under bond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import (
    Committee,
    ModelOffered,
    Offer,
    Provider,
    ProviderRegistered,
    Request,
    RequestOpened,
    Seat,
    Terms,
)
from tallystick.chain.calls import Log
from tallystick.chain.coin import NATIVE
from tallystick.chain.deployments import Deployment
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.limits import COMMITTEE_MEMBERS_MAX
from tallystick.lithic.committee import joining
from tallystick.lithic.committee.decision import OutputKind, RequestState
from tallystick.lithic.committee.receipt import build_receipt
from tallystick.lithic.committee.request import NO_DEMAND, NOBODY, ask_terms
from tallystick.lithic.contract import DeployedKernel
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.tally.lithic.places import Place, deploy_place, find_place, now_s

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

CONTRACT = "Committee"


@dataclass(frozen=True)
class Listed:
    """A provider as it is now, and the offers that stand: model digest to conditions."""

    account: str
    provider: Provider
    offers: dict[bytes, Offer]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a committee, as `Terms`; what is left out is chosen.

    members    by default those who offer the model at this fee under this kernel, the largest bonds first
    threshold  by default more than half of the members
    """

    model: bytes
    data: bytes
    kind: OutputKind
    low: int
    high: int
    fee: int
    stake: int
    commit_s: int
    reveal_s: int
    tolerance: int = 0
    kernel: str = NOBODY
    output_index: int = 0
    members: tuple[str, ...] = ()
    threshold: int | None = None


@dataclass(frozen=True)
class Opened:
    """A request with its terms and its members' seats, and how it stands.

    state  "commits", "reveals", "due" when anybody may settle it, "fulfilled", "timed out"
    """

    request_id: bytes
    terms: Terms
    data: bytes
    request: Request
    seats: dict[str, Seat]
    state: str


class CommitteeDesk:
    """Answers by one Committee contract, by default the workspace's.

    Verbs that pay take `approve`: where the coin is a token, let the contract take the amount first.
    """

    def __init__(self, tally: Tally, address: str | None = None) -> None:
        self._tally = tally
        self._address = address

    def deploy(self, coin: str = NATIVE) -> tuple[Place, Deployment]:
        """Return where the contract that counts in this coin is, and how; it is the workspace's from here on."""
        return deploy_place(self._tally, CONTRACT, coin)

    @cached_property
    def place(self) -> Place:
        """Where the contract is; raises InvalidInput "deployments.absent"."""
        return find_place(self._tally, CONTRACT, self._address)

    @cached_property
    def contract(self) -> Committee:
        """The contract, to read."""
        return Committee(self._tally.node, self.place.address)

    # --- providers

    def register(self, key_name: str, bond: int, *, approve: bool = False) -> Account:
        """Return the key that signs this account's answers, which is a provider from here on; as `joining.register`.

        bond  the first; a provider that is one already pays nothing
        """
        signer = Account(self._tally.secret(key_name).reveal())
        if self.contract.provider_at(self._account).signer == NOBODY:
            self.place.pay(self._tally, bond, approve=approve)
        joining.register(self.contract, self._tally.outbox, signer, bond)
        return signer

    def top_up(self, amount: int, *, approve: bool = False) -> None:
        """The bond of this account's provider has grown by so much; raises Rejected "providers: unknown provider"."""
        self.place.pay(self._tally, amount, approve=approve)
        call = self.contract.top_up(self._account, amount, value=self.place.value(amount))
        self.place.send(self._tally, call, f"top up {amount}")

    def announce_withdrawal(self, amount: int) -> None:
        """So much of the bond is leaving; raises Rejected "providers: bond too low"."""
        self.place.send(self._tally, self.contract.announce_withdrawal(amount), f"announce {amount}")

    def withdraw_bond(self) -> int:
        """Return how much was leaving, which the account has now; raises Rejected with the contract's reasons."""
        before = self.contract.provider_at(self._account).bond
        self.place.send(self._tally, self.contract.withdraw_bond(), "withdraw")
        return before - self.contract.provider_at(self._account).bond

    def offer(self, model: bytes, fee: int, kernel: str = NOBODY) -> None:
        """This account answers for the model at this fee or above, under this kernel or none."""
        known = self.contract.offer_of(self._account, model)
        if (known.is_open, known.fee_min, known.kernel) != (True, fee, kernel):
            self.place.send(self._tally, self.contract.offer_model(model, fee, kernel), f"offer {model.hex()}")

    def end_offer(self, model: bytes) -> None:
        """This account no longer answers for the model; nothing is sent when it did not."""
        if self.contract.offer_of(self._account, model).is_open:
            self.place.send(self._tally, self.contract.end_offer(model), f"end {model.hex()}")

    def providers(self, model: bytes | None = None) -> list[Listed]:
        """Return the providers, the largest free bonds first; of a model, only those who offer it."""
        offered: dict[str, set[bytes]] = {}
        for log in self._events((ModelOffered.topic, None, model)):
            event = ModelOffered.decode(log)
            offered.setdefault(event.provider, set()).add(event.model_digest)
        registered = [ProviderRegistered.decode(log).provider for log in self._events((ProviderRegistered.topic,))]
        found = [self.provider(account, sorted(offered.get(account, ()))) for account in registered]
        if model is not None:
            found = [one for one in found if one.offers]
        return sorted(found, key=lambda one: one.provider.leaving - one.provider.bond)

    def me(self, model: bytes | None = None) -> Listed:
        """Return this workspace's account as a provider, with its offer for a model."""
        return self.provider(self._account, () if model is None else (model,))

    def provider(self, account: str, models: Sequence[bytes] = ()) -> Listed:
        """Return one provider, with those of its offers for `models` that stand."""
        offers = {model: self.contract.offer_of(account, model) for model in models}
        standing = {model: offer for model, offer in offers.items() if offer.is_open}
        return Listed(account, self.contract.provider_at(account), standing)

    # --- requests

    def request(self, wanted: Wanted, nonce: int, *, approve: bool = False) -> bytes:
        """Return the id of a request, made now or by the same call before; the ceiling is paid.

        raises  InvalidInput "committee.members"; Rejected with the contract's reasons
        """
        terms = self._terms(wanted)
        request_id = self.contract.request_id_of(self._account, nonce, terms)
        if not self._is_known(request_id):
            ceiling = terms.fee * len(terms.members)
            self.place.pay(self._tally, ceiling, approve=approve)
            call = self.contract.ask(nonce, ask_terms(terms), wanted.data, value=self.place.value(ceiling))
            self._tally.outbox.send_and_wait(call, key=f"committee {self.place.address} ask {request_id.hex()}")
        return request_id

    def settle(self, request_id: bytes) -> Opened:
        """Return the request, which is over now; raises Rejected "rounds: not over"."""
        if self.contract.request_at(request_id).state == RequestState.OPEN:
            self.place.send(self._tally, self.contract.settle(request_id), f"settle {request_id.hex()}")
        return self.find(request_id)

    def collect(self) -> int:
        """Take what waits for this workspace's account; return how much that was, 0 where it was nothing."""
        waiting = self.contract.credit_of(self._account)
        if waiting:
            self.place.send(self._tally, self.contract.collect(), f"collect {waiting}")
        return waiting

    def receipt(self, request_id: bytes) -> AnswerReceipt:
        """Return the receipt of a settled answer; raises Rejected "answers: not fulfilled"."""
        self.contract.request_at(request_id)
        topics = (None, request_id)
        return build_receipt(self.contract, self._tally.node.chain_id, request_id, self._events(topics))

    def contradict(self, request_id: bytes) -> list[str]:
        """Return the members whose answers the request's kernel contradicts, after showing it to the contract.

        raises  InvalidInput "committee.kernel" where the request names none; Rejected with the contract's reasons
        """
        opened = self.find(request_id)
        terms = opened.terms
        if terms.kernel == NOBODY:
            raise InvalidInput("committee.kernel", "the request names no kernel that could judge its answers")
        kernel = DeployedKernel(self._tally.node, terms.kernel)
        right = kernel.predict(opened.data, kernel.shape[2])[terms.output_index]
        shown = {who: seat.output for who, seat in opened.seats.items() if seat.revealed and not seat.slashed}
        wrong = [member for member, output in shown.items() if output != right]
        for member in wrong:
            call = self.contract.prove_contradiction(request_id, member, opened.data)
            self.place.send(self._tally, call, f"contradict {member} {request_id.hex()}")
        return wrong

    # --- what the chain says

    def find(self, request_id: bytes) -> Opened:
        """Return a request; raises Rejected "requests: unknown request"."""
        self.contract.request_at(request_id)
        (log,) = self._events((RequestOpened.topic, request_id))
        return self._opened(log)

    def last(self) -> bytes:
        """Return the id of this account's newest request; raises InvalidInput "request.none"."""
        return self.place.last(self._tally, RequestOpened.topic)

    def requests(self, limit: int) -> list[Opened]:
        """Return the newest requests, the youngest first."""
        found = self.place.newest(self._tally.node, (RequestOpened.topic,), limit)
        return [self._opened(log) for log in found]

    def now_s(self) -> int:
        """Return the time of the block to come."""
        return now_s(self._tally)

    def _opened(self, log: Log) -> Opened:
        event = RequestOpened.decode(log)
        terms, request = self.contract.terms_of(event.request_id), self.contract.request_at(event.request_id)
        seats = {member: self.contract.seat_of(event.request_id, member) for member in terms.members}
        return Opened(event.request_id, terms, event.input, request, seats, _state(terms, request, self.now_s()))

    def _is_known(self, request_id: bytes) -> bool:
        try:
            self.contract.request_at(request_id)
        except Rejected as error:
            if error.code == "requests: unknown request":
                return False
            raise
        return True

    def _terms(self, wanted: Wanted) -> Terms:
        members = wanted.members or self._members(wanted)
        return Terms(
            model_digest=wanted.model, input_digest=sha256(wanted.data), demand=NO_DEMAND, kernel=wanted.kernel,
            output_index=wanted.output_index, kind=int(wanted.kind), low=wanted.low, high=wanted.high,
            tolerance=wanted.tolerance, members=members, threshold=wanted.threshold or len(members) // 2 + 1,
            fee=wanted.fee, stake=wanted.stake, commit_s=wanted.commit_s, reveal_s=wanted.reveal_s,
        )  # fmt: skip

    def _members(self, wanted: Wanted) -> tuple[str, ...]:
        found = [
            one.account
            for one in self.providers(wanted.model)
            if one.offers[wanted.model].fee_min <= wanted.fee
            and wanted.kernel in (NOBODY, one.offers[wanted.model].kernel)
            and one.provider.bond - one.provider.leaving - one.provider.locked >= max(1, wanted.stake)
        ]
        if not found:
            raise InvalidInput(
                "committee.members", "nobody offers the model at this fee with so much bond free",
                hint="`tally lithic committee providers` lists who offers what; raise --fee, or lower --stake",
            )  # fmt: skip
        return tuple(found[:COMMITTEE_MEMBERS_MAX])

    # --- parts of the verbs

    @property
    def _account(self) -> str:
        return self._tally.account.address

    def _events(self, topics: tuple[bytes | None, ...]) -> list[Log]:
        return self._tally.node.logs(self.place.address, topics, from_block=self.place.first_block)


def _state(terms: Terms, request: Request, now_s: int) -> str:
    if request.state != RequestState.OPEN:
        return RequestState(request.state).name.lower().replace("_", " ")
    is_committing_over = now_s > request.commit_until or request.commits == len(terms.members)
    if not is_committing_over:
        return "commits"
    is_over = now_s > request.reveal_until or request.commits < terms.threshold or request.commits == request.reveals
    return "due" if is_over else "reveals"
