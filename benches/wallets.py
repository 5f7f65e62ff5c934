"""What acts of a wallet with limits cost, beside the same acts of a Safe without any, on one chain in one run."""

from __future__ import annotations

from typing import Any

import benches
from benches._safe import is_installed, safe_costs
from tests.contracts.conftest import Ledger
from tests.contracts.entry_point import PLACE, EntryPoint
from tests.contracts.policy_gas import IN_USE, policy_costs

QUESTION = "How much gas do acts of an agent's wallet take, beside a Safe's?"

# What a step is called here, and in the snapshot of our own contracts.
OURS = {
    "make an account": "make an account with one guardian",
    "pay by one key": "session transfer of a token",
    "pay by one key, another budget on top": "session transfer of a token, a bucket of the payee",
    "debit of one more budget": "debit of one more bucket, execution",
    "pay by one key, refused and counted": "a refused transfer, counted",
    "check a signature (ERC-1271)": "the ERC-1271 check as a transaction",
    "pay by EIP-3009 through ERC-1271": "an EIP-3009 payment through ERC-1271",
    "one user operation": "one user operation",
    "cut a key off": "freeze",
    "approve, each": "approve an item, the second",
    "the same transfer by a plain account": "the same transfer by a plain account",
}
APPROVED = ("propose an item", "approve an item, the first", "approve an item, the second", "run an approved item")


def run(quick: bool) -> dict[str, Any]:
    """Measure every act once: gas does not vary; raises RuntimeError where a contract is not installed."""
    if not is_installed() or not PLACE.is_file():
        raise RuntimeError("run tools/install_entry_point.py and tools/install_safe.py first")
    with benches.scratch() as folder:
        ours, theirs = Ledger(folder / "ours.db"), Ledger(folder / "theirs.db")
        try:
            costs = {step.removeprefix(f"{IN_USE}: "): gas for step, gas in policy_costs(ours).items()}
            peer = safe_costs(theirs, EntryPoint(theirs))
        finally:
            ours.node.close()
            theirs.node.close()
    figures = {name: costs[step] for name, step in OURS.items()}
    figures["pay what two of three signed"] = sum(costs[step] for step in APPROVED)
    return {"figures": _in_gas(figures), "peer": _in_gas(peer), "notes": NOTES}


def _in_gas(costs: dict[str, int]) -> dict[str, int]:
    return {f"{name}, gas": gas for name, gas in costs.items()}


NOTES = [
    "Gas of whole transactions on the embedded ledger (Prague), each act after one of its kind; 10 units of the same "
    "token to a payee that holds some. Here: snapshots of tests/contracts/gas.json, measured again.",
    "Peer: Safe 1.5.0 with its fallback handler, and its module for ERC-4337 0.3.0 on the same EntryPoint v0.8; from "
    "npm, LGPL-3.0 and GPL-3.0, deployed for this bench only (tools/install_safe.py).",
    "They do not do the same: a Safe checks who signed. Here each payment is checked against a rule, a payee's "
    "standing, a cap, a budget of the session and one of the account, is watched for what else moves, and is chained "
    "into an audit. That is what the difference buys.",
    "Two of three: a Safe's owners sign off the chain and one transaction brings it; here propose, two approvals and "
    "the run are four transactions that anybody can see, with a time-lock between.",
    "Cut a key off: here any guardian alone, at once, for all sessions; at a Safe its owners remove one module.",
    "Safe's AllowanceModule, the nearest to a session's budget, is in no npm package in compiled form, so it was not "
    "measured. It cannot cost less than a module that checks nothing, which was.",
]
