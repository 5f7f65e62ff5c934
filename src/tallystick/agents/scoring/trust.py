"""An agent's score from ratings, payments and seeds, so that no crowd of accounts is worth more than what it gave away.

Trust flows from the seeds. Over a payment it may flow two ways, and what it may carry differs:

    payee to payer   the fee that was burned, and a share of the price. Money that an account gave to somebody else is
                     money it no longer has: to be vouched for by strangers costs that much
    payer to payee   the fee that was burned alone. Being paid costs nothing, so being paid vouches for little

A client's rating may carry what it paid the agent, and no more than what it may be vouched for by all it ever bought
elsewhere: a part for the agent and the rest against, as the rating says. Three greatest flows make the score: all that
arrives, what could arrive for, and what could arrive against. Payments inside a ring move trust inside the ring; what
enters the ring is bounded by the payments that cross its border. The agent's own accounts take no part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tallystick.agents.scoring.flow import Network
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SCORING_AMOUNT_MAX, SCORING_FACTS_MAX, SCORING_RATERS_MAX, SCORING_SEEDS_MAX

WHOLE = 1_000  # a rating, a share and a score are parts of a thousand
_SOURCE, _SINK = 0, 1  # nodes; accounts follow


@dataclass(frozen=True)
class Payment:
    """An account paid another: the price it got, and the fee that nobody got, in one unit of the caller."""

    payer: str
    payee: str
    price: int
    burned: int


@dataclass(frozen=True)
class Rating:
    """A client's opinion of the agent, in parts of a thousand."""

    client: str
    permille: int


@dataclass(frozen=True)
class Seed:
    """An account that the reader knows, and how much he lets it vouch for."""

    account: str
    allotment: int


@dataclass(frozen=True)
class Terms:
    """What the reader decides.

    price_permille  the share of a price that counts as given away. A buyer gets something for it: a tenth says that
                    nine tenths of it can be had back by selling that on
    prior           weight of the opinion that an unknown agent is worth nothing; newcomers begin there, so that nobody
                    gains by beginning again
    """

    price_permille: int = 100
    prior: int = 1_000


@dataclass(frozen=True)
class Score:
    """How much trust arrived for the agent, how much against it, and the prior."""

    good: int
    bad: int
    prior: int

    @property
    def permille(self) -> int:
        """The score in parts of a thousand: 0 for an agent that nobody trusted has rated."""
        whole = self.good + self.bad + self.prior
        return WHOLE * self.good // whole if whole else 0

    @property
    def weight(self) -> int:
        """How much trust spoke of the agent at all."""
        return self.good + self.bad


