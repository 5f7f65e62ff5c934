"""Durable appends in one process, each producer waiting for its own entry, beside SQLite's group commit."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any

from benches import scratch
from tallystick.core.limits import LOG_BATCH_ENTRIES_MAX
from tallystick.core.record import RECORD_BYTES
from tallystick.inference.log import Log, file_system

QUESTION = "How many durable log appends a second, with 64, 1,000 and 10,000 producers each waiting for its own?"

PRODUCERS = (64, 1_000, 10_000)
SAMPLED = 16  # one producer in so many notes how long it waited: clocks cost as much as appends


def run(quick: bool) -> dict[str, Any]:
    """Measure appends by waiting producers, bulk appends, and SQLite."""
    figures: dict[str, float] = {}
    notes = [f"entries of {RECORD_BYTES} bytes; a batch is one frame, one fdatasync and one wake-up of the event loop"]
    with scratch() as folder:
        notes.append(f"file system {file_system(folder)}; the garbage collector as a server sets it: frozen at start")
        for producers in PRODUCERS:
            total = max(10 * producers, 20_000 if quick else 40_000 if producers < 1_000 else 400_000)
            runs = [_appends(folder / f"{producers}-{n}", producers, total) for n in range(1 if quick else 5)]
            for name in runs[0]:
                figures[f"{producers}_producers_{name}"] = round(statistics.median(one[name] for one in runs), 3)
            rates = sorted(one["appends_per_s"] for one in runs)
            notes.append(f"{producers} producers: {len(runs)} runs, {rates[0]:,.0f} to {rates[-1]:,.0f} appends/s")
        figures["bulk_appends_per_s"] = _bulk(folder / "bulk", 100_000 if quick else 1_000_000)
        peer = {"bulk_appends_per_s": _sqlite(folder / "peer.db", 100_000 if quick else 1_000_000)}
    notes.append(
        "bulk: one producer handing over 4,096 entries at a time; the peer is SQLite (WAL, synchronous=FULL), one "
        "transaction per 4,096 rows: durable and indexed, with neither hashes nor anyone waiting"
    )
    return {"figures": figures, "peer": peer, "notes": notes}


def _appends(folder: Path, producers: int, total: int) -> dict[str, float]:
    entries = [os.urandom(16) + bytes(RECORD_BYTES - 16) for _ in range(1_000)]
    rounds = total // producers
    waited: list[float] = []

    async def producer(number: int, log: Log) -> None:
        append, entry = log.append, entries[number % 1_000]
        for _ in range(rounds):
            await append(entry)

    async def timed_producer(number: int, log: Log) -> None:
        append, entry, clock = log.append, entries[number % 1_000], time.perf_counter
        for _ in range(rounds):
            start = clock()
            await append(entry)
            waited.append(clock() - start)

    async def all_of(log: Log) -> float:
        start = time.perf_counter()
        await asyncio.gather(*((producer if n % SAMPLED else timed_producer)(n, log) for n in range(producers)))
        return time.perf_counter() - start

    thresholds = gc.get_threshold()
    with Log.open(folder, "example.com/bench") as log:
        syncs = int(log.stats()["data_syncs"])
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        try:
            seconds = asyncio.run(all_of(log))
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
        syncs = int(log.stats()["data_syncs"]) - syncs
        assert log.size == rounds * producers
    waited.sort()
    return {
        "appends_per_s": rounds * producers / seconds,
        "p50_ms": waited[len(waited) // 2] * 1e3,
        "p99_ms": waited[len(waited) * 99 // 100] * 1e3,
        "fdatasync_calls": syncs,
    }


def _bulk(folder: Path, total: int) -> float:
    entries = [os.urandom(RECORD_BYTES) for _ in range(LOG_BATCH_ENTRIES_MAX)]
    with Log.open(folder, "example.com/bench") as log:
        start, before = time.perf_counter(), None
        for _ in range(total // len(entries)):
            pending = log.append_many(entries)[-1]
            if before is not None:
                before.result()
            before = pending
        if before is not None:
            before.result()
        return round(log.size / (time.perf_counter() - start))


def _sqlite(path: Path, total: int) -> float:
    entries = [(os.urandom(RECORD_BYTES),) for _ in range(LOG_BATCH_ENTRIES_MAX)]
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, entry BLOB NOT NULL)")
        start, done = time.perf_counter(), 0
        while done < total:
            database.execute("BEGIN")
            database.executemany("INSERT INTO entries (entry) VALUES (?)", entries)
            database.execute("COMMIT")
            done += len(entries)
        return round(done / (time.perf_counter() - start))
