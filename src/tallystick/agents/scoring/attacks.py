"""An honest economy, and what an attacker gets for his money in it.

Everything is drawn from one number by SHA-256, so a table of attacks is the same everywhere. An attacker owns an agent
of little worth, and any number of accounts; he does what the attack's name says. `cost` is what he gave away for good:
fees that were burned, and prices paid to people who are not him. Money that he pays himself is no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tallystick.agents.scoring.baseline import naive_average, paid_average
from tallystick.agents.scoring.trust import Payment, Rating, Seed, Terms, Trust
from tallystick.core.digest import sha256

PRICE, FEE = 10_000, 20  # of one honest purchase: a fifth of a percent burned, as on a rollup
MERCHANTS, CLIENTS, SEEDS = 8, 60, 3
ALLOTMENT = 100_000
SYBILS = 50
BAD, GOOD = frozenset({"bad agent"}), frozenset({"good agent"})


@dataclass
class World:
    """An economy: payments, what clients say of the two agents, and the reader's seeds."""

    payments: list[Payment] = field(default_factory=list)
    of_bad: list[Rating] = field(default_factory=list)
    of_good: list[Rating] = field(default_factory=list)
    seeds: list[Seed] = field(default_factory=list)
    cost: int = 0

    def pay(self, payer: str, payee: str, price: int = PRICE, *, costs: int = 0) -> None:
        """Record a payment; `costs` is what the attacker has less by it."""
        self.payments.append(Payment(payer, payee, price, FEE))
        self.cost += costs


@dataclass(frozen=True)
class Outcome:
    """One attack: what it cost, and what each method then says of the agent, in parts of a thousand."""

    name: str
    target: str
    cost: int
    naive: int
    paid: int
    flow: int
    flow_low: int  # the lowest without any one seed
    flow_high: int


def honest_world(number: int) -> World:
    """Return an economy without an attacker: merchants, their clients, a good agent, and a bad one with victims."""
    world = World(seeds=[Seed(f"merchant {place}", ALLOTMENT) for place in range(SEEDS)])
    for client in range(CLIENTS):
        name = f"client {client}"
        for turn in range(4):
            world.pay(name, f"merchant {_drawn(number, client, turn, below=MERCHANTS)}")
        if client < 24:
            world.pay(name, "good agent")
            world.of_good.append(Rating(name, 850 + _drawn(number, "good", client, below=150)))
        elif client < 36:
            world.pay(name, "bad agent")
            world.of_bad.append(Rating(name, 100 + _drawn(number, "bad", client, below=150)))
    return world


def outcomes(number: int = 1, terms: Terms | None = None) -> Iterator[Outcome]:
    """Yield what came of each attack in the economy that `number` draws."""
    for name, target, attack in ATTACKS:
        world = honest_world(number)
        attack(world)
        own, ratings = (BAD, world.of_bad) if target == "bad" else (GOOD, world.of_good)
        trust = Trust(world.payments, world.seeds, terms)
        low, high = trust.span(own, ratings)
        yield Outcome(
            name, target, world.cost, naive_average(ratings), paid_average(own, ratings, world.payments),
            trust.score(own, ratings).permille, low.permille, high.permille,
        )  # fmt: skip


def nothing(world: World) -> None:
    """Leave everything as it is."""


def washed_payments(world: World) -> None:
    """Send the same money round fifty accounts twenty times, each praising the agent that it paid."""
    for place in range(SYBILS):
        for _ in range(20):
            world.pay(f"sybil {place}", "bad agent", costs=FEE)
        world.of_bad.append(Rating(f"sybil {place}", 1_000))


def sybil_ring(world: World) -> None:
    """Besides, let the accounts buy from one another, so that each has history with many."""
    washed_payments(world)
    for place in range(SYBILS):
        for step in (1, 7, 13):
            world.pay(f"sybil {place}", f"sybil {(place + step) % SYBILS}", 50 * PRICE, costs=FEE)


def slander(world: World) -> None:
    """Let the ring buy once from the good agent and call it worthless."""
    for place in range(SYBILS):
        world.pay(f"sybil {place}", f"sybil {(place + 1) % SYBILS}", 50 * PRICE, costs=FEE)
        world.pay(f"sybil {place}", "good agent", 100, costs=FEE + 100)
        world.of_good.append(Rating(f"sybil {place}", 0))


def spending(world: World) -> None:
    """Let ten accounts of the ring really buy from the honest merchants, four times each."""
    washed_payments(world)
    for place in range(10):
        for turn in range(4):
            world.pay(f"sybil {place}", f"merchant {turn}", costs=PRICE + FEE)


def a_popular_sibling(world: World) -> None:
    """Serve thirty honest customers well with another agent, and let it vouch for the ring."""
    washed_payments(world)
    for client in range(30):
        world.pay(f"client {client}", "sibling")
    for place in range(SYBILS):
        world.pay(f"sybil {place}", "sibling", 50 * PRICE, costs=FEE)


def a_bought_seed(world: World) -> None:
    """Buy a merchant that the reader trusts, and let it confirm that the ring are its best customers."""
    washed_payments(world)
    for place in range(SYBILS):
        world.pay(f"sybil {place}", "merchant 0", 50 * PRICE, costs=FEE)


def whitewashing(world: World) -> None:
    """Leave the bad name behind: the same agent under a new one, praised by the ring."""
    world.payments = [one for one in world.payments if one.payee != "bad agent"]
    world.of_bad = []
    washed_payments(world)


ATTACKS: tuple[tuple[str, str, Callable[[World], None]], ...] = (
    ("none", "bad", nothing),
    ("washed payments", "bad", washed_payments),
    ("a ring of accounts", "bad", sybil_ring),
    ("a new name", "bad", whitewashing),
    ("a popular sibling", "bad", a_popular_sibling),
    ("real spending", "bad", spending),
    ("a bought seed", "bad", a_bought_seed),
    ("none", "good", nothing),
    ("slander", "good", slander),
)


def cost_of_score(number: int, wanted: int, terms: Terms | None = None, most: int = 4_096) -> int | None:
    """Return what the attacker must give honest merchants so that his agent scores `wanted`; None if `most` purchases
    do not reach it."""
    low, high = 0, most
    if _score_after(number, high, terms) < wanted:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _score_after(number, middle, terms) >= wanted else (middle + 1, high)
    return low * (PRICE + FEE)


def _score_after(number: int, purchases: int, terms: Terms | None) -> int:
    world = honest_world(number)
    washed_payments(world)
    for turn in range(purchases):
        world.pay(f"sybil {turn % SYBILS}", f"merchant {turn % MERCHANTS}")
    seeds = [replace(seed, allotment=10**12) for seed in world.seeds]  # the reader sets no bound: the worst case
    return Trust(world.payments, seeds, terms).score(BAD, world.of_bad).permille


def _drawn(*parts: object, below: int) -> int:
    return int.from_bytes(sha256(repr(parts).encode())[:8], "big") % below
