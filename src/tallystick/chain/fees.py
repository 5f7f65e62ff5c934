"""What to offer for a transaction: pure functions of the base fee, the node's suggestion and a budget.

All prices are wei per unit of gas. The cap is what may be paid at most, the tip what the block builder keeps
(EIP-1559); a chain without a base fee has one price, which is both.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.errors import Unavailable
from tallystick.core.limits import FEE_CAP_WEI_MAX, FEE_TIP_WEI_MAX


@dataclass(frozen=True)
class Fees:
    """One offer. `is_legacy` where the chain has no base fee: then cap and tip are the gas price."""

    cap: int
    tip: int
    is_legacy: bool = False


@dataclass(frozen=True)
class FeeBudget:
    """The most that may be offered, in wei per gas; nothing above it is ever signed."""

    cap_max: int = FEE_CAP_WEI_MAX
    tip_max: int = FEE_TIP_WEI_MAX


def first_fees(base_fee: int | None, tip: int, budget: FeeBudget) -> Fees:
    """Return the first offer: a cap of twice the base fee plus the tip, which outlasts five full blocks.

    base_fee  of the newest block; None on a chain without
    tip       the node's suggestion: a tip, or on a chain without base fee the gas price
    raises    Unavailable "fees.over_budget" when not even the base fee fits
    """
    if base_fee is None:
        if tip > budget.cap_max:
            raise _over_budget(tip, budget)
        return Fees(tip, tip, is_legacy=True)
    if base_fee > budget.cap_max:
        raise _over_budget(base_fee, budget)
    cap = min(2 * base_fee + min(tip, budget.tip_max), budget.cap_max)
    return Fees(cap, min(tip, budget.tip_max, cap))


def bumped_fees(last: Fees, base_fee: int | None, tip: int, budget: FeeBudget) -> Fees | None:
    """Return an offer that nodes accept in place of `last`: both prices an eighth higher, or more if the market is.

    returns  None when the budget does not allow an eighth more; then there is nothing to do but wait
    source   geth's pool asks for 10 % on both prices, others for 12.5 %
    """
    cap = _eighth_more(last.cap)
    lifted = _eighth_more(last.tip)
    if cap > budget.cap_max or (lifted > budget.tip_max and not last.is_legacy):
        return None
    if last.is_legacy:
        price = min(max(cap, tip), budget.cap_max)
        return Fees(price, price, is_legacy=True)
    lifted = max(lifted, min(tip, budget.tip_max))
    cap = min(max(cap, 2 * (base_fee or 0) + lifted), budget.cap_max)
    return Fees(cap, min(lifted, cap))


def _eighth_more(price: int) -> int:
    return price + max(1, -(-price // 8))


def _over_budget(price: int, budget: FeeBudget) -> Unavailable:
    return Unavailable(
        "fees.over_budget",
        "the chain asks for more than the budget allows",
        expected=f"at most {budget.cap_max} wei per gas",
        got=f"{price} wei per gas",
        hint="wait until fees fall, or raise the budget",
    )
