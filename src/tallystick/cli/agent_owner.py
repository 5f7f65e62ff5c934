"""`tally agent owner`: what only a wallet's owner does, and how another becomes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tallystick.agents.policy.durations import say_time
from tallystick.chain.coin import NATIVE, read_coin
from tallystick.cli.agent_door import at_wallet, by_option, show_applied, yes_option
from tallystick.cli.agent_reasons import call_arguments, calldata_of, reasons_of, to_hash, why_options
from tallystick.cli.output import Output
from tallystick.cli.spans import Span
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet


@click.group("owner")
def owner() -> None:
    """Hand a wallet over, and act as its owner.

    WALLET is a name that this workspace's account gave, or an address.
    """


@owner.command("show")
@at_wallet
def show(output: Output, tally: Tally, wallet: Wallet) -> None:
    """Show who owns WALLET, and to whom it is offered or is announced to be."""
    account, live = wallet.contracts.account, wallet.live()
    heir = account.heir()
    announced = wallet.offers(live)
    lines = [f"{live.policy.owner} owns it"]
    lines += [f"{heir} may take it over, by `tally agent owner accept`"] if heir != NATIVE else []
    lines += [f"from {say_time(due)} on anybody may have it offered to {one}" for one, due in announced]
    value = {"wallet": wallet.address, "owner": live.policy.owner, "heir": None if heir == NATIVE else heir}
    output.result({**value, "announced": [{"heir": one, "due": due} for one, due in announced]}, lines)


@owner.command("offer")
@at_wallet
@click.argument("heir")
@yes_option
def offer(output: Output, tally: Tally, wallet: Wallet, heir: str, yes: bool) -> None:
    """Offer WALLET to HEIR, a key or an address: at once before sealing, or announced.

    Announced, it is made once due, by this command again or by `tally agent policy due`; then the heir accepts.
    """
    to = tally.agents.address(heir)
    output.confirm(f"Let {to} own {wallet.address} and all that it holds, once it accepts?", yes)
    show_applied(output, wallet.offer(to))


@owner.command("accept")
@at_wallet
@by_option
@yes_option
def accept(output: Output, tally: Tally, wallet: Wallet, by: str, yes: bool) -> None:
    """Take WALLET over, as the heir that it is offered to; what the owner before announced is void."""
    output.confirm(f"Own {wallet.address} from now on?", yes)
    wallet.accept(by)
    new = wallet.contracts.account.owner()
    output.result({"wallet": wallet.address, "owner": new}, f"{new} owns {wallet.address}")


@owner.command("withdraw")
@at_wallet
@by_option
def withdraw(output: Output, tally: Tally, wallet: Wallet, by: str) -> None:
    """Take back every offer of WALLET: its owner all, a guardian those that are announced."""
    count = wallet.withdraw(by)
    output.result({"wallet": wallet.address, "withdrawn": count}, f"{count} offers taken back")


@owner.command("execute")
@at_wallet
@call_arguments
@why_options
@yes_option
def execute(
    output: Output,
    tally: Tally,
    wallet: Wallet,
    target: str,
    call: str,
    arguments: tuple[str, ...],
    amount: str,
    yes: bool,
    **why: Any,
) -> None:
    """Have WALLET call TARGET, outside every rule and budget; CALL is written as `tally agent act` takes it."""
    data, to, reasons = calldata_of(tally, call, arguments), tally.agents.address(target), reasons_of(why)
    coin = read_coin(tally.node, NATIVE)
    units = coin.parse(amount, "--amount")
    output.confirm(f"Have {wallet.address} call {to} with {data.hex() or 'no data'} and {coin.named(units)}?", yes)
    output.result({"wallet": wallet.address, **wallet.execute(to, data, units, reasons).to_dict()})


@owner.command("approve-digest")
@at_wallet
@click.argument("digest")
@click.option("--for", "duration", type=Span(), default="1h", show_default=True, help="How long from now.")
@click.option("--revoke", is_flag=True, help="Say yes to it no more.")
@yes_option
def approve_digest(
    output: Output, tally: Tally, wallet: Wallet, digest: str, duration: int, revoke: bool, yes: bool
) -> None:
    """Let WALLET sign DIGEST, 64 hexadecimal digits, by ERC-1271: whoever asks it is told yes.

    A signed order or permit can move everything that the wallet holds. Know what the digest is of.
    """
    meant = to_hash(digest, "the digest of what is to be signed")
    expires = 0 if revoke else tally.node.block().timestamp + duration
    if not revoke:
        output.confirm(f"Let {wallet.address} have signed {meant.hex()} until {say_time(expires)}?", yes)
    wallet.approve_digest(meant, expires)
    until = wallet.contracts.account.digest_until(meant)
    output.result(
        {"wallet": wallet.address, "digest": meant.hex(), "expires": until},
        f"signed until {say_time(until)}" if until else "not signed any more",
    )
