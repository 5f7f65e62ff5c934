"""A workspace that sells its tools, and buyers with purses on the same chain."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.agents.payments.cashier import Cashier
from tallystick.agents.payments.claims import Claims
from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse import Limits, Purse
from tallystick.agents.payments.purse_book import PurseBook
from tallystick.agents.payments.settling import ExactScheme
from tallystick.agents.payments.terms import Price
from tallystick.agents.payments.verifying import Allowed
from tallystick.chain.accounts import Account
from tallystick.chain.bindings.token import Token
from tallystick.services.abilities.till import Till
from tallystick.services.mcp.server import Desk
from tallystick.tally import Tally
from tests.cli.agent_kit import open_tally
from tests.services.mcp.places import WALLET, desk_of

CENT = 10_000
BUYER = "buyer"


class Shop:
    """A workspace at `path`, its books beside it, and a buyer who has a hundred of the token."""

    def __init__(self, path: Path, token: str) -> None:
        self.path, self.token = path, token
        self._open: list[Any] = []
        with open_tally(path) as tally:
            self.seller = tally.agents.address("seller")
            self.buyer = tally.agents.address(BUYER)
            call = Token(tally.node, token).transfer(self.buyer, 10_000 * CENT)
            tally.outbox.send_and_wait(call, key="buyer")

    def cashier(self, tally: Tally) -> Cashier:
        """Return the cashier of an open workspace."""
        claims, failures = self._kept(Claims(self.path / "claims.db")), self._kept(Failures(self.path / "failures.db"))
        scheme = ExactScheme(tally.outbox, Allowed(frozenset({self.token})), failures, time.time)
        return Cashier(claims, {"exact": scheme}, time.time)

    def till(self, *, cashier: Any = None, **prices: int) -> Till:
        """Return a till with these prices in smallest units, by tool."""
        with open_tally(self.path) as tally:
            made = {name: Price.of_token(tally.node, self.token, units, self.seller) for name, units in prices.items()}
        return Till(cashier or self.cashier, made)

    @contextlib.contextmanager
    def desk(self, *, cashier: Any = None, more: dict[str, Any] | None = None, **prices: int) -> Iterator[Desk]:
        """The tools, some with a price."""
        with desk_of(self.path, WALLET, till=self.till(cashier=cashier, **prices), **(more or {})) as made:
            yield made

    @contextlib.contextmanager
    def purse(self, each: int = 10 * CENT) -> Iterator[Purse]:
        """The buyer's purse."""
        with open_tally(self.path) as tally:
            payer = KeyPayer(tally.node, Account(tally.secret(BUYER).reveal()))
            book = self._kept(PurseBook(self.path / "purse.db"))
            yield Purse(book, {"exact": payer}, Limits({self.token: each}), tally.node, time.time)

    def balance(self, account: str) -> int:
        """Return what an account has of the token."""
        with open_tally(self.path) as tally:
            return Token(tally.node, self.token).balance_of(account)

    def close(self) -> None:
        """Close the books."""
        for one in self._open:
            one.close()

    def _kept(self, book: Any) -> Any:
        self._open.append(book)
        return book
