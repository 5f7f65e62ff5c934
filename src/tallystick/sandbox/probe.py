"""Try every wall from inside, with a program that means to get out. Nobody's code runs where one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import orjson

from tallystick.core.errors import Unavailable
from tallystick.sandbox.bounds import Bounds
from tallystick.sandbox.running import run_python

# What each attempt must meet: an error, or the one answer that gives nothing away.
_PROGRAM: Final = b"""
import ctypes, json, os, socket, sys

def tried(attempt):
    try:
        return repr(attempt())
    except (OSError, ValueError, MemoryError) as error:
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
    "tracing": tried(lambda: called("ptrace", 16, 1, 0, 0)),
    "namespaces": tried(lambda: called("unshare", 0x10000000)),
    "mounts": tried(lambda: called("mount", b"none", b"/scratch", b"tmpfs", 0, None)),
    "host files": tried(lambda: os.listdir("/home") or os.listdir("/var")),
    "kernel settings": tried(lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)),
    "system files": tried(lambda: open("/usr/written", "w")),
    "root folder": tried(lambda: open("/written", "w")),
    "memory": tried(lambda: bytearray(1 << 34)),
    "environment": sorted(os.environ),
    "others": sorted(name for name in os.listdir("/proc") if name.isdigit()),
    "identity": os.getuid(),
}))
"""
_REFUSED: Final = frozenset({"PermissionError", "OSError", "FileNotFoundError", "MemoryError"})
_OURS: Final = frozenset({"HOME", "LANG", "LC_CTYPE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PWD"})


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
    outcome = run_python(_PROGRAM, bounds=Bounds(cpu_s=10, wall_s=30))
    if not outcome.is_done:
        words = outcome.errors.decode("utf-8", "replace").strip().splitlines()
        raise Unavailable(
            "sandbox.absent",
            f"this machine does not let the sandbox be made: {words[-1][:200] if words else outcome.ending}",
            hint="unprivileged user namespaces must be allowed, or the process run as root",
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
    if name == "environment":
        return Wall(name, f"{met}", isinstance(met, list) and set(met) <= _OURS)
    if name == "others":
        return Wall(name, f"{met}", met == ["1"])
    if name == "identity":
        return Wall(name, f"{met}", met == 65534)
    return Wall(name, f"{met}", met in _REFUSED)
