"""`tally agent validation`: checks of an agent's work by others, and rechecks of those."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.agent_door import by_option
from tallystick.cli.agent_registries import (
    FILE,
    at_agent,
    digest_of,
    follow,
    keep,
    read_file,
    sync_option,
    with_registries,
)
from tallystick.cli.door import read_id
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.model import MODEL
from tallystick.cli.output import Output, printable, table
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import ModelRef
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.core.receipt import Receipt
from tallystick.store.blobs import hash_file
from tallystick.store.files import read_bounded
from tallystick.tally import Tally
from tallystick.tally.agents.validations import Standing

if TYPE_CHECKING:
    from tallystick.agents.identity.reference import AgentRef

receipt_option = click.option("--receipt", type=FILE, help="The receipt of a log entry, as `tally log prove` gives it.")


@click.group("validation")
def validation() -> None:
    """Have an agent's work checked, answer such requests, and recheck them against the chain.

    AGENT is an id of this chain's registry, such as 7, or a whole name; REQUEST is the hash of a request.
    """


@validation.command("request")
@at_agent
@click.argument("validator")
@receipt_option
@click.option("--model", type=MODEL, help="The version of the model that answered, such as 7@3.")
@click.option("--artifact", type=FILE, help="Any file, by its SHA-256.")
@click.option("--uri", help="Where you will serve the document; on chain, in the URI, if left out.")
@click.option("--out", type=FILE, help="Write the document here.")
@by_option
def request(
    output: Output, tally: Tally, agent: AgentRef, validator: str, receipt: Path | None, model: ModelRef | None,
    artifact: Path | None, uri: str | None, out: Path | None, by: str,
) -> None:  # fmt: skip
    """Ask VALIDATOR, a key or an address, to check what AGENT did: an answer in a log, a model version, any file."""
    desk = tally.agents.validations
    digest = None if artifact is None else hash_file(artifact)
    subject = desk.subject(agent, receipt=_receipt(receipt), model=model, artifact=digest)
    keep(out, subject.to_bytes(), uri)
    asked = desk.request(subject, tally.agents.address(validator), uri=uri, by=by)
    output.result(
        {"agent": str(agent), "request": asked.hash.hex(), "validator": asked.validator, "uri": asked.uri,
         "document": asked.document.decode()},
        f"{asked.validator} is asked, as request {asked.hash.hex()}",
    )  # fmt: skip


@validation.command("respond")
@click.argument("request", metavar="REQUEST")
@click.argument("response", type=click.IntRange(0, 100))
@click.option("--tag", default="", help="What kind of answer it is.")
@click.option("--uri", default="", help="Where your evidence is.")
@click.option("--file", type=FILE, help="Your evidence, whose hash is kept.")
@by_option
@with_registries
def respond(
    output: Output, tally: Tally, request: str, response: int, tag: str, uri: str, file: Path | None, by: str
) -> None:
    """Answer REQUEST, of which you are the validator, with 0 (failed) to 100 (passed); a later answer replaces it."""
    found = _request(request)
    tally.agents.validations.respond(found, response, uri=uri, digest=digest_of(file), tag=tag, by=by)
    _say(output, tally.agents.validations.standing(found))


@validation.command("show")
@click.argument("request", metavar="REQUEST")
@with_registries
def show(output: Output, tally: Tally, request: str) -> None:
    """Show how REQUEST stands on chain."""
    _say(output, tally.agents.validations.standing(_request(request)))


@validation.command("list")
@at_agent
@sync_option
def list_(output: Output, tally: Tally, agent: AgentRef, is_synced: bool) -> None:
    """List what was asked of validators about AGENT, the oldest first, from the index."""
    follow(output, tally, is_synced)
    found = tally.agents.validations.of(agent)
    rows = [(one["request"], one["validator"], "open" if one["response"] is None else one["response"], one["tag"])
            for one in found]  # fmt: skip
    columns = ("request", "validator", "answer", "tag")
    output.result({"agent": str(agent), "validations": found}, table("validations", columns, rows))


@validation.command("verify")
@click.argument("request", metavar="REQUEST")
@click.option("--document", type=FILE, help="What was requested, where it is not in the request's URI.")
@receipt_option
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@with_registries
def verify(
    output: Output, tally: Tally, request: str, document: Path | None, receipt: Path | None, verbose: bool
) -> int:
    """Recheck REQUEST down to what it is about: the answer, the log entry in its anchored tree, the model version."""
    found = _request(request)
    data = None if document is None else read_file(document)
    report = tally.agents.validations.verify(found, data, _receipt(receipt))
    output.report(report, {"request": found.hex()}, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


def _say(output: Output, found: Standing) -> None:
    said = "not answered" if found.response is None else f"{found.response} of 100 {printable(found.tag)}".rstrip()
    output.result(found.to_dict(), f"request {found.hash.hex()} on agent {found.agent.agent_id}: {said}")


def _receipt(path: Path | None) -> Receipt | None:
    return None if path is None else Receipt.from_bytes(read_bounded(path, CANONICAL_BYTES_MAX))


def _request(text: str) -> bytes:
    found = read_id(text)
    if found is None:
        raise InvalidInput(
            "cli.request", "not the hash of a request", expected="64 hexadecimal digits", got=ascii(text)[:80],
            hint="`tally agent validation list` shows the requests",
        )  # fmt: skip
    return found
