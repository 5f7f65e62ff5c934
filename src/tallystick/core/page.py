"""What every report is made of: one sheet of style, light and dark, for screen and paper; tables; outside text.

A report is one HTML file with nothing outside it. Every string that is not ours goes through `plain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2730; --quiet: #64717e; --line: #dbe1e6; --soft: #edf1f4; --paper:
  #f7f9fa; --card: #ffffff; --good: #1f6f54; --pale: #eaf4ef; --bad: #b3372b; --blush: #fbeeec; --float: #6b7fd7;
  --integer: #1f8a68; --onfill: #ffffff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebef; --quiet: #98a5b1; --line: #323c45; --soft: #262f37;
  --paper: #161c21; --card: #1e262d; --good: #46b58e; --pale: #1c322a; --bad: #e5776b; --blush: #3a2321; --float:
  #8fa0ee; --integer: #3cb78e; --onfill: #10151a }
} * { box-sizing: border-box }
body { font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background:
  var(--paper); max-width: 1080px; margin: 0 auto; padding: 2.4rem 1.4rem 4rem; font-variant-numeric: tabular-nums }
header p { margin: .15rem 0; color: var(--quiet) } header { margin-bottom: 1.4rem }
h1 { font-size: 1.8rem; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .2rem } h3 { font-size: .95rem; margin: 0 0 .6rem }
p { margin: .2rem 0 .9rem } .note { color: var(--quiet); font-size: .92rem; max-width: 46rem }
.eyebrow { text-transform: uppercase; letter-spacing: .08em; font-size: .75rem; font-weight: 600; color: var(--good)
  }
.verdict { border-left: 4px solid var(--good); background: var(--pale); padding: .75rem 1rem; border-radius: 6px;
  margin: 1rem 0 }
.verdict.no { border-color: var(--bad); background: var(--blush) }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: .7rem; margin: 1rem 0 0 }
@media (max-width: 760px) { .figures { grid-template-columns: repeat(2, 1fr) } }
.figures div { border: 1px solid var(--line); border-radius: 10px; padding: .7rem .9rem; background: var(--card);
  color: var(--quiet); font-size: .86rem; line-height: 1.35 }
.figures b { display: block; font-size: 1.45rem; line-height: 1.3; color: var(--ink); white-space: nowrap }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 410px), 1fr)); gap: 1rem;
  margin-top: .8rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; background: var(--card); padding: .9rem 1rem
  }
figcaption { font-weight: 600; font-size: .95rem; margin-bottom: .5rem; display: flex; gap: .9rem; flex-wrap: wrap }
figcaption span { font-weight: 400; color: var(--quiet) }
figure svg { display: block; width: 100%; height: auto; max-height: 420px; margin: 0 auto; font: 13px system-ui,
  sans-serif; fill: var(--ink) }
.key::before { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right:
  .4em; background: var(--integer) }
.key.float::before { background: var(--float) } svg .quiet { fill: var(--quiet) }
svg .middle { text-anchor: middle } svg .end { text-anchor: end } svg .strong { font-weight: 600 }
svg .faint { fill: var(--quiet); opacity: .6 } svg .light { fill: var(--onfill); font-weight: 600 }
svg .cell { fill: var(--soft) } svg .good { fill: var(--good) } svg .bad { fill: var(--bad) }
svg .axis { fill: none; stroke: var(--quiet) } svg .grid { stroke: var(--line) }
svg .ideal { stroke: var(--quiet); stroke-dasharray: 4 4 }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round } svg .bar { fill: var(--integer) }
svg .line.float { stroke: var(--float) } svg .line.integer { stroke: var(--integer); stroke-dasharray: 6 3 }
svg .dot.float { fill: var(--float); fill-opacity: .55 }
svg .dot.integer { fill: none; stroke: var(--integer); stroke-width: 2 }
svg.fill { width: 90px; height: 9px; vertical-align: middle; margin-right: .5em }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--card); margin-top:
  .7rem }
table { border-collapse: collapse; width: 100%; font-size: .88rem }
td, th { text-align: left; padding: .42rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top }
tr:last-child td { border-bottom: 0 } th { color: var(--quiet); font-weight: 600; white-space: nowrap }
.number { text-align: right; white-space: nowrap } tr.differs td { background: var(--blush) }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere }
td .note { display: inline-block; min-width: 13rem }
.up { color: var(--good) } .down { color: var(--bad) } details summary { cursor: pointer; color: var(--quiet) }
.inputs { display: flex; flex-wrap: wrap; gap: .3rem; margin: .4rem 0; max-width: 34rem }
.inputs span { background: var(--soft); border-radius: 5px; padding: .05rem .45rem; font-size: .82rem }
.inputs i { color: var(--quiet); font-style: normal }
footer { margin-top: 3rem; color: var(--quiet); font-size: .88rem }
@media print { body { padding: 0; max-width: none; background: #fff } h2 { break-after: avoid }
figure, tr { break-inside: avoid } }
"""


def plain(text: str, most: int = 60) -> str:
    """Return outside text fit for a page: escaped, on one line, not longer than `most`, no invisible characters."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return escape(shown if len(shown) <= most else shown[: most - 1] + "…")


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page of these parts, which are HTML; the title is text."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{plain(title, 200)}</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = (), marks: Sequence[bool] = ()
) -> str:
    """Return a table; columns in `numbers` are set right, rows in `marks` stand out."""
    right = set(numbers)
    styles = [' class="number"' if place in right else "" for place in range(len(head))]
    titles = "".join(f"<th{style}>{title}</th>" for style, title in zip(styles, head, strict=True)) if any(head) else ""
    lines = []
    for at, row in enumerate(rows):
        mark = ' class="differs"' if at < len(marks) and marks[at] else ""
        cells = "".join(f"<td{style}>{cell}</td>" for style, cell in zip(styles, row, strict=True))
        lines.append(f"<tr{mark}>{cells}</tr>")
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
