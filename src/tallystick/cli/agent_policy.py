"""`tally agent policy`: what an agent may do, as a file that is checked, explained, simulated and applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.policy import bounds, new_policy, read_policy, write_policy
from tallystick.agents.policy.checking import check_policy
from tallystick.agents.policy.durations import say_time
from tallystick.agents.policy.explaining import explain as explain_policy
from tallystick.agents.policy.findings import Severity
from tallystick.chain.coin import read_coin
from tallystick.cli.agent_door import FILE, advised, at_wallet, by_option, open_policy, show_applied, yes_option
from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.cli.spans import Span
from tallystick.core.errors import InvalidInput
from tallystick.store.files import write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.agents.policy import Policy
    from tallystick.tally.agents.wallet import Wallet

new_options = (
    click.option("--guardian", required=True, help="Who may stop it: a key or an address."),
    click.option("--token", required=True, help="What it spends: a token's address."),
    click.option("--payee", required=True, help="Whom it may pay: a key or an address."),
    click.option("--valid", type=Span(), default="30d", show_default=True, help="How long its key may act."),
)


@click.group("policy")
def policy() -> None:
    """Write, check, explain and apply a policy file.

    WALLET is a name that this workspace's account gave, or an address.
    """


def draft(tally: Tally, guardian: str, token: str, payee: str, session: str, valid: int) -> str:
    """Return a careful policy file to begin with; raises InvalidInput "policy.refused" for what no contract takes."""
    coin, node = read_coin(tally.node, token), tally.node
    address, now_s = tally.agents.address, node.block().timestamp
    text = new_policy(
        chain_id=node.chain_id, owner=tally.account.address, guardian=address(guardian), token=coin.address,
        decimals=coin.decimals, payee=address(payee), session=address(session), until=now_s + valid,
    )  # fmt: skip
    grave = [one for one in check_policy(read_policy(text), now_s).findings if one.severity is Severity.REFUSED]
    if grave:
        raise InvalidInput("policy.refused", f"{grave[0].place}: {grave[0].says}", hint=grave[0].do)
    return text.decode()


def write_draft(path: Path, text: str, account: str | None = None) -> None:
    """Write what `draft` returned to a new file, for an account where there is one."""
    named = text.replace("[account]\n", f'[account]\naddress = "{account}"\n', 1) if account else text
    write_atomic(path, named.encode(), new=True)


@policy.command("new")
@click.argument("file", type=FILE)
@click.option("--session", default="agent", show_default=True, help="The agent's key, or its address.")
@new_options[0]
@new_options[1]
@new_options[2]
@new_options[3]
@in_workspace
@advised
def new(
    output: Output, tally: Tally, file: Path, session: str, guardian: str, token: str, payee: str, valid: int
) -> None:
    """Write a careful policy to begin with, a new FILE: one guardian, token, payee and session, little to lose."""
    write_draft(file, draft(tally, guardian, token, payee, session, valid))
    output.result({"file": str(file), "digest": open_policy(file).digest().hex()})


@policy.command("check")
@click.argument("file", type=FILE)
@in_workspace
@advised
def check(output: Output, tally: Tally, file: Path) -> int:
    """Say what a contract would refuse in FILE, what is dangerous, what hardly meant; ends with 1 for the first two."""
    wanted = open_policy(file)
    report = check_policy(wanted, tally.node.block().timestamp)
    rows = [
        (number, one.severity.name.lower(), one.place, f"{one.says}; {one.do}")
        for number, one in enumerate(report.findings, 1)
    ]
    value = {"digest": wanted.digest().hex(), "is_sound": report.is_sound, **report.to_dict()}
    output.result(value, table("findings", ("", "", "where", ""), rows))
    return 0 if report.is_sound else EXIT_FAULTS_FOUND


@policy.command("explain")
@click.argument("file", type=FILE, required=False)
@click.option("--wallet", "which", help="As this wallet stands now; without FILE, what it holds.")
@click.option("--window", type=Span(), default="1d", show_default=True, help="For how long the losses are told.")
@in_workspace
@advised
def explain(output: Output, tally: Tally, file: Path | None, which: str | None, window: int) -> None:
    """Say in words what each agent may do today, and what can be lost if every key is an attacker's."""
    if file is None and which is None:
        raise click.UsageError("name a policy file, or a wallet with --wallet")
    wanted = open_policy(file) if file else None
    live = tally.agents.wallet(which).live(wanted) if which else None
    told: Policy = live.policy if live else wanted  # type: ignore[assignment]
    at = live.at if live else tally.node.block().timestamp
    waiting = live.waiting(wanted or live.policy) if live else ()
    sections = explain_policy(told, at, live.state if live else None, waiting)
    lost = bounds.loss_bounds(told, window)
    lines = [line for one in sections for line in (one.title, *(f"- {words}" for words in one.lines))]
    lines += ["How much can be lost", *(f"- {one.words()}" for one in lost)]
    value = {"sections": [one.to_dict() for one in sections], "loss_bounds": [one.to_dict() for one in lost]}
    output.result({"digest": told.digest().hex(), **value}, lines)


