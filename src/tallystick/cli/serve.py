"""`tally serve`: one model version over HTTP, checked against the chain first, a receipt with every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.connect import connect
from tallystick.chain.node import Node
from tallystick.cli.door import in_workspace
from tallystick.cli.log import log_option
from tallystick.cli.model import MODEL
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.ids import ModelRef
from tallystick.core.limits import ANCHOR_INTERVAL_S, GATEWAY_SETTLE_S
from tallystick.models.register import STATUSES
from tallystick.tally import Tally
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.agents.payments.outcomes import Scheme
    from tallystick.inference.log.writer import Log
    from tallystick.services.gateway import Deployment
    from tallystick.services.gateway.till import Till


@click.command("serve")
@click.argument("model", type=MODEL)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes any free one.")
@click.option("--public", is_flag=True, help="Listening beyond this machine is meant.")
@click.option("--allow-host", "hosts", multiple=True, help="Another host name to answer for.")
@click.option("--anchor-every", default=ANCHOR_INTERVAL_S, show_default=True, help="Seconds between anchors; 0: none.")
@click.option("--price", help="What a prediction costs, a decimal amount of --token (x402); free if left out.")
@click.option("--token", help="The token that is paid in, by its address.")
@click.option("--pay-to", default=OWN, show_default=True, metavar="KEY", help="Who is paid: a key, or an address.")
@click.option("--facilitator", default="own", show_default=True, help="Who settles: own, or the URL of another.")
@click.option("--origin", help="https://host[:port] under which clients know this server, behind a proxy.")
@log_option
@in_workspace
def command(
    output: Output,
    tally: Tally,
    model: ModelRef,
    host: str,
    port: int,
    public: bool,
    hosts: tuple[str, ...],
    anchor_every: float,
    price: str | None,
    token: str | None,
    pay_to: str,
    facilitator: str,
    origin: str | None,
    name: str,
) -> None:
    """Serve MODEL@SEQ or MODEL@CHANNEL, after rechecking it from chain and evidence; stop with Ctrl-C.

    With --price, predictions are paid for before they are answered, by any client of x402 version 2.
    """
    from tallystick.services.gateway import Cadence, serve

    anchorer = tally.inference.anchorer(name) if anchor_every > 0 else None
    cadence = Cadence(anchor_s=anchor_every) if anchor_every > 0 else Cadence()
    till = None if price is None else sell(tally, price, token, pay_to, facilitator, origin)
    with tally.inference.writer(name) as log:
        deployment = _deploy(output, tally, model, log, name)

        def ready(bound: str, real_port: int) -> None:
            served = deployment.served
            url = f"http://{f'[{bound}]' if ':' in bound else bound}:{real_port}"
            infer = f"{url}/v2/models/{served.name}/versions/{served.version}/infer"
            output.result({"url": url, "infer": infer, "model": f"{served.name}@{served.version}", **deployment.facts})
            output.flush()

        serve(
            deployment, host, port,
            on_ready=ready, hosts=hosts, is_public_meant=public, anchorer=anchorer, cadence=cadence,
            till=till,
        )  # fmt: skip


def sell(tally: Tally, price: str, token: str | None, pay_to: str, facilitator: str, origin: str | None) -> Till:
    """Return what sells predictions; the settlements that a crash left open are taken up on the way."""
    from tallystick.services.gateway.till import Till

    if token is None:
        raise InvalidInput("serve.token", "a price is in a token", hint="name it with --token, by its address")
    desk = tally.agents.payments
    terms = desk.terms(price, token, pay_to, description="a prediction")
    asset, payee = terms.prices[0].asset, terms.prices[0].pay_to
    if facilitator == "own":
        scheme: Scheme = desk.scheme([asset], [payee], wait_s=GATEWAY_SETTLE_S)
    else:
        from tallystick.services.facilitator.remote import RemoteFacilitator

        scheme = desk.witnessed(RemoteFacilitator(facilitator), [asset], [payee])
    cashier = desk.cashier(scheme, OWN if pay_to.startswith("0x") else pay_to)
    cashier.resume()
    return Till(cashier, terms, origin)


def _deploy(output: Output, tally: Tally, reference: ModelRef, log: Log, name: str) -> Deployment:
    """Return the deployment of a version whose every check held.

    raises  VerificationFailed "report.failed"; Rejected "serve.revoked"
    """
    from tallystick.inference.serving import Served
    from tallystick.services.gateway import Deployment

    model_id, seq = tally.models.resolve(reference)
    output.note(f"rechecking {model_id}@{seq} from chain and evidence")
    report = tally.models.verify(ModelRef(model_id, seq))
    report.require()
    _check_status(tally.node, tally.models.address, model_id, seq)
    statement, model = tally.models.load_onnx(model_id, seq)
    served = Served(str(model_id), str(seq), statement, tally.inference.node_id(name))
    facts: dict[str, str | int] = {
        "statement": statement.hex(),
        "checks_passed": report.passed,
        "chain_id": tally.node.chain_id,
        "registry": tally.models.address,
        "log_anchor": tally.inference.address,
        "vkey": str(tally.inference.verifier_key(name)),
    }
    receipted = tally.inference.receipted(log, served, model, name)
    target, registry = tally.workspace.chain_target, tally.models.address

    def recheck() -> None:
        with connect(target) as node:  # of its own: it is asked in another thread
            _check_status(node, registry, model_id, seq)

    return Deployment(served, receipted, log, tally.inference.log_id(name), facts, recheck=recheck)


def _check_status(node: Node, registry: str, model_id: int, seq: int) -> None:
    """Return if the version is not revoked; raise Rejected "serve.revoked"."""
    if ModelRegistry(node, registry).version(model_id, seq).status == STATUSES["revoked"]:
        raise Rejected("serve.revoked", f"version {model_id}@{seq} is revoked", hint="serve a version that is not")
