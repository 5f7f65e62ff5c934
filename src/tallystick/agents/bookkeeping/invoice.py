"""An invoice: who bills whom, for what, how much, until when and to which address, in the seller's signed word.

Canonical JSON, hashed with Keccak-256 and signed as EIP-712 in a domain of the seller's own address, as payment
receipts are. The hash is the invoice's name, and the nonce of the payment by a key, so that the token itself pays it
only once.
docs/spec/invoice.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tallystick.chain.accounts import Account
from tallystick.core import canonical, documents, eip712
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import (
    INVOICE_ATTEMPTS_MAX,
    INVOICE_BYTES_MAX,
    INVOICE_LINES_MAX,
    INVOICE_SIGNATURE_BYTES_MAX,
    INVOICE_TEXT_MAX,
)

FORMAT: Final = "tallystick-invoice-1"
INVOICE_TYPE: Final = "Invoice(address seller,bytes32 invoice)"

_NUMBER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,62}[A-Za-z0-9])?\Z", re.ASCII)
_NETWORK: Final = re.compile(r"eip155:[1-9][0-9]{0,15}\Z", re.ASCII)
_NAMES: Final = (
    "amount", "asset", "buyer", "channel", "due", "format", "issued_at", "lines", "network", "number", "pay_to",
    "period", "seller",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing that is billed; `operation` is the hash of the operation that was sold, where it is one."""

    what: str
    amount: int
    operation: bytes | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput "invoice.text", "document.length" for words that people cannot read as they are."""
        checked_text(self.what)

    def to_dict(self) -> dict[str, Any]:
        """Return the members that are hashed."""
        operation = None if self.operation is None else self.operation.hex()
        return {"amount": str(self.amount), "operation": operation, "what": self.what}

    @classmethod
    def read(cls, value: object) -> Item:
        """Read one of an invoice's lines."""
        found = documents.members(value, "line of the invoice", ("amount", "operation", "what"))
        operation = found["operation"]
        return cls(
            what=checked_text(found["what"]),
            amount=documents.decimal(found["amount"], "amount"),
            operation=None if operation is None else documents.digest(operation, "operation"),
        )


@dataclass(frozen=True)
class Stretch:
    """The part of a payment channel that an invoice bills: what its payee shall have had, in all, once it is paid.

    contract  the contract of channels
    after     what the payee shall have had in all; before it there were `after` less the invoice's amount
    """

    contract: str
    id: bytes
    after: int

    def to_dict(self) -> dict[str, Any]:
        """Return the members that are hashed."""
        return {"after": str(self.after), "contract": self.contract, "id": self.id.hex()}

    @classmethod
    def read(cls, value: object) -> Stretch:
        """Read an invoice's channel."""
        found = documents.members(value, "channel of the invoice", ("after", "contract", "id"))
        after = documents.decimal(found["after"], "after", 2**128 - 1)
        return cls(parse_address(found["contract"]), documents.digest(found["id"], "channel"), after)


@dataclass(frozen=True)
class Invoice:
    """What a seller bills a buyer.

    seller   whose signature makes it good: a key, or an account with code that says so (ERC-1271)
    number   the seller's own, used once
    buyer    whose payment pays it
    amount   in smallest units of the token `asset`: the sum of its lines
    due      until when it is to be paid, in seconds since 1970, as `issued_at` and the period are
    period   first and last second in which it was sold; None where that does not matter
    channel  where it is paid by a claim on a payment channel; None where it is paid by a transfer
    """

    network: str
    seller: str
    number: str
    buyer: str
    pay_to: str
    asset: str
    amount: int
    issued_at: int
    due: int
    lines: tuple[Item, ...]
    period: tuple[int, int] | None = None
    channel: Stretch | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput "invoice.…" for what cannot be billed."""
        checked_number(self.number)
        if not _NETWORK.match(self.network):
            raise InvalidInput("invoice.network", "not a network of ours", expected="eip155:…", got=ascii(self.network))
        if not 1 <= len(self.lines) <= INVOICE_LINES_MAX:
            expected = f"1 to {INVOICE_LINES_MAX}"
            raise InvalidInput("invoice.lines", "an invoice has lines", expected=expected, got=len(self.lines))
        total = sum(one.amount for one in self.lines)
        if total != self.amount or not 0 < self.amount < 2**256:
            raise InvalidInput("invoice.sum", "the amount is not the sum of the lines", expected=total, got=self.amount)
        if self.due < self.issued_at or (self.period is not None and self.period[0] > self.period[1]):
            raise InvalidInput("invoice.times", "due before it is issued, or a period that ends before it begins")
        if self.channel is not None and self.channel.after < self.amount:
            raise InvalidInput(
                "invoice.channel", "the channel had paid less than nothing before", expected=f"≥ {self.amount}",
                got=self.channel.after,
            )  # fmt: skip

    @property
    def chain_id(self) -> int:
        """The chain that it is paid on."""
        return int(self.network.removeprefix("eip155:"))

    def to_dict(self) -> dict[str, Any]:
        """Return the members that are hashed."""
        return {
            "amount": str(self.amount),
            "asset": self.asset,
            "buyer": self.buyer,
            "channel": None if self.channel is None else self.channel.to_dict(),
            "due": self.due,
            "format": FORMAT,
            "issued_at": self.issued_at,
            "lines": [one.to_dict() for one in self.lines],
            "network": self.network,
            "number": self.number,
            "pay_to": self.pay_to,
            "period": None if self.period is None else {"first": self.period[0], "last": self.period[1]},
            "seller": self.seller,
        }

    def hash(self) -> bytes:
        """Return the invoice's name: Keccak-256 of its canonical JSON."""
        return keccak(canonical.encode(self.to_dict()))

    def nonces(self) -> tuple[bytes, ...]:
        """Return the nonces that a key pays it with, in order: the next once the one before can no longer be used."""
        name = self.hash()
        return (name, *(keccak(name + at.to_bytes(32, "big")) for at in range(1, INVOICE_ATTEMPTS_MAX)))

    def signing_digest(self) -> bytes:
        """Return what the seller signs: EIP-712, in a domain of the seller's own address."""
        domain = eip712.Domain("Tallystick Invoice", "1", self.chain_id, self.seller)
        return eip712.typed_digest(domain, INVOICE_TYPE, (self.seller, self.hash()))


