"""A log as C2SP tlog-tiles serves it: the checkpoint, tiles, entry bundles; and receipts, which are made from them.

Tiles never change once they exist, so caches may keep them for ever; a path has one spelling, every other is unknown.
"""

from __future__ import annotations

import re
from typing import Final

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import RETRY_AFTER_S, TREE_SIZE_MAX
from tallystick.inference.log import LogReader
from tallystick.inference.receipts import build_receipt
from tallystick.services.http1 import JSON, Response, error_response

NOT_FOUND: Final = error_response(404, "not found", b"cache-control: no-store\r\n")

_BYTES = b"application/octet-stream"
_TEXT = b"text/plain; charset=utf-8"
_FOREVER = b"cache-control: public, max-age=31536000, immutable\r\n"
_BRIEFLY = b"cache-control: public, max-age=1\r\n"
_RETRY = b"retry-after: %d\r\ncache-control: no-store\r\n" % RETRY_AFTER_S

_TILE = re.compile(
    r"tile/(entries|0|[1-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z", re.ASCII
)
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)


def read_log(reader: LogReader, path: str) -> Response:
    """Return the resource at `path` under the log's prefix, or 404 where there is none (yet)."""
    if path == "checkpoint":
        note = reader.checkpoint()
        return Response(200, note, _TEXT, _BRIEFLY) if note else error_response(404, "no checkpoint yet", _RETRY)
    tile = _TILE.match(path)
    if tile is None or tile[2].startswith("x000"):
        return NOT_FOUND
    number, width = int(tile[2].replace("x", "").replace("/", "")), int(tile[3] or 256)
    if width > 256 or (tile[3] and width == 256):
        return NOT_FOUND
    try:
        data = reader.bundle(number, width) if tile[1] == "entries" else reader.tile(int(tile[1]), number, width)
    except InvalidInput:
        return error_response(404, "the log does not reach so far yet", b"cache-control: no-store\r\n")
    return Response(200, data, _BYTES, _FOREVER)


def read_receipt(reader: LogReader, index_text: str, query: str) -> Response:
    """Return the receipt of an entry under the latest checkpoint.

    404 with Retry-After means that no checkpoint covers the entry yet; without it, that there is no such entry.
    """
    if query not in ("", "format=json", "format=tlog-proof"):
        return error_response(400, "unknown format: json or tlog-proof", b"cache-control: no-store\r\n")
    if not _INDEX.match(index_text) or int(index_text) > TREE_SIZE_MAX:
        return NOT_FOUND
    index, note = int(index_text), reader.checkpoint()
    try:
        receipt = build_receipt(reader, index, note)
    except InvalidInput:
        if index < reader.size:
            return error_response(404, "no checkpoint covers this entry yet", _RETRY)
        return error_response(404, "no such entry", b"cache-control: no-store\r\n")
    if query == "format=tlog-proof":
        return Response(200, receipt.to_tlog_proof(), _TEXT, b"cache-control: no-store\r\n")
    return Response(200, receipt.to_bytes(), JSON, b"cache-control: no-store\r\n")
