"""`tally agent`: wallets that AI programs cannot exceed their mandate with, and the people around them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.policy.durations import say_time
from tallystick.cli.agent_a2a import a2a
from tallystick.cli.agent_acting import act, pay
from tallystick.cli.agent_channel import channel
from tallystick.cli.agent_credential import credential
from tallystick.cli.agent_door import FILE, advised, at_wallet, by_option, open_policy, yes_option
from tallystick.cli.agent_facilitator import facilitator
from tallystick.cli.agent_feedback import feedback
from tallystick.cli.agent_identity import identity
from tallystick.cli.agent_intent import intent
from tallystick.cli.agent_invoice import invoice
from tallystick.cli.agent_ledger import ledger
from tallystick.cli.agent_mcp import mcp
from tallystick.cli.agent_owner import owner
from tallystick.cli.agent_payments import fetch, payments
from tallystick.cli.agent_policy import draft, new_options, policy, write_draft
from tallystick.cli.agent_queue import approve, queue, veto
from tallystick.cli.agent_rehearsal import rehearse
from tallystick.cli.agent_run import run
from tallystick.cli.agent_session import session
from tallystick.cli.agent_validation import validation
from tallystick.cli.agent_wallet import deploy, wallet
from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.cli.sections import Sections
from tallystick.cli.spans import Span
from tallystick.core.errors import InvalidInput
from tallystick.store.files import write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet


SECTIONS = {
    "A wallet and what it may do": ("new", "wallet", "policy", "session", "owner"),
    "Acting": ("pay", "act", "run", "queue", "approve", "veto"),
    "Buying and selling": ("fetch", "channel", "payments", "facilitator", "invoice"),
    "Watching": ("audit", "ledger", "intent"),
    "Stopping": ("rehearse", "freeze", "extend-freeze", "unfreeze", "bump-epoch", "heartbeat"),
    "Speaking": ("mcp", "a2a"),
    "In public": ("identity", "feedback", "validation", "credential"),
}


@click.group(
    "agent",
    cls=Sections,
    sections=SECTIONS,
    short_help="Give AI programs wallets that hold their limits, and stop them",
)
def command() -> None:
    """Give AI programs wallets whose limits hold even if their host, prompt and keys are an attacker's.

    WALLET is a name that this workspace's account gave, or an address; keys are the workspace's, by name.
    """


for member in (
    wallet,
    owner,
    policy,
    session,
    queue,
    approve,
    veto,
    pay,
    act,
    run,
    rehearse,
    intent,
    mcp,
    a2a,
    identity,
    feedback,
    validation,
    credential,
    fetch,
    payments,
    invoice,
    ledger,
    facilitator,
    channel,
):
    command.add_command(member)


@command.command("new")
@click.argument("name")
@new_options[0]
@new_options[1]
@new_options[2]
@new_options[3]
@click.option("--file", type=FILE, help="Where the policy goes; NAME.policy.toml if left out.")
@in_workspace
@advised
def new(
    output: Output,
    tally: Tally,
    name: str,
    guardian: str,
    token: str,
    payee: str,
    valid: int,
    file: Path | None,
) -> None:
    """Make a wallet and a key of this NAME, and a careful policy file for them; next: apply it, then seal.

    On a chain of others the keys are made first, by `tally key new`.
    """
    path = file or Path(f"{name}.policy.toml")
    if path.exists():
        raise InvalidInput("cli.exists", f"{path} is there already", hint="name another file with --file")
    key, text = tally.agents.address(name), draft(tally, guardian, token, payee, name, valid)
    deploy(output, tally)
    made = tally.agents.create(name, [guardian], 86_400)
    write_draft(path, text, made.address)
    output.result(
        {"name": name, "wallet": made.address, "session": key, "policy": str(path)},
        [
            f"{name} acts by {key} from the wallet {made.address}; what it may do is in {path}",
            f"next: tally agent policy apply {name} {shlex.quote(str(path))}; tally agent wallet seal {name}",
        ],
    )


@command.command("freeze")
@at_wallet
@click.option("--for", "duration", type=Span(), default="7d", show_default=True, help="It ends by itself.")
@by_option
@yes_option
def freeze(output: Output, tally: Tally, wallet: Wallet, duration: int, by: str, yes: bool) -> None:
    """Stop everything but the owner's sweep, at once; every session, item and announced change is dead for good."""
    output.confirm(f"Freeze {wallet.address}? Its sessions must be granted anew afterwards.", yes)
    receipt = wallet.freeze(duration, by)
    until = wallet.contracts.account.frozen_until()
    output.result(
        {"wallet": wallet.address, "frozen_until": until, "epoch": wallet.contracts.account.epoch(),
         "block": receipt.block_number},
        f"frozen until {say_time(until)}, since block {receipt.block_number}",
    )  # fmt: skip


