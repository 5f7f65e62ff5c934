"""The nouns of the outbox: a row for each idempotency key, an attempt for each transaction signed for it.

    drafted ─▶ signed ─▶ sent ─▶ mined ─▶ final
       │          │        ▲│      │         a revert that was mined ends in failed instead
       ▼          ▼        │▼      ▼
     failed    replaced ◀──┴───────┘ a reorg goes back to sent; what another transaction displaced is drafted anew
                                     once that transaction is final

`outbox_store.py` keeps them, `outbox_rules.py` says which change is due, `outbox.py` is the door.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.chain.fees import Fees
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import InvalidInput, VerificationFailed

DRAFTED = "drafted"  # asked for; nothing is signed
SIGNED = "signed"  # bytes with a nonce are recorded; the node may or may not have seen them
SENT = "sent"  # the node took them
MINED = "mined"  # they are in the chain
FINAL = "final"  # and will stay there
REPLACED = "replaced"  # another transaction of the account has the nonce
FAILED = "failed"  # refused before signing, or reverted in the chain for good
STATES = (DRAFTED, SIGNED, SENT, MINED, FINAL, REPLACED, FAILED)
UNMINED = (SIGNED, SENT, REPLACED)  # with a nonce, and not in the chain
IN_FLIGHT = (*UNMINED, MINED)

CANCELLED = "outbox.cancelled"  # the error code of a row whose call its owner took back


@dataclass(frozen=True)
class Attempt:
    """One signed transaction for a row.

    is_cancel  it is not the row's call, but a transfer of nothing in its place
    sent_s     when it last left
    answer     what the node last objected to it
    """

    number: int
    nonce: int
    hash: bytes
    raw: bytes
    gas: int
    fees: Fees
    is_cancel: bool
    signed_s: float
    sent_s: float | None
    answer: str | None


@dataclass(frozen=True)
class Row:
    """One call under its idempotency key, and how far it has come.

    nonce      None until it is signed, and again after another transaction took the nonce for good
    attempts   every transaction ever signed for it, oldest first; those of the present nonce differ only in fees, and
               once it is being cancelled the newest carry nothing
    receipt    of the attempt that is in the chain, while state is mined or final, or failed on chain
    """

    id: int
    chain_id: int
    sender: str
    key: str
    call: Call
    call_digest: bytes
    gas: int | None
    state: str
    nonce: int | None
    receipt: TxReceipt | None
    error_code: str | None
    error_message: str | None
    changed_s: float
    attempts: tuple[Attempt, ...]

    @property
    def is_over(self) -> bool:
        """Whether the row can no longer change by itself."""
        return self.state in (FINAL, FAILED)

    @property
    def current(self) -> Attempt | None:
        """The newest attempt with the row's nonce: the bytes to send."""
        mine = [attempt for attempt in self.attempts if attempt.nonce == self.nonce]
        return mine[-1] if mine else None

    @property
    def is_being_cancelled(self) -> bool:
        """Whether its newest transaction is the one that cancels it; an older one may still be mined instead."""
        return self.current is not None and self.current.is_cancel


@dataclass(frozen=True)
class Change:
    """One change of state of one row, for people who ask what happened."""

    row_id: int
    at_s: float
    state: str
    why: str


def digest_of(chain_id: int, sender: str, key: str, call: Call) -> bytes:
    """Return what a row stands for, in 32 bytes: chain, sender, idempotency key, target, value and data."""
    head = orjson.dumps([chain_id, sender, key, call.to, str(call.value)])
    return sha256(head + b"\n" + call.data)


def seal_of(
    row_id: int, number: int, nonce: int, transaction_hash: bytes, gas: int, fees: Fees, is_cancel: bool
) -> bytes:
    """Return 32 bytes over what an attempt says beside its bytes, which the transaction hash covers."""
    prices = [str(fees.cap), str(fees.tip)]
    return sha256(orjson.dumps([row_id, number, nonce, transaction_hash.hex(), gas, *prices, is_cancel]))


def write_receipt(receipt: TxReceipt | None) -> bytes | None:
    """Return a receipt as JSON behind its SHA-256."""
    if receipt is None:
        return None
    document = orjson.dumps(receipt.to_rpc())
    return sha256(document) + document


def write_arguments(arguments: Mapping[str, object]) -> str:
    """Return call arguments as JSON for people; bytes become hex, what JSON has not becomes text."""
    return orjson.dumps({str(name): _plain(value) for name, value in arguments.items()}).decode()


def read_attempt(record: sqlite3.Row) -> Attempt:
    """Return the attempt that a record of the table `attempts` holds.

    raises  VerificationFailed "outbox.damaged"
    """
    with _undamaged(record["row_id"]):
        attempt = Attempt(
            number=record["number"],
            nonce=record["nonce"],
            hash=record["hash"],
            raw=record["raw"],
            gas=record["gas"],
            fees=Fees(int(record["cap"]), int(record["tip"]), bool(record["is_legacy"])),
            is_cancel=bool(record["is_cancel"]),
            signed_s=record["signed_s"],
            sent_s=record["sent_s"],
            answer=record["answer"],
        )
        numbers = (attempt.number, attempt.nonce, attempt.hash, attempt.gas, attempt.fees, attempt.is_cancel)
        _check_equal(seal_of(record["row_id"], *numbers), record["seal"])
        _check_equal(keccak(attempt.raw), attempt.hash)
    return attempt


def read_row(record: sqlite3.Row, attempts: Sequence[Attempt]) -> Row:
    """Return the row that a record of the table `rows` holds, with its attempts.

    raises  VerificationFailed "outbox.damaged"
    """
    with _undamaged(record["id"]):
        call = Call(
            to=record["target"],
            data=record["data"],
            value=int(record["value"]),
            contract=record["contract"],
            function=record["function"],
            arguments=orjson.loads(record["arguments"]),
        )
        row = Row(
            id=record["id"],
            chain_id=record["chain_id"],
            sender=record["sender"],
            key=record["key"],
            call=call,
            call_digest=record["call_digest"],
            gas=record["gas"],
            state=record["state"],
            nonce=record["nonce"],
            receipt=_read_receipt(record["receipt"]),
            error_code=record["error_code"],
            error_message=record["error_message"],
            changed_s=record["changed_s"],
            attempts=tuple(attempts),
        )
        _check_equal(digest_of(row.chain_id, row.sender, row.key, call), row.call_digest)
    return row


def _read_receipt(stored: bytes | None) -> TxReceipt | None:
    if stored is None:
        return None
    digest, document = stored[:32], stored[32:]
    _check_equal(sha256(document), digest)
    return TxReceipt.read(orjson.loads(document))


def _check_equal(computed: bytes, stored: bytes) -> None:
    if computed != stored:
        raise ValueError(f"0x{computed.hex()[:16]}… is not 0x{stored.hex()[:16]}…")


@contextmanager
def _undamaged(row_id: int) -> Iterator[None]:
    """Turn whatever a damaged record does to its reader into one error that names the row."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, InvalidInput) as error:
        raise VerificationFailed(
            "outbox.damaged",
            f"row {row_id} of the outbox is damaged",
            got=str(error)[:120],
            hint="restore the file from a backup; do not send these calls again before you know what was mined",
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
