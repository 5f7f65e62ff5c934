"""Make docs/performance.md from figures that were kept: docs/performance.json, gas.json of contracts and of kernels.

`python -m benches --keep` writes the first, the gas tests the second; no figure is copied by hand. Read by
build_docs.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "performance.json"
GAS = ROOT / "tests" / "contracts" / "gas.json"
KERNEL_GAS = ROOT / "tests" / "lithic" / "gas.json"

HEAD = """# Performance

<!-- written by tools/build_docs.py from figures that were kept by `python -m benches --keep` and the gas tests -->

`make bench`, which is `python -m benches`, asks one question a file and prints each figure beside a peer's from the
same run; `python -m benches NAME --json` asks one, `--keep` keeps the answer for this page. Disks and neighbours make
such figures move by a third from hour to hour: trust ratios and orders of magnitude, and measure on your own machine.
Nothing is asserted of time anywhere in the tests.
"""

GAS_HEAD = """
## Gas and code size

Kept in `tests/contracts/gas.json`, compared on every test run, rewritten with `TALLYSTICK_WRITE_GAS=1`. Whole
transactions, with their 21,000 and their calldata, but for those marked *execution*, which are what a caller's own
transaction pays. A proof that the log only grew is in each anchor: what it costs is the price of not having to watch.
"""

KERNEL_HEAD = """
## Gas and code size of model kernels

Kept in `tests/lithic/gas.json`, compared and rewritten in the same way. Models of published sizes, with weights and
inputs that `tallystick.lithic.shapes` draws from a seed, so that anybody can make them again; how they are computed is
told in [model kernels](lithic/kernels.md). *Execution* is without the 21,000 and the calldata of a transaction, *at
worst* is what the compiler promises for any input, *deployment* is whole transactions.
"""


@dataclass(frozen=True)
class Aim:
    """A figure that we set out to reach. `most` says that less is better."""

    what: str
    bench: str
    figure: str
    bound: float
    most: bool = False

    def row(self, kept: Mapping[str, Any]) -> str:
        """Return the table row: what, the aim, what was measured, whether it was met."""
        value = kept[self.bench]["figures"][self.figure]
        met = value <= self.bound if self.most else value >= self.bound
        sign = "≤" if self.most else "≥"
        return f"| {self.what} | {sign} {number(self.bound)} | {number(value)} | {'yes' if met else '**no**'} |"


AIMS = (
    Aim("durable log appends/s, 1,000 waiting producers", "log_append", "1000_producers_appends_per_s", 100_000),
    Aim("… and the middle one waits, ms", "log_append", "1000_producers_p50_ms", 15, most=True),
    Aim("durable log appends/s, 10,000 waiting producers", "log_append", "10000_producers_appends_per_s", 150_000),
    Aim("a log of ten million entries opens after `kill -9`, s", "log_recovery", "open_after_kill_s", 5, most=True),
    Aim("inclusion proof, warm, ms", "proofs", "inclusion_warm_p50_ms", 1, most=True),
    Aim("receipts verified/s, one signature", "receipts", "receipts_verified_signature_once_per_s", 20_000),
    Aim("embedded ledger, one at a time, times anvil", "ledger", "single_ratio_to_anvil", 1),
    Aim("embedded ledger, in batches, transactions/s", "ledger", "batch_tx_per_s", 1_500),
    Aim("a chain of 100,000 transactions opens, ms", "ledger", "open_ms", 100, most=True),
    Aim("a network 30-4-4-1 as a kernel, execution gas", "kernels", "30-4-4-1_gas_at_worst", 1_500, most=True),
    Aim("400-32-16-10, 60 inputs not zero", "kernels", "400-32-16-10, 60 inputs not zero,_gas", 33_000, most=True),
    Aim("… and at worst", "kernels", "400-32-16-10_gas_at_worst", 65_000, most=True),
    Aim("100 boosted trees of depth 3", "kernels", "gbdt-100x3_gas_at_worst", 12_000, most=True),
    Aim("a layer of 256-64, gas for each product", "kernels", "256-64_gas_per_product", 2.5, most=True),
    Aim("calls/s paid over a channel, durable on both sides, with receipts", "channels", "calls_per_s", 1_000),
)


def page() -> str:
    """Return the whole page."""
    kept = json.loads(FIGURES.read_text("utf-8"))
    parts = [HEAD, "\n## What was aimed at\n\n| what | aim | measured | met |\n|---|--:|--:|---|\n"]
    parts += [f"{aim.row(kept)}\n" for aim in AIMS]
    for name in sorted(kept):
        parts += section(name, kept[name])
    parts += [GAS_HEAD, *gas(GAS)]
    if KERNEL_GAS.exists():  # it leaves with its room
        parts += [KERNEL_HEAD, *gas(KERNEL_GAS)]
    return "".join(parts)


def section(name: str, result: Mapping[str, Any]) -> Iterator[str]:
    """Yield one bench: its question, its table, its notes and where it was measured."""
    yield f"\n## {result['question']}\n\n`python -m benches {name}`\n\n"
    figures, peer = result["figures"], result["peer"]
    yield "| figure | here | peer | ratio |\n|---|--:|--:|--:|\n" if peer else "| figure | here |\n|---|--:|\n"
    for figure in [*figures, *(other for other in peer if other not in figures)]:
        cells = [words(figure), number(figures[figure]) if figure in figures else ""]
        if peer:
            cells.append(number(peer[figure]) if figure in peer else "")
            cells.append(number(figures[figure] / peer[figure]) if figure in figures and figure in peer else "")
        yield f"| {' | '.join(cells)} |\n"
    yield "\n" + "".join(f"- {note}\n" for note in result["notes"])
    yield f"- measured on {result['measured_on']}\n"


def gas(path: Path) -> Iterator[str]:
    """Yield the gas of each contract of a snapshot as a table."""
    kept = json.loads(path.read_text("utf-8"))
    for contract in sorted({name.partition(": ")[0] for name in kept}):
        yield f"\n| {contract} | gas or bytes |\n|---|--:|\n"
        for name, value in kept.items():
            owner, _, step = name.partition(": ")
            if owner == contract:
                yield f"| {step} | {value:,} |\n"


def words(figure: str) -> str:
    """Return a figure's name as people say it: `open_after_kill_s` is "open after kill, s"."""
    for suffix, unit in (("_per_s", "/s"), ("_ms", ", ms"), ("_us", ", µs"), ("_s", ", s"), ("_mib", ", MiB")):
        if figure.endswith(suffix):
            return figure.removesuffix(suffix).replace("_", " ") + unit
    return figure.replace("_", " ")


def number(value: float) -> str:
    """Return three digits that mean something."""
    if abs(value) >= 1_000 or value == int(value):
        return f"{float(f'{value:.4g}'):,.0f}" if abs(value) >= 10_000 else f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"
