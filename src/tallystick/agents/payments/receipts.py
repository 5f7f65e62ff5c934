"""What a payee signs about a payment: who paid how much for which operation, by which transaction, for which answer.

The chain proves that money moved; nothing there says what for. The receipt does, in the payee's word: it names the
operation and the SHA-256 of the answer, and where the answer is a prediction with a receipt of its own, the leaf of
its entry in the log. So a payer can show that a payment bought this answer, and whoever serves another one is caught.
It travels in the settlement's extensions, under `tallystick-receipt`. docs/spec/payment-receipt.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tallystick.agents.payments.outcomes import Claimable
from tallystick.agents.payments.transfers import has_transfer
from tallystick.chain.accounts import Account
from tallystick.chain.node import Node
from tallystick.core import canonical, documents, eip712
from tallystick.core.checks import Check, Report
from tallystick.core.digest import keccak, parse_hex32, sha256
from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import PAYMENT_BODY_BYTES_MAX

FORMAT: Final = "tallystick-payment-1"
EXTENSION: Final = "tallystick-receipt"
RECEIPT_TYPE: Final = "PaymentReceipt(address payee,bytes32 receipt)"

_NAMES: Final = (
    "amount", "answer", "asset", "entry", "format", "issued_at", "network", "nonce", "operation", "payee", "payer",
    "transaction",
)  # fmt: skip


@dataclass(frozen=True)
class PaymentReceipt:
    """A payment and what it bought.

    answer       SHA-256 of the answer, None where it left before it was whole
    entry        leaf hash of the log's entry, where the answer has an inference receipt; None otherwise
    transaction  as the network names it
    issued_at    in seconds since 1970
    """

    network: str
    asset: str
    payer: str
    payee: str
    amount: int
    nonce: bytes
    operation: bytes
    transaction: str
    answer: bytes | None
    entry: bytes | None
    issued_at: int

    def to_dict(self) -> dict[str, Any]:
        """Return the members that are hashed."""
        return {
            "amount": str(self.amount),
            "answer": None if self.answer is None else self.answer.hex(),
            "asset": self.asset,
            "entry": None if self.entry is None else self.entry.hex(),
            "format": FORMAT,
            "issued_at": self.issued_at,
            "network": self.network,
            "nonce": self.nonce.hex(),
            "operation": self.operation.hex(),
            "payee": self.payee,
            "payer": self.payer,
            "transaction": self.transaction,
        }

    def hash(self) -> bytes:
        """Return the receipt's name: Keccak-256 of its canonical JSON."""
        return keccak(canonical.encode(self.to_dict()))

    def signing_digest(self) -> bytes:
        """Return what the payee signs: EIP-712, in a domain of the payee's own address."""
        chain_id = int(self.network.removeprefix("eip155:"))
        domain = eip712.Domain("Tallystick Payment", "1", chain_id, self.payee)
        return eip712.typed_digest(domain, RECEIPT_TYPE, (self.payee, self.hash()))

    @property
    def claim(self) -> Claimable:
        """What the chain knows the payment by."""
        return Claimable(self.network, self.asset, self.payer, self.payee, self.amount, self.nonce, b"")


