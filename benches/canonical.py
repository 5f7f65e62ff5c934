"""The canonical encoding's fast path beside the reference implementation and the standard library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import rfc8785

from benches import per_second
from tallystick.core import canonical

QUESTION = "How fast are signed documents written and read in canonical form?"

BATCH = 100


def _record() -> dict[str, Any]:
    """A flat record of twelve members, the shape of most signed messages."""
    digests = {f"digest_{number}": f"{number:064x}" for number in range(6)}
    return {
        "kind": "tallystick/bench/v1",
        "time_ms": 1_700_000_000_000,
        "index": 123_456,
        "node": "n" * 32,
        "ok": True,
        **digests,
    }


def _manifest(files: int) -> dict[str, Any]:
    entries = [
        {"name": f"weights/part-{at:05d}.bin", "sha256": f"{at:064x}", "size": at * 4_096} for at in range(files)
    ]
    return {"kind": "tallystick/manifest/v1", "files": entries}


def _by_standard_library(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _rate(encode: Callable[[Any], object], value: object, quick: bool, batch: int = BATCH) -> float:
    def work() -> int:
        for _ in range(batch):
            encode(value)
        return batch

    return per_second(work, quick)


def run(quick: bool) -> dict[str, Any]:
    """Measure documents per second for a flat record and for a manifest of 1,000 files."""
    record, manifest = _record(), _manifest(1_000)
    greek = {f"κλειδί{at}": value for at, value in enumerate(record.values())}
    record_bytes, manifest_bytes = canonical.encode(record), canonical.encode(manifest)
    figures = {
        "encode_record_per_s": _rate(canonical.encode, record, quick),
        "encode_record_non_ascii_keys_per_s": _rate(canonical.encode, greek, quick),
        "decode_record_per_s": _rate(canonical.decode, record_bytes, quick),
        "parse_record_per_s": _rate(canonical.parse, record_bytes, quick),
        "encode_manifest_1000_files_per_s": _rate(canonical.encode, manifest, quick, 1),
        "decode_manifest_1000_files_per_s": _rate(canonical.decode, manifest_bytes, quick, 1),
    }
    peer = {
        "encode_record_per_s": _rate(rfc8785.dumps, record, quick),
        "encode_record_non_ascii_keys_per_s": _rate(rfc8785.dumps, greek, quick),
        "encode_manifest_1000_files_per_s": _rate(rfc8785.dumps, manifest, quick, 1),
        "json_dumps_sorted_record_per_s": _rate(_by_standard_library, record, quick),
        "json_loads_record_per_s": _rate(json.loads, record_bytes, quick),
    }
    notes = [
        f"The record has {len(record)} members and {len(record_bytes)} bytes.",
        "Peer: the rfc8785 package, and the standard library's json, whose sorted keys are no canonical form: "
        "it orders keys beyond U+FFFF otherwise and lets floats through.",
        "Keys that are not ASCII take the reference implementation's path, as orjson orders them otherwise.",
    ]
    return {"figures": figures, "peer": peer, "notes": notes}
