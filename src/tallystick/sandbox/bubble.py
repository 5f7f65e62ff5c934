"""The walls around one program: bubblewrap's namespaces and mounts, and the resource limits that it inherits.

The program sees this interpreter and the system's libraries, read only; its own folder `/scratch`, in memory; and
nothing else: no home, no other process, no network, no variable of our environment.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

from tallystick.core.errors import Unavailable
from tallystick.sandbox.bounds import Bounds

PROGRAM_PATH: Final = "/program.py"

_PACKAGES_PATH: Final = "/packages"

_NOBODY: Final = "65534"
_OPEN_FILES_MAX: Final = 64  # Python with NumPy has some ten open at a time
_SYSTEM: Final = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")


def command(bounds: Bounds, program_fd: int, filter_fd: int, *, with_packages: bool) -> list[str]:
    """Return the command that runs the program behind `program_fd` within `bounds`.

    filter_fd      holds the system call filter
    with_packages  the packages of this environment can be imported (they are data: read only, and public)
    raises         Unavailable "sandbox.absent" where the programs that make the walls are not installed
    """
    return [
        *_limits(bounds),
        tool("bwrap"),
        "--unshare-all",
        "--unshare-user",
        *("--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "sandbox"),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"),
        *_files(bounds, program_fd, with_packages=with_packages),
        *("--seccomp", str(filter_fd)),
        *("--chdir", "/scratch", "--setenv", "HOME", "/scratch", "--setenv", "LANG", "C.UTF-8"),
        *("--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1"),
        "--",
        *_interpreter(with_packages=with_packages),
        PROGRAM_PATH,
    ]


@cache
def tool(name: str) -> str:
    """Return where a system program lies; raises Unavailable "sandbox.absent"."""
    found = shutil.which(name)
    if found is None or not sys.platform.startswith("linux"):
        raise Unavailable(
            "sandbox.absent",
            f"nothing can be run in the sandbox: {name} is not installed",
            hint="on Linux install the system packages bubblewrap and util-linux; tools/install_bubblewrap.sh does it",
        )
    return found


def _limits(bounds: Bounds) -> list[str]:
    return [
        tool("prlimit"),
        f"--cpu={bounds.cpu_s}:{bounds.cpu_s}",
        f"--as={bounds.memory_bytes}:{bounds.memory_bytes}",
        f"--fsize={bounds.files_bytes}:{bounds.files_bytes}",
        f"--nofile={_OPEN_FILES_MAX}:{_OPEN_FILES_MAX}",
        "--core=0:0",
        "--",
    ]


def _files(bounds: Bounds, program_fd: int, *, with_packages: bool) -> list[str]:
    mounts: list[str] = []
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            mounts += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            mounts += ["--ro-bind", str(path), str(path)]
    python = str(Path(sys.base_prefix).resolve())
    if not python.startswith("/usr"):
        mounts += ["--ro-bind", python, python]
    if with_packages:
        mounts += ["--ro-bind", sysconfig.get_path("purelib"), _PACKAGES_PATH]
    return [
        *mounts,
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(bounds.files_bytes), "--tmpfs", "/scratch"),
        *("--ro-bind-data", str(program_fd), PROGRAM_PATH),
        # Whoever is root outside may write the kernel's settings inside too, whatever number it has there.
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"),
    ]


def _interpreter(*, with_packages: bool) -> list[str]:
    """Return the interpreter with the flags that keep it from what surrounds it."""
    python = str(Path(sys.executable).resolve())
    if not with_packages:
        return [python, "-I", "-S", "-B"]
    run = f"runpy.run_path({PROGRAM_PATH!r}, run_name='__main__')"
    start = f"import runpy, sys; sys.path.append({_PACKAGES_PATH!r}); {run}"
    return [python, "-I", "-S", "-B", "-c", start]
