"""Proofs from a long log: by its own process and by a reader in passing."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import pymerkle

from benches import scratch
from tallystick.core import merkle
from tallystick.inference.log import Log, LogReader

QUESTION = "How long does an inclusion or a consistency proof take, warm and cold?"


def run(quick: bool) -> dict[str, Any]:
    """Measure proofs, and entries read back, on a long log; and pymerkle."""
    size, peer_size = (50_000, 2_000) if quick else (1_000_000, 20_000)
    count = 200 if quick else 2_000
    rng = random.Random(7)
    with scratch() as folder:
        entries = [b"entry %d" % n for n in range(4_096)]
        with Log.open(folder / "log", "example.com/bench") as log:
            while log.size < size:
                log.append_many(entries)[-1].result()
            size = log.size
        with LogReader(folder / "log") as reader:
            warm_at = [rng.randrange(256) + 256 * rng.randrange(100) for _ in range(count)]
            anywhere = [rng.randrange(size) for _ in range(count)]
            for index in range(0, 256 * 100, 256):
                reader.inclusion(index, size)
            warm = _times(lambda index: reader.inclusion(index, size), warm_at)
            cold = _times(lambda index: reader.inclusion(index, size), anywhere)
            consistency = _times(lambda old: reader.consistency(old or 1, size), anywhere)
            entry = _times(lambda index: reader.entry(index), anywhere)
            root = reader.root(size)
            for index in anywhere[:50]:
                merkle.verify_inclusion(
                    index, size, merkle.leaf_hash(reader.entry(index)), reader.inclusion(index, size), root
                )
    peer = pymerkle.InmemoryTree(algorithm="sha256")
    for n in range(peer_size):
        peer.append_entry(b"entry %d" % n)
    peer_at = [rng.randrange(peer_size) + 1 for _ in range(count // 10)]
    peer_times = _times(lambda index: peer.prove_inclusion(index, peer_size), peer_at)
    figures = {
        **_summary("inclusion_warm", warm),
        **_summary("inclusion_anywhere", cold),
        **_summary("consistency", consistency),
        **_summary("entry", entry),
    }
    notes = [
        f"{size:,} entries; warm: the tiles have been read before; anywhere: a random entry of the log",
        "an entry is read from the write-ahead log and compared with its leaf hash",
        f"the peer is pymerkle 7, in memory, with {peer_size:,} entries",
    ]
    return {"figures": figures, "peer": _summary("inclusion_warm", peer_times), "notes": notes}


def _times(work: Callable[[int], object], indices: list[int]) -> list[float]:
    times = []
    for index in indices:
        start = time.perf_counter()
        work(index)
        times.append(time.perf_counter() - start)
    return sorted(times)


def _summary(name: str, times: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": round(statistics.median(times) * 1e3, 4),
        f"{name}_p99_ms": round(times[len(times) * 99 // 100] * 1e3, 4),
    }
