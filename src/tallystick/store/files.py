"""Files on the local disk: whole or absent, bounded, and never outside the folder they belong to.

`write_atomic` is the one way to replace a file; `safe_join` the one way from a name to a path. Symbolic links are
refused everywhere, since evidence must be the bytes that its name says and nothing else's. The checks are made on
names, so whoever may write in a folder while we work there can race them; folders of ours belong to one user.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import BLOB_CHUNK_BYTES, MANIFEST_FILES_MAX, WALK_DEPTH_MAX
from tallystick.core.names import check_name, sort_key

_LINK = {errno.ELOOP, errno.EMLINK}  # what O_NOFOLLOW answers: Linux and macOS, FreeBSD
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, new: bool = False) -> None:
    """Make `data` the whole content of `path`, durably: afterwards, even after a crash, the file is all old or all new.

    new     refuse to replace: of several writers at once exactly one succeeds
    raises  Unavailable "files.full", InvalidInput "files.forbidden" or "files.exists", Broken "files.io"; the old file
            is then untouched
    """
    with replacing(path, mode=mode, new=new) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, mode: int = 0o644, new: bool = False) -> Iterator[BinaryIO]:
    """Lend a file that becomes `path`, durably, when the block ends, and vanishes if the block raises.

    raises  as `write_atomic`; a link at `path` itself is replaced, never followed
    """
    draft = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}.draft"
    try:
        make_folder(path.parent)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                sync(file.fileno())
            if new:
                path.hardlink_to(draft)
            else:
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        raise InvalidInput("files.exists", f"{path} exists already", hint="choose another name") from None
    except OSError as error:
        raise machine_error(error, f"cannot write {path}") from error


@contextmanager
def scratch_file(path: Path) -> Iterator[BinaryIO]:
    """Lend a new file at `path` that need not outlive the process; it vanishes if the block raises.

    raises  InvalidInput "files.exists" or "files.forbidden", Unavailable "files.full", Broken "files.io"
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            try:
                yield file
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise InvalidInput("files.exists", f"{path} exists already", hint="choose another name") from None
    except OSError as error:
        raise machine_error(error, f"cannot write {path}") from error


def read_bounded(path: Path, limit: int, *, private: bool = False) -> bytes:
    """Return the whole content of the regular file `path`.

    private  refuse a file that its group or others may read or write
    raises   InvalidInput "files.missing", "files.symlink", "files.special", "files.size" when over `limit` bytes,
             "files.permissions", "files.forbidden"; Broken "files.io"
    """
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        size = found.st_size
        if private and found.st_mode & 0o077:
            raise InvalidInput(
                "files.permissions",
                f"{path} is open to others",
                expected="0o600",
                got=oct(found.st_mode & 0o777),
                hint=f"chmod 600 {path}, and replace the secret in it if others may have copied it",
            )
        # by what it holds, not by the limit: a read of n bytes takes n bytes of memory before it reads
        data = file.read(size + 1) if size <= limit else b""
        while size < len(data) <= limit and (more := file.read(min(BLOB_CHUNK_BYTES, limit + 1 - len(data)))):
            data += more  # it grew meanwhile
    if size > limit or len(data) > limit:
        raise InvalidInput("files.size", f"{path} is too large", expected=f"≤ {limit} bytes", got=max(size, len(data)))
    return data


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Lend `path`, open for reading, if it is a regular file and no link; errors as `read_bounded`."""
    try:
        # O_NONBLOCK: a pipe in the way must not hang us before fstat can refuse it
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            _check_regular(os.fstat(handle).st_mode, path)
            yield file
    except FileNotFoundError:
        raise InvalidInput("files.missing", f"{path} does not exist", hint="check the name") from None
    except OSError as error:
        if error.errno == errno.EISDIR:
            raise InvalidInput("files.special", f"{path} is a folder", expected="a regular file") from None
        raise machine_error(error, f"cannot read {path}") from error


def safe_join(root: Path, name: str) -> Path:
    """Return the path of `name` under `root`; nothing on the way there that exists is a link.

    name    relative, `/`-separated, as core.names allows; the file itself need not exist
    raises  InvalidInput "name.form", or "files.symlink" naming the component
    """
    path = root
    for part in check_name(name).split("/"):
        path = path / part
        if os.path.islink(path):  # noqa: PTH114 - Path.is_symlink raises on over-long names
            raise _link_error(path)
    return path


def walk_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, path) for every regular file under `root`, by the UTF-8 bytes of the whole name.

    raises  InvalidInput "files.missing" unless root is a folder, "files.symlink", "files.special" for pipes, sockets
            and devices, "name.form" for names that a manifest cannot carry, "files.many", "files.deep"
    """
    if root.is_symlink():
        raise _link_error(root)
    if not root.is_dir():
        raise InvalidInput("files.missing", f"{root} is not a folder", hint="name an existing folder")
    names: list[str] = []
    for name in _names_under(root, "", 0):
        names.append(name)
        if len(names) > MANIFEST_FILES_MAX:
            raise InvalidInput("files.many", f"{root} holds too many files", expected=f"≤ {MANIFEST_FILES_MAX}")
    for name in sorted(names, key=sort_key):
        yield name, root / name


