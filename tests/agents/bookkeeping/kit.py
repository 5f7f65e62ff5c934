"""A market whose books and chain are put into one ledger, and a chain that can be asked through a liar."""

from __future__ import annotations

from tallystick.agents.bookkeeping.books import Books, sent_of
from tallystick.agents.bookkeeping.facts import read_facts
from tallystick.agents.bookkeeping.ledger import Ledger, reconcile
from tallystick.agents.bookkeeping.lines import Period, State
from tallystick.agents.payments.cashier import Accepted
from tallystick.agents.payments.outcomes import Settled
from tallystick.chain.outbox_rows import STATES
from tallystick.chain.outbox_store import OutboxStore
from tests.agents.payments.market import CENT, ORIGIN, Market, operation

ROWS = 10_000


def books_of(market: Market, own=(), **changes) -> Books:
    """Return what a market's books say."""
    store = OutboxStore(market.folder / "outbox.db")
    rows = store.rows(market.node.chain_id, market.bringer, STATES, ROWS)
    store.close()
    said = {
        "own": frozenset(own or (market.payer, market.seller)),
        "bought": tuple(reversed(market.book.newest(ROWS))),
        "sold": tuple(market.claims.all(ROWS)),
        "sent": sent_of(rows),
    }
    return Books(**{**said, **changes})


def ledger_of(market: Market, *accounts: str, books=None, first=None, node=None, period=None, contracts=()) -> Ledger:
    """Return the ledger of accounts of a market, from the block on in which its test began."""
    books = books or books_of(market)
    node = node or market.node
    first = market.begun if first is None else first
    facts = read_facts(
        node, books, frozenset(accounts or (market.payer, market.seller)), [market.token.address], contracts, first,
        node.block(),
    )  # fmt: skip
    return reconcile(facts, books, period or Period())


def buy(market: Market, path: str = "/v2/answer", amount: int = CENT):
    """Have one call paid for and answered; return what was booked."""
    purse, cashier = market.purse(), market.cashier()
    what, terms = operation(path), market.terms(amount)
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    accepted = cashier.accept(booked.payment, terms, what)
    assert isinstance(accepted, Accepted)
    settled = cashier.settle(accepted, b"answer")
    assert isinstance(settled, Settled)
    return purse.learn(booked, settled.to_settlement())


def states(ledger: Ledger) -> list[State]:
    """Return the states of the lines that are not reconciled."""
    return [one.state for one in ledger.lines if one.state is not State.RECONCILED]


def total(ledger: Ledger, token: str):
    """Return the totals of a token."""
    (found,) = [one for one in ledger.totals if one.token == token]
    return found


class Liar:
    """A node that answers one method otherwise; all else is the node's own word."""

    def __init__(self, node, **lies) -> None:
        self._node = node
        self._lies = lies

    def __getattr__(self, name):
        return self._lies.get(name) or getattr(self._node, name)
