"""`tally agent a2a`: a registered agent that does tasks for others, and the agents of others."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from tallystick.cli.agent_door import FILE, advised
from tallystick.cli.agent_mcp import read_arguments, read_secret, till_of, token_file_option
from tallystick.cli.door import ask_passphrase, in_workspace
from tallystick.cli.log import log_option
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MCP_TOKEN_CHARS_MIN
from tallystick.services.extra import agents_extra
from tallystick.store.files import write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.agents.identity.reference import AgentRef
    from tallystick.agents.identity.registration import Registration
    from tallystick.services.a2a.client import Done

key_option = click.option("--key", default="a2a", show_default=True, help="The signer that is the agent's on chain.")
url_option = click.option("--url", help="Where the agent is reached; as it registered if left out.")


@click.group("a2a")
def a2a() -> None:
    """Do tasks for other agents under a signed card, and ask them (Agent2Agent protocol, version 1).

    AGENT is an id of this chain's registry, such as 7, or a whole name, eip155:CHAIN:0x…/7. Its key is put on chain by
    `tally agent identity set-key`, its place by a service A2A in its registration.
    """


@a2a.command("serve")
@click.argument("agent")
@key_option
@url_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8766, show_default=True, help="The port.")
@click.option("--public", is_flag=True, help="Listening beyond this machine is meant.")
@click.option("--allow-host", "hosts", multiple=True, help="Another host name to answer for.")
@click.option("--gateway", default="", help="URL of the `tally serve` that answers predictions.")
@log_option
@click.option("--price", "prices", multiple=True, metavar="SKILL=AMOUNT", help="What a task of a skill costs.")
@click.option("--token", default="", help="The token that prices are in, by its address.")
@click.option("--pay-to", default=OWN, show_default=True, help="Who is paid: a key or an address.")
@click.option("--caller", "callers", multiple=True, metavar="NAME=FILE", help="A caller, and a file with its secret.")
@click.option("--push-host", "push_hosts", multiple=True, help="A host that may be told of tasks though not public.")
@in_workspace
@advised
def serve(
    output: Output, tally: Tally, agent: str, key: str, url: str | None, host: str, port: int, public: bool,
    hosts: tuple[str, ...], gateway: str, name: str, prices: tuple[str, ...], token: str, pay_to: str,
    callers: tuple[str, ...], push_hosts: tuple[str, ...],
) -> None:  # fmt: skip
    """Serve AGENT: its signed card, and tasks that are this workspace's abilities; stop with Ctrl-C.

    Tasks are kept in this workspace and survive a restart. No task spends from a wallet here.
    """
    with agents_extra():
        from tallystick.services.a2a.executor import Worker
        from tallystick.services.a2a.serving import Agent
        from tallystick.services.a2a.serving import serve as serve_agent
        from tallystick.services.abilities.ability import Powers
        from tallystick.services.bench import Bench

    path = tally.workspace.path
    bench = Bench(lambda: Tally.open(path, ask_passphrase))
    till = till_of(tally, prices, token, pay_to) if prices else None
    worker = Worker(bench, Powers(gateway=gateway, log=name), till=till, hidden=str(path))
    ref, file = _registered(tally, agent)
    place = url or _place(file)
    card = _signed(tally, ref, file, key, place, worker)
    names = (*hosts, *((host,) if public else ()))
    made = Agent(worker, card, ref, tally.signer(key), path / "a2a" / f"{ref.agent_id}.db", push_hosts=push_hosts,
                 hosts=names, secrets=dict(map(_caller, callers)))  # fmt: skip
    if made.interrupted:
        output.note(f"{made.interrupted} tasks were under way when this agent stopped; they have failed")

    def ready(bound: str, real_port: int) -> None:
        skills = [one.name for one in worker.abilities]
        output.result({"url": place, "listening": f"{bound}:{real_port}", "agent": str(ref), "skills": skills})
        output.flush()

    try:
        serve_agent(made, host, port, on_ready=ready, is_public_meant=public)
    finally:
        made.close()
        bench.close()


@a2a.command("card")
@click.argument("agent")
@key_option
@url_option
@click.option("--gateway", default="", help="URL of the `tally serve` that answers predictions.")
@click.option("--paid", is_flag=True, help="Say that tasks may have a price.")
@click.option("--out", type=FILE, help="Write the card to this file.")
@in_workspace
@advised
def card(
    output: Output, tally: Tally, agent: str, key: str, url: str | None, gateway: str, paid: bool, out: Path | None
) -> None:
    """Print AGENT's card, signed, to be served at /.well-known/agent-card.json."""
    with agents_extra():
        from tallystick.services.a2a.card import build_card, sign_card, write_card
        from tallystick.services.abilities import ABILITIES
        from tallystick.services.abilities.ability import Powers, offered

    ref, file = _registered(tally, agent)
    skills = offered(ABILITIES, Powers(gateway=gateway))
    made = build_card(file, ref, url or _place(file), version("tallystick"), skills, is_paid=paid)
    data = orjson.dumps(write_card(sign_card(made, ref, _key_of(tally, ref, key))))
    if out is not None:
        write_atomic(out, data)
    shown = {"agent": str(ref), "card": str(out) if out else data.decode()}
    output.result(shown, f"card written to {out}" if out else data.decode())


