"""The report of the lifecycle story: one HTML file with nothing outside it, for a person who would rather look."""

from __future__ import annotations

from html import escape

from tallystick.demos.lineage import lineage_svg
from tallystick.demos.page import figures, mark, page, table, verdict
from tallystick.demos.plots import plots
from tallystick.demos.story import Story, brief


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
    return page("Tallystick: a model's life", parts)


def _verdict(story: Story) -> str:
    if story.is_whole:
        return verdict(
            True, "Every check held on the evidence as published, and every flipped byte was found and named."
        )
    return verdict(False, "Not everything held: see what the audit said below.")


def _figures(story: Story) -> str:
    summary = story.summary()
    return figures(
        {
            "model versions": summary["versions"],
            "predictions logged": f"{story.inferences:,}",
            "checkpoints anchored": summary["anchors"],
            "checks passed": f"{summary['checks_passed']} of {summary['checks_total']}",
            "tampers caught": f"{summary['tampers_caught']} of {summary['tampers_tried']}",
            "seconds in all": summary["seconds"],
        }
    )


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
            f"{mark(tamper.caught)} {escape(tamper.target)}",
            f"<code>{escape(brief(tamper.place))}</code>",
            "<br>".join(escape(brief(finding)) for finding in tamper.findings[:4]) or "nothing was noticed",
        )
        for tamper in story.tampers
    )
    return table(("flipped in", "where", "what the audit said"), rows)


def _anchors(story: Story) -> str:
    rows = (
        (f"{anchor.size:,}", f"<code>{anchor.root}</code>", f"<code>{anchor.transaction}</code>", f"{anchor.gas:,}")
        for anchor in story.anchors
    )
    return table(("entries", "root", "transaction", "gas"), rows, numbers={0, 3})


def _checks(story: Story) -> str:
    rows = (
        (str(number), mark(bool(check["ok"])), escape(str(check["name"])), escape(str(check["detail"])))
        for number, check in enumerate(story.checks, 1)
    )
    shown = table(("", "", "check", "what was compared"), rows, numbers={0})
    passed = f"{story.checks_passed} of {len(story.checks)} checks passed"
    return f"<details><summary>{passed}: show them</summary>{shown}</details>"
