"""`tally agent channel call` and `sell`: a request that is paid for over a channel, and a server that is paid so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from tallystick.chain.coin import NATIVE, read_coin
from tallystick.cli.agent_door import FILE, advised
from tallystick.cli.door import in_workspace, read_id
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import FETCH_BODY_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.agents.channels.payer import Payer
    from tallystick.agents.channels.signing import SignedCall
    from tallystick.services.channels.client import Paid


@click.command("call")
@click.argument("channel_id", metavar="CHANNEL")
@click.argument("url")
@click.option("--max", "most", required=True, help="The most that it may cost, a decimal amount of the channel's coin.")
@click.option("--method", help="GET if left out, POST with --data.")
@click.option("--data", help="The body, or @FILE.")
@click.option("--output", "file", type=FILE, help="Where the answer's body goes.")
@in_workspace
@advised
def call(
    output: Output,
    tally: Tally,
    channel_id: str,
    url: str,
    most: str,
    method: str | None,
    data: str | None,
    file: Path | None,
) -> int:
    """Ask URL and pay over CHANNEL, at most --max. Ends with 1 where the answer's status is 400 or more.

    What nobody answered is undecided: the same command sends the same call again, and it is paid for once.
    """
    wanted = read_id(channel_id)
    if wanted is None:
        raise InvalidInput("cli.channel", "not the id of a channel", expected="64 hexadecimal digits")
    desk = tally.agents.channels
    found = desk.refresh(wanted)
    coin = desk.coin_of(found.contract)
    body = b"" if data is None else _content(data)
    asked = (method or ("GET" if data is None else "POST"), url, body)
    paid = asyncio.run(_paid(desk.payer(wanted), wanted, asked, coin.parse(most, "--max"), coin.address))
    if file is not None:
        write_atomic(file, paid.reply.body)
    shown: dict[str, object] = {
        "status": paid.reply.status, "bytes": len(paid.reply.body), "number": paid.receipt.number,
        "charged": str(paid.receipt.charged), "spent": str(paid.receipt.spent),
        "operation": paid.receipt.operation.hex(), "answer": paid.receipt.answer.hex(),
    }  # fmt: skip
    if file is None:
        shown["body"] = paid.reply.body.decode("utf-8", "backslashreplace")
    output.result(shown)
    return 0 if paid.reply.status < 400 else EXIT_FAULTS_FOUND


async def _paid(payer: Payer, channel: bytes, asked: tuple[str, str, bytes], bound: int, coin: str) -> Paid:
    from tallystick.services.channels.client import ChannelClient

    method, url, body = asked
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    async with ChannelClient(payer, channel, f"{parts.scheme}://{parts.netloc}", coin=coin, lines=1) as client:
        known = _undecided(payer, channel, client.operation(method, path, body))
        if known is not None:
            return await client.send(method, path, body, known)
        return await client.call(method, path, body, bound=bound)


def _undecided(payer: Payer, channel: bytes, operation: bytes) -> SignedCall | None:
    """Return the call for this operation that was signed before and has no receipt, the oldest first."""
    return next((one for one in payer.repeat(channel) if one.call.operation == operation), None)


@click.command("sell")
@click.argument("upstream")
@click.option("--price", required=True, help="Of a request, or the most: a decimal amount of the coin.")
@click.option("--token", default=NATIVE, help="In which token; the native coin if left out.")
@click.option("--as", "key", default=OWN, show_default=True, help="Whose account is paid, and signs receipts.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option("--origin", default="", help="How clients address it, https://name, where a proxy stands in front.")
@click.option("--public", is_flag=True, help="Listening where others can reach it is meant.")
@in_workspace
@advised
def sell(
    output: Output,
    tally: Tally,
    upstream: str,
    price: str,
    token: str,
    key: str,
    host: str,
    port: int,
    origin: str,
    public: bool,
) -> None:
    """Stand in front of the server UPSTREAM, http://host:port, and let it answer who pays over a channel.

    It may say what a request cost in the header tally-cost, in smallest units, up to --price. Failures cost nothing.
    `tally agent channel settle` brings what was earned to the chain.
    """
    from tallystick.services.channels.selling import sell as serve
    from tallystick.services.listener import Stop, check_loopback

    check_loopback(host, is_public_meant=public)
    coin = read_coin(tally.node, token)
    payee = tally.agents.channels.payee(coin.address, key)

    def ready(bound_host: str, bound_port: int) -> None:
        output.result(
            {"url": f"http://{bound_host}:{bound_port}", "payee": payee.address, "price": price, "coin": coin.address},
            f"selling {upstream} at http://{bound_host}:{bound_port} for {price} a request, paid to {payee.address}",
        )
        output.flush()

    serve(
        payee, upstream, price=coin.parse(price, "--price"), network=f"eip155:{tally.node.chain_id}",
        coin=coin.address, contract=payee.domain.verifying_contract, host=host, port=port, origin=origin,
        on_ready=ready, stop=Stop(),
    )  # fmt: skip


def _content(text: str) -> bytes:
    return read_bounded(Path(text[1:]), FETCH_BODY_BYTES_MAX) if text.startswith("@") else text.encode()
