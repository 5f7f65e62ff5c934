"""`tally audit`: recheck everything from a chain, two addresses and a blob store; no workspace is needed."""

from __future__ import annotations

import click

from tallystick.cli.door import answers
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.ids import parse_address


@click.command("audit")
@click.option("--chain", required=True, help="URL of a node, or the path of an embedded chain's file.")
@click.option("--registry", required=True, help="Address of the ModelRegistry.")
@click.option("--anchor", required=True, help="Address of the LogAnchor.")
@click.option("--blobs", required=True, help="Path or URL of the blob store.")
@click.option("--model", "models", type=int, multiple=True, help="Only this model; may be given again.")
@click.option("--log", "logs", type=int, multiple=True, help="Only this log; may be given again.")
@click.option("--no-repeat", is_flag=True, help="Do not run published predictions again.")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@answers
def command(
    output: Output,
    chain: str,
    registry: str,
    anchor: str,
    blobs: str,
    models: tuple[int, ...],
    logs: tuple[int, ...],
    no_repeat: bool,
    verbose: bool,
) -> int:
    """Recompute every model and every log from evidence and chain; name everything that is wrong."""
    from tallystick.tally.audit import Evidence, audit

    found = audit(
        Evidence(chain, parse_address(registry), parse_address(anchor), blobs),
        models=models or None,
        logs=logs or None,
        repeat=not no_repeat,
        progress=lambda part: output.note(f"checking {part}"),
    )
    output.report(found.report, found.to_dict(), verbose)
    return 0 if found.report.ok else EXIT_FAULTS_FOUND
