"""`tally agent wallet`: an account that an agent spends from, within its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from tallystick.agents.policy.durations import say_time
from tallystick.chain.coin import NATIVE, Coin, read_coin
from tallystick.cli.agent_door import advised, at_wallet, yes_option
from tallystick.cli.door import in_workspace
from tallystick.cli.output import Output, table
from tallystick.cli.spans import Span
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet


@click.group("wallet")
def wallet() -> None:
    """Make a wallet, look at it, seal it, put coins in and take them out.

    WALLET is a name that this workspace's account gave, or an address.
    """


@wallet.command("create")
@click.argument("name")
@click.option("--guardian", "guardians", multiple=True, required=True, help="Who may freeze it: a key or an address.")
@click.option("--raise-delay", type=Span(), default="1d", show_default=True, help="How long raises wait once sealed.")
@click.option("--entry-point", help="Another EntryPoint of ERC-4337 than v0.8's, by its address.")
@in_workspace
@advised
def create(
    output: Output, tally: Tally, name: str, guardians: tuple[str, ...], raise_delay: int, entry_point: str | None
) -> None:
    """Make the wallet NAME of this workspace's account, unsealed; one that is there is found and costs nothing."""
    deploy(output, tally, entry_point)
    made = tally.agents.create(name, guardians, raise_delay)
    output.result(
        {"wallet": made.address, "name": name, "owner": tally.account.address},
        [f"{name} at {made.address}: put coins in, apply a policy, then seal it"],
    )


def deploy(output: Output, tally: Tally, entry_point: str | None = None) -> None:
    """Let the contracts that serve all wallets be there; raises as `Agents.deploy`."""
    with output.progress("contracts of policy accounts", 1) as advance:
        tally.agents.deploy(entry_point)
        advance(1)


@wallet.command("show")
@click.argument("wallet", required=False)
@in_workspace
@advised
def show(output: Output, tally: Tally, wallet: str | None) -> None:
    """Show how WALLET stands, or which wallets this workspace's account has."""
    if wallet is None:
        found = [facts(one) for one in tally.agents.wallets()]
        rows = [(one["wallet"], _standing(one), ", ".join(_held(one))) for one in found]
        listed = table("wallets", ("address", "", "holds"), rows) if rows else "none yet: `tally agent new` makes one"
        output.result({"wallets": found}, listed)
        return
    one = facts(tally.agents.wallet(wallet))
    pairs = [
        ("wallet", one["wallet"]), ("owner", one["owner"]), ("stands", _standing(one)),
        ("guardians", ", ".join(_guarding(one))),
        ("holds", ", ".join(_held(one))), ("links of its audit chain", one["links"]), ("head", one["head"]),
    ]  # fmt: skip
    output.result(one, table("", ("", ""), pairs))


def facts(wallet: Wallet) -> dict[str, object]:
    """Return how a wallet stands, fit for JSON; amounts are decimals of the coin."""
    account, live = wallet.contracts.account, wallet.live()
    until = account.frozen_until()
    return {
        "wallet": wallet.address,
        "owner": account.owner(),
        "is_sealed": account.is_sealed(),
        "is_frozen": until > live.at,
        "frozen_until": until,
        "epoch": account.epoch(),
        "last_heartbeat": account.last_heartbeat(),
        "guardians": dict(wallet.guardians(live)),
        "links": account.link_count(),
        "head": account.head().hex(),
        "holds": [{"coin": coin.to_dict(), "amount": coin.format(units)} for coin, units in wallet.holdings()],
    }


def _standing(one: dict[str, object]) -> str:
    sealed = "sealed" if one["is_sealed"] else "not sealed: sessions cannot act yet"
    return f"{sealed}, frozen until {say_time(int(str(one['frozen_until'])))}" if one["is_frozen"] else sealed


def _guarding(one: dict[str, object]) -> list[str]:
    guardians = one["guardians"]
    assert isinstance(guardians, dict)
    return [
        address if has_gas else f"{address} (no coins for gas: cannot stop it)"
        for address, has_gas in guardians.items()
    ]


def _held(one: dict[str, object]) -> list[str]:
    holds = one["holds"]
    assert isinstance(holds, list)
    return [f"{each['amount']} {_named(each['coin'])}" for each in holds]


def _named(coin: Mapping[str, object]) -> str:
    return str(coin["symbol"]) or ("native coin" if coin["address"] == NATIVE else f"of the token {coin['address']}")


def amount_words(coin: Coin, units: int) -> str:
    """Return an amount of a coin as people read it, also where it calls itself nothing."""
    return coin.named(units) if coin.symbol else f"{coin.format(units)} {_named(coin.to_dict())}"


@wallet.command("fund")
@at_wallet
@click.argument("amount")
@click.option("--token", default=NATIVE, help="Of which token, by its address; the native coin if left out.")
def fund(output: Output, tally: Tally, wallet: Wallet, amount: str, token: str) -> None:
    """Send WALLET so much from this workspace's account."""
    coin = read_coin(tally.node, token)
    units = coin.parse(amount, "AMOUNT")
    wallet.fund(coin, units)
    output.result(
        {"wallet": wallet.address, "sent": coin.format(units), "coin": coin.to_dict()},
        f"sent {amount_words(coin, units)} to {wallet.address}",
    )


@wallet.command("seal")
@at_wallet
@yes_option
def seal(output: Output, tally: Tally, wallet: Wallet, yes: bool) -> None:
    """End, for ever, the time in which the owner changes everything at once; sessions may act from here on."""
    output.confirm(f"Sealed for ever, raises of {wallet.address} wait. Seal it?", yes)
    wallet.seal()
    output.result({"wallet": wallet.address, "is_sealed": True})


@wallet.command("sweep")
@at_wallet
@click.option("--token", default=NATIVE, help="Of which token, by its address; the native coin if left out.")
@click.option("--to", "receiver", help="Who gets it: a key or an address; this workspace's account if left out.")
@yes_option
def sweep(output: Output, tally: Tally, wallet: Wallet, token: str, receiver: str | None, yes: bool) -> None:
    """Take everything of a token out of WALLET, frozen or not; its owner only."""
    coin = read_coin(tally.node, token)
    to = tally.agents.address(receiver) if receiver else tally.account.address
    held = coin.balance(tally.node, wallet.address)
    output.confirm(f"Send {amount_words(coin, held)} from {wallet.address} to {to}?", yes)
    wallet.sweep(coin.address, to)
    output.result(
        {"wallet": wallet.address, "swept": coin.format(held), "coin": coin.to_dict(), "receiver": to},
        f"sent {amount_words(coin, held)} from {wallet.address} to {to}",
    )
