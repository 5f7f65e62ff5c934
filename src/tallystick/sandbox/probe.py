"""Try every wall from inside, with a program that means to get out. Nobody's code runs where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import orjson

from tallystick.core.errors import Unavailable
from tallystick.sandbox.bounds import Bounds
from tallystick.sandbox.running import Outcome, run_within

# What each attempt must meet: an error, or the one answer that gives nothing away.
_PROGRAM: Final = b"""
import _thread, ctypes, json, os, socket, sys

def tried(attempt):
    try:
        return repr(attempt())
    except (OSError, ValueError, MemoryError, RuntimeError) as error:
        return type(error).__name__

libc = ctypes.CDLL(None, use_errno=True)

def called(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
    return "done"

print(json.dumps({
    "network": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "local sockets": tried(lambda: socket.socket(socket.AF_UNIX)),
    "processes": tried(os.fork),
    "threads": tried(lambda: _thread.start_new_thread(print, ())),
    "tracing": tried(lambda: called("ptrace", 16, 1, 0, 0)),
    "namespaces": tried(lambda: called("unshare", 0x10000000)),
    "mounts": tried(lambda: called("mount", b"none", b"/scratch", b"tmpfs", 0, None)),
    "ties to its runner": tried(lambda: called("prctl", 1, 0, 0, 0, 0)),
    "own session": tried(os.setsid),
    "host files": tried(lambda: os.listdir("/home") or os.listdir("/var")),
    "other processes": tried(lambda: os.listdir("/proc")),
    "terminals": tried(lambda: os.open("/dev/ptmx", os.O_RDWR)),
    "input": tried(lambda: os.write(0, b"x")),
    "system files": tried(lambda: open("/usr/lib/written", "w")),
    "root folder": tried(lambda: open("/written", "w")),
    "memory": tried(lambda: bytearray(1 << 34)),
    "unnamed files": tried(lambda: os.memfd_create("x")),
    "environment": sorted(os.environ),
    "identity": [os.getpid(), os.getuid(), os.getgid()],
}))
"""
_REFUSED: Final = frozenset({"PermissionError", "OSError", "FileNotFoundError", "MemoryError", "RuntimeError"})
_OURS: Final = frozenset({"HOME", "LANG", "LC_CTYPE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PWD"})
_TOLD: Final[dict[str, Callable[[object], bool]]] = {
    "environment": lambda met: isinstance(met, list) and set(met) <= _OURS,
    "identity": lambda met: met == [1, 65534, 65534],
}


@dataclass(frozen=True)
class Wall:
    """What a program tried, and what it met."""

    name: str
    met: str
    holds: bool


@cache
def check_walls() -> tuple[Wall, ...]:
    """Return every wall, tried once in the life of this process, and all of them hold.

    raises  Unavailable "sandbox.absent" where the walls cannot be made, "sandbox.leaks" where one does not hold
    """
    return judge(run_within(_PROGRAM, b"", Bounds(cpu_s=10, wall_s=30), with_packages=False))


def judge(outcome: Outcome) -> tuple[Wall, ...]:
    """Return the walls that a probe met; raises as `check_walls`."""
    if not outcome.is_done:
        words = outcome.errors.decode("utf-8", "replace").strip().splitlines()
        raise Unavailable(
            "sandbox.absent",
            f"this machine does not let the sandbox be made: {ascii(words[-1][:200]) if words else outcome.ending}",
            hint="it takes bubblewrap 0.7 or later, and unprivileged user namespaces or root; docs/agents/running.md",
        )
    walls = tuple(_wall(name, met) for name, met in orjson.loads(outcome.output).items())
    leaking = [wall.name for wall in walls if not wall.holds]
    if leaking:
        raise Unavailable(
            "sandbox.leaks",
            f"the sandbox does not hold: {', '.join(leaking)}",
            hint="no program of others is run on this machine until it does",
        )
    return walls


def _wall(name: str, met: object) -> Wall:
    holds = _TOLD[name](met) if name in _TOLD else met in _REFUSED
    return Wall(name, f"{met}", holds)
