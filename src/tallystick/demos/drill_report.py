"""The report of the drill: one HTML file."""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.agents.policy.durations import format_duration
from tallystick.core.page import document, plain, table
from tallystick.demos.drill import Drill


def html_drill(told: Drill) -> str:
    """Return the whole report."""
    thefts = (
        (
            f"{_mark(one.stopped)} {plain(one.name)}",
            plain(one.tried, 200),
            f"<code>{plain(one.stopped_by or 'nothing', 200)}</code>",
            plain(amounts(one.lost)),
        )
        for one in told.tried
    )
    parts = (
        '<header><p class="eyebrow">Drill</p><h1>A compromised agent, and what it could take</h1>'
        f"<p>chain {plain(told.chain)} · wallet <code>{plain(told.wallet)}</code></p></header>",
        f'<p class="verdict{"" if told.is_whole else " no"}">{_mark(told.is_whole)} {closing(told)}</p>',
        _figures(told),
        "<h2>Every theft</h2><p>The attacker has every session's key and the agent's host. What stopped it is the "
        "contract's own reason; what was lost is counted from balances, by a ledger that shares no code with the "
        "contract. Losses went to payees that the owner allows, out of budgets that the owner set.</p>",
        table(("theft", "what it tried", "what stopped it", "lost"), thefts),
        "<h2>Lost, and the most that could be</h2>",
        _bounds(told),
        "".join(f'<p class="note">Not tried: {plain(one, 200)}</p>' for one in told.left_out),
        "<h2>Afterwards</h2>",
        table(("", ""), ((_mark(good), plain(words, 200)) for good, words in afterwards(told))),
        *(f'<p class="down">{plain(gap, 400)}</p>' for gap in told.gaps),
    )
    return document("Tallystick: the drill", parts)


def _figures(told: Drill) -> str:
    shown = (
        (f"{sum(one.stopped for one in told.tried)} of {len(told.tried)}", "thefts stopped"),
        (plain(amounts(told.lost)), "lost"),
        (str(told.freeze_blocks), "block until frozen"),
        (f"{told.audit_links:,}", "links audited"),
    )
    return '<div class="figures">' + "".join(f"<div><b>{one}</b>{name}</div>" for one, name in shown) + "</div>"


def _mark(good: bool) -> str:
    return '<span class="up">✓</span>' if good else '<span class="down">✗</span>'


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
    rows = ((plain(coin), plain(told.lost[coin]), plain(bound)) for coin, bound in told.loss_bound.items())
    return table(("coin", "lost", "bound"), rows, numbers={1, 2})
