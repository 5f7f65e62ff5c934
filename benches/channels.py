"""Calls paid for over a payment channel, beside the same calls for nothing.

Payer and payee are processes of their own, over HTTP on this machine. Each call is written down and signed by the
payer, checked and written down by the payee before the work and again before the answer, and the payee's receipt is
checked and written down by the payer. The peer is the same client and the same server without channels.
`python -m benches.channels paid|free FOLDER` is the server process, `… pay|ask FOLDER PORT LINES SECONDS` the client.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from benches import scratch
from benches._child import Child, say_port

QUESTION = "How many calls a second can one agent pay another for, each signed, durable and with a receipt?"

LINES = 64
PRICE = 100
BODY = b'{"question": "what is the price of this?"}'
ANSWER = b'{"answer": "a hundred"}'
_PAYER, _PAYEE = b"\x01" * 32, b"\x02" * 32


def run(quick: bool) -> dict[str, Any]:
    """Measure paid calls per second at one and at many connections, with a voucher for each and with a step ahead."""
    seconds = 1.0 if quick else 5.0
    with scratch() as folder:
        _open_channels(folder)
        figures = _figures("paid", "pay", folder, seconds)
        ahead = _figures("paid", "ahead", folder, seconds)
        peer = _figures("free", "ask", folder, seconds)
    figures["calls_ahead_per_s"] = ahead["calls_per_s"]
    figures["added_p50_ms"] = figures["one_line_p50_ms"] - peer["one_line_p50_ms"]
    figures["share_of_unpaid_calls"] = figures["calls_per_s"] / peer["calls_per_s"]
    notes = [
        f"One payer's process and one payee's, over HTTP on loopback; {LINES} calls fly at once.",
        "Every call: two signatures by the payer, both checked by the payee, a receipt signed and checked, and two "
        "commits on each side, shared by the calls under way. calls_ahead_per_s: vouchers are signed 100 calls ahead.",
        "Peer: the same client and server without payment.",
    ]
    return {"figures": figures, "peer": peer, "notes": notes}


def _figures(server: str, client: str, folder: Path, seconds: float) -> dict[str, float]:
    with Child("benches.channels", [server, str(folder)]) as child:
        _load(client, folder, child.port, 1, seconds / 5)  # warm
        one = _load(client, folder, child.port, 1, seconds)
        cpu_s = child.cpu_s()
        many = _load(client, folder, child.port, LINES, seconds)
        cpu_us = 1e6 * (child.cpu_s() - cpu_s) / len(many)
    return {
        "calls_per_s": len(many) / seconds,
        "server_cpu_per_call_us": cpu_us,
        "one_line_per_s": len(one) / seconds,
        "one_line_p50_ms": 1e3 * statistics.median(one),
        "many_lines_p50_ms": 1e3 * statistics.median(many),
        "many_lines_p99_ms": 1e3 * sorted(many)[len(many) * 99 // 100],
    }


# --- the channels


def _open_channels(folder: Path) -> None:
    """Put a ledger with the contract and two open channels into the folder: an exact one, and one with a step."""
    from tallystick.agents.channels.payer_book import PayerBook
    from tallystick.chain.accounts import Account
    from tallystick.chain.bindings.payment_channels import PaymentChannels, Terms
    from tallystick.chain.coin import NATIVE
    from tallystick.chain.connect import connect
    from tallystick.chain.deploy import deploy
    from tallystick.chain.embedded import Genesis, create
    from tallystick.chain.outbox import Outbox

    payer, payee = Account(_PAYER), Account(_PAYEE)
    create(folder / "chain.db", Genesis(int(time.time()), balances={bytes.fromhex(payer.address[2:]): 10**24}))
    node = connect(str(folder / "chain.db"))
    outbox = Outbox(folder / "outbox.db", node, payer)
    contract = PaymentChannels(node, deploy(outbox, "PaymentChannels", arguments=[NATIVE]).address)
    book = PayerBook(folder / "payer.db")
    made = {}
    for name, step in (("pay", 0), ("ahead", 100 * PRICE)):
        expires = node.block().timestamp + 30 * 86_400
        terms = Terms(payer.address, payee.address, payer.address, 86_400, expires, name.encode().ljust(32, b"\0"))
        outbox.send_and_wait(contract.open(terms, 10**12, value=10**12), key=name)
        made[name] = book.add(terms, node.chain_id, contract.address, 10**12, step=step).hex()
    (folder / "channels.json").write_bytes(orjson.dumps({"contract": contract.address, **made}))
    book.close()
    outbox.close()
    node.close()


# --- clients


def _load(kind: str, folder: Path, port: int, lines: int, seconds: float) -> list[float]:
    """Return the seconds that each answered call took, made by a process of its own."""
    command = [sys.executable, "-m", "benches.channels", kind, str(folder), str(port), str(lines), str(seconds)]
    return list(orjson.loads(subprocess.run(command, capture_output=True, check=True).stdout))


async def _call(kind: str, folder: Path, port: int, lines: int, seconds: float) -> list[float]:
    times: list[float] = []
    url = f"http://127.0.0.1:{port}"
    begun_s: list[float] = []

    async def repeat(once: Any) -> None:
        begun_s.append(time.perf_counter())
        while (began_s := time.perf_counter()) < begun_s[0] + seconds:
            await once()
            times.append(time.perf_counter() - began_s)

    if kind == "ask":
        from tallystick.services.dialer import Line, Place

        own = [Line(Place.parse(url)) for _ in range(lines)]
        await asyncio.gather(*(repeat(lambda line=line: line.ask("POST", "/answer", (), BODY)) for line in own))
        for line in own:
            await line.close()
        return times
    from tallystick.agents.channels.payer import Payer
    from tallystick.agents.channels.payer_book import PayerBook
    from tallystick.chain.coin import NATIVE
    from tallystick.services.channels.client import ChannelClient

    channel = bytes.fromhex(orjson.loads((folder / "channels.json").read_bytes())[kind])
    payer = Payer(PayerBook(folder / "payer.db"), _PAYER)
    async with ChannelClient(payer, channel, url, coin=NATIVE, lines=lines) as client:
        await asyncio.gather(*(repeat(lambda: client.call("POST", "/answer", BODY, bound=PRICE)) for _ in range(lines)))
    return times


# --- servers


def _serve(kind: str, folder: Path, on_ready: Any) -> None:
    from tallystick.services.http1 import Request, Response
    from tallystick.services.listener import Listener, Stop, serve_forever

    if kind == "free":

        def handle(request: Request) -> Response:
            return Response(200, ANSWER)

        serve_forever(Listener(handle, hosts=["127.0.0.1"]), "127.0.0.1", 0, on_ready=on_ready, stop=Stop())
        return
    from tallystick.agents.channels.payee import Payee
    from tallystick.agents.channels.payee_book import PayeeBook
    from tallystick.agents.channels.signing import domain_of
    from tallystick.agents.channels.standing import Standings
    from tallystick.chain.coin import NATIVE
    from tallystick.chain.connect import connect
    from tallystick.services.channels.server import ChannelServer, Offering, Sold

    async def work(request: Request) -> Sold:
        return Sold(Response(200, ANSWER), PRICE)

    contract = orjson.loads((folder / "channels.json").read_bytes())["contract"]
    node = connect(str(folder / "chain.db"))
    payee = Payee(
        PayeeBook(folder / "payee.db"),
        Standings(node, contract, time.monotonic),
        domain_of(node.chain_id, contract),
        _PAYEE,
    )
    made: list[ChannelServer] = []

    async def handle_paid(request: Request) -> Response:
        return await made[0].handle(request)

    def ready(host: str, port: int) -> None:
        network = f"eip155:{node.chain_id}"
        made.append(
            ChannelServer(
                payee, Offering(f"http://{host}:{port}", network, NATIVE, contract, lambda request: PRICE, work)
            )
        )
        on_ready(host, port)

    serve_forever(Listener(handle_paid, hosts=["127.0.0.1"]), "127.0.0.1", 0, on_ready=ready, stop=Stop())


def main(arguments: list[str]) -> None:
    """Be one of the processes of the bench."""
    kind, folder = arguments[0], Path(arguments[1])
    if kind in ("paid", "free"):
        _serve(kind, folder, say_port)
        return
    times = asyncio.run(_call(kind, folder, int(arguments[2]), int(arguments[3]), float(arguments[4])))
    sys.stdout.buffer.write(orjson.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1:])
