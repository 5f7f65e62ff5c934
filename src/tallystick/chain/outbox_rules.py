"""Which change is due to a row: a pure function of the row and of what the chain shows.

Two rules keep a call from being executed twice. A row gets a new nonce only after another transaction holds its old
one in a final block, so none of its old attempts can ever be mined. And what is observed is observed in one order:
the final block, the nonces, then the receipts; so a receipt that is missing under a nonce that was already spent means
that something else spent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tallystick.chain.facts import TxReceipt
from tallystick.chain.outbox_policy import Patience
from tallystick.chain.outbox_rows import MINED, REPLACED, SENT, Row
from tallystick.core.errors import Broken
from tallystick.core.limits import OUTBOX_ATTEMPTS_MAX, OUTBOX_FILL_MAX

# What a node says when it wants a better price for the same nonce.
PRICE_TOO_LOW = frozenset({"chain.underpriced", "chain.replacement_underpriced"})


class Due(Enum):
    """What to do with one row now."""

    NOTHING = "nothing"
    SEND = "send"  # hand over the current attempt, again if need be
    BUMP = "bump"  # sign the same call with the same nonce and higher fees, then hand that over
    CONFIRM = "confirm"  # it is in the chain: mined
    FINISH = "finish"  # it is in a final block: final, or failed if it reverted
    RETURN = "return"  # it was in the chain and is not: back to sent, and hand it over again
    YIELD = "yield"  # another transaction has its nonce: replaced
    REDRAFT = "redraft"  # and has it for good: take a new nonce


@dataclass(frozen=True)
class Sight:
    """The chain as seen by one look, in this order: the final block, both nonces, then receipts.

    final_number  number of the newest final block
    final_nonce   nonces of the sender spent in final blocks
    spent_nonce   nonces of the sender spent in the newest block
    """

    final_number: int
    final_nonce: int
    spent_nonce: int


def due(row: Row, receipt: TxReceipt | None, sight: Sight, patience: Patience, now_s: float) -> Due:
    """Return what is due to a signed, sent, mined or replaced row.

    receipt  of whichever attempt the chain holds, None if it holds none
    now_s    wall clock; one that went back makes things due early, which costs a repeat and nothing else
    """
    if row.nonce is None or row.current is None:
        raise Broken("outbox.no_nonce", f"row {row.id} is {row.state} without a nonce")
    if receipt is not None:
        if receipt.block_number <= sight.final_number:
            return Due.FINISH
        return Due.NOTHING if row.state == MINED and row.receipt == receipt else Due.CONFIRM
    if sight.final_nonce > row.nonce:
        return Due.REDRAFT
    if sight.spent_nonce > row.nonce:
        return Due.NOTHING if row.state == REPLACED else Due.YIELD
    if row.state == MINED:
        return Due.RETURN
    return _pending(row, sight, patience, now_s)


def _pending(row: Row, sight: Sight, patience: Patience, now_s: float) -> Due:
    attempt = row.current
    if attempt is None or row.state == REPLACED or attempt.sent_s is None:
        return Due.SEND
    is_next = sight.spent_nonce == row.nonce
    wants_more = attempt.answer in PRICE_TOO_LOW or _passed(attempt.signed_s, now_s, patience.bump_after_s)
    if is_next and wants_more and len(row.attempts) < OUTBOX_ATTEMPTS_MAX:
        return Due.BUMP
    return Due.SEND if is_repeat_due(row, patience, now_s) else Due.NOTHING


def is_repeat_due(row: Row, patience: Patience, now_s: float) -> bool:
    """Return whether the row's current attempt should be handed over again as it is."""
    sent_s = None if row.current is None else row.current.sent_s
    return row.state != SENT or sent_s is None or _passed(sent_s, now_s, patience.rebroadcast_after_s)


def missing_nonces(unmined: Sequence[Row], sight: Sight, patience: Patience, now_s: float) -> list[int]:
    """Return the nonces that the chain waits for and no row has, once it has waited long enough.

    unmined  all rows in flight without a receipt

    Ours are taken without gaps; one opens when the key was used elsewhere and a reorganisation took that transaction
    out for good. Everything behind it would wait for ever.
    """
    first = min(unmined, key=lambda row: row.nonce or 0, default=None)
    if first is None or first.nonce is None or first.current is None or first.current.sent_s is None:
        return []
    if not _passed(first.current.signed_s, now_s, patience.bump_after_s):
        return []
    return list(range(sight.spent_nonce, min(first.nonce, sight.spent_nonce + OUTBOX_FILL_MAX)))


def _passed(since_s: float, now_s: float, span_s: float) -> bool:
    return not 0 <= now_s - since_s < span_s
