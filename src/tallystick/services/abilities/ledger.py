"""The chain and the logs, as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.services.abilities.ability import Ability, Powers
from tallystick.services.abilities.shapes import HEX, flag, record, text, whole
from tallystick.tally import Tally


def _chain(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    node, block = tally.node, tally.node.block()
    return {
        "chain_id": node.chain_id, "block": block.number, "block_hash": block.hash.hex(), "time": block.timestamp,
        "account": tally.account.address, "is_embedded": tally.workspace.is_embedded,
    }  # fmt: skip


def _log(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    name = given["log"]
    stats, state = tally.inference.reader(name).stats(), tally.inference.state(name)
    return {
        "log": name, "log_id": tally.inference.log_id(name), "origin": state.origin,
        "vkey": str(tally.inference.verifier_key(name)), "size": stats["size"], "signed_size": stats["signed_size"],
        "anchored_size": state.size, "anchored_root": state.root.hex(), "anchored_at": state.anchored_at,
        "is_retired": state.retired,
    }  # fmt: skip


LEDGER = (
    Ability(
        "chain_status", "Where the chain stands", "Chain id, newest block and its time, and this workspace's account.",
        record({}),
        record({"chain_id": whole(), "block": whole(), "block_hash": HEX, "time": whole(), "account": text(),
                "is_embedded": flag()}),
        _chain,
    ),
    Ability(
        "log_status", "Where a log stands",
        "A log of this workspace: entries, how many a checkpoint covers, how many the chain holds, and its key.",
        record({"log": text("Its name here", 64, default="main")}, optional=("log",)),
        record({"log": text(), "log_id": whole(), "origin": text("", 1_024), "vkey": text("", 2_048), "size": whole(),
                "signed_size": whole(), "anchored_size": whole(), "anchored_root": HEX, "anchored_at": whole(),
                "is_retired": flag()}),
        _log,
    ),
)  # fmt: skip
