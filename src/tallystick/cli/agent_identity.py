"""`tally agent identity`: who an agent is, after ERC-8004: registered, shown, found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tallystick.agents.directory import Wanted
from tallystick.agents.identity.registration import TRUST_MODELS, Registration, Service
from tallystick.cli.agent_door import by_option
from tallystick.cli.agent_identity_parts import (
    check_domain,
    claim_name,
    domain_proof,
    keys,
    resolve,
    set_key,
    set_metadata,
    set_uri,
    set_wallet,
    transfer,
    unset_wallet,
    wallet_claim,
)
from tallystick.cli.agent_registries import FILE, at_agent, follow, pairs_of, read_file, sync_option, with_registries
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.errors import InvalidInput
from tallystick.store.files import write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.identities import Profile, Published, file_services

if TYPE_CHECKING:
    from tallystick.agents.identity.reference import AgentRef

R = TypeVar("R")


@click.group("identity")
def identity() -> None:
    """Register agents, point them at their files, wallets, names and keys, show and find them (ERC-8004).

    AGENT is an id of this chain's registry, such as 7, or a whole name, eip155:CHAIN:0x…/7.
    """


for member in (
    set_uri, set_metadata, set_wallet, wallet_claim, unset_wallet, claim_name, resolve, domain_proof, check_domain,
    set_key, keys, transfer,
):  # fmt: skip
    identity.add_command(member)


def file_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that say what is in a registration file, and where it lies."""
    for option in (
        by_option,
        click.option("--out", type=FILE, help="Write the file here too, to be served at --uri."),
        click.option("--uri", default="", help="Where you will serve the file; on chain, in the URI, if left out."),
        click.option("--from", "source", type=FILE, help="Begin with this registration file."),
        click.option("--trust", multiple=True, type=click.Choice(TRUST_MODELS), help="A trust model it supports."),
        click.option("--active/--inactive", default=None, help="Whether it takes work now."),
        click.option("--x402/--no-x402", default=None, help="It is paid over x402."),
        click.option("--skill", "skills", multiple=True, metavar="SERVICE=SKILL", help="A skill of one service."),
        click.option("--service", "services", multiple=True, metavar="NAME=ENDPOINT", help="Such as A2A=https://…"),
        click.option("--image", help="URL of an image."),
        click.option("--description", help="What it does, in a sentence."),
    ):
        function = option(function)
    return function


@identity.command("register")
@click.argument("name")
@file_options
@click.option("--key", default="", help="Tells two agents of one name apart.")
@with_registries
def register(
    output: Output, tally: Tally, name: str, key: str, uri: str, out: Path | None, by: str, **said: Any
) -> None:
    """Register an agent called NAME, with its registration file; the same call again finds the same agent."""
    file = replace(_written(said, name), name=name)
    _give(output, tally, tally.agents.identities.register(file, uri=uri, key=key, by=by), out)


@identity.command("publish")
@at_agent
@file_options
def publish(
    output: Output, tally: Tally, agent: AgentRef, uri: str, out: Path | None, by: str, **said: Any
) -> None:  # fmt: skip
    """Publish another registration file for AGENT: the one that it has, or --from, with what is said anew."""
    known = tally.agents.identities.show(agent).file
    if known is None and said["source"] is None:
        raise InvalidInput("agent_file.absent", "the agent's file is not at hand", hint="name it with --from")
    file = _written(said, "", known)
    _give(output, tally, tally.agents.identities.publish(agent, file, uri=uri, by=by), out)


def _written(said: dict[str, Any], name: str, known: Registration | None = None) -> Registration:
    """Return the registration file that the options describe, beginning with one that is known."""
    if said["source"] is not None:
        known = Registration.from_bytes(read_file(said["source"]))
    file = known or Registration(name)
    for member in ("description", "image"):
        if said[member] is not None:
            file = replace(file, **{member: said[member]})
    services = {one.name: one for one in file.services}
    for called, endpoint in pairs_of(said["services"], "--service"):
        services[called] = replace(services.get(called, Service(called, "")), endpoint=endpoint)
    for called, skill in pairs_of(said["skills"], "--skill"):
        if called not in services:
            raise InvalidInput("cli.service", f"no service is called {called!r}", hint="name it with --service")
        services[called] = replace(services[called], skills=(*services[called].skills, skill))
    file = replace(file, services=tuple(services.values()))
    for option, member in (("x402", "x402_support"), ("active", "active")):
        if said[option] is not None:
            file = replace(file, **{member: said[option]})
    return replace(file, supported_trust=tuple(said["trust"]) or file.supported_trust)


