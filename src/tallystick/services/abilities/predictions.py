"""Predictions with receipts: asked of the gateway that the server was started with, and believed once checked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from tallystick.core import canonical
from tallystick.core.errors import Unavailable
from tallystick.core.ids import ModelRef
from tallystick.core.limits import MCP_RECEIPT_TRIES_MAX, RETRY_AFTER_S
from tallystick.core.receipt import Receipt
from tallystick.inference.anchoring.history import read_chain
from tallystick.inference.log.journal import parse_head
from tallystick.services.abilities.ability import Ability, Powers
from tallystick.services.abilities.models import MODEL
from tallystick.services.abilities.shapes import HEX, anything, flag, many, record, text, whole
from tallystick.services.client import Checked, GatewayClient
from tallystick.services.trust import trusted_by_chain
from tallystick.tally import Tally

_TENSOR = record({
    "name": text(), "shape": many(whole(), most=16), "datatype": text("FP32, FP64, INT64, …", 16),
    "data": {"type": "array", "description": "The numbers, flat or nested"},
})  # fmt: skip


def _predict(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    model_id, seq = tally.models.resolve(ModelRef.parse(given["model"]))
    trusted = trusted_by_chain(tally, model_id, seq, powers.log)
    client = GatewayClient(powers.gateway, str(model_id), str(seq), trusted)
    checked = client.predict(given["inputs"])
    receipt = _receipt(client, checked) if given["receipt"] else None
    return {
        "model": f"{model_id}@{seq}", "statement": trusted.version.hex(), "outputs": list(checked.outputs.values()),
        "origin": trusted.key.name, "log_id": trusted.log_id, "index": checked.index, "entry": checked.entry.hex(),
        "in_salt": checked.in_salt.hex(), "out_salt": checked.out_salt.hex(), "ticket": checked.ticket.to_dict(),
        "receipt": receipt,
    }  # fmt: skip


def _receipt(client: GatewayClient, checked: Checked) -> dict[str, Any] | None:
    """Return the receipt once a checkpoint covers the entry; None where none did in time: the ticket stands for it."""
    for _ in range(MCP_RECEIPT_TRIES_MAX):
        try:
            found = canonical.parse(client.receipt(checked).to_bytes(), "receipt")
            return cast(dict[str, Any], found)
        except Unavailable as error:
            if error.code != "gateway.not_yet":
                raise
            time.sleep(RETRY_AFTER_S / 4)
    return None


def _verify_receipt(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    receipt = Receipt.from_bytes(canonical.encode(given["receipt"]))
    log_id = given["log_id"] or tally.inference.log_id(powers.log)
    chain = read_chain(tally.node, tally.inference.address, log_id)
    head = receipt.verify(chain.keys_for(parse_head(receipt.checkpoint).size))
    return {
        "verified": True, "origin": head.origin, "log_id": log_id, "index": receipt.index, "size": head.size,
        "root": head.root.hex(), "entry": receipt.entry.hex(), "anchored_size": chain.state.size,
        "is_anchored": receipt.index < chain.state.size,
    }  # fmt: skip


PREDICTIONS = (
    Ability(
        "predict", "Predict with a served model",
        "Ask a served model version. The answer is checked against the chain's keys before it is returned, with the "
        "signed ticket and, once a checkpoint covers it, the receipt that proves it offline.",
        record({"model": MODEL, "inputs": many(_TENSOR, "Input tensors, as the Open Inference Protocol has them", 256),
                "receipt": flag("Wait some seconds for the receipt", default=True)}, optional=("receipt",)),
        record({"model": text(), "statement": HEX, "outputs": many(anything("a tensor")), "origin": text("", 1_024),
                "log_id": whole(), "index": whole(), "entry": HEX, "in_salt": HEX, "out_salt": HEX,
                "ticket": anything("the signed promise"), "receipt": {"type": ["object", "null"]}}),
        _predict, is_read_only=False, is_repeatable=False, is_outward=True, needs_gateway=True,
    ),
    Ability(
        "verify_receipt", "Verify a receipt",
        "Check that a receipt's entry is in the log, under a checkpoint signed by the key that the chain names.",
        record({"receipt": anything("The receipt, a JSON object"),
                "log_id": whole("The log's id on chain; this workspace's if 0", default=0)}, optional=("log_id",)),
        record({"verified": flag(), "origin": text("", 1_024), "log_id": whole(), "index": whole(), "size": whole(),
                "root": HEX, "entry": HEX, "anchored_size": whole(), "is_anchored": flag()}),
        _verify_receipt,
    ),
)  # fmt: skip
