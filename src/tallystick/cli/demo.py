"""`tally demo`: stories across rooms, told on real data."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from tallystick.cli.door import answers
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.ids import parse_address
from tallystick.demos.lifecycle import PREDICTIONS, Settings, tell
from tallystick.demos.places import Places
from tallystick.demos.story import Story, brief
from tallystick.store.files import write_atomic
from tallystick.tally.agents.system import ENTRY_POINT


@click.group(
    "demo", invoke_without_command=True, short_help="Tell a model's whole life, then tamper with it and be caught"
)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Where.")
@click.option("--predictions", default=PREDICTIONS, show_default=True, help="How many are served and logged.")
@click.option("--rpc", help="URL of a development node; the embedded chain when left out.")
@answers
def command(output: Output, folder: Path, predictions: int, rpc: str | None) -> int:
    """Record a model's whole life, audit it from the public half alone, then tamper with it and be caught.

    With the name of another story, tell that one instead.
    """
    if click.get_current_context().invoked_subcommand:
        return 0
    story, places = tell(Settings(folder, predictions, rpc), output.progress)
    output.result(story.summary(), _closing(story, places))
    return 0 if story.is_whole else EXIT_FAULTS_FOUND


@command.command("dispute")
@click.option("--rpc", help="URL of a development node; an embedded chain when left out.")
@answers
def dispute(output: Output, rpc: str | None) -> int:
    """Lie about a network's answer at each of its layers, under bond, and be caught each time."""
    from tallystick.demos.dispute import tell_dispute  # leaves with its room

    told = tell_dispute(rpc, output.progress)
    steps = [(step, f"{gas:,}") for step, gas in told.gas.items()]
    shown: list[str | Table] = [
        table("What each step took", ("", "gas"), steps),
        "",
        f"{sum(told.lies)} of {len(told.lies)} lies fell, each at the layer where it began",
        f"{sum(told.honest)} of {len(told.honest)} honest claims stood, through {len(told.attacks)} attacks",
        f"The last one is final and paid: {'yes' if told.is_paid else 'no'}; {told.seconds:.1f} seconds",
    ]
    output.result(told.summary(), shown)
    return 0 if told.is_whole else EXIT_FAULTS_FOUND


@command.command("drill")
@click.option("--rpc", help="URL of a development node, whose clock is turned; an embedded chain when left out.")
@click.option("--entry-point", default=ENTRY_POINT, show_default=True, help="ERC-4337's EntryPoint v0.8, if there.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a report with all of it, an HTML file.")
@answers
def drill(output: Output, rpc: str | None, entry_point: str, report: Path | None) -> int:
    """Be a compromised agent, try every theft on its wallet, and see what stops each and what it costs."""
    from tallystick.demos.drill import tell_drill  # leaves with its room
    from tallystick.demos.drill_report import afterwards, amounts, closing, html_drill

    told = tell_drill(rpc, output.progress, entry_point=parse_address(entry_point))
    if report is not None:
        write_atomic(report, html_drill(told).encode())
    thefts = [("✓" if one.stopped else "✗", one.name, one.stopped_by, amounts(one.lost)) for one in told.tried]
    rows = [(coin, told.lost[coin], bound) for coin, bound in told.loss_bound.items()]
    shown: list[str | Table] = [
        table("Thefts with every session's key", ("", "tried", "stopped by", "lost"), thefts),
        "",
        table("Lost until the freeze", ("", "lost", "bound"), rows),
        "",
        *(f"Not tried: {one}" for one in told.left_out),
        *(f"{'✓' if good else '✗'} {words}" for good, words in afterwards(told)),
        *told.gaps,
        f"{closing(told)} {told.seconds:.1f} seconds",
    ]
    output.result(told.summary(), shown)
    return 0 if told.is_whole else EXIT_FAULTS_FOUND


@command.command("agents")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("out/agents"), show_default=True, help="Where.")
@click.option("--calls", default=250, show_default=True, help="How many answers are bought over a channel.")
@click.option("--rpc", help="URL of a development node; an embedded chain when left out.")
@answers
def agents(output: Output, folder: Path, calls: int, rpc: str | None) -> int:
    """Let an agent find and buy what it needs, attack it, let it ask for more, stop it, and see why it paid what."""
    from tallystick.demos.agents import AgentsSettings, tell_agents  # leaves with its room

    told, places = tell_agents(AgentsSettings(folder, calls, rpc), output.progress)
    services = [("→" if one.is_best else "", one.name, one.price, one.score, one.naive) for one in told.services]
    orders = [("✓" if one.refused_by else "✗", one.tool, one.refused_by or "it was done") for one in told.orders]
    times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in told.seconds.items())
    shown: list[str | Table] = [
        table("What the agent found", ("", "service", "price", "score", "naive average"), services),
        "",
        f"Its answer: {told.answer}",
        "",
        table("What a hostile document had it try", ("", "tool", "refused by"), orders),
        "",
        table("Every payment, and why", ("", "of", "to", "how", "for"), told.paid_in_groups()),
        "",
        *(f"{'✓' if good else '✗'} {words}" for good, words in told.checks()),
        *told.gaps,
        f"{told.summary()['seconds']} seconds: {times}",
        "",
        f"The report, with the commands that look at all of it again: {places.report}",
    ]
    output.result(told.summary(), shown)
    return 0 if told.is_whole else EXIT_FAULTS_FOUND


def _closing(story: Story, places: Places) -> list[str | Table]:
    """Return the closing summary: what was recorded, what was checked, what was caught."""
    versions = [
        (f"v{one.seq}", one.title, one.statement[:8] + "…", ", ".join(one.kinds) or "first", one.rows,
         one.metrics["test_accuracy"], f"{one.gas:,}")
        for one in story.versions
    ]  # fmt: skip
    anchors = [
        (f"{one.size:,}", one.root[:8] + "…", one.transaction[:8] + "…", f"{one.gas:,}") for one in story.anchors
    ]
    tampers = [
        ("✓" if one.caught else "✗", one.target, brief(one.findings[0]) if one.findings else "nothing was noticed")
        for one in story.tampers
    ]
    ordered = sorted(story.latencies_ms)
    middle = ordered[len(ordered) // 2]
    times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in story.seconds.items())
    summary = story.summary()
    return [
        "",
        table("Versions on chain", ("", "", "statement", "changed", "rows", "accuracy", "gas"), versions),
        "",
        f"{story.inferences:,} predictions over HTTP, each answered with a signed ticket after its entry was durable: "
        f"{story.requests_per_second:,.0f} a second, half of them within {middle:.1f} ms",
        "",
        table(
            "Checkpoints anchored, growth checked by the contract", ("entries", "root", "transaction", "gas"), anchors
        ),
        "",
        f"One person's receipt, checked offline: {story.receipt}",
        f"Audit in a new process, from chain, addresses and evidence: {summary['checks_passed']} of "
        f"{summary['checks_total']} checks passed",
        "",
        table("One byte flipped, audited again", ("", "in", "the audit said"), tampers),
        "",
        f"{summary['tampers_caught']} of {summary['tampers_tried']} tampers caught",
        f"{summary['seconds']} seconds: {times}",
        "",
        f"The report, with pictures and the commands that repeat the audit: {places.report}",
    ]
