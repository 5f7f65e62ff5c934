"""Audit a publisher from outside: `python audit_everything.py CHAIN REGISTRY ANCHOR BLOBS`.

CHAIN is a node's URL or an embedded chain's file, REGISTRY and ANCHOR the addresses of the two contracts, BLOBS the
publisher's blob store. No workspace and no key is needed, and none of the publisher's own words are believed.
"""

from __future__ import annotations

import sys

from tallystick.core.ids import parse_address
from tallystick.tally.audit import Evidence, audit


def main(chain: str, registry: str, anchor: str, blobs: str) -> int:
    """Recompute every model and every log; name what is wrong and return 1 if anything is."""
    found = audit(Evidence(chain, parse_address(registry), parse_address(anchor), blobs))
    for check in found.report.failures:
        print(f"WRONG {check.name}: {check.detail}")
    entries = sum(log.size for log in found.logs)
    print(f"{found.models} models, {found.versions} versions, {len(found.logs)} logs with {entries} entries")
    print(f"{found.report.passed} of {found.report.total} checks passed")
    return 0 if found.report.ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