@policy.command("diff")
@at_wallet
@click.argument("file", type=FILE)
def diff(output: Output, tally: Tally, wallet: Wallet, file: Path) -> int:
    """Say what would turn WALLET into FILE, raises and lowerings; end with 1 where there is anything."""
    changes = wallet.live(open_policy(file)).changes_to(open_policy(file))
    rows = [("raise" if one.is_raise else "lowering", one.part, one.words) for one in changes]
    output.result(
        {"wallet": wallet.address, "changes": [one.to_dict() for one in changes]},
        table("changes", ("", "part", ""), rows) if rows else ["the wallet holds this policy"],
    )
    return EXIT_FAULTS_FOUND if changes else 0


@policy.command("apply")
@at_wallet
@click.argument("file", type=FILE)
@click.option("--strict", is_flag=True, help="Take away at once what is only to become tighter.")
@yes_option
def apply(output: Output, tally: Tally, wallet: Wallet, file: Path, strict: bool, yes: bool) -> None:
    """Send what turns WALLET into FILE: lowerings now, raises announced, and made by the same command once due."""
    wanted = open_policy(file)
    steps = wallet.live(wanted).plan_to(wanted, is_strict=strict)
    for number, one in enumerate(steps, 1):
        output.note(f"{number}. {one.deed.value}: {one.words}")
    if steps:
        output.confirm(f"Send these {len(steps)} steps for {wallet.address}?", yes)
    with output.progress("steps", len(steps)) as advance:
        applied = wallet.apply(wanted, is_strict=strict, told=advance)
    show_applied(output, applied)


@policy.command("due")
@at_wallet
def due(output: Output, tally: Tally, wallet: Wallet) -> None:
    """Have every announced change of WALLET made whose time has come; anybody may."""
    made = wallet.make_due()
    output.result({"wallet": wallet.address, "made": made}, f"{made} changes made")


@policy.command("cancel")
@at_wallet
@click.argument("file", type=FILE)
@by_option
def cancel(output: Output, tally: Tally, wallet: Wallet, file: Path, by: str) -> None:
    """Take back every announced change of WALLET that FILE does not ask for: its owner or a guardian."""
    taken = wallet.cancel_foreign(open_policy(file), by)
    output.result({"wallet": wallet.address, "cancelled": taken}, f"{taken} announced changes taken back")


@policy.command("simulate")
@at_wallet
@click.argument("file", type=FILE)
@click.option("--key", "keys", multiple=True, metavar="OLD=NEW", help="A key of the past is one of FILE now.")
def simulate(output: Output, tally: Tally, wallet: Wallet, file: Path, keys: tuple[str, ...]) -> None:
    """Decide everything that WALLET's sessions did and tried again, under FILE."""
    from tallystick.agents.policy.replay.simulate import lines
    from tallystick.agents.policy.replay.simulate import simulate as replay

    pairs = [one.partition("=") for one in keys]
    if not all(old and new for old, _, new in pairs):
        raise click.UsageError("--key takes OLD=NEW, each a key or an address")
    renamed = {tally.agents.address(old): tally.agents.address(new) for old, _, new in pairs}
    found = replay(open_policy(file), wallet.history(), renamed)
    output.result({"wallet": wallet.address, **found.to_dict()}, list(lines(found)))


@policy.command("export")
@at_wallet
@click.argument("file", type=FILE)
def export(output: Output, tally: Tally, wallet: Wallet, file: Path) -> None:
    """Write what WALLET holds now as a policy file, FILE, which must not be there yet."""
    found = wallet.live().policy
    write_atomic(file, write_policy(found), new=True)
    output.result({"wallet": wallet.address, "file": str(file), "digest": found.digest().hex()})


@policy.command("introduce")
@at_wallet
@click.argument("agent", type=click.IntRange(0, 2**256 - 1))
def introduce(output: Output, tally: Tally, wallet: Wallet, agent: int) -> None:
    """Record that the wallet of AGENT, a number in the registry of the policy's newcomers, has been seen; anybody may.

    Sessions of level supervised may pay it once its cooling-off is over.
    """
    payee, usable_at = wallet.introduce(agent)
    output.result(
        {"wallet": wallet.address, "agent": agent, "payee": payee, "usable_at": usable_at},
        f"{payee} may be paid from {say_time(usable_at)} on",
    )
