"""Other processes of the story, started as a user starts them: `tally … --json`, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from tallystick.core.errors import Broken

_START_S = 120.0  # a loaded machine takes seconds to import; more than this is a fault
_STOP_S = 30.0
_AUDIT_S = 300.0


def run_tally(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Run `tally` to its end in `folder`; return its exit status and the one object it printed.

    raises  Broken "demo.process" when it printed anything else
    """
    command = [sys.executable, "-m", "tallystick", *arguments, "--json"]
    done = subprocess.run(  # noqa: S603  our own program
        command, cwd=folder, env=_environment(environment), capture_output=True, timeout=_AUDIT_S, check=False
    )
    return done.returncode, _read(done.stdout, done.stderr, arguments)


@contextlib.contextmanager
def serving(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Run `tally` beside us while the block runs, handing it the object that it printed when ready; then stop it."""
    command = [sys.executable, "-m", "tallystick", *arguments, "--json"]
    process = subprocess.Popen(  # noqa: S603  our own program
        command, cwd=folder, env=_environment(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(b"{") or process.poll() is not None:
            _, errors = process.communicate(timeout=_START_S)
            raise Broken("demo.process", f"tally {arguments[0]} did not start: {errors.decode()[-300:]}")
        yield _read(line, b"", arguments)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_STOP_S)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **more}


def _read(printed: bytes, errors: bytes, arguments: Sequence[str]) -> dict[str, Any]:
    try:
        found = orjson.loads(printed)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Broken("demo.process", f"tally {arguments[0]} printed no JSON object: {errors.decode()[-300:]}")
    return found