@dataclass(frozen=True)
class SignedInvoice:
    """An invoice with a signature; reading one says nothing about whose it is, `check_invoice` does."""

    invoice: Invoice
    signature: bytes

    def to_dict(self) -> dict[str, Any]:
        """Return it as it travels."""
        return {"invoice": self.invoice.to_dict(), "signature": self.signature.hex()}

    def to_bytes(self) -> bytes:
        """Return it as canonical JSON, which `from_bytes` reads back the same."""
        return canonical.encode(self.to_dict())

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedInvoice:
        """Read an invoice without checking it; raises InvalidInput "canonical.…", "document.…", "invoice.…"."""
        if len(data) > INVOICE_BYTES_MAX:
            raise InvalidInput("document.length", "invoice is too long", expected=INVOICE_BYTES_MAX, got=len(data))
        found = documents.members(canonical.decode(data, "invoice"), "invoice", ("invoice", "signature"))
        told = documents.members(found["invoice"], "invoice", _NAMES)
        if told["format"] != FORMAT:
            raise InvalidInput("invoice.format", "not an invoice", expected=FORMAT, got=ascii(told["format"])[:80])
        invoice = Invoice(
            network=documents.text(told["network"], "network", 64),
            seller=parse_address(told["seller"]),
            number=documents.text(told["number"], "number", 64),
            buyer=parse_address(told["buyer"]),
            pay_to=parse_address(told["pay_to"]),
            asset=parse_address(told["asset"]),
            amount=documents.decimal(told["amount"], "amount"),
            issued_at=documents.integer(told["issued_at"], "issued_at"),
            due=documents.integer(told["due"], "due"),
            lines=tuple(Item.read(one) for one in documents.listed(told["lines"], "lines", INVOICE_LINES_MAX)),
            period=_period(told["period"]),
            channel=None if told["channel"] is None else Stretch.read(told["channel"]),
        )
        if invoice.to_dict() != told:
            raise InvalidInput("invoice.spelling", "the invoice has another spelling than its signer hashed")
        return cls(invoice, documents.hexed(found["signature"], "signature", INVOICE_SIGNATURE_BYTES_MAX))


def sign_invoice(invoice: Invoice, account: Account) -> SignedInvoice:
    """Return the invoice signed by its seller's key; raises InvalidInput "invoice.seller" for another's key."""
    if account.address != invoice.seller:
        raise InvalidInput("invoice.seller", "only its seller signs it", expected=invoice.seller, got=account.address)
    return SignedInvoice(invoice, account.sign_digest(invoice.signing_digest()))


def checked_number(number: str) -> str:
    """Return a number that an invoice may have; raises InvalidInput "invoice.number"."""
    if not _NUMBER.match(number):
        raise InvalidInput(
            "invoice.number", "not the number of an invoice", expected="1 to 64 letters, digits, and . _ / - between",
            got=ascii(number)[:80],
        )  # fmt: skip
    return number


def checked_text(value: object) -> str:
    """Return what a line may say: short, on one line, printable. Raises InvalidInput "invoice.text", "document.…"."""
    found = documents.text(value, "what is billed", INVOICE_TEXT_MAX)
    if not found.strip() or not found.isprintable():
        raise InvalidInput("invoice.text", "a line says what is billed, in printable letters", got=ascii(found)[:80])
    return found


def _period(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    found = documents.members(value, "period", ("first", "last"))
    return documents.integer(found["first"], "first"), documents.integer(found["last"], "last")
