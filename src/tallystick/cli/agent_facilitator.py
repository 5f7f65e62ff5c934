"""`tally agent facilitator`: bring others' payments to their tokens, with this workspace's account and outbox."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.agent_door import FILE, advised
from tallystick.cli.door import in_workspace
from tallystick.cli.output import Output
from tallystick.core.limits import FACILITATOR_TOKENS_BYTES_MAX
from tallystick.store.files import read_bounded
from tallystick.tally import Tally


@click.command("facilitator")
@click.option("--token", "assets", multiple=True, required=True, help="A token that is settled, by its address.")
@click.option("--payee", "payees", multiple=True, help="A key or address whose payments are settled; all if left out.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8402, show_default=True, help="0 takes any free one.")
@click.option("--public", is_flag=True, help="Listening beyond this machine is meant.")
@click.option("--allow-host", "hosts", multiple=True, help="Another host name to answer for.")
@click.option("--clients", type=FILE, help="A file of tokens, one on a line, that clients must show.")
@in_workspace
@advised
def facilitator(
    output: Output,
    tally: Tally,
    assets: tuple[str, ...],
    payees: tuple[str, ...],
    host: str,
    port: int,
    public: bool,
    hosts: tuple[str, ...],
    clients: Path | None,
) -> None:
    """Verify and settle payments of x402 (`exact`, EIP-3009); stop with Ctrl-C.

    Any number of facilitators may run on one workspace. Each payment is one transaction, whatever crashes; this
    workspace's account pays the gas, at most so much for each.
    """
    from tallystick.services.facilitator.app import Offer
    from tallystick.services.facilitator.server import serve

    paid = [tally.agents.address(one) for one in payees] or None
    scheme = tally.agents.payments.scheme(assets, paid, is_claimed=False)
    tokens = [] if clients is None else read_bounded(clients, FACILITATOR_TOKENS_BYTES_MAX).decode("ascii").split()

    def ready(bound: str, real_port: int) -> None:
        url = f"http://{f'[{bound}]' if ':' in bound else bound}:{real_port}"
        output.result({"url": url, "network": scheme.network, "signer": scheme.signer, "tokens": list(assets)})
        output.flush()

    serve(
        [Offer(scheme, scheme.network, scheme.signer)], host, port,
        on_ready=ready, hosts=hosts, tokens=tokens, is_public_meant=public,
    )  # fmt: skip
