"""Chapter three: the audit, in a new process, in an empty folder, with the publisher's side out of reach."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tallystick.core.errors import Broken
from tallystick.demos.places import Places
from tallystick.demos.processes import run_tally
from tallystick.demos.story import Story


@dataclass(frozen=True)
class Given:
    """All that the auditor is given: a chain endpoint, two addresses, a blob store."""

    chain: str
    registry: str
    anchor: str
    blobs: Path

    def in_copy(self, public: Path, places: Places) -> Given:
        """Return the same, from a copy of the public half; a node's URL stays."""
        is_file = "://" not in self.chain
        return replace(
            self, chain=str(public / places.chain.name) if is_file else self.chain, blobs=public / "evidence"
        )


def audit_elsewhere(given: Given) -> dict[str, Any]:
    """Run `tally audit` in another process and an empty folder; return the object that it printed.

    raises  Broken "demo.audit" when the audit itself could not be made
    """
    arguments = ["audit", "--chain", given.chain, "--registry", given.registry, "--anchor", given.anchor]
    with tempfile.TemporaryDirectory() as empty:
        _, found = run_tally([*arguments, "--blobs", str(given.blobs)], Path(empty), {})
    if "checks" not in found:
        raise Broken("demo.audit", f"the audit ended early: {found.get('message', found)}")
    return found


def failures(found: dict[str, Any]) -> list[str]:
    """Return what the audit said of each failed check."""
    faults = [check for check in found["checks"] if not check["ok"]]
    return [f"{fault['name']}: {fault['detail'] or 'not what was recorded'}" for fault in faults]


def audit_untouched(places: Places, given: Given, story: Story) -> None:
    """Audit the evidence as it was published, and tell every check."""
    with places.out_of_reach():
        story.checks = audit_elsewhere(given)["checks"]
