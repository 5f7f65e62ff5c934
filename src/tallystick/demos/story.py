"""What happened in the lifecycle story, as plain values: what summary, JSON and HTML report are made from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class VersionTold:
    """One version as it was registered."""

    seq: int
    title: str
    statement: str
    roots: dict[str, str]
    kinds: tuple[str, ...]
    rows: int
    metrics: dict[str, str]
    gas: int


@dataclass(frozen=True)
class AnchorTold:
    """One checkpoint that the contract accepted after checking that the log grew."""

    size: int
    root: str
    transaction: str
    gas: int


@dataclass(frozen=True)
class TamperTold:
    """One byte that was flipped, what the audit said, and whether it named what was flipped."""

    target: str
    place: str
    findings: tuple[str, ...]
    caught: bool


@dataclass
class Story:
    """The whole story, filled in as it happens.

    latencies_ms  client-side milliseconds of every prediction
    scores        the malignancy-side probability of every prediction, as served
    seconds       wall time by chapter
    """

    chain: str = ""
    registry: str = ""
    anchor: str = ""
    versions: list[VersionTold] = field(default_factory=list)
    inferences: int = 0
    requests_per_second: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    anchors: list[AnchorTold] = field(default_factory=list)
    receipt: str = ""
    checks: list[dict[str, object]] = field(default_factory=list)
    tampers: list[TamperTold] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def checks_passed(self) -> int:
        """Checks of the audit that held."""
        return sum(bool(check["ok"]) for check in self.checks)

    def summary(self) -> dict[str, object]:
        """Return the one object that `tally demo --json` ends with."""
        return {
            "versions": len(self.versions),
            "inferences": self.inferences,
            "anchors": len(self.anchors),
            "checks_passed": self.checks_passed,
            "checks_total": len(self.checks),
            "tampers_tried": len(self.tampers),
            "tampers_caught": sum(tamper.caught for tamper in self.tampers),
            "seconds": round(sum(self.seconds.values()), 1),
        }
