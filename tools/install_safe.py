"""Make Safe's contracts available to `python -m benches wallets`: find them, or take them out of pinned npm packages.

Safe is LGPL-3.0 and its ERC-4337 module GPL-3.0, so neither is ever a part of this repository or of what we ship: the
bench deploys them on a ledger of its own, to measure them beside our accounts. Safe's AllowanceModule is in no npm
package in compiled form. Running it again does nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from npm_package import NpmPackage

FOLDER = Path(sys.prefix) / "safe"
ACCOUNT = NpmPackage(
    "@safe-global/safe-smart-account",
    "1.5.0",
    "sha512-VIMWxoeY/kNuZVsQVvAeOFKcQS3eojCXg0ecGnesBSLn5ypYshmBhVEEU5XiurJJGTs/MrcoLTbTxhs9W9GvdQ==",
)
MODULE = NpmPackage(
    "@safe-global/safe-4337",
    "0.3.0",
    "sha512-PL/+GrMwfyvRru1rhDwWVMXmHqzc8afa67cUOt1CGwSmbuFzamQGSPMxt9sX4Esmoyh7ICrO5lauPWPYp1Ei1Q==",
)
SOURCES = {
    ACCOUNT: {
        "Safe": "Safe.sol",
        "SafeProxyFactory": "proxies/SafeProxyFactory.sol",
        "CompatibilityFallbackHandler": "handler/CompatibilityFallbackHandler.sol",
    },
    MODULE: {"Safe4337Module": "Safe4337Module.sol", "SafeModuleSetup": "SafeModuleSetup.sol"},
}


def main() -> None:
    """Install what is not there, and say where it is."""
    for package, sources in SOURCES.items():
        places = {
            f"build/artifacts/contracts/{source}/{name}.json": FOLDER / f"{name}-{package.version}.json"
            for name, source in sources.items()
        }
        if not all(place.is_file() for place in places.values()):
            print(f"Safe: taking {', '.join(sources)} out of the npm package {package.name} {package.version}")
            package.keep(places)
    print(f"Safe: {FOLDER}")


if __name__ == "__main__":
    main()
