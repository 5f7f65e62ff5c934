"""`python -m benches [NAME…] [--quick] [--json] [--keep]`: run the benches, print a table or JSON, keep the figures."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

import benches

KEPT = Path(__file__).resolve().parents[1] / "docs" / "performance.json"


def find() -> dict[str, ModuleType]:
    """Return every bench of the package by name; a module that asks no question is a part of one that does."""
    found = {}
    for entry in pkgutil.iter_modules(benches.__path__):
        if entry.name.startswith("_"):
            continue
        module = importlib.import_module(f"benches.{entry.name}")
        if hasattr(module, "QUESTION") and hasattr(module, "run"):
            found[entry.name] = module
    return found


def environment() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, Python, the disk written to, and who else is busy."""
    benches.FOLDER.mkdir(parents=True, exist_ok=True)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "file_system": file_system(benches.FOLDER),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds `folder`, "unknown" where the system does not tell."""
    mounts = Path("/proc/self/mounts")
    if not mounts.is_file():
        return "unknown"
    best, kind = "", "unknown"
    for line in mounts.read_text("utf-8").splitlines():
        _, place, found, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if folder.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind


def measure(module: ModuleType, quick: bool) -> dict[str, Any]:
    """Run one bench; a bench that cannot run says why instead of hiding the others."""
    start = time.perf_counter()
    try:
        result = dict(module.run(quick))
    except Exception as error:  # noqa: BLE001  whatever stops one bench must not hide the others
        result = {"error": f"{type(error).__name__}: {error}"}
    return {"question": module.QUESTION, "seconds": round(time.perf_counter() - start, 1), **result}


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def keep(results: dict[str, Any], environment: dict[str, Any]) -> None:
    """Put these results in place of earlier ones in docs/performance.json, from which the page is made."""
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    place = "{processor}, {cores} cores, {file_system}, {python}".format(**environment)
    for name, result in results.items():
        figures = {side: _rounded(result.get(side, {})) for side in ("figures", "peer")}
        kept[name] = {
            "question": result["question"], **figures, "notes": result.get("notes", []), "measured_on": place
        }  # fmt: skip
    KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


def show(console: Console, name: str, result: dict[str, Any]) -> None:
    """Print the figures of one bench beside those of its peer."""
    console.print(f"\n[bold]{name}[/bold]  {result['question']}  [dim]{result['seconds']} s[/dim]")
    if "error" in result:
        console.print(f"  could not run: {result['error']}", markup=False)
        return
    peer = result.get("peer", {})
    table = Table("figure", "here", *(["peer"] if peer else []), box=None, padding=(0, 2))
    for column in table.columns[1:]:
        column.justify = "right"
    figures = result.get("figures", {})
    for figure in [*figures, *(other for other in peer if other not in figures)]:
        row = [_number(side[figure]) if figure in side else "" for side in (figures, peer)]
        table.add_row(figure, *row[: len(table.columns) - 1])
    console.print(table)
    for note in result.get("notes", []):
        console.print(f"  {note}", markup=False, style="dim")


def main(arguments: list[str] | None = None) -> int:
    """Run the named benches, or all; return 1 when one could not run."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benches to run; all of them when none is named")
    parser.add_argument("--quick", action="store_true", help="a few seconds each: to see that they run, not to quote")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--keep", action="store_true", help="keep the figures in docs/performance.json")
    options = parser.parse_args(arguments)
    if options.keep and options.quick:
        parser.error("figures of a quick run are not worth keeping")
    found = find()
    unknown = sorted(set(options.names) - set(found))
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}; there are {', '.join(found)}")
    before = environment()
    console = Console()
    if not options.json:
        console.print("  ".join(f"{key} {value}" for key, value in before.items()), markup=False, highlight=False)
    results = {}
    for name in options.names or found:
        results[name] = measure(found[name], options.quick)
        if not options.json:
            show(console, name, results[name])
    is_whole = not any("error" in result for result in results.values())
    if options.keep and is_whole:
        keep(results, before)
    if options.json:
        print(json.dumps({"environment": before, "quick": options.quick, "results": results}, indent=2))
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
