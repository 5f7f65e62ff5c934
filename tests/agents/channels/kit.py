"""What tests of channel books share: a channel on a real chain, its payer and its payee, each with a book on disk."""

from __future__ import annotations

from tallystick.agents.channels.payee import Payee, Request
from tallystick.agents.channels.payee_book import PayeeBook
from tallystick.agents.channels.payer import Payer
from tallystick.agents.channels.payer_book import PayerBook
from tallystick.agents.channels.signing import channel_id
from tallystick.agents.channels.standing import Standings
from tallystick.core.digest import sha256
from tests.contracts.channel_kit import Channels

DEPOSIT, PRICE = 10_000, 100


def operation(name="an operation"):
    return sha256(str(name).encode())


class Pair:
    """A payer and a payee with a channel between them, in the native coin or that of `channels`.

    `clock` is what views of the chain age by.
    """

    def __init__(self, ledger, folder, *, step=0, channels=None, **terms):
        self.channels = channels or Channels(ledger)
        self.ledger, self.folder = ledger, folder
        self.clock = 1_000.0
        self.terms = self.channels.opened(DEPOSIT, **terms)
        self.id = channel_id(self.terms)
        self.payer = self.open_payer()
        self.payer.book.add(self.terms, ledger.chain_id, self.channels.address, DEPOSIT, step=step)
        self.payee = self.open_payee()

    def secret(self, account):
        return self.ledger.secrets[account]

    def open_payer(self):
        return Payer(PayerBook(self.folder / "payer.db"), self.secret(self.channels.authorizer))

    def open_payee(self, name="payee.db", channels=None):
        channels = channels or self.channels
        standings = Standings(self.ledger.node, channels.address, lambda: self.clock)
        return Payee(PayeeBook(self.folder / name), standings, channels.domain, self.secret(channels.payee))

    def sign(self, name="an operation", bound=PRICE):
        """Return a call for this operation, written down and signed."""
        (signed,) = self.payer.sign(self.id, [(operation(name), bound)])
        return signed

    def take(self, signed, payee=None, terms=None):
        """Return what the payee makes of a call."""
        (found,) = (payee or self.payee).take([Request(terms or self.terms, signed)])
        return found

    def finish(self, taken, cost=PRICE, answer=b"an answer", payee=None):
        (answered,) = (payee or self.payee).finish([(taken, cost, answer)])
        return answered

    def learn(self, signed, answered):
        (fault,) = self.payer.learn(self.id, [(signed, answered.done.receipt, answered.signature)])
        return fault

    def served(self, name="an operation", bound=PRICE, cost=None):
        """Make a whole call; return what was signed and what was answered."""
        signed = self.sign(name, bound)
        answered = self.finish(self.take(signed), bound if cost is None else cost)
        assert self.learn(signed, answered) is None
        return signed, answered

    def age(self, seconds=31.0):
        """Let what is known of the chain be old."""
        self.clock += seconds

    def account(self):
        return self.payee.book.account(self.id)

    def booked(self):
        return self.payer.book.channel(self.id)
