"""The kill switch rehearsed: who could stop an account at this moment, and could its owner take everything out.

Each act is asked of a node as if it were sent, by who would send it. Nothing is sent and nothing changes, so it can be
done daily; that a freeze then kills every session is held by the contract's own tests and by `tally demo drill`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tallystick.agents.policy.nouns import NATIVE
from tallystick.chain.bindings.policy_account import PolicyAccount
from tallystick.chain.calls import Call
from tallystick.chain.coin import read_coin
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, Rejected

_FREEZE_S = 3_600  # any length will do


@dataclass(frozen=True)
class Trial:
    """One act that was tried and not made.

    who       who would send it
    deed      "freeze" or "sweep"
    token     of a sweep: what would be taken out; the zero address for native coin
    reason    why it would fail, in the contract's words; "" if it would be made
    cost_wei  its gas at the price of now; 0 where it would fail
    can_pay   whether who would send it has that much
    """

    who: str
    deed: str
    token: str
    reason: str
    cost_wei: int
    can_pay: bool

    @property
    def is_good(self) -> bool:
        """Whether it would be made."""
        return not self.reason and self.can_pay

    def to_dict(self) -> dict[str, object]:
        """Return the trial as JSON members."""
        return {
            "who": self.who, "deed": self.deed, "token": self.token, "reason": self.reason,
            "cost_wei": str(self.cost_wei), "can_pay": self.can_pay, "is_good": self.is_good,
        }  # fmt: skip


def rehearse(node: Node, account: str, guardians: Sequence[str], *, is_free: bool = False) -> tuple[Trial, ...]:
    """Return what came of a freeze by each guardian and the owner, and of a sweep of all that the account holds.

    is_free  whether gas costs nothing on this chain, as on the embedded one
    raises   what `Node` raises, but for what the contract says
    """
    binding = PolicyAccount(node, account)
    owner = binding.owner()
    return tuple(
        _tried(node, who, deed, token, call, is_free)
        for who, deed, token, call in _deeds(node, binding, owner, guardians)
    )


def _deeds(
    node: Node, account: PolicyAccount, owner: str, guardians: Sequence[str]
) -> Iterator[tuple[str, str, str, Call]]:
    for who in (*guardians, owner):
        yield who, "freeze", "", account.freeze(_FREEZE_S)
    for token in (NATIVE, *account.tokens()):
        if read_coin(node, token).balance(node, account.address):
            yield owner, "sweep", token, account.sweep(token, owner)


def _tried(node: Node, who: str, deed: str, token: str, call: Call, is_free: bool) -> Trial:
    assert call.to is not None
    try:
        node.call(call.to, call.data, sender=who)
        gas = node.estimate_gas(call.to, call.data, sender=who)
    except (Rejected, InvalidInput) as error:
        return Trial(who, deed, token, error.code, 0, True)
    cost_wei = gas * node.gas_price()
    return Trial(who, deed, token, "", cost_wei, is_free or node.balance(who) >= cost_wei)
