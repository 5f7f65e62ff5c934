"""What happened in the lifecycle story, as plain values: what summary, JSON and HTML report are made from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DIGEST = re.compile(r"[0-9a-f]{20,}")


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
    """One byte that was flipped, what the audit said (what names the byte first), and whether anything named it."""

    target: str
    place: str
    findings: tuple[str, ...]
    caught: bool


@dataclass
class Story:
    """The whole story, filled in as it happens.

    channels      what was released at the end: channel to sequence number
    latencies_ms  client-side milliseconds of every prediction
    scores        the probability of the benign class of every prediction, as served
    commands      what a reader types to repeat the audit and the check of the receipt
    seconds       wall time by chapter
    """

    chain: str = ""
    registry: str = ""
    anchor: str = ""
    versions: list[VersionTold] = field(default_factory=list)
    channels: dict[str, int] = field(default_factory=dict)
    inferences: int = 0
    requests_per_second: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    anchors: list[AnchorTold] = field(default_factory=list)
    receipt: str = ""
    checks: list[dict[str, object]] = field(default_factory=list)
    tampers: list[TamperTold] = field(default_factory=list)
    commands: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def checks_passed(self) -> int:
        """Checks of the audit that held."""
        return sum(bool(check["ok"]) for check in self.checks)

    @property
    def is_whole(self) -> bool:
        """Whether every check held and every tamper was caught."""
        return self.checks_passed == len(self.checks) > 0 and all(tamper.caught for tamper in self.tampers)

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


def brief(words: str) -> str:
    """Return the words with each long digest in them cut to its first eight digits, for people to read."""
    return _DIGEST.sub(lambda found: f"{found[0][:8]}…", words)
