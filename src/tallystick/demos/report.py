"""The report of the lifecycle story: one HTML file with nothing outside it, for a person who would rather look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tallystick.demos.lineage import lineage_svg
from tallystick.demos.plots import plots
from tallystick.demos.story import Story, brief

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


def html_report(story: Story) -> str:
    """Return the whole report."""
    parts = (
        "<h1>A model's life, recorded and rechecked</h1>",
        f'<p class="lead">Chain {escape(story.chain)} · registry <code>{escape(story.registry)}</code> · '
        f"log anchor <code>{escape(story.anchor)}</code></p>",
        _verdict(story),
        _figures(story),
        "<h2>Lineage</h2><p>Each version binds four roots. A filled dot: this root differs from the version before; "
        "the registry contract compared them. Accuracy is on rows that no version was trained on.</p>"
        + lineage_svg(story.versions, story.channels),
        "<h2>Predictions</h2>" + _plots(story),
        "<h2>Tampering</h2><p>One byte was flipped in each of these, and the audit run again on the damaged copy.</p>"
        + _tampers(story),
        "<h2>Anchors</h2><p>The contract took each checkpoint only with a proof that the log had grown.</p>"
        + _anchors(story),
        "<h2>What the audit checked</h2><p>In another process, from an empty folder, with nothing but the chain, two "
        f"addresses and the evidence.</p>{_checks(story)}",
        f"<h2>Check it yourself</h2><pre>{escape(chr(10).join(story.commands))}</pre>",
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Tallystick: a model's life</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _verdict(story: Story) -> str:
    if story.is_whole:
        words = "Every check held on the evidence as published, and every flipped byte was found and named."
        return f'<p class="verdict">{_mark(True)} {words}</p>'
    return f'<p class="verdict no">{_mark(False)} Not everything held: see what the audit said below.</p>'


def _figures(story: Story) -> str:
    summary = story.summary()
    figures = (
        ("model versions", summary["versions"]),
        ("predictions logged", f"{story.inferences:,}"),
        ("checkpoints anchored", summary["anchors"]),
        ("checks passed", f"{summary['checks_passed']} of {summary['checks_total']}"),
        ("tampers caught", f"{summary['tampers_caught']} of {summary['tampers_tried']}"),
        ("seconds in all", summary["seconds"]),
    )
    return '<div class="figures">' + "".join(f"<div><b>{value}</b>{name}</div>" for name, value in figures) + "</div>"


def _plots(story: Story) -> str:
    drawn = (f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>" for title, svg in plots(story).items())
    rate = (
        f"<p>{story.inferences:,} predictions over HTTP, {story.requests_per_second:,.0f} a second; each answer "
        "carries a signed ticket and was durable in the log before it left. One person's receipt, checked offline: "
        f"{escape(story.receipt)}.</p>"
    )
    return f'{rate}<div class="plots">{"".join(drawn)}</div>'


def _tampers(story: Story) -> str:
    rows = (
        (
            f"{_mark(tamper.caught)} {escape(tamper.target)}",
            f"<code>{escape(brief(tamper.place))}</code>",
            "<br>".join(escape(brief(finding)) for finding in tamper.findings[:4]) or "nothing was noticed",
        )
        for tamper in story.tampers
    )
    return _table(("flipped in", "where", "what the audit said"), rows)


def _anchors(story: Story) -> str:
    rows = (
        (f"{anchor.size:,}", f"<code>{anchor.root}</code>", f"<code>{anchor.transaction}</code>", f"{anchor.gas:,}")
        for anchor in story.anchors
    )
    return _table(("entries", "root", "transaction", "gas"), rows, numbers={0, 3})


def _checks(story: Story) -> str:
    rows = (
        (str(number), _mark(bool(check["ok"])), escape(str(check["name"])), escape(str(check["detail"])))
        for number, check in enumerate(story.checks, 1)
    )
    shown = _table(("", "", "check", "what was compared"), rows, numbers={0})
    passed = f"{story.checks_passed} of {len(story.checks)} checks passed"
    return f"<details><summary>{passed}: show them</summary>{shown}</details>"


def _mark(good: bool) -> str:
    return '<span class="ok">✓</span>' if good else '<span class="no">✗</span>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Return a table; the columns at the places in `numbers` are set right."""
    styles = [' class="number"' if place in set(numbers) else "" for place in range(len(columns))]
    head = "".join(f"<th{style}>{column}</th>" for style, column in zip(styles, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{style}>{cell}</td>" for style, cell in zip(styles, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