def _give(output: Output, tally: Tally, made: Published, out: Path | None) -> None:
    if out is not None:
        write_atomic(out, made.data)
    shown = tally.agents.identities.show(made.agent, made.data)
    output.result(
        {**shown.to_dict(), "file": str(out) if out else ""},
        [f"agent {made.agent.agent_id} is {made.agent}",
         f"its file is {f'in {out}, to be served at {made.uri}' if out else 'kept here'}"
         if not made.uri.startswith("data:") else "its file is on chain, in its URI"],
    )  # fmt: skip


@identity.command("show")
@at_agent
@click.option("--file", type=FILE, help="Its registration file, as you fetched it from its URI.")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
def show(output: Output, tally: Tally, agent: AgentRef, file: Path | None, verbose: bool) -> int:
    """Show AGENT, and check its registration file against the chain; ends with 1 where the file is not its own.

    A file in the URI itself, or under its digest among this workspace's evidence, is found; another is fetched by you.
    """
    found = tally.agents.identities.show(agent, None if file is None else read_file(file))
    if output.json:
        output.result(found.to_dict())
    else:
        output.result({}, table("", ("", ""), _lines(found)))
        if found.report is None:
            output.note("its file is elsewhere: fetch it, and name it with --file")
        else:
            output.report(found.report, {}, verbose)
    return EXIT_FAULTS_FOUND if found.report is not None and not found.report.ok else 0


def _lines(found: Profile) -> list[tuple[str, object]]:
    file = found.file
    lines: list[tuple[str, object]] = [("agent", found.agent), ("owner", found.owner)]
    lines += [("wallet", found.wallet), ("domain", found.domain or "none claimed")]
    lines += [("uri", found.uri if len(found.uri) <= 100 else found.uri[:97] + "…")]
    if file is not None:
        lines += [("name", file.name), ("says", file.description)]
        lines += [(one.name, " ".join([one.endpoint, *one.skills])) for one in file.services]
        lines += [("x402", "yes" if file.x402_support else "no"), ("trust", ", ".join(file.supported_trust))]
    return lines


@identity.command("find")
@click.option("--name", default="", help="Part of its name.")
@click.option("--service", default="", help="A service that it offers, such as A2A or MCP.")
@click.option("--skill", default="", help="Part of a skill.")
@click.option("--trust", default="", help="A trust model that it supports.")
@click.option("--x402", is_flag=True, help="Only who is paid over x402.")
@click.option("--inactive", is_flag=True, help="Those too that take no work now.")
@click.option("--owner", default="", help="Who owns it: a key or an address.")
@click.option("--wallet", default="", help="Where it is paid: a key or an address.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="How many.")
@sync_option
@with_registries
def find(
    output: Output, tally: Tally, name: str, service: str, skill: str, trust: str, x402: bool, inactive: bool,
    owner: str, wallet: str, limit: int, is_synced: bool,
) -> None:  # fmt: skip
    """List agents by what they say of themselves, newest first, from the index.

    A file in the URI is read from the index; one that lies elsewhere only under the digest that its agent keeps on
    chain, among this workspace's evidence. What an agent says is a claim; `show` checks it.
    """
    follow(output, tally, is_synced)
    owner, wallet = (one and tally.agents.address(one) for one in (owner, wallet))
    wanted = Wanted(name, service, skill, trust, owner, wallet, x402, not inactive)
    found = tally.agents.identities.find(wanted, limit)
    shown = [
        {**one.to_dict(), "name": file.name, "services": file_services(file), "x402_support": file.x402_support,
         "supported_trust": list(file.supported_trust)}
        for one, file in found
    ]  # fmt: skip
    rows = [
        (one.agent_id, file.name, ", ".join(each.name for each in file.services), one.wallet) for one, file in found
    ]
    output.result({"agents": shown}, table(f"{len(rows)} agents", ("id", "name", "services", "wallet"), rows))