def _names_under(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    if depth > WALK_DEPTH_MAX:
        raise InvalidInput("files.deep", f"{folder} is nested too deep", expected=f"≤ {WALK_DEPTH_MAX} levels")
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = check_name(prefix + entry.name)
                if entry.is_dir(follow_symlinks=False):
                    yield from _names_under(folder / entry.name, f"{name}/", depth + 1)
                else:
                    _check_regular(entry.stat(follow_symlinks=False).st_mode, folder / entry.name)
                    yield name
    except OSError as error:
        raise machine_error(error, f"cannot list {folder}") from error


def make_folder(path: Path, *, mode: int = 0o755) -> None:
    """Make the folder `path` and those above it exist, durably.

    raises  InvalidInput "files.special" where a file is in the way, and as `write_atomic`
    """
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    try:
        for folder in reversed(missing):
            folder.mkdir(mode=mode, exist_ok=True)
            sync_folder(folder.parent)
    except (FileExistsError, NotADirectoryError):
        raise InvalidInput("files.special", f"{path} is in the way", expected="a folder") from None
    except OSError as error:
        raise machine_error(error, f"cannot make folder {path}") from error


def sync(handle: int) -> None:
    """Return when what was written to `handle` is on the disk itself; raises OSError."""
    if sys.platform == "darwin":
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # fsync there stops at the drive's cache
    else:
        os.fsync(handle)


def sync_folder(path: Path) -> None:
    """Return when the names in the folder `path` are on the disk; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(handle)
    finally:
        os.close(handle)


def machine_error(error: OSError, what: str) -> TallystickError:
    """Return the error of ours for what the operating system refused; `what` begins the sentence.

    A full disk is Unavailable, a missing permission InvalidInput, and everything else Broken: after a failed fsync
    nothing that was written since the last good one can be relied on.
    """
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return Unavailable("files.full", f"{what}: {reason}", hint="free some space and try again")
    if error.errno in _LINK:
        return InvalidInput("files.symlink", f"{what}: it is a symbolic link", hint="put the file itself there")
    if error.errno == errno.ENOTDIR:
        return InvalidInput("files.special", f"{what}: {reason}", expected="folders on the way to it")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidInput("files.name", f"{what}: {reason}", hint="choose a shorter name")
    if error.errno in _FORBIDDEN:
        return InvalidInput("files.forbidden", f"{what}: {reason}", hint="check the owner and mode of the folder")
    return Broken("files.io", f"{what}: {reason}", hint="check the disk before trying again")


def _check_regular(mode: int, path: Path) -> None:
    if stat.S_ISLNK(mode):
        raise _link_error(path)
    if not stat.S_ISREG(mode):
        raise InvalidInput("files.special", f"{path} is no file", expected="a regular file")


def _link_error(path: Path) -> InvalidInput:
    return InvalidInput(
        "files.symlink", f"{path} is a symbolic link", expected="a regular file", hint="put the file itself there"
    )