@dataclass(frozen=True)
class SignedReceipt:
    """A receipt with a signature of 65 bytes; reading one says nothing about whose it is, `check_receipt` does."""

    receipt: PaymentReceipt
    signature: bytes

    def to_dict(self) -> dict[str, Any]:
        """Return it as it travels."""
        return {"receipt": self.receipt.to_dict(), "signature": self.signature.hex()}

    def to_bytes(self) -> bytes:
        """Return it as canonical JSON, which `from_bytes` reads back the same."""
        return canonical.encode(self.to_dict())

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedReceipt:
        """Read a receipt without checking it; raises InvalidInput "canonical.…", "document.…", "receipt.format"."""
        if len(data) > PAYMENT_BODY_BYTES_MAX:
            raise InvalidInput("document.length", "receipt is too long", expected=PAYMENT_BODY_BYTES_MAX, got=len(data))
        return cls.read(canonical.decode(data, "payment receipt"))

    @classmethod
    def read(cls, value: object) -> SignedReceipt:
        """Read what came in a settlement's extension; raises as `from_bytes`."""
        found = documents.members(value, "payment receipt", ("receipt", "signature"))
        told = documents.members(found["receipt"], "receipt", _NAMES)
        if told["format"] != FORMAT:
            got = ascii(told["format"])[:80]
            raise InvalidInput("payment.receipt", "not a payment receipt", expected=FORMAT, got=got)
        network = documents.text(told["network"], "network", 64)
        if not network.startswith("eip155:") or not network[7:].isdigit() or len(network) > 25:
            raise InvalidInput("payment.network", "not a network of ours", expected="eip155:…", got=ascii(network))
        receipt = PaymentReceipt(
            network=network,
            asset=parse_address(told["asset"]),
            payer=parse_address(told["payer"]),
            payee=parse_address(told["payee"]),
            amount=documents.decimal(told["amount"], "amount"),
            nonce=documents.digest(told["nonce"], "nonce"),
            operation=documents.digest(told["operation"], "operation"),
            transaction=documents.text(told["transaction"], "transaction", 80),
            answer=None if told["answer"] is None else documents.digest(told["answer"], "answer"),
            entry=None if told["entry"] is None else documents.digest(told["entry"], "entry"),
            issued_at=documents.integer(told["issued_at"], "issued_at"),
        )
        if receipt.to_dict() != told:
            raise InvalidInput("payment.receipt", "the receipt has another spelling than its signer hashed")
        signature = documents.hexed(found["signature"], "signature", 65)
        return cls(receipt, signature)

    def signer(self) -> str:
        """Return whose key signed; raises VerificationFailed "eip712.signature"."""
        return eip712.recover(self.receipt.signing_digest(), self.signature)


def sign_receipt(receipt: PaymentReceipt, account: Account) -> SignedReceipt:
    """Return the receipt signed by the payee's key; whoever else signs is found out by `check_receipt`."""
    return SignedReceipt(receipt, account.sign_digest(receipt.signing_digest()))


def check_receipt(
    signed: SignedReceipt, *, operation: bytes, answer: bytes | None = None, entry: bytes | None = None,
    node: Node | None = None, signers: frozenset[str] = frozenset(),
) -> Report:  # fmt: skip
    """Return the checks of a receipt that came with an answer.

    1  the payee signed it, or one whom the payer takes for the payee's seller
    2  it is for the operation that was asked for         3  it is for the answer that came
    4  it names the inference receipt's entry             5  the chain shows the transfer in that transaction

    answer, entry  where they are known; a receipt that names neither fails the check of what is known
    node           without one, 5 is left out
    """
    return Report.of(_checks(signed, operation, answer, entry, node, signers))


def _checks(
    signed: SignedReceipt, operation: bytes, answer: bytes | None, entry: bytes | None, node: Node | None,
    signers: frozenset[str],
) -> Iterator[Check]:  # fmt: skip
    one = signed.receipt
    try:
        signer = signed.signer()
        yield Check("signature", signer == one.payee or signer in signers, "by the payee", one.payee, signer)
    except VerificationFailed as error:
        yield Check.failed("signature", error)
    yield Check.equal("operation", operation, one.operation)
    if answer is not None:
        yield Check.equal("answer", sha256(answer), one.answer)
    if entry is not None:
        yield Check.equal("inference entry", entry, one.entry)
    if node is not None:
        yield _transfer(one, node)


def _transfer(one: PaymentReceipt, node: Node) -> Check:
    try:
        if one.network != f"eip155:{node.chain_id}":
            return Check.equal("transfer", one.network, f"eip155:{node.chain_id}", "the node is on another chain")
        receipt = node.receipt(parse_hex32(one.transaction, "transaction"))
    except TallystickError as error:
        return Check.failed("transfer", error)
    is_there = receipt is not None and receipt.succeeded and has_transfer(receipt.logs, one.asset, one.claim)
    return Check("transfer", is_there, "in the transaction that the receipt names", one.transaction)