@command.command("unfreeze")
@at_wallet
@yes_option
def unfreeze(output: Output, tally: Tally, wallet: Wallet, yes: bool) -> None:
    """Let the freeze end, after the wallet's delay; its owner only."""
    output.confirm(f"Let the freeze of {wallet.address} end?", yes)
    until = wallet.unfreeze()
    output.result({"wallet": wallet.address, "frozen_until": until}, f"the freeze ends {say_time(until)}")


@command.command("extend-freeze")
@at_wallet
@click.option("--for", "duration", type=Span(), required=True, help="How long from now; at most a year.")
@yes_option
def extend_freeze(output: Output, tally: Tally, wallet: Wallet, duration: int, yes: bool) -> None:
    """Let a running freeze last longer; its owner only."""
    until = tally.node.block().timestamp + duration
    output.confirm(f"Keep {wallet.address} frozen until {say_time(until)}?", yes)
    wallet.extend_freeze(until)
    output.result({"wallet": wallet.address, "frozen_until": until}, f"frozen until {say_time(until)}")


@command.command("bump-epoch")
@at_wallet
@by_option
@yes_option
def bump_epoch(output: Output, tally: Tally, wallet: Wallet, by: str, yes: bool) -> None:
    """End every session, item, approved digest and announced change for good, without a freeze: owner or guardian."""
    output.confirm(f"End every session, item, digest and announced change of {wallet.address}?", yes)
    epoch = wallet.bump_epoch(by)
    output.result({"wallet": wallet.address, "epoch": epoch}, f"epoch {epoch}: sessions are to be granted anew")


@command.command("heartbeat")
@at_wallet
def heartbeat(output: Output, tally: Tally, wallet: Wallet) -> None:
    """Say that the owner lives; sessions that demand it fall to level propose when the owner is silent too long."""
    wallet.heartbeat()
    at = wallet.contracts.account.last_heartbeat()
    output.result({"wallet": wallet.address, "last_heartbeat": at}, f"heard at {say_time(at)}")


@command.command("audit")
@at_wallet
@click.option("--policy", "file", type=FILE, help="A policy file, whose names are told.")
@click.option("--proven", is_flag=True, help="Recompute headers and receipts, so that the node can hide nothing.")
@click.option("--report", type=FILE, help="Write a report with all of it, an HTML file.")
@click.option("--verbose", is_flag=True, help="Show every check.")
def audit(
    output: Output, tally: Tally, wallet: Wallet, file: Path | None, proven: bool, report: Path | None, verbose: bool
) -> int:
    """Reconstruct all that WALLET did and why, reconcile it to the last unit, name every gap; ends with 1 for one."""
    from tallystick.agents.audit.page import html_report

    with output.progress("audit", 1) as advance:
        found = wallet.audit(open_policy(file) if file else None, is_proven=proven)
        advance(1)
    if report is not None:
        write_atomic(report, html_report(found).encode())
    if output.json:
        output.result(found.to_dict())
    else:
        rows = [(say_time(one.at), one.who, one.words) for one in found.timeline]
        output.result({}, table("what happened", ("when", "who", "what"), rows))
        output.report(found.report, {}, verbose)
        for one in found.findings:
            output.result({}, [f"{'gap' if one.is_gap else 'note'}: {one.words}"])
    return 0 if found.is_balanced else EXIT_FAULTS_FOUND
