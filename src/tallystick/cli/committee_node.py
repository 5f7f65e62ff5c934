"""`tally lithic node`: a provider that answers requests of a committee."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.chain.accounts import Account
from tallystick.cli.door import in_workspace
from tallystick.cli.output import Output
from tallystick.core.limits import NODE_POLL_S
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.services.lithic_node import Deed

KEY = "answers"  # the secp256k1 key that signs answers; never an account that holds money


@click.command("node", short_help="Answer requests of a committee, under bond")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--key", "key_name", default=KEY, show_default=True, help="The account key that signs answers.")
@click.option("--bond", default="0", show_default=True, help="The first bond, in the contract's coin; none, no vote.")
@click.option("--poll", "poll_s", default=NODE_POLL_S, show_default=True, help="Seconds between looks at the chain.")
@click.option("--contract", help="Another committee than this workspace's, by its address.")
@in_workspace
def node(
    output: Output, tally: Tally, plan: Path, key_name: str, bond: str, poll_s: float, contract: str | None
) -> None:
    """Answer the requests that name this workspace's account, with the models of PLAN; stop with Ctrl-C.

    At the first start the account becomes a provider: its key is listed, its bond paid, its models offered. Where the
    committee counts in a token, it is allowed to take exactly the bond. Killed at any point and started again, a node
    goes on with the answers that it wrote down; two nodes never share a workspace.
    """
    from tallystick.lithic.committee import joining
    from tallystick.lithic.committee.journal import Journal
    from tallystick.lithic.committee.provider import Provider
    from tallystick.services.lithic_node import read_plan, run_node

    served = read_plan(plan)
    services = served.services
    desk = tally.lithic.committee(contract)
    coin, amount = desk.place.coin, desk.place.coin.parse(bond, "--bond")
    joining.check_coin(desk.contract, served.coin)
    signer = Account(tally.secret(key_name).reveal())
    with Journal(tally.workspace.path / "committee") as journal:
        joining.register(desk.contract, tally.outbox, signer, amount)
        joining.offer(desk.contract, tally.outbox, services)
        provider = Provider(
            desk.contract, tally.outbox, signer, journal, services,
            clock=time.time, first_block=desk.place.first_block,
        )  # fmt: skip
        output.result(
            {
                "provider": provider.account,
                "signer": signer.address,
                "bond": coin.format(desk.contract.provider_at(provider.account).bond),
                "coin": coin.to_dict(),
                "contract": desk.place.address,
                "models": sorted(model.hex() for model in services),
            }
        )
        output.flush()

        def report(done: Deed) -> None:
            about = f" {done.request_id.hex()[:16]}" if done.request_id else ""
            output.note(f"{done.deed}{about}{f': {done.detail}' if done.detail else ''}")

        run_node(provider, report=report, clock=time.time, poll_s=poll_s)
