"""`tally agent intent`: the records that say why acts were done, and what opens their commitments."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.agents.intents_openings import slot_of, slots_of
from tallystick.cli.agent_door import FILE, advised
from tallystick.cli.agent_reasons import to_hash
from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.checks import Report
from tallystick.core.limits import INTENT_CONTENT_BYTES_MAX
from tallystick.store.files import read_bounded
from tallystick.tally import Tally

WHICH = "an intent: an act prints its own, and `tally agent audit` lists them"


@click.group("intent")
def intent() -> None:
    """Show what an act was for, and check what its record commits to."""


@intent.command("show")
@click.argument("intent", metavar="INTENT")
@in_workspace
@advised
def show(output: Output, tally: Tally, intent: str) -> None:
    """Show the record of INTENT, the hash that an act carries, whose signature is checked again."""
    digest = to_hash(intent, WHICH)
    signed = tally.agents.intents.find(digest)
    kept = {name: str(path) for name, path in tally.agents.openings.kept(digest).items()}
    output.result({"intent": digest.hex(), "signer": signed.signer(), "record": signed.intent.to_dict(), "kept": kept})


@intent.command("check")
@click.argument("intent", metavar="INTENT")
@click.option("--prompt", type=FILE, help="What the model is said to have been given.")
@click.option(
    "--content",
    "contents",
    nargs=2,
    multiple=True,
    metavar="NAME FILE",
    help="Likewise of tool-1-given, tool-1-gave, …",
)
@in_workspace
@advised
def check(output: Output, tally: Tally, intent: str, prompt: Path | None, contents: tuple[tuple[str, str], ...]) -> int:
    """Check that INTENT's record commits to these files; without any, to those that were kept. Ends with 1 if not."""
    digest = to_hash(intent, WHICH)
    record, openings = tally.agents.intents.find(digest).intent, tally.agents.openings
    opening = openings.find(digest)
    files = {**({"prompt": prompt} if prompt else {}), **{name: Path(path) for name, path in contents}}
    meant = files or openings.kept(digest)
    if not meant:
        names = ", ".join(one.name for one in slots_of(record))
        raise click.UsageError(f"nothing was kept: name files with --prompt or --content; the record has {names}")
    checks = [
        opening.check(slot_of(record, name), read_bounded(path, INTENT_CONTENT_BYTES_MAX))
        for name, path in meant.items()
    ]
    report = Report(tuple(checks))
    output.report(report, {"intent": digest.hex()}, verbose=True)
    return 0 if report.ok else EXIT_FAULTS_FOUND
