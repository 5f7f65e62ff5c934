"""`tally agent mcp`: a workspace's abilities as tools for language models, and the tools of others."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from tallystick.cli.agent_door import FILE, advised
from tallystick.cli.door import ask_passphrase, in_workspace
from tallystick.cli.log import log_option
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MCP_ARGUMENTS_BYTES_MAX, MCP_TOKEN_BYTES_MAX
from tallystick.services.extra import agents_extra
from tallystick.store.files import read_bounded
from tallystick.tally import Tally
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.services.abilities.till import Till
    from tallystick.services.mcp.client import Called

token_file_option = click.option("--token-file", type=FILE, help="A file with the secret that callers must name.")


@click.group("mcp")
def mcp() -> None:
    """Offer what this workspace can do as tools (Model Context Protocol), and use the tools of others.

    SERVER is a URL such as http://127.0.0.1:8765/mcp, or in quotes the command that starts one.
    """


@mcp.command("serve")
@click.option("--http", "port", type=click.IntRange(0, 65_535), help="Serve HTTP at this port, 0 for any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--public", is_flag=True, help="Listening beyond this machine is meant.")
@click.option("--allow-host", "hosts", multiple=True, help="Another host name to answer for.")
@token_file_option
@click.option("--wallet", default="", help="The wallet that tools may spend from; none if left out.")
@click.option("--session", default="", metavar="KEY", help="The session's key by which they act in it.")
@click.option("--gateway", default="", help="URL of the `tally serve` that answers predictions.")
@log_option
@click.option("--price", "prices", multiple=True, metavar="TOOL=AMOUNT", help="What a call of a tool costs.")
@click.option("--token", default="", help="The token that prices are in, by its address.")
@click.option("--pay-to", default=OWN, show_default=True, help="Who is paid: a key or an address.")
@in_workspace
@advised
def serve(
    output: Output, tally: Tally, port: int | None, host: str, public: bool, hosts: tuple[str, ...],
    token_file: Path | None, wallet: str, session: str, gateway: str, name: str, prices: tuple[str, ...], token: str,
    pay_to: str,
) -> None:  # fmt: skip
    """Serve tools over standard input and output, or with --http over HTTP; stop with Ctrl-C.

    Tools that spend act by the session of the wallet, both named here and not by a caller; the chain holds its limits.
    Over HTTP such tools are for those who name the secret in --token-file.
    """
    with agents_extra():
        from tallystick.services.abilities.ability import Powers
        from tallystick.services.bench import Bench
        from tallystick.services.mcp.server import Desk
        from tallystick.services.mcp.serving import build_app, serve_http, serve_stdio

    secret = read_secret(token_file)
    if bool(wallet) != bool(session):
        raise click.UsageError("--wallet and --session go together")
    if port is not None and wallet and not secret:
        raise InvalidInput(
            "mcp.open_wallet", "over HTTP anybody who reaches the port could spend from the wallet",
            expected="--token-file", hint="name a file with a secret that callers must name",
        )  # fmt: skip
    path = tally.workspace.path
    bench = Bench(lambda: Tally.open(path, ask_passphrase))
    try:
        till = till_of(tally, prices, token, pay_to) if prices else None
        desk = Desk(bench, Powers(wallet, session, gateway, name), till=till, hidden=str(path))
        if port is None:
            serve_stdio(desk.server())
            return

        def ready(bound: str, real_port: int) -> None:
            url = f"http://{f'[{bound}]' if ':' in bound else bound}:{real_port}/mcp"
            output.result({"url": url, "tools": [one.name for one in desk.abilities]})
            output.flush()

        application = build_app(desk.server(), token=secret, hosts=(*hosts, *((host,) if public else ())))
        serve_http(application, host, port, on_ready=ready, is_public_meant=public)
    finally:
        bench.close()


@mcp.command("tools")
@click.argument("server")
@token_file_option
@in_workspace
@advised
def tools(output: Output, tally: Tally, server: str, token_file: Path | None) -> None:
    """List the tools of SERVER: what each costs, and which level of autonomy it needs."""
    with agents_extra():
        from tallystick.services.mcp.client import Toolbox
        from tallystick.services.mcp.server import LEVEL, PRICE

    found = Toolbox(_server(server), read_secret(token_file)).tools()
    rows = [
        (one.name, _price(tally, (one.meta or {}).get(PRICE)), (one.meta or {}).get(LEVEL, ""), one.title or "")
        for one in found
    ]
    listed = [one.model_dump(by_alias=True, exclude_none=True, mode="json") for one in found]
    output.result({"tools": listed}, table(f"{len(found)} tools", ("tool", "price", "level", ""), rows))


@mcp.command("call")
@click.argument("server")
@click.argument("tool")
@click.argument("arguments", default="{}")
@click.option("--max", "most", help="The most that is paid for it, a decimal amount of the token.")
@click.option("--token", multiple=True, help="A token that is paid in, by its address.")
@click.option("--daily", help="The most that is paid in a day.")
@click.option("--wallet", help="The policy account that pays; without it the key pays itself.")
@click.option("--session", default=OWN, show_default=True, metavar="KEY", help="The key that signs: the session's.")
@click.option("--payee", help="Whom you mean to pay; without it, whoever this server named first.")
@token_file_option
@in_workspace
@advised
def call(
    output: Output, tally: Tally, server: str, tool: str, arguments: str, most: str | None, token: tuple[str, ...],
    daily: str | None, wallet: str | None, session: str, payee: str | None, token_file: Path | None,
) -> int:  # fmt: skip
    """Call TOOL of SERVER with ARGUMENTS, a JSON object or @FILE, and pay what it asks for within limits (x402).

    Ends with 1 where the tool answers with an error. While nobody knows what became of a payment, the same call again
    goes on with it.
    """
    with agents_extra():
        from tallystick.services.mcp.client import Toolbox

    toolbox, given = Toolbox(_server(server), read_secret(token_file)), read_arguments(arguments)
    purse = None
    if most is not None:
        purse = tally.agents.payments.purse(token, most, daily, wallet=wallet, session=session, told=output.note)
    called = toolbox.call(tool, given, purse, None if payee is None else tally.agents.address(payee))
    output.result(_shown(called), called.text)
    return EXIT_FAULTS_FOUND if called.result.is_error else 0


def _shown(called: Called) -> dict[str, object]:
    value: dict[str, object] = {"is_error": called.result.is_error, "text": called.text}
    value["result"] = called.result.structured_content
    return value if called.paid is None else {**value, "payment": called.paid.to_dict()}


def till_of(tally: Tally, prices: tuple[str, ...], token: str, pay_to: str) -> Till:
    """Return the till of the options --price, --token and --pay-to; what it had begun to settle is settled.

    raises  InvalidInput "cli.price", "amount.…"
    """
    from tallystick.services.abilities.till import Till

    if not token:
        raise click.UsageError("--price needs --token: the token that prices are in")
    made = {}
    for one in prices:
        name, equals, amount = one.partition("=")
        if not name or not equals:
            raise InvalidInput("cli.price", "not a price", expected="TOOL=AMOUNT", got=ascii(one)[:80])
        made[name] = tally.agents.payments.terms(amount, token, pay_to).prices[0]

    def cashier(opened: Tally) -> Any:
        payments = opened.agents.payments
        return payments.cashier(payments.scheme([token], [opened.agents.address(pay_to)]))

    cashier(tally).resume()  # what was begun when this stopped, and has no outcome yet
    return Till(cashier, made)


def _price(tally: Tally, told: object) -> str:
    """Return a price as a server states it: a claim, in the smallest units of what it names."""
    if isinstance(told, dict):
        return f"{told.get('amount', '?')} of {told.get('asset', '?')}"
    return str(told or "")


def _server(text: str) -> str | list[str]:
    if "://" in text:
        return text
    try:
        command = shlex.split(text)
    except ValueError:
        command = []
    if not command:
        raise InvalidInput("cli.server", "no server", expected="a URL, or a command in quotes", got=ascii(text)[:80])
    return command


def read_secret(path: Path | None) -> str:
    """Return the secret in a file, "" where none is named; raises InvalidInput "cli.token", "files.…"."""
    if path is None:
        return ""
    try:
        return read_bounded(path, MCP_TOKEN_BYTES_MAX, private=True).decode("ascii").strip()
    except UnicodeDecodeError:
        raise InvalidInput("cli.token", f"{path} holds no token", expected="one line of ASCII") from None


def read_arguments(text: str) -> dict[str, Any]:
    """Return the JSON object that is written out, or in @FILE; raises InvalidInput "cli.arguments"."""
    data = read_bounded(Path(text[1:]), MCP_ARGUMENTS_BYTES_MAX) if text.startswith("@") else text.encode()
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(
            "cli.arguments", "not a JSON object", expected='such as {"model": "1@1"}', got=ascii(text)[:80]
        )
    return found
