"""What every byte of a small SQLite file is for, so that a test can damage each kind of byte.

source  https://sqlite.org/fileformat2.html, sections 1.3, 1.6 and 2.1
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

Regions = dict[tuple[str, str], list[int]]

_TABLE_INTERIOR, _TABLE_LEAF, _INDEX_INTERIOR = 5, 13, 2


def regions(path: Path) -> Regions:
    """Return (tree, part of a page) → offsets in the file; what no part claims is ("", "rest")."""
    content = path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0"))
    found: Regions = defaultdict(list)
    found["", "file header"] = list(range(100))
    for tree, root in {"sqlite_master": 1, **roots}.items():
        for part, start, stop in _tree(content, root):
            found[tree, part] += range(start, stop)
    claimed = {at for offsets in found.values() for at in offsets}
    found["", "rest"] = [at for at in range(len(content)) if at not in claimed]
    return dict(found)


def _tree(content: bytes, root: int) -> Iterator[tuple[str, int, int]]:
    """Yield (part, start, stop) of every page of one b-tree."""
    size = int.from_bytes(content[16:18], "big")
    page = (root - 1) * size
    head = page + (100 if root == 1 else 0)
    kind, cells = content[head], int.from_bytes(content[head + 3 : head + 5], "big")
    is_interior = kind in (_TABLE_INTERIOR, _INDEX_INTERIOR)
    pointers = head + (12 if is_interior else 8)
    yield "page header", head, pointers
    yield "cell pointers", pointers, pointers + 2 * cells
    if is_interior:
        yield from _tree(content, int.from_bytes(content[pointers - 4 : pointers], "big"))
    for at in range(pointers, pointers + 2 * cells, 2):
        cell = page + int.from_bytes(content[at : at + 2], "big")
        if is_interior:
            yield "child", cell, cell + 4
            yield from _tree(content, int.from_bytes(content[cell : cell + 4], "big"))
            cell += 4
        yield from _cell(content, cell, kind, size)


def _cell(content: bytes, start: int, kind: int, page_size: int) -> Iterator[tuple[str, int, int]]:
    first, at = _varint(content, start)
    if kind == _TABLE_INTERIOR:  # a row number and nothing else
        yield "row number", start, at
        return
    yield "payload size", start, at
    if kind == _TABLE_LEAF:
        _, record = _varint(content, at)
        yield "row number", at, record
        at = record
    header, types = _varint(content, at)
    yield "record header", at, types
    yield "record types", types, at + header
    yield "values", at + header, at + _local(first, kind, page_size)


def _local(payload: int, kind: int, usable: int) -> int:
    """Return how much of a payload stands in the page itself."""
    least = (usable - 12) * 32 // 255 - 23
    most = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    if payload <= most:
        return payload
    fitting = least + (payload - least) % (usable - 4)
    return fitting if fitting <= most else least


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        byte = content[at + count]
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at + count + 1
