"""Every parser of bytes from outside, in one table: what reads them, and bytes that it accepts.

The property tests (`test_parsers.py`) and the coverage-guided fuzzer (`tools/fuzz.py`) run over this table. A parser
gets its row in `parsers/`, in the file of the room it belongs to, so that a room leaves with its file.
"""

from __future__ import annotations

import atexit
import importlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from tallystick.core.errors import InvalidInput, VerificationFailed

REFUSALS = (InvalidInput, VerificationFailed)  # all that bytes from outside may raise


@dataclass(frozen=True)
class Target:
    """A parser under test.

    name    `room.what`
    read    takes any bytes; returns, or raises one of REFUSALS
    seeds   returns bytes that `read` accepts; called once, so it may build what it needs
    write   turns what `read` returned into bytes again, where there is such a function
    exact   whether `write` must return the very bytes that were read
    """

    name: str
    read: Callable[[bytes], Any]
    seeds: Callable[[], Sequence[bytes]]
    write: Callable[[Any], bytes] | None = None
    exact: bool = False

    def check(self, data: bytes) -> bool:
        """Return whether `data` was accepted; anything but acceptance or a refusal is a bug and raises.

        What was accepted reads back the same once written, and to the same bytes where there is one spelling.
        """
        try:
            value = self.read(data)
        except REFUSALS:
            return False
        if self.write is not None:
            written = self.write(value)
            if self.exact and written != data:
                raise AssertionError(f"{self.name} accepted a second spelling of {written[:80]!r}")
            if self.read(written) != value:
                raise AssertionError(f"{self.name} does not read back what it wrote: {written[:80]!r}")
        return True


def of_json(read: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    """Return the reader of bytes for a reader of parsed JSON."""

    def read_bytes(data: bytes) -> Any:
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise InvalidInput("fuzz.json", "not JSON") from None
        return read(value)

    return read_bytes


def of_text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """Return the reader of bytes for a reader of text."""

    def read_bytes(data: bytes) -> Any:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput("fuzz.text", "not UTF-8") from None
        return read(text)

    return read_bytes


def of_file(read: Callable[[Path], Any], name: str) -> Callable[[bytes], Any]:
    """Return the reader of bytes for a reader of the file `name` in a folder; the folder is kept until the end."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / name

    def read_bytes(data: bytes) -> Any:
        path.write_bytes(data)
        return read(path)

    return read_bytes


@cache
def targets() -> dict[str, Target]:
    """Return the table by name, of every file in `parsers/`."""
    found: dict[str, Target] = {}
    for path in sorted((Path(__file__).parent / "parsers").glob("*.py")):
        for target in importlib.import_module(f"tests.fuzz.parsers.{path.stem}").TARGETS:
            if target.name in found:
                raise AssertionError(f"two targets are called {target.name}")
            found[target.name] = target
    return found
