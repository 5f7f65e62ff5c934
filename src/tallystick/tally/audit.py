"""The whole audit, by somebody who has only a chain, two addresses and a blob store.

Every model of the registry and every log of the anchor contract is recomputed: an embedded chain file itself first,
then versions and their evidence, then logs and their entries, and each published prediction is repeated with the model
that its record names. The workspace, the index and the gateway are not asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.connect import connect
from tallystick.chain.deploy import check_code
from tallystick.chain.node import Node
from tallystick.core.checks import Check, Report
from tallystick.core.errors import TallystickError, Unavailable
from tallystick.core.record import Record
from tallystick.inference.bodies import Body
from tallystick.inference.runtime import Predictor
from tallystick.inference.tensors import read_request, write_answer
from tallystick.inference.verify import LogAudit, verify_log
from tallystick.models.serving import load_onnx
from tallystick.models.verify import Auditor
from tallystick.store.blobs import BlobStore

Progress = Callable[[str], None]

_ANSWERS_KEPT = 1_024  # repeated requests are common in tests and health checks; 16 MiB at most with the next
_REQUEST_KEPT_BYTES = 16 * 2**10
_MODELS_KEPT = 8  # loaded models; a log rarely has records of more versions at a time


@dataclass(frozen=True)
class Evidence:
    """All that an auditor is given.

    chain     URL of a node, or the path of an embedded chain's file
    registry  address of the ModelRegistry
    anchor    address of the LogAnchor
    blobs     URL or path of the blob store
    """

    chain: str
    registry: str
    anchor: str
    blobs: str


@dataclass(frozen=True)
class Audit:
    """What the audit found: its checks, and how much was looked at."""

    report: Report
    models: int
    versions: int
    logs: tuple[LogAudit, ...]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """Return the counts as plain values, fit for JSON."""
        return {
            "models": self.models,
            "versions": self.versions,
            "entries": sum(log.size for log in self.logs),
            "anchored_entries": sum(log.anchored_size for log in self.logs),
            "predictions_repeated": sum(log.repeated for log in self.logs),
            "seconds": round(self.seconds, 2),
        }


def audit(
    evidence: Evidence,
    *,
    models: Sequence[int] | None = None,
    logs: Sequence[int] | None = None,
    repeat: bool = True,
    progress: Progress = lambda _: None,
) -> Audit:
    """Recheck everything, or the named models and logs, and return every fault as a failed check.

    repeat  run published predictions again and compare the answers byte for byte; needs the extra `serve`
    raises  Unavailable when the node or the blob store does not answer
    """
    started = time.monotonic()
    report = Report(())
    if "://" not in evidence.chain:
        progress("the chain file")
        report += _check_file(Path(evidence.chain))
        if not report.ok:  # nothing read through a damaged file is evidence of anything
            return Audit(report, 0, 0, (), time.monotonic() - started)
    blobs = BlobStore(evidence.blobs)
    with connect(evidence.chain, read_only=True) as node:
        contracts = _check_contracts(node, evidence)
        report += contracts
        if not contracts.ok:
            return Audit(report, 0, 0, (), time.monotonic() - started)
        registry = ModelRegistry(node, evidence.registry)
        chosen = range(1, registry.model_count() + 1) if models is None else models
        auditor = Auditor(node, evidence.registry, blobs)
        versions = 0
        for model_id in chosen:
            progress(f"model {model_id}")
            report += auditor.audit_model(model_id)
            versions += registry.model(model_id).version_count
        audited = []
        anchored = range(1, LogAnchor(node, evidence.anchor).log_count() + 1) if logs is None else logs
        allowed = _statements(registry) if anchored else set()
        repeater = Repeater(registry, blobs).answer if repeat else None
        for log_id in anchored:
            progress(f"log {log_id}")
            found = verify_log(
                node, evidence.anchor, log_id, blobs, versions=allowed, repeat=repeater, others=True
            )  # a log may hold its owner's own events; one that claims to be a record must name a version
            audited.append(found)
            report += Report.of(_labelled(f"log {log_id}", found.report))
    return Audit(report, len(chosen), versions, tuple(audited), time.monotonic() - started)


class Repeater:
    """Repeats recorded predictions with the model versions that their records name."""

    def __init__(self, registry: ModelRegistry, blobs: BlobStore) -> None:
        self._registry = registry
        self._blobs = blobs
        self._load = lru_cache(_MODELS_KEPT)(self._loaded)
        self._recall = lru_cache(_ANSWERS_KEPT)(self._repeated)

    def answer(self, record: Record, body: Body) -> bytes:
        """Return the answer that the version gives to the request now, byte for byte as it would be served.

        A model is deterministic, so what was asked a moment ago is not asked again.
        """
        repeat = self._recall if len(body.request) <= _REQUEST_KEPT_BYTES else self._repeated
        return repeat(record.version, body.request)

    def _repeated(self, statement: bytes, body: bytes) -> bytes:
        name, version, predictor = self._load(statement)
        request = read_request(body, predictor.inputs, predictor.outputs)
        outputs = predictor.predict(request.arrays, request.outputs)
        return write_answer(request.id, name, version, outputs)

    def _loaded(self, statement: bytes) -> tuple[str, str, Predictor]:
        model_id, seq = self._registry.version_of(statement)
        return str(model_id), str(seq), Predictor(load_onnx(self._blobs, statement))


def _check_file(path: Path) -> Report:
    """Execute every block of an embedded chain file again."""
    from tallystick.chain.embedded.fsck import fsck

    found = fsck(path)
    if found.ok:
        detail = f"{found.blocks} blocks with {found.transactions} transactions executed again, {found.values} values"
        return Report((Check("chain file", True, detail),))
    faults = [
        Check("chain file", False, f"{fault.where}: {fault.message}", fault.expected, fault.got)
        for fault in found.findings
    ]
    return Report(tuple(faults))


def _check_contracts(node: Node, evidence: Evidence) -> Report:
    return Report.of(
        _code_check(node, name, address)
        for name, address in (("ModelRegistry", evidence.registry), ("LogAnchor", evidence.anchor))
    )


def _code_check(node: Node, name: str, address: str) -> Check:
    try:
        check_code(node, name, address)
    except Unavailable:
        raise
    except TallystickError as error:
        return Check.failed(f"contract {name}", error)
    return Check(f"contract {name}", True, f"the code at {address} is this release's")


def _statements(registry: ModelRegistry) -> set[bytes]:
    """Return the statements of every version of every model: what a record may name."""
    return {
        registry.version(model_id, seq).statement
        for model_id in range(1, registry.model_count() + 1)
        for seq in range(1, registry.model(model_id).version_count + 1)
    }


def _labelled(label: str, report: Report) -> list[Check]:
    return [Check(f"{label}: {c.name}", c.ok, c.detail, c.expected, c.got) for c in report.checks]
