"""The system calls a log makes, behind one seam, and the two write patterns built on them.

`Files` is the real thing. Tests subclass it to make a call fail at a chosen moment; nothing else in the log touches
the file system for writing. An error of `fsync` or `fdatasync` is never retried anywhere: the kernel may have dropped
the dirty pages and will report success the next time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tallystick.core.errors import Broken

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the disk, a quota or a file size limit is used up

_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync there does not reach the platter

VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs"})  # memory: fdatasync succeeds and promises nothing


class Files:
    """Real system calls. Errors are `OSError`; callers decide what each one means."""

    def __init__(self) -> None:
        self.syncs = 0  # data syncs asked for so far, for benchmarks

    def open(self, path: Path, flags: int) -> int:
        """Return a descriptor; new files are readable by their owner alone."""
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        """Write at `offset`; may write less than asked."""
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        """Return once the file's data, and the size needed to read it, are on the disk."""
        self.syncs += 1
        if _FULL_SYNC is None:
            os.fdatasync(fd)
        else:
            fcntl.fcntl(fd, _FULL_SYNC)

    def fsync(self, fd: int) -> None:
        """Return once the file's data and metadata are on the disk."""
        if _FULL_SYNC is None or stat.S_ISDIR(os.fstat(fd).st_mode):
            os.fsync(fd)
        else:
            fcntl.fcntl(fd, _FULL_SYNC)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        """Move `source` over `target` in one step."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


def write_all(files: Files, fd: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`, going on after short writes.

    raises  OSError of the failing call; what was written before it stays
    """
    view = memoryview(data)
    while view:
        done = files.pwrite(fd, view, offset)
        if done <= 0:
            raise OSError(errno.EIO, "write made no progress")
        view = view[done:]
        offset += done


def sync_data(files: Files, fd: int) -> None:
    """Make a file's data durable.

    raises  Broken "log.sync" on any error, whatever its number: what is on the disk is no longer known
    """
    try:
        files.fdatasync(fd)
    except OSError as error:
        raise _unsynced(error) from error


def sync_all(files: Files, fd: int) -> None:
    """Make a file's data and metadata durable; raises as `sync_data` does."""
    try:
        files.fsync(fd)
    except OSError as error:
        raise _unsynced(error) from error


def replace_file(files: Files, path: Path, chunks: Iterable[bytes]) -> int:
    """Make `path` hold exactly `chunks`, durably: after a crash it holds either the old bytes or the new ones.

    returns the file's size

    raises  OSError when nothing has changed, Broken "log.sync" when that is not known
    """
    temporary = path.with_name(path.name + ".tmp")
    fd = files.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        size = 0
        for chunk in chunks:
            write_all(files, fd, chunk, size)
            size += len(chunk)
        sync_all(files, fd)
    finally:
        os.close(fd)
    files.rename(temporary, path)
    sync_folder(files, path.parent)
    return size


def sync_folder(files: Files, folder: Path) -> None:
    """Make the names in `folder` durable.

    raises  Broken "log.sync"
    """
    try:
        fd = files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unsynced(error) from error
    try:
        sync_all(files, fd)
    finally:
        os.close(fd)


def read_exactly(fd: int, length: int, offset: int) -> bytes:
    """Return `length` bytes at `offset`, or fewer where the file ends."""
    data = os.pread(fd, length, offset)
    while len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def _unsynced(error: OSError) -> Broken:
    return Broken(
        "log.sync",
        "the disk did not confirm a write",
        got=str(error),
        hint="stop, look at the disk, then start again: the log rewrites what was not confirmed",
    )


def file_system(path: Path) -> str:
    """Return the type of the file system that holds `path`, such as "ext4"; "unknown" where the system does not say."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    resolved = str(path.resolve())
    best = (False, -1, "unknown")
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")[0]
        point = fields[4].replace("\\040", " ")
        holds = point == "/" or resolved == point or resolved.startswith(point + "/")
        # The device decides; a subvolume has a device of its own, then the longest mount point does.
        best = max(best, (fields[2] == wanted and holds, len(point) if holds else -1, kind))
    return best[2] if best[1] >= 0 else "unknown"
