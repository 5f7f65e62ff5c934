"""Run one program within the walls and take what it answers. Whoever does not try the walls calls `python.run_python`.

The program and all that watches it are one process group, which is killed as a whole at a bound.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tallystick.sandbox import bubble, syscalls
from tallystick.sandbox.bounds import Bounds

Ending = Literal["done", "failed", "killed", "too long", "too much output"]

_PIECE = 64 * 2**10
_KILLED = 128  # and above: the program ended by a signal, as shells tell it
_END_S = 1.0  # for what watches the program to see its end


@dataclass(frozen=True)
class Outcome:
    """How a program ended, and what it wrote until then.

    ending   done: exit status 0; failed: another status; killed: by a signal, as when a bound of memory or processor
             time is passed (or it chose a status above 128 itself); too long, too much output: ended by us
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


def run_within(program: bytes, given: bytes, bounds: Bounds, *, with_packages: bool) -> Outcome:
    """Return how the program ended, after its end, whether or not the walls hold: for the probe that asks this.

    raises  Unavailable "sandbox.absent" where what makes the walls is not installed
    """
    bubble.tool("bwrap")
    began = time.monotonic()
    with _lent(program) as code, _lent(syscalls.program()) as walls, _lent(given) as stdin:
        process = subprocess.Popen(  # noqa: S603
            bubble.command(bounds, code, walls, with_packages=with_packages),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(code, walls),
            env={},
            start_new_session=True,
        )
        with process:
            ended_by_us, output, errors = _follow(process, bounds, began)
    status = process.returncode
    status = _KILLED - status if status < 0 else status
    ending: Ending = ended_by_us or ("done" if status == 0 else "killed" if status > _KILLED else "failed")
    return Outcome(ending, status, output, errors, time.monotonic() - began)


@contextlib.contextmanager
def _lent(content: bytes) -> Iterator[int]:
    """Lend a file in memory that holds the content and that nobody can change, whoever inherits it."""
    descriptor = os.memfd_create("lent", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        sealed = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, sealed)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor


def _follow(process: subprocess.Popen[bytes], bounds: Bounds, began: float) -> tuple[Ending | None, bytes, bytes]:
    """Read both outputs to their end, or kill the program at a bound; returns why, where we did, and both."""
    assert process.stdout is not None
    assert process.stderr is not None
    outputs: dict[int, bytearray] = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr)}
    ending: Ending | None = None
    try:
        with selectors.DefaultSelector() as selector:
            for descriptor in outputs:
                selector.register(descriptor, selectors.EVENT_READ)
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
        if ending is None:
            process.wait(max(began + bounds.wall_s - time.monotonic(), _END_S))
    except subprocess.TimeoutExpired:
        ending = "too long"
    finally:
        if process.returncode is None:
            _kill(process)
    output, errors = (bytes(one[: bounds.output_bytes]) for one in outputs.values())
    return ending, output, errors


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program, and then the group whatever is in it.

    In this order, so that what watches the program collects it: otherwise it becomes a zombie of whoever is the first
    process here, which in a container may be one that collects nobody.
    """
    with contextlib.suppress(OSError):
        watcher = os.pidfd_open(process.pid)
        try:
            for child in _children(process.pid):
                _kill_child(process.pid, child)
            select.select([watcher], [], [], _END_S)
        finally:
            os.close(watcher)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # not yet collected by us: the number is nobody else's


def _kill_child(parent: int, child: int) -> None:
    found = os.pidfd_open(child)
    try:
        if child in _children(parent):  # it is still the process that the number was read for
            signal.pidfd_send_signal(found, signal.SIGKILL)
    finally:
        os.close(found)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