class Trust:
    """Payments among accounts, and the seeds that trust starts from.

    raises  InvalidInput "scoring.size", "scoring.amount", "scoring.seeds"
    """

    def __init__(self, payments: Sequence[Payment], seeds: Sequence[Seed], terms: Terms | None = None) -> None:
        self.terms = terms or Terms()
        _check(payments, seeds, self.terms)
        self.seeds = tuple(seeds)
        self._allotted = {seed.account: seed.allotment for seed in seeds}
        self._paid: dict[tuple[str, str], tuple[int, int]] = {}
        for one in payments:
            price, burned = self._paid.get((one.payer, one.payee), (0, 0))
            self._paid[one.payer, one.payee] = price + one.price, burned + one.burned
        accounts = {account for pair in self._paid for account in pair} | {seed.account for seed in seeds}
        self._nodes = {account: place for place, account in enumerate(sorted(accounts), 2)}

    def score(
        self, own: Collection[str], ratings: Iterable[Rating], *, without: str = "", blocked: Collection[str] = ()
    ) -> Score:
        """Return the score of the agent to which the accounts `own` belong: its owner, its wallets, its operators.

        ratings  at most one of each client counts, the last; a client that never paid the agent is not heard
        without  a seed to be left out
        blocked  accounts through which no trust passes, such as known frauds
        raises   InvalidInput "scoring.rating", "scoring.size"
        """
        mine = frozenset(own)
        gates = self._gates(mine, {one.client: one.permille for one in ratings if one.client not in mine})
        network = self._network(mine | frozenset(blocked), without)
        whole = self._arriving(network, {client: sum(parts) for client, parts in gates.items()})
        most_for = self._arriving(network, {client: parts[0] for client, parts in gates.items()})
        most_against = self._arriving(network, {client: parts[1] for client, parts in gates.items()})
        # What is for the agent lies between whole - most_against and most_for; where trust reaches all, both are one.
        good = (whole + most_for - most_against) // 2
        return Score(good, whole - good, self.terms.prior)

    def span(self, own: Collection[str], ratings: Sequence[Rating]) -> tuple[Score, Score]:
        """Return the lowest and the highest score when any one seed is left out: what one bought seed can change."""
        found = [self.score(own, ratings, without=seed.account) for seed in self.seeds]
        return min(found, key=lambda one: one.permille), max(found, key=lambda one: one.permille)

    def heard(self, own: Collection[str], ratings: Iterable[Rating]) -> int:
        """Return how many clients count: those that paid the agent, and that trust can reach at all."""
        mine = frozenset(own)
        gates = self._gates(mine, {one.client: one.permille for one in ratings if one.client not in mine})
        beyond: dict[str, list[str]] = {}
        for giver, taker, room in self._edges(mine):
            if room:
                beyond.setdefault(giver, []).append(taker)
        found = {seed.account for seed in self.seeds if seed.allotment and seed.account not in mine}
        waiting = list(found)
        while waiting:
            fresh = set(beyond.get(waiting.pop(), ())) - found
            found |= fresh
            waiting += fresh
        return len(gates.keys() & found)

    def border(self, region: Collection[str], own: Collection[str] = ()) -> int:
        """Return how much trust can enter a set of accounts that holds no seed: no flow that it directs is greater.

        own  the accounts of the agent in question, which take no part
        """
        inside = frozenset(region)
        edges = self._edges(frozenset(own))
        return sum(room for giver, taker, room in edges if giver not in inside and taker in inside)

    def _gates(self, own: frozenset[str], said: dict[str, int]) -> dict[str, tuple[int, int]]:
        """Return what each client's rating may carry, for and against; nobody but the client can make it more."""
        if len(said) > SCORING_RATERS_MAX:
            raise InvalidInput("scoring.size", "too many clients", expected=f"≤ {SCORING_RATERS_MAX}", got=len(said))
        paid_here, spent_elsewhere = dict.fromkeys(said, 0), dict.fromkeys(said, 0)
        for (payer, payee), (price, burned) in self._paid.items():
            if payer in said and payee in own:
                paid_here[payer] += price + burned
            elif payer in said:
                spent_elsewhere[payer] += self._vouched(price, burned)
        gates = {}
        for client, permille in said.items():
            if not 0 <= permille <= WHOLE:
                raise InvalidInput("scoring.rating", "not parts of a thousand", expected="0 … 1000", got=permille)
            room = min(paid_here[client], max(spent_elsewhere[client], self._allotted.get(client, 0)))
            if room and client in self._nodes:
                gates[client] = room * permille // WHOLE, room - room * permille // WHOLE
        return gates

    def _vouched(self, price: int, burned: int) -> int:
        return burned + price * self.terms.price_permille // WHOLE

    def _edges(self, blocked: frozenset[str]) -> Iterable[tuple[str, str, int]]:
        for (payer, payee), (price, burned) in self._paid.items():
            if payer not in blocked and payee not in blocked:
                yield payee, payer, self._vouched(price, burned)
                yield payer, payee, burned

    def _network(self, blocked: frozenset[str], without: str) -> Network:
        network = Network(len(self._nodes) + 2)
        for giver, taker, room in self._edges(blocked):
            network.connect(self._nodes[giver], self._nodes[taker], room)
        for seed in self.seeds:
            if seed.account not in blocked and seed.account != without:
                network.connect(_SOURCE, self._nodes[seed.account], seed.allotment)
        return network

    def _arriving(self, network: Network, sinks: dict[str, int]) -> int:
        filled = network.copy()
        for client, room in sinks.items():
            filled.connect(self._nodes[client], _SINK, room)
        return filled.max_flow(_SOURCE, _SINK)


def _check(payments: Sequence[Payment], seeds: Sequence[Seed], terms: Terms) -> None:
    if len(payments) > SCORING_FACTS_MAX:
        raise InvalidInput(
            "scoring.size", "too many payments", expected=f"≤ {SCORING_FACTS_MAX}", got=len(payments),
            hint="leave out what is old, or what lies far from the seeds",
        )  # fmt: skip
    amounts = [amount for one in payments for amount in (one.price, one.burned)]
    amounts += [*(seed.allotment for seed in seeds), terms.prior]
    for amount in amounts:
        if not 0 <= amount <= SCORING_AMOUNT_MAX:
            raise InvalidInput("scoring.amount", "not an amount", expected=f"0 … {SCORING_AMOUNT_MAX}", got=amount)
    if not 0 <= terms.price_permille <= WHOLE:
        raise InvalidInput("scoring.amount", "not a share", expected="0 … 1000", got=terms.price_permille)
    if not 0 < len({seed.account for seed in seeds}) == len(seeds) <= SCORING_SEEDS_MAX:
        raise InvalidInput(
            "scoring.seeds", "not seeds", expected=f"1 to {SCORING_SEEDS_MAX} different accounts", got=len(seeds)
        )
