"""Coverage-guided fuzzing of one parser, or of all: `python tools/fuzz.py TARGET --seconds 60`.

The table of parsers is tests/fuzz/targets.py. What is found lies in the corpus folder (out/fuzz/TARGET unless named):
inputs that reached new code, and `crash-…` for one that broke the rule, which `--replay FILE` runs again. Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["tallystick"]):
    from tests.fuzz.targets import Target, targets

    TABLE = targets()  # imports every parser, which must happen in here to be seen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", help="a name of the table, or `all`; without one the names are listed")
    parser.add_argument("--seconds", type=int, default=0, help="stop after so many seconds; 0: no bound on time")
    parser.add_argument("--runs", type=int, default=-1, help="stop after so many inputs; -1: no bound on number")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations, to repeat a run; 0: another each time")
    parser.add_argument("--corpus", type=Path, help="folder of inputs to start from and to add to")
    parser.add_argument("--replay", type=Path, help="run the one input in this file and say what became of it")
    return parser.parse_args()


def _of_all(chosen: list[Target]) -> Callable[[bytes], None]:
    """Return a function whose first byte chooses the parser, so that one run covers the table."""

    def check(data: bytes) -> None:
        if data:
            chosen[data[0] % len(chosen)].check(data[1:])

    return check


def _seed(corpus: Path, chosen: list[Target], with_choice: bool) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(chosen):
        for seed in target.seeds():
            data = bytes([number]) + seed if with_choice else seed
            (corpus / f"seed-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)


def main() -> int:
    """Fuzz; libFuzzer ends the process when its bound is reached (0) or a bug was found (not 0)."""
    options = _arguments()
    if options.target is None:
        print("\n".join(["all", *TABLE]))
        return 0
    if options.target != "all" and options.target not in TABLE:
        print(f"no parser is called {options.target}; run without a name for the list", file=sys.stderr)
        return 2
    chosen = list(TABLE.values()) if options.target == "all" else [TABLE[options.target]]
    check = _of_all(chosen) if options.target == "all" else chosen[0].check
    if options.replay:
        print("accepted" if check(options.replay.read_bytes()) else "refused")
        return 0
    corpus = options.corpus or ROOT / "out" / "fuzz" / options.target
    _seed(corpus, chosen, options.target == "all")
    flags = [
        f"-runs={options.runs}",
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-artifact_prefix={corpus}/",
        "-max_len=16384",
        "-timeout=20",  # seconds for one input: a parser that takes longer can be stalled
        "-rss_limit_mb=2048",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], lambda data: check(data) and None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
