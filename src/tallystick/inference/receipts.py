"""Receipts: what a person keeps of a prediction, and checks offline years later with the log's vkey alone.

A receipt is made from tiles whenever it is asked for; it shows the size of the log at that time. Many receipts share
one checkpoint, so a verifier checks each checkpoint's signature once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

from tallystick.core.checkpoint import Checkpoint, open_checkpoint
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.limits import RECEIPT_HEADS_MAX
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import Receipt
from tallystick.inference.log.journal import parse_head


class ReceiptSource(Protocol):
    """What receipts are made from: a `LogReader` is one."""

    def checkpoint(self) -> bytes | None:
        """Return the latest signed checkpoint."""

    def entry(self, index: int) -> bytes:
        """Return an entry."""

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return an audit path."""


def build_receipt(log: ReceiptSource, index: int, checkpoint: bytes | None = None) -> Receipt:
    """Return the receipt of entry `index` under a signed checkpoint, by default the latest.

    raises  InvalidInput "receipt.uncovered" when the checkpoint does not reach the entry yet
    """
    note = checkpoint if checkpoint is not None else log.checkpoint()
    size = parse_head(note).size if note is not None else 0
    if note is None or not 0 <= index < size:
        raise InvalidInput(
            "receipt.uncovered",
            f"no checkpoint covers entry {index} yet",
            expected=f"index < {size}",
            got=index,
            hint="sign a checkpoint, then ask again",
        )
    return Receipt(log.entry(index), index, tuple(log.inclusion(index, size)), note)


class ReceiptVerifier:
    """Verifies receipts against known log keys, remembering which checkpoints were signed."""

    def __init__(self, keys: Iterable[VerifierKey]) -> None:
        self._keys = tuple(keys)
        self._heads: OrderedDict[bytes, Checkpoint] = OrderedDict()

    def verify(self, receipt: Receipt) -> Checkpoint:
        """Return the signed checkpoint that contains the receipt's entry.

        raises  InvalidInput, VerificationFailed as `Receipt.verify` does
        """
        head = self._heads.get(receipt.checkpoint)
        if head is None:
            head = open_checkpoint(receipt.checkpoint, self._keys)
            self._heads[receipt.checkpoint] = head
            if len(self._heads) > RECEIPT_HEADS_MAX:
                self._heads.popitem(last=False)
        receipt.verify_in(head)
        return head


def verify_receipts(receipts: Sequence[Receipt], keys: Iterable[VerifierKey]) -> list[TallystickError | None]:
    """Return for each receipt None if it holds, else what is wrong with it."""
    verifier = ReceiptVerifier(keys)
    found: list[TallystickError | None] = []
    for receipt in receipts:
        try:
            verifier.verify(receipt)
        except TallystickError as error:
            found.append(error)
        else:
            found.append(None)
    return found
