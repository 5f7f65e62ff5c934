"""Models: what the registry says of one, and a recheck of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.core.ids import ModelRef
from tallystick.core.limits import MCP_ROWS_MAX
from tallystick.services.abilities.ability import Ability, Powers
from tallystick.services.abilities.shapes import ADDRESS, HEX, flag, many, record, text, whole
from tallystick.tally import Tally

MODEL = text("A model and its version: 7@3, 7@production, or 7 for the newest", 96)
CHECK = record({"name": text(), "ok": flag(), "detail": text("", 4_096), "expected": text("", 4_096),
                "got": text("", 4_096)})  # fmt: skip


def _verify(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    report = tally.models.verify(ModelRef.parse(given["model"]))
    failed = [one for one in report.checks if not one.ok]
    return {
        "model": given["model"], "registry": tally.models.address, "ok": report.ok, "checks_passed": report.passed,
        "checks_total": report.total, "failed": [shown(one.to_dict()) for one in failed[:MCP_ROWS_MAX]],
    }  # fmt: skip


def _look_up(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    model_id, seq = tally.models.resolve(ModelRef.parse(given["model"]))
    history = tally.models.history(model_id)
    line = history.versions[seq - 1].to_dict()
    kept = ("seq", "statement", "signer", "registered_at", "status", "kinds", "parents", "metrics", "note", "trouble")
    released = [channel for channel, at in history.channels.items() if at == seq]
    return {
        "model": str(model_id), "name": history.model.name, "owner": history.model.owner, "uri": history.model.uri,
        "versions": len(history.versions), "released": released, "version": {name: line[name] for name in kept},
    }  # fmt: skip


def shown(check: Mapping[str, object]) -> dict[str, object]:
    """Return a check with its texts cut to what the schema lets through."""
    return {name: value[:4_096] if isinstance(value, str) else value for name, value in check.items()}


MODELS = (
    Ability(
        "verify_model", "Verify a model version",
        "Recompute a model version from chain and evidence alone: signatures, roots, parents. Lists what failed.",
        record({"model": MODEL}),
        record({"model": text(), "registry": ADDRESS, "ok": flag(), "checks_passed": whole(), "checks_total": whole(),
                "failed": many(CHECK, most=MCP_ROWS_MAX)}),
        _verify,
    ),
    Ability(
        "look_up_model", "Look up a model",
        "What the registry says of a model: owner, version, status, signer, metrics. Claims; verify_model checks them.",
        record({"model": MODEL}),
        record({"model": text(), "name": text("", 4_096), "owner": ADDRESS, "uri": text("", 4_096),
                "versions": whole(), "released": many(text()),
                "version": record({"seq": whole(), "statement": HEX, "signer": text(), "registered_at": whole(),
                                   "status": text()}, is_open=True)}),
        _look_up,
    ),
)  # fmt: skip
