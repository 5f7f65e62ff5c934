"""The slots in which a session signs EIP-3009 authorizations: which period a slot is in.

The periods of odd slots change in the middle of those of even ones, so that whoever pays takes a slot of which half a
period is left. The contract's is `agents/policy/authorizations.vy`.
"""

from __future__ import annotations


def slot_period(slot: int, period_s: int, at: int) -> int:
    """Return the number of the period that a slot is in at an instant, as its nonce must say it.

    period_s  seconds, of the session's terms
    at        Unix seconds
    """
    return (at + slot % 2 * (period_s // 2)) // period_s
