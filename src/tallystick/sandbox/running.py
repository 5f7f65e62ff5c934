"""Run one program in the sandbox and take what it answers."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Literal

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SANDBOX_PROGRAM_BYTES_MAX
from tallystick.sandbox import bubble, syscalls
from tallystick.sandbox.bounds import Bounds

Ending = Literal["done", "failed", "killed", "too long", "too much output"]

_PIECE = 64 * 2**10
_KILLED = 128  # and above: the program ended by a signal, as shells tell it


@dataclass(frozen=True)
class Outcome:
    """How a program ended, and what it wrote until then.

    ending   done: exit status 0; failed: another status; killed: by a signal, as when a bound of memory or processor
             time is passed; too long, too much output: ended by us
    status   its exit status, 128 and the signal's number where one ended it
    wall_s   seconds from start to end
    """

    ending: Ending
    status: int
    output: bytes
    errors: bytes
    wall_s: float

    @property
    def is_done(self) -> bool:
        """Whether the program ended by itself and said that all went well."""
        return self.ending == "done"


def run_python(
    program: bytes, given: bytes = b"", bounds: Bounds | None = None, *, with_packages: bool = False
) -> Outcome:
    """Return how the program ended, after its end; nothing of it is left.

    program        Python source, at most 1 MiB
    given          its standard input
    with_packages  whether it may import the packages of this environment
    raises         InvalidInput "sandbox.program" for one too large, "sandbox.bounds";
                   Unavailable "sandbox.absent" where the walls cannot be made
    """
    bounds = bounds or Bounds()
    if len(program) > SANDBOX_PROGRAM_BYTES_MAX:
        raise InvalidInput(
            "sandbox.program",
            "the program is too large",
            expected=f"at most {SANDBOX_PROGRAM_BYTES_MAX} bytes",
            got=f"{len(program)} bytes",
        )
    began = time.monotonic()
    with _file(program) as code, _file(syscalls.program()) as walls, _file(given) as stdin:
        command = bubble.command(bounds, code.fileno(), walls.fileno(), with_packages=with_packages)
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(code.fileno(), walls.fileno()),
            env={},
            start_new_session=True,
        )
        ended_by_us, output, errors = _follow(process, bounds, began)
    status = process.wait()
    status = _KILLED - status if status < 0 else status
    ending: Ending = ended_by_us or ("done" if status == 0 else "killed" if status > _KILLED else "failed")
    return Outcome(ending, status, output, errors, time.monotonic() - began)


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[IO[bytes]]:
    """Lend a file without a name that holds the content, read from its beginning."""
    with TemporaryFile() as file:
        file.write(content)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file


def _follow(process: subprocess.Popen[bytes], bounds: Bounds, began: float) -> tuple[Ending | None, bytes, bytes]:
    """Read both outputs to their end, or kill the program at a bound; returns why, where we did, and both."""
    assert process.stdout is not None
    assert process.stderr is not None
    outputs: dict[int, bytearray] = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr)}
    ending: Ending | None = None
    with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
        for descriptor in outputs:
            selector.register(descriptor, selectors.EVENT_READ)
        try:
            while selector.get_map() and ending is None:
                left_s = began + bounds.wall_s - time.monotonic()
                ready = selector.select(max(left_s, 0))
                if not ready and left_s <= 0:
                    ending = "too long"
                for key, _ in ready:
                    piece = os.read(key.fd, _PIECE)
                    outputs[key.fd] += piece
                    if not piece:
                        selector.unregister(key.fd)
                    elif len(outputs[key.fd]) > bounds.output_bytes:
                        ending = "too much output"
        finally:
            if ending is not None or selector.get_map():
                process.kill()
        output, errors = (
            bytes(outputs[stream.fileno()][: bounds.output_bytes]) for stream in (process.stdout, process.stderr)
        )
    return ending, output, errors
