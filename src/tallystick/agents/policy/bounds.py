"""The most that is lost if every session key and the agent's whole host are an attacker's: in numbers and in words.

For any window of length T and each token: what the account's bucket gives (cap, and refill in T), but no more than
what the buckets of all sessions give; the slots of EIP-3009, of each period that the window touches; what open channels
hold; of the native coin, what the EntryPoint holds. Items that approvers let pass are not in it. After a freeze only
channels are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.agents.policy.document import Policy, Session, Token
from tallystick.agents.policy.durations import format_duration
from tallystick.agents.policy.nouns import NATIVE, Level


@dataclass(frozen=True)
class LossBound:
    """The most of one token that leaves in any window of `window_s` seconds; amounts in smallest units.

    account   what the account's bucket gives
    sessions  what the buckets of all sessions that may act give
    slots     what EIP-3009 authorizations move
    channels  what open payment channels hold
    deposit   what the EntryPoint holds
    """

    token: Token
    window_s: int
    account: int
    sessions: int
    slots: int
    channels: int = 0
    deposit: int = 0

    @property
    def buckets(self) -> int:
        """What leaves through buckets: the narrower of the two bounds."""
        return min(self.account, self.sessions)

    @property
    def total(self) -> int:
        """All of it together."""
        return self.buckets + self.slots + self.channels + self.deposit

    def words(self) -> str:
        """Return the bound as a sentence."""
        narrow = "all sessions together" if self.account <= self.sessions else "the sessions' own budgets"
        parts = [f"{self.token.say(self.buckets)} by {narrow}"]
        for units, what in (
            (self.slots, "by signed authorizations, which no bucket counts"),
            (self.channels, "by vouchers of channels that are open, which a freeze does not stop"),
            (self.deposit, "by gas that the EntryPoint holds"),
        ):
            if units:
                parts.append(f"{self.token.say(units)} {what}")
        within = f"within any {format_duration(self.window_s)}"
        return f"at most {self.token.say(self.total)} can be lost {within}: {'; '.join(parts)}"

    def to_dict(self) -> dict[str, object]:
        """Return the bound as JSON members; amounts as decimal strings of smallest units."""
        names = ("account", "sessions", "buckets", "slots", "channels", "deposit", "total")
        amounts = {name: str(getattr(self, name)) for name in names}
        return {"token": self.token.name, "address": self.token.address, "window_s": self.window_s, **amounts}


def loss_bounds(
    policy: Policy, window_s: int, *, channels: Mapping[str, int] | None = None, entry_point_deposit: int = 0
) -> tuple[LossBound, ...]:
    """Return the bound of every token of the policy, in its order.

    channels             by token's address: what channels hold that the account opened
    entry_point_deposit  wei
    """
    held = channels or {}
    able = [one for one in policy.sessions if one.level >= Level.BOUNDED]
    return tuple(
        LossBound(
            token,
            window_s,
            token.budget.most_in(window_s) if token.budget else 0,
            _of_sessions(policy, able, token.address, window_s),
            sum(_of_slots(one, token, window_s) for one in able),
            held.get(token.address, 0),
            entry_point_deposit if token.address == NATIVE else 0,
        )
        for token in policy.tokens
    )


def _of_sessions(policy: Policy, able: list[Session], token: str, window_s: int) -> int:
    # A user operation pays gas without a rule, so the native coin leaves wherever there is a bucket of it.
    if token != NATIVE and not any(rule.token == token for rule in policy.rules):
        return 0
    return sum(one.budgets[token].most_in(_lived(one, window_s)) for one in able if token in one.budgets)


def _of_slots(session: Session, token: Token, window_s: int) -> int:
    is_of_it = session.slots.count and session.slots.token == token.address and token.budget is not None
    return session.slots.most_in(_lived(session, window_s)) if is_of_it else 0


def _lived(session: Session, window_s: int) -> int:
    return min(window_s, session.valid_until - session.valid_after)
