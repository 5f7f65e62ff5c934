"""Make ERC-4337's EntryPoint available to the tests: find it, or take it out of its pinned npm package.

The npm package `@account-abstraction/contracts` holds the compiled contract. Its sources are GPL-3.0, so it is never a
part of this repository or of what we ship: tests deploy it on their own ledgers, and skip where it is not. Running it
again does nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from npm_package import NpmPackage

PACKAGE = NpmPackage(
    "@account-abstraction/contracts",
    "0.8.0",
    "sha512-8krPx/gpnoT+5xAroagVCbeA7FbUigMZWXFKKPm+oghyr29Dksssdx5sI7xGv9212i4JPaDDUGFk58dpuwVgHA==",
)
PLACE = Path(sys.prefix) / "entry-point" / f"EntryPoint-{PACKAGE.version}.json"


def main() -> None:
    """Install the contract unless it is there, and say where it is."""
    if not PLACE.is_file():
        print(f"EntryPoint {PACKAGE.version}: taking it out of the npm package {PACKAGE.name}")
        PACKAGE.keep({"artifacts/EntryPoint.json": PLACE})
    print(f"EntryPoint {PACKAGE.version}: {PLACE}")


if __name__ == "__main__":
    main()
