"""An audit as a page: one HTML file with nothing outside it, for people who want to see what an agent did and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tallystick.agents.audit.account import Audit
from tallystick.agents.audit.findings import Area, Movement, Place
from tallystick.agents.policy.durations import say_time
from tallystick.core.page import document, plain, table

_WIDTH, _HEIGHT, _LEFT = 480, 170, 96  # of a chart, in its own units
_BARS_MAX = 12  # counterparties that are drawn, the largest first; the table has all


def html_report(audit: Audit) -> str:
    """Return the whole page."""
    parts = (
        _header(audit),
        _verdict(audit),
        _figures(audit),
        _findings(audit),
        _sheets(audit),
        _charts(audit),
        _timeline(audit),
        _totals(audit),
        _checks(audit),
        "<footer>Made by Tallystick from the chain alone. Amounts of tokens without a name are in their smallest unit; "
        "times are those of blocks.</footer>",
    )
    return document(f"Audit of {audit.account}", parts)


def _header(audit: Audit) -> str:
    return (
        f'<header><p class="eyebrow">Audit of an agent\'s account</p><h1><code>{plain(audit.account)}</code></h1>'
        f"<p>chain {audit.chain_id} · blocks {audit.first:,} to {audit.last:,}, the last is "
        f"<code>{audit.block_hash.hex()}</code></p></header>"
    )


def _verdict(audit: Audit) -> str:
    unseen = _unseen(audit)
    if audit.is_balanced:
        return (
            '<p class="verdict"><b>Balanced.</b> Every link is there, and everything that left belongs to one thing '
            f"that was done.{unseen}</p>"
        )
    count = len(audit.gaps)
    return f'<p class="verdict no"><b>Not balanced.</b> {count} gap{"s" * (count != 1)}, named below.{unseen}</p>'


def _unseen(audit: Audit) -> str:
    """Return what the verdict does not speak of."""
    looked = {check.name for check in audit.report.checks}
    said = ((Area.NODE, "The node was believed, not proven."), (Area.INTENTS, "No records of reasons were looked at."))
    return "".join(f" {words}" for area, words in said if area.value not in looked)


def _figures(audit: Audit) -> str:
    outs = [one for one in audit.movements if one.is_out]
    refused = sum(not link.event.result for link in audit.links)
    shown = (
        (f"{len(audit.links):,}", "links in the audit chain"),
        (f"{len(outs):,}", f"movements out, to {len({one.party for one in outs}):,} parties"),
        (f"{refused:,}", f"act{'s' * (refused != 1)} refused by the policy"),
        (f"{len(audit.gaps):,}", "gap" if len(audit.gaps) == 1 else "gaps"),
    )
    return '<div class="figures">' + "".join(f"<div><b>{value}</b>{name}</div>" for value, name in shown) + "</div>"


def _findings(audit: Audit) -> str:
    if not audit.findings:
        return ""
    rows = [
        ("gap" if one.is_gap else "remark", _whole(plain(one.code)), plain(one.words, 400), _link(one.seq))
        for one in (*audit.gaps, *audit.remarks)
    ]
    marks = [one.is_gap for one in (*audit.gaps, *audit.remarks)]
    return "<h2>What does not fit</h2>" + table(("", "", "", "link"), rows, numbers=(3,), marks=marks)


def _sheets(audit: Audit) -> str:
    head = ("token", "opening", "came in", "went out", "closing", "unexplained")
    rows = [
        (
            plain(audit.names.name(one.token)),
            *(f"{value:,}" for value in (one.opening, one.came_in, one.went_out, one.closing, one.silent)),
        )
        for one in audit.sheets
    ]
    note = '<p class="note">Opening + came in − went out = closing, in smallest units.</p>'
    marks = [bool(one.silent) for one in audit.sheets]
    return f"<h2>To the last unit</h2>{note}" + table(head, rows, numbers=range(1, 6), marks=marks)


def _charts(audit: Audit) -> str:
    figures = []
    for sheet in audit.sheets:
        moved = [one for one in audit.movements if one.token == sheet.token]
        if moved:
            name = plain(audit.names.name(sheet.token))
            figures.append(_figure(f"Balance of {name}", _balance(sheet.opening, moved)))
            figures.append(_figure(f"To whom sessions paid {name}", _bars(audit, moved)))
    return f'<h2>Movements</h2><div class="pair">{"".join(figures)}</div>' if figures else ""


def _figure(title: str, chart: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{chart}</figure>"


def _balance(opening: int, moved: list[Movement]) -> str:
    """Return the balance after each movement as steps of equal width, so that a busy minute is seen too."""
    levels = [opening]
    for one in moved:
        levels.append(levels[-1] + (-one.amount if one.is_out else one.amount))
    top, step = max(*levels, 1), (_WIDTH - _LEFT - 8) / len(levels)
    points = []
    for at, level in enumerate(levels):
        x, y = _LEFT + at * step, _HEIGHT - 24 - (_HEIGHT - 44) * max(level, 0) / top
        points.append(f"{x:.1f},{y:.1f} {x + step:.1f},{y:.1f}")
    base = _HEIGHT - 24
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="20" y2="20"/>'
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{base}" y2="{base}"/>'
        f'<text class="quiet end" x="{_LEFT - 8}" y="24">{_brief(top)}</text>'
        f'<text class="quiet end" x="{_LEFT - 8}" y="{base + 4}">0</text>'
        f'<polyline class="line float" points="{" ".join(points)}"/>'
        f'<text class="quiet" x="{_LEFT}" y="{_HEIGHT - 6}">{say_time(moved[0].at)}</text>'
        f'<text class="quiet end" x="{_WIDTH - 8}" y="{_HEIGHT - 6}">{say_time(moved[-1].at)}</text></svg>'
    )


def _bars(audit: Audit, moved: list[Movement]) -> str:
    sums: dict[str, int] = defaultdict(int)
    for one in moved:
        if one.is_out and one.session:
            sums[one.party] += one.amount
    rows = sorted(sums.items(), key=lambda one: -one[1])[:_BARS_MAX]
    if not rows:
        return '<p class="note">nobody</p>'
    top, lines = rows[0][1] or 1, []
    for at, (party, amount) in enumerate(rows):
        y, width = 8 + at * 26, 190 * amount / top
        name = plain(audit.names.name(party) if party else "unknown", 24)
        lines.append(
            f'<text class="end" x="170" y="{y + 14}">{name}</text>'
            f'<rect class="bar" x="180" y="{y}" width="{max(width, 1):.1f}" height="18" rx="3"/>'
            f'<text class="quiet" x="{188 + max(width, 1):.1f}" y="{y + 14}">{_brief(amount)}</text>'
        )
    return f'<svg viewBox="0 0 {_WIDTH} {14 + 26 * len(rows)}" role="img">{"".join(lines)}</svg>'


def _brief(amount: int) -> str:
    return f"{amount:,}" if amount < 10**9 else f"{amount:.4g}".replace("e+", "e")


def _timeline(audit: Audit) -> str:
    purposes = _purposes(audit)
    rows, marks = [], []
    for one in audit.timeline:
        rows.append(
            (
                _whole(say_time(one.at).removesuffix(" UTC")),
                plain(one.who),
                plain(one.words, 300),
                purposes.get(one.place, ""),
                _link(one.seq),
            )
        )
        marks.append(not one.is_ok)
    head = ("time (UTC)", "who", "did what", "what for", "link")
    return "<h2>What happened</h2>" + table(head, rows, numbers=(4,), marks=marks)


def _purposes(audit: Audit) -> dict[Place, str]:
    found = {}
    for one in audit.reasons:
        intent = one.record.intent
        whose = f"asked by {plain(intent.asked_by)}, on the word of {plain(intent.model.name)}"
        found[one.place] = f'{plain(intent.purpose, 200)}<br><span class="note">{whose}</span>'
    return found


def _totals(audit: Audit) -> str:
    totals = audit.totals()
    parts = []
    for name, title in (("sessions", "by whom"), ("counterparties", "to whom")):
        rows = [
            (
                plain(audit.names.name(key) if key else "owner or unknown"),
                f"<code>{plain(key)}</code>",
                "<br>".join(plain(audit.names.amount(token, amount), 100) for token, amount in sums.items()),
            )
            for key, sums in totals[name].items()
        ]
        parts.append(f"<h3>{title}</h3>" + table(("", "", "went out"), rows, numbers=(2,)))
    return "<h2>In all</h2>" + "".join(parts)


def _checks(audit: Audit) -> str:
    rows = list(_check_rows(audit))
    passed = f"{audit.report.passed} of {audit.report.total} checks passed"
    shown = table(("", "", "check", "what was compared"), rows, numbers=(0,))
    return f"<h2>What was checked</h2><details><summary>{passed}</summary>{shown}</details>"


def _check_rows(audit: Audit) -> Iterator[tuple[str, str, str, str]]:
    for number, check in enumerate(audit.report.checks, 1):
        mark = '<span class="up">✓</span>' if check.ok else '<span class="down">✗</span>'
        yield str(number), mark, plain(check.name), plain(check.detail, 400)


def _whole(html: str) -> str:
    """Return a piece of a cell that is not broken over lines."""
    return f'<span class="number">{html}</span>'


def _link(seq: int) -> str:
    return str(seq) if seq else ""
