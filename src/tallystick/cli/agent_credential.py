"""`tally agent credential`: who answers for an agent, in the words of issuers; optional."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.credentials.opening import Opening
from tallystick.agents.credentials.operator import Operator
from tallystick.agents.policy.durations import say_time
from tallystick.cli.agent_door import by_option, yes_option
from tallystick.cli.agent_registries import FILE, at_agent, follow, read_file, sync_option, with_registries
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, printable, table
from tallystick.cli.spans import Span
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.store.files import write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.credentials import Attested

if TYPE_CHECKING:
    from tallystick.agents.identity.reference import AgentRef

CREDENTIAL = click.IntRange(1, 2**63 - 1)


@click.group("credential")
def credential() -> None:
    """Attest who operates an agent, under which jurisdiction; take that back, show it, verify it.

    The chain holds a sealed commitment and a country; who it is stands in a file that issuer and holder keep.
    """


@credential.command("name-issuer")
@click.argument("name")
@click.option("--uri", default="", help="Where people read who that is.")
@by_option
@with_registries
def name_issuer(output: Output, tally: Tally, name: str, uri: str, by: str) -> None:
    """Issue credentials under NAME from here on; once, and for good. Readers choose issuers by address."""
    tally.agents.credentials.name_issuer(name, uri, by)
    output.result({"issuer": tally.agents.address(by), "name": name})


@credential.command("issue")
@at_agent
@click.option("--name", required=True, help="Who operates it: a person or a company.")
@click.option("--jurisdiction", required=True, help="ISO 3166, such as DE or US-CA; this is public.")
@click.option("--registered-as", default="", help="Under which number of which register.")
@click.option("--contact", default="", help="How to reach them.")
@click.option("--valid", type=Span(), default="365d", show_default=True, help="How long; two years at most.")
@click.option("--uri", default="", help="Where something about it is; public.")
@click.option("--out", type=FILE, required=True, help="Where what opens the credential goes: keep it, give it on.")
@by_option
def issue(
    output: Output, tally: Tally, agent: AgentRef, name: str, jurisdiction: str, registered_as: str, contact: str,
    valid: int, uri: str, out: Path, by: str,
) -> None:  # fmt: skip
    """Attest who operates AGENT, to its present owner; a sale of the agent ends it."""
    if out.exists():
        raise InvalidInput("cli.exists", f"{out} is there already", hint="name another file with --out")
    operator = Operator(agent, name, jurisdiction, registered_as, contact)
    desk = tally.agents.credentials
    opening = desk.seal(operator)
    write_atomic(out, opening.to_bytes(), mode=0o600)  # first: a credential that nothing opens is worth nothing
    try:
        made = desk.issue(opening, valid_s=valid, uri=uri, by=by)
    except (InvalidInput, Rejected):
        out.unlink()
        raise
    found = desk.show(made)
    output.result({**found.to_dict(), "file": str(out)}, [*_lines(found), f"what opens it is in {out}"])


@credential.command("revoke")
@click.argument("credential", type=CREDENTIAL)
@click.option("--reason", required=True, help="Why; it stays on the chain.")
@by_option
@yes_option
@with_registries
def revoke(output: Output, tally: Tally, credential: int, reason: str, by: str, yes: bool) -> None:
    """Take CREDENTIAL back, as its issuer."""
    output.confirm(f"Revoke credential {credential} for ever?", yes)
    tally.agents.credentials.revoke(credential, reason, by)
    output.result(tally.agents.credentials.show(credential).to_dict(), f"credential {credential} is revoked")


@credential.command("renounce")
@click.argument("credential", type=CREDENTIAL)
@click.option("--reason", required=True, help="Why; it stays on the chain.")
@by_option
@yes_option
@with_registries
def renounce(output: Output, tally: Tally, credential: int, reason: str, by: str, yes: bool) -> None:
    """Want no more to do with CREDENTIAL, as its holder."""
    output.confirm(f"Renounce credential {credential} for ever?", yes)
    tally.agents.credentials.renounce(credential, reason, by)
    output.result(tally.agents.credentials.show(credential).to_dict(), f"credential {credential} is renounced")


@credential.command("show")
@click.argument("credential", type=CREDENTIAL)
@with_registries
def show(output: Output, tally: Tally, credential: int) -> None:
    """Show CREDENTIAL as it stands on chain."""
    found = tally.agents.credentials.show(credential)
    output.result(found.to_dict(), _lines(found))


@credential.command("list")
@at_agent
@sync_option
def list_(output: Output, tally: Tally, agent: AgentRef, is_synced: bool) -> None:
    """List the credentials of AGENT that nobody ended, from whichever issuers."""
    follow(output, tally, is_synced)
    found = tally.agents.credentials.of(agent)
    rows = [(one.id, one.kind, one.jurisdiction, one.issuer_name, one.issuer, "valid" if one.is_valid else "over")
            for one in found]  # fmt: skip
    columns = ("id", "kind", "country", "issuer calls itself", "issuer", "")
    listed = [one.to_dict() for one in found]
    output.result({"agent": str(agent), "credentials": listed}, table("credentials", columns, rows))


@credential.command("verify")
@click.argument("credential", type=CREDENTIAL)
@click.argument("file", type=FILE)
@click.option("--issuer", "issuers", multiple=True, required=True, help="Whom you believe: a key or an address.")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@with_registries
def verify(output: Output, tally: Tally, credential: int, file: Path, issuers: tuple[str, ...], verbose: bool) -> int:
    """Check that CREDENTIAL holds now, comes from an issuer you believe, and says what FILE, which opens it, says."""
    opening = Opening.from_bytes(read_file(file))
    believed = [tally.agents.address(one) for one in issuers]
    report = tally.agents.credentials.verify(credential, opening, believed)
    told: dict[str, object] = {"credential": credential}
    if report.ok:
        operator = Operator.from_bytes(opening.document)
        told |= {"operator": operator.name, "jurisdiction": operator.jurisdiction,
                 "registered_as": operator.registered_as, "contact": operator.contact}  # fmt: skip
        if not output.json:
            output.result(told)
    output.report(report, told, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


def _lines(found: Attested) -> list[str]:
    stands = "valid" if found.is_valid else "over"
    return [
        f"credential {found.id}, {printable(found.kind)} of agent {found.agent.agent_id}: {stands}",
        f"from {say_time(found.issued_at)} to {say_time(found.expires_at)}",
        f"jurisdiction {printable(found.jurisdiction)}, by {found.issuer}, who calls itself {found.issuer_name!r}",
    ]
