"""The report of the lifecycle story: one HTML file with nothing outside it, for a person who would rather look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tallystick.demos.lineage import lineage_svg
from tallystick.demos.plots import plots
from tallystick.demos.story import Story

_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --quiet: #66727f; --line: #d7dde2; --good: #1f6f54; --bad: #b3261e; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 940px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p.lead { color: var(--quiet); margin-top: 0 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: .6rem; margin: 1rem 0 }
.figures div { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem }
.figures b { display: block; font-size: 1.3rem }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-size: .85rem; color: var(--quiet) } figure svg { width: 100%; height: auto }
svg.lineage { width: 100%; height: auto; font: 12px system-ui, sans-serif }
.box { fill: #fff; stroke: var(--line) } .head { font-weight: 600; font-size: 13px } .mono { font-family: monospace }
.quiet { fill: var(--quiet) } .strong { font-weight: 600 } .moved { fill: var(--good) }
.same { fill: #fff; stroke: var(--line) } .arrow { stroke: var(--quiet) } .tip { fill: var(--quiet) }
table { border-collapse: collapse; width: 100%; font-size: .88rem }
td, th { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
code { font-size: .85em; overflow-wrap: anywhere } .ok { color: var(--good) } .no { color: var(--bad) }
"""


def html_report(story: Story) -> str:
    """Return the whole report."""
    summary = story.summary()
    figures = (
        ("versions", summary["versions"]),
        ("predictions logged", f"{story.inferences:,}"),
        ("checkpoints anchored", summary["anchors"]),
        ("checks passed", f"{summary['checks_passed']} of {summary['checks_total']}"),
        ("tampers caught", f"{summary['tampers_caught']} of {summary['tampers_tried']}"),
        ("seconds", summary["seconds"]),
    )
    parts = (
        "<h1>A model's life, recorded and rechecked</h1>",
        f'<p class="lead">Chain {escape(story.chain)} · registry <code>{escape(story.registry)}</code> · '
        f"log anchor <code>{escape(story.anchor)}</code></p>",
        '<div class="figures">' + "".join(f"<div><b>{value}</b>{name}</div>" for name, value in figures) + "</div>",
        "<h2>Lineage</h2><p>A filled dot: this root differs from the version before. The registry contract compared "
        "them.</p>" + lineage_svg(story.versions),
        "<h2>Predictions</h2>" + _plots(story),
        "<h2>Tampering</h2><p>One byte was flipped in each of these, and the audit run again.</p>" + _tampers(story),
        "<h2>Anchors</h2>" + _anchors(story),
        f"<h2>What the audit checked</h2>{_checks(story)}",
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Tallystick: a model's life</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _plots(story: Story) -> str:
    drawn = (f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>" for title, svg in plots(story).items())
    rate = f"<p>{story.inferences:,} predictions over HTTP, {story.requests_per_second:,.0f} a second.</p>"
    return f'{rate}<div class="plots">{"".join(drawn)}</div>'


def _tampers(story: Story) -> str:
    rows = (
        (
            tamper.target,
            f"<code>{escape(tamper.place)}</code>",
            _mark(tamper.caught),
            "<br>".join(escape(finding) for finding in tamper.findings[:4]),
        )
        for tamper in story.tampers
    )
    return _table(("flipped in", "where", "caught", "what the audit said"), rows)


def _anchors(story: Story) -> str:
    rows = (
        (f"{anchor.size:,}", f"<code>{anchor.root}</code>", f"<code>{anchor.transaction}</code>", f"{anchor.gas:,}")
        for anchor in story.anchors
    )
    return _table(("entries", "root", "transaction", "gas"), rows)


def _checks(story: Story) -> str:
    rows = (
        (str(number), _mark(bool(check["ok"])), escape(str(check["name"])), escape(str(check["detail"])))
        for number, check in enumerate(story.checks, 1)
    )
    return _table(("", "", "check", "what was compared"), rows)


def _mark(good: bool) -> str:
    return '<span class="ok">✓</span>' if good else '<span class="no">✗</span>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
