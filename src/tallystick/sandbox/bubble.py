"""The walls around one program: bubblewrap's namespaces and mounts, and the resource limits that it inherits.

The program sees this interpreter and the system's libraries, read only; its own folder `/scratch`, in memory; three
devices that hold nothing; and nothing else: no home, no `/proc`, no terminal, no network, no variable of our
environment. There is no `/proc` because whoever is root outside may read there, whatever number it has inside, what
tells much of the machine: keys, pages of memory, what others do.
"""

from __future__ import annotations

import resource
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
_SYSTEM: Final = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/urandom")


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
        # No `--new-session`: the program stays in the process group that its runner made, and is killed with it.
        *("--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"),
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
    """Return the command that sets the limits: as asked, or lower where this process itself may not have as much."""
    limits = {
        "cpu": (resource.RLIMIT_CPU, bounds.cpu_s),
        "as": (resource.RLIMIT_AS, bounds.memory_bytes),
        "fsize": (resource.RLIMIT_FSIZE, bounds.files_bytes),
        "nofile": (resource.RLIMIT_NOFILE, _OPEN_FILES_MAX),
        "core": (resource.RLIMIT_CORE, 0),
    }
    options: list[str] = []
    for name, (kind, wanted) in limits.items():
        own = resource.getrlimit(kind)[1]
        limit = wanted if own == resource.RLIM_INFINITY else min(wanted, own)
        options.append(f"--{name}={limit}:{limit}")
    return [tool("prlimit"), *options, "--"]


def _files(bounds: Bounds, program_fd: int, *, with_packages: bool) -> list[str]:
    mounts: list[str] = []
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            mounts += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            mounts += ["--ro-bind", str(path), str(path)]
    for path in _python():
        mounts += ["--ro-bind", str(path), str(path)]
    if with_packages:
        mounts += ["--ro-bind", sysconfig.get_path("purelib"), _PACKAGES_PATH]
    for device in _DEVICES:
        mounts += ["--dev-bind", device, device]
    return [
        *mounts,
        *("--size", str(bounds.files_bytes), "--tmpfs", "/scratch"),
        *("--ro-bind-data", str(program_fd), PROGRAM_PATH),
        *("--remount-ro", "/"),
    ]


def _python() -> list[Path]:
    """Return the interpreter, and the folders of its library where they are not the system's.

    Not the whole of its prefix, which may be somebody's home. An interpreter that a virtual environment holds a copy of
    is taken from where it was copied.
    """
    base, own = Path(sys.base_prefix).resolve(), Path(sys.executable).resolve()
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    program = own if own.is_relative_to(base) else (base / "bin" / name).resolve()
    folders = {base / "lib", base / sys.platlibdir} if base != Path("/usr") else set()
    return [program, *(folder for folder in sorted(folders) if folder.is_dir())]


def _interpreter(*, with_packages: bool) -> list[str]:
    """Return the interpreter with the flags that keep it from what surrounds it."""
    python = str(_python()[0])
    if not with_packages:
        return [python, "-I", "-S", "-B"]
    run = f"runpy.run_path({PROGRAM_PATH!r}, run_name='__main__')"
    start = f"import runpy, sys; sys.path.append({_PACKAGES_PATH!r}); {run}"
    return [python, "-I", "-S", "-B", "-c", start]
