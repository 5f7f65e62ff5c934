"""Measurements: one question a file, each beside its peer where one can be installed.

A file of this package that defines `QUESTION: str` and `run(quick: bool) -> dict` is a bench. `run` returns

    figures  name to number; the name ends in its unit: `encode_per_s`, `recover_s`, `proof_p50_ms`
    peer     the same names, measured in the same run with another implementation
    notes    sentences that a reader of the figures needs

A bench asserts nothing and sets no gate: it measures. `python -m benches` runs them all.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "out" / "bench"  # ignored by git, on the disk of the checkout


def per_second(work: Callable[[], int], quick: bool = False, slices: int = 5) -> float:
    """Return units per second: `work` does some and says how many; the median of several slices of time is taken."""
    slice_s = 0.05 if quick else 0.4
    work()  # warm caches and lazy imports
    rates = []
    for _ in range(slices):
        units, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < slice_s:
            units += work()
        rates.append(units / elapsed)
    return statistics.median(rates)


@contextmanager
def scratch() -> Iterator[Path]:
    """Lend an empty folder on the disk of the checkout, never a tmpfs unless the checkout is on one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
