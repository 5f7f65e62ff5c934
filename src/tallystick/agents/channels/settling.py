"""When a payee brings its vouchers, and for how much: enough is owed, it is owed long enough, or the channel is ending.

What is claimed is what was charged, never the whole voucher: the rest is headroom that the payer signed for calls to
come. One transaction settles up to 64 channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.agents.channels.payee_book import Account
from tallystick.agents.channels.standing import Standing
from tallystick.chain.bindings.payment_channels import Claim
from tallystick.core.limits import CHANNEL_MARGIN_S, CHANNEL_SETTLE_MANY

ENOUGH: Final = "enough is owed"
LONG: Final = "it is owed for long"
ENDING: Final = "the channel is ending"


@dataclass(frozen=True)
class SettlePolicy:
    """When to settle a channel. Whatever it says, a channel that is ending is settled.

    amount   so much is owed, in smallest units
    after_s  anything is owed for so long
    ahead_s  the channel can be emptied within so long
    """

    amount: int
    after_s: float
    ahead_s: int = 2 * CHANNEL_MARGIN_S


@dataclass(frozen=True)
class Due:
    """A channel to be settled: `total` is what its payee shall have had, and `why` it is time."""

    account: Account
    total: int
    why: str

    @property
    def owed(self) -> int:
        """What the claim brings."""
        return self.total - self.account.claimed

    def claim(self) -> Claim:
        """Return the claim as the contract takes it."""
        return Claim(self.account.terms, self.account.highest, self.total, self.account.voucher)


def find_due(
    accounts: Iterable[tuple[Account, Standing]], policy: SettlePolicy, now_s: float, chain_s: int
) -> list[Due]:
    """Return what is to be settled, the most urgent first.

    accounts  each channel as the book and as the chain have it
    now_s     on the clock of the book
    chain_s   the chain's time
    """
    found: list[tuple[int, int, Due]] = []
    for account, standing in accounts:
        total = min(account.spent, account.highest, standing.deposit)
        owed = total - standing.claimed
        if standing.is_closed or owed <= 0:
            continue
        ends = standing.ends(account.terms.expires)
        why = ""
        if chain_s + policy.ahead_s >= ends or standing.closes:
            why = ENDING
        elif owed >= policy.amount:
            why = ENOUGH
        elif now_s - account.settled_s >= policy.after_s:
            why = LONG
        if why:
            known = replace(account, claimed=standing.claimed)
            found.append((0 if why == ENDING else 1, -owed, Due(known, total, why)))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]


def batches(due: Sequence[Due]) -> list[Sequence[Due]]:
    """Return what is due in parts that fit one transaction each."""
    return [due[at : at + CHANNEL_SETTLE_MANY] for at in range(0, len(due), CHANNEL_SETTLE_MANY)]
