"""A page of a demo's report: one HTML file with nothing outside it, for a person who would rather look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --quiet: #66727f; --line: #d7dde2; --good: #1f6f54; --bad: #b3261e;
  --pale: #eef5f1; --paper: #fbfcfc }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1000px;
  margin: 2.2rem auto 4rem; padding: 0 1.2rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem } h2 { font-size: 1.15rem; margin: 2.4rem 0 .3rem }
p { margin: .2rem 0 .8rem } p.lead, .note { color: var(--quiet) } .note { font-size: .9rem }
.verdict { border-left: 4px solid var(--good); background: var(--pale); padding: .7rem 1rem; border-radius: 4px;
  margin: 1.2rem 0 }
.verdict.no { border-color: var(--bad); background: #fbeeed }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: .6rem; margin: 1rem 0 }
.figures div { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; background: #fff;
  color: var(--quiet); font-size: .88rem }
.figures b { display: block; font-size: 1.35rem; color: var(--ink); white-space: nowrap }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 1rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; background: #fff; padding: .8rem }
figcaption { font-size: .9rem; font-weight: 600; margin-bottom: .4rem } figure svg { width: 100%; height: auto }
svg.lineage { width: 100%; height: auto; font: 12.5px system-ui, sans-serif }
.box { fill: #fff; stroke: var(--line) } .rule { stroke: var(--line) } .head { font-weight: 600; font-size: 14px }
.mono { font-family: ui-monospace, monospace; font-size: 11.5px } .digest { text-anchor: end }
.quiet { fill: var(--quiet) } .strong { font-weight: 600 } text.moved { fill: var(--good); font-weight: 600 }
text.same { fill: #a3adb6 } .dot.moved { fill: var(--good) } .dot.same { fill: #fff; stroke: #b9c2ca }
.arrow { stroke: var(--quiet) } .tip { fill: var(--quiet) } .pill { fill: var(--good) }
.pilled { fill: #fff; font-size: 11px; text-anchor: middle; font-weight: 600 }
table { border-collapse: collapse; width: 100%; font-size: .88rem; background: #fff; border: 1px solid var(--line) }
td:first-child { white-space: nowrap }
td, th { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top }
th { color: var(--quiet); font-weight: 600 } td.number, th.number { text-align: right; white-space: nowrap }
code { font-size: .88em; overflow-wrap: anywhere } .ok { color: var(--good) } .no { color: var(--bad) }
pre { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; overflow-x: auto;
  font-size: .82rem } details summary { cursor: pointer; color: var(--quiet); margin: .4rem 0 }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return the whole page; the parts are HTML."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def verdict(good: bool, words: str) -> str:
    """Return the one sentence that matters, marked."""
    return f'<p class="verdict{"" if good else " no"}">{mark(good)} {words}</p>'


def figures(named: Mapping[str, object]) -> str:
    """Return figures in boxes, each by its name."""
    return '<div class="figures">' + "".join(f"<div><b>{one}</b>{name}</div>" for name, one in named.items()) + "</div>"


def mark(good: bool) -> str:
    """Return a tick or a cross."""
    return '<span class="ok">✓</span>' if good else '<span class="no">✗</span>'


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Return a table; the columns at the places in `numbers` are set right."""
    styles = [' class="number"' if place in set(numbers) else "" for place in range(len(columns))]
    head = "".join(f"<th{style}>{column}</th>" for style, column in zip(styles, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{style}>{cell}</td>" for style, cell in zip(styles, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
