"""`tally agent rehearse`: the kill switch tried without pulling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tallystick.cli.agent_door import at_wallet
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet


@click.command("rehearse")
@at_wallet
def rehearse(output: Output, tally: Tally, wallet: Wallet) -> int:
    """Try without sending who could freeze a wallet now, and whether its owner could take everything out.

    Ends with 1 if nobody but the owner could freeze it, or something could not be taken out.
    """
    trials = wallet.rehearse()
    freezes, sweeps = ([one for one in trials if one.deed == deed] for deed in ("freeze", "sweep"))
    is_ready = any(one.is_good for one in freezes[:-1]) and all(one.is_good for one in (*freezes[-1:], *sweeps))
    rows = [
        ("✓" if one.is_good else "✗", one.deed, one.who, one.token, one.reason or ("" if one.can_pay else "cannot pay"))
        for one in trials
    ]
    found = {"wallet": wallet.address, "ready": is_ready, "trials": [one.to_dict() for one in trials]}
    words = "a guardian can stop it, and its owner can empty it" if is_ready else "not everything would go well"
    output.result(found, [table("Tried, and not sent", ("", "what", "by whom", "token", "why not"), rows), "", words])
    return 0 if is_ready else EXIT_FAULTS_FOUND
