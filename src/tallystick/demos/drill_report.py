"""The report of the drill: one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from tallystick.agents.policy.durations import format_duration
from tallystick.demos.drill import Drill
from tallystick.demos.page import figures, mark, page, table, verdict


def html_drill(told: Drill) -> str:
    """Return the whole report."""
    thefts = (
        (
            f"{mark(one.stopped)} {escape(one.name)}",
            escape(one.tried),
            f"<code>{escape(one.stopped_by or 'nothing')}</code>",
            escape(amounts(one.lost)),
        )
        for one in told.tried
    )
    stopped = sum(one.stopped for one in told.tried)
    parts = (
        "<h1>A compromised agent, and what it could take</h1>",
        f'<p class="lead">Chain {escape(told.chain)} · wallet <code>{escape(told.wallet)}</code></p>',
        verdict(told.is_whole, closing(told)),
        figures(
            {
                "thefts stopped": f"{stopped} of {len(told.tried)}",
                "lost": escape(amounts(told.lost)),
                "blocks until frozen": told.freeze_blocks,
                "links audited": told.audit_links,
                "seconds in all": round(told.seconds, 1),
            }
        ),
        "<h2>Every theft</h2><p>The attacker has every session's key and the agent's host. What stopped it is the "
        "contract's own reason; what was lost is counted from balances, by a ledger that shares no code with the "
        "contract. Losses went to payees that the owner allows, out of budgets that the owner set.</p>",
        table(("theft", "what it tried", "what stopped it", "lost"), thefts),
        "<h2>Lost, and the most that could be</h2>",
        _bounds(told),
        "".join(f'<p class="note">Not tried: {escape(one)}</p>' for one in told.left_out),
        "<h2>Afterwards</h2>",
        table(("", ""), ((mark(good), escape(words)) for good, words in afterwards(told))),
        *(f'<p class="no">{escape(gap)}</p>' for gap in told.gaps),
    )
    return page("Tallystick: the drill", parts)


def amounts(lost: Mapping[str, str]) -> str:
    """Return amounts by coin in words."""
    return ", ".join(f"{amount} {coin}" for coin, amount in lost.items() if amount != "0") or "nothing"


def closing(told: Drill) -> str:
    """Return how the drill ended, in a sentence."""
    if told.is_whole:
        return "Every theft was stopped; what was lost stayed within its bound; the audit balances to the last unit."
    return "Not everything held: see below."


def afterwards(told: Drill) -> tuple[tuple[bool, str], ...]:
    """Return what came after the thefts: each with whether it went as it must."""
    return (
        (told.is_within, f"what was lost is within the bound of {format_duration(told.window_s)}"),
        (told.freeze_blocks == 1, f"a guardian's freeze took {told.freeze_blocks} block"),
        (told.after_freeze, "nothing left after it"),
        (told.is_swept, "the owner took the rest out, in whole"),
        (told.audit_balanced, f"the audit of {told.audit_links} links balances"),
    )


def _bounds(told: Drill) -> str:
    rows = ((escape(coin), escape(told.lost[coin]), escape(bound)) for coin, bound in told.loss_bound.items())
    return table(("coin", "lost", "bound"), rows, numbers={1, 2})
