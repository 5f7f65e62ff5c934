"""Names of files and tensors as evidence: relative, `/`-separated, NFC, with nothing to climb out of a folder."""

from __future__ import annotations

import unicodedata

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import NAME_BYTES_MAX


def check_name(name: object, what: str = "file name") -> str:
    """Return `name` if it is a safe relative name.

    raises  InvalidInput "name.form" for an empty, absolute or over-long name, empty, `.` or `..` parts, back-slashes,
            control characters, lone surrogates, or a spelling that is not NFC
    """
    if not isinstance(name, str):
        raise InvalidInput("name.form", f"{what} is not a string", got=type(name).__name__)
    if not _is_safe(name):
        raise InvalidInput(
            "name.form",
            f"{what} is not allowed",
            expected="relative, /-separated, NFC, without . or .. parts, back-slashes or control characters",
            got=ascii(name)[:120],
        )
    return name


def _is_safe(name: str) -> bool:
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    if not 0 < len(encoded) <= NAME_BYTES_MAX or not unicodedata.is_normalized("NFC", name):
        return False
    if "\\" in name or any(unicodedata.category(char) == "Cc" for char in name):
        return False
    return all(part not in ("", ".", "..") for part in name.split("/"))


def sort_key(name: str) -> bytes:
    """Return what names are sorted by: their UTF-8 bytes."""
    return name.encode("utf-8")