@a2a.command("verify")
@click.argument("url")
@click.option("--agent", help="Whose card it should be; whom the card names if left out.")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@in_workspace
@advised
def verify(output: Output, tally: Tally, url: str, agent: str | None, verbose: bool) -> int:
    """Check by the chain whether the card at URL is its agent's; ends with 1 where it is not."""
    with agents_extra():
        from tallystick.services.a2a.card import check_card, require_agent
        from tallystick.services.a2a.client import Peer

    found = Peer(url).card()
    agents = tally.agents
    ref = agents.registries.agent(agent if agent is not None else str(require_agent(found)))
    profile = agents.identities.show(ref)
    file = profile.file if profile.report is not None and profile.report.ok else None
    report = check_card(found, ref, url, agents.identities.key_terms(ref), file)
    value = {"agent": str(ref), "name": found.name, "wallet": profile.wallet, "owner": profile.owner}
    output.report(report, value, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


def _ask_options(function: Any) -> Any:
    for option in (
        click.argument("arguments", default="{}"),
        click.argument("skill"),
        click.argument("url"),
        click.option("--max", "most", help="The most that is paid for it, a decimal amount of the token."),
        click.option("--token", multiple=True, help="A token that is paid in, by its address."),
        click.option("--daily", help="The most that is paid in a day."),
        click.option("--wallet", help="The policy account that pays; without it the key pays itself."),
        click.option("--session", default=OWN, show_default=True, metavar="KEY", help="The key that signs."),
        click.option("--payee", help="Whom you mean to pay; without it, whoever this agent named first."),
        token_file_option,
    ):
        function = option(function)
    return function


@a2a.command("send")
@_ask_options
@in_workspace
@advised
def send(output: Output, tally: Tally, **asked: Any) -> int:
    """Ask the agent at URL for SKILL with ARGUMENTS, a JSON object or @FILE, and pay what it asks for within limits.

    Ends with 1 where the task is not completed. While nobody knows what became of a payment, the same message again
    goes on with it.
    """
    return _show(output, _send(tally, output, asked, None))


@a2a.command("stream")
@_ask_options
@in_workspace
@advised
def stream(output: Output, tally: Tally, **asked: Any) -> int:
    """Ask as `send` does, and show each event of the task as it comes; with --json the task at its end."""

    def told(event: dict[str, Any]) -> None:
        if not output.json:
            output.result({}, orjson.dumps(event).decode())
            output.flush()

    return _show(output, _send(tally, output, asked, told))


def _send(tally: Tally, output: Output, asked: dict[str, Any], told: Any) -> Done:
    with agents_extra():
        from tallystick.services.a2a.client import Peer
        from tallystick.services.a2a.requests import Wanted

    wanted = Wanted(asked["skill"], read_arguments(asked["arguments"]))
    purse = None
    if asked["most"] is not None:
        purse = tally.agents.payments.purse(
            asked["token"], asked["most"], asked["daily"], wallet=asked["wallet"], session=asked["session"],
            told=output.note,
        )  # fmt: skip
    payee = None if asked["payee"] is None else tally.agents.address(asked["payee"])
    return Peer(asked["url"], read_secret(asked["token_file"])).send(wanted, purse, payee, told)


def _show(output: Output, done: Done) -> int:
    result = done.result if done.result is not None else done.told
    output.result(done.to_dict(), f"{done.state}\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")
    return 0 if done.state == "completed" else EXIT_FAULTS_FOUND


def _caller(text: str) -> tuple[str, str]:
    """Return a caller's name and its secret; raises InvalidInput "cli.caller" and those of the file."""
    name, equals, path = text.partition("=")
    secret = read_secret(Path(path)) if equals and name and path else ""
    if len(secret) < MCP_TOKEN_CHARS_MIN:
        raise InvalidInput(
            "cli.caller", "not a caller with a secret", got=ascii(name)[:80],
            expected=f"NAME=FILE, a file with at least {MCP_TOKEN_CHARS_MIN} characters",
        )  # fmt: skip
    return name, secret


def _registered(tally: Tally, which: str) -> tuple[AgentRef, Registration]:
    """Return an agent and its own file; raises InvalidInput "a2a.registration"."""
    ref = tally.agents.registries.agent(which)
    profile = tally.agents.identities.show(ref)
    if profile.file is None or profile.report is None or not profile.report.ok:
        raise InvalidInput(
            "a2a.registration", f"{ref} has no registration file that is its own",
            hint="`tally agent identity show` says what is wrong with it",
        )  # fmt: skip
    return ref, profile.file


def _place(file: Registration) -> str:
    """Return where an agent registered that it is reached; raises InvalidInput "a2a.place"."""
    from tallystick.services.a2a.card import SERVICE, WELL_KNOWN

    found = [one.endpoint for one in file.services if one.name.casefold() == SERVICE.casefold()]
    if not found:
        raise InvalidInput(
            "a2a.place", "the agent registered no service A2A", hint="register one, or name the place with --url"
        )
    return found[0].removesuffix(WELL_KNOWN).rstrip("/")


def _key_of(tally: Tally, ref: AgentRef, name: str) -> Any:
    """Return the signer `name`, if it is the agent's on chain; raises InvalidInput "a2a.key"."""
    key, terms = tally.signer(name), tally.agents.identities.key_terms(ref)
    public = key.public_key().public_bytes_raw()
    if not terms or terms[-1].until is not None or terms[-1].key != public:
        raise InvalidInput(
            "a2a.key", f"the signer {name!r} is not this agent's key on chain", got=public.hex(),
            expected=terms[-1].key.hex() if terms and terms[-1].until is None else "none",
            hint=f"`tally agent identity set-key {ref.agent_id} {name}` makes it so",
        )  # fmt: skip
    return key


def _signed(tally: Tally, ref: AgentRef, file: Registration, key: str, place: str, worker: Any) -> Any:
    from tallystick.services.a2a.card import build_card, sign_card

    made = build_card(file, ref, place, version("tallystick"), worker.abilities, is_paid=worker.is_paid)
    return sign_card(made, ref, _key_of(tally, ref, key))
