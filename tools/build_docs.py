"""Write the pages that are made from the program itself; with --check, only compare.

docs/cli.md          what `--help` prints, of every command
docs/errors.md       every error code, who must act, and the hint that comes with it (read by error_reader.py)
docs/performance.md  the figures that were kept (told by performance_page.py)
docs/lithic/onnx.md  which operators of ONNX become kernels (told by onnx_page.py)

Widths are fixed and colours off, so that the pages are the same on every machine.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from error_reader import KINDS, Raised, read_errors
from onnx_page import page as onnx_page
from performance_page import page as performance_page

from tallystick.cli.main import tally

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WIDTH = 100  # columns of a page

CLI_HEAD = """# Command line

<!-- written by tools/build_docs.py; run `make docs` after a change -->

What `--help` prints, of every command. Exit statuses, environment variables and settings are in
[operating](operating.md), error codes in [errors](errors.md), first steps in [start](start.md).
"""

ERRORS_HEAD = """# Errors

<!-- written by tools/build_docs.py; run `make docs` after a change -->

Every error has a stable code, one line that says what happened, the two values that were compared where there are two,
and mostly a hint. The class says who must act, and is the exit status of `tally`. With `--json` an error is one object:
`{"error", "code", "message", "hint"}`, and `expected` and `got` where they exist; in Python it is an exception of
`tallystick.core.errors` with the same members. A `…` below stands for a name or value of the case at hand.
"""

ACTS = {
    "InvalidInput": "the caller must change the request or the document (exit status 2)",
    "Rejected": "the chain, or a service, said no to a well-formed request (exit status 3). A contract's own reasons, "
    "such as `registry: already registered`, are codes too: its interface documents them",
    "Unavailable": "nobody is wrong; the same request may succeed later (exit status 4)",
    "VerificationFailed": "the evidence contradicts a claim: stop, never retry (exit status 5)",
    "Broken": "we are wrong, or the machine under us is (exit status 70)",
}


def main(arguments: list[str] | None = None) -> int:
    """Write or compare both pages; return 0 when all is well, 1 when --check found a difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="make the pages again and compare, write nothing")
    check = parser.parse_args(arguments).check
    stale = {name: page for name, page in pages().items() if not _is_fresh(DOCS / name, page)}
    if check:
        print("\n".join(f"docs/{name}: stale; run `make docs`" for name in stale) or "generated pages are fresh")
        return 1 if stale else 0
    for name, page in stale.items():
        (DOCS / name).write_text(page, "utf-8")
        print(f"docs/{name}: written")
    return 0


def pages() -> dict[str, str]:
    """Return the text of each page by its name in docs/."""
    return {
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "performance.md": performance_page(),
        "lithic/onnx.md": onnx_page(),
    }


def cli_page() -> str:
    """Return the page of commands: a heading and the real help of each, groups before their members."""
    parts = [CLI_HEAD]
    for words in commands(tally, ()):
        parts.append(f"\n## {' '.join(('tally', *words))}\n\n```text\n{help_of(words)}```\n")
    return "".join(parts)


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words after `tally` of a command and of all below it."""
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from commands(found, (*words, name))


def help_of(words: tuple[str, ...]) -> str:
    """Return what the command prints when asked for help in a terminal of the page's width."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tally.main([*words, "--help"], prog_name="tally", standalone_mode=False, terminal_width=WIDTH)
    return printed.getvalue()


def errors_page() -> str:
    """Return the page of error codes: a table per class."""
    found = read_errors(ROOT / "src" / "tallystick")
    parts = [ERRORS_HEAD]
    for kind in KINDS:
        rows = _rows([one for one in found.raised if one.kind == kind])
        parts.append(
            f"\n## {kind}\n\n{ACTS[kind][0].upper()}{ACTS[kind][1:]}.\n\n| code | says | do |\n|---|---|---|\n{rows}"
        )
    passing = ", ".join(f"`{name}`" for name in found.passed_on)
    parts.append(f"\n## Passed on\n\nThese modules also pass on codes that they were given by others: {passing}.\n")
    return "".join(parts)


def _rows(errors: list[Raised]) -> str:
    """Return a row per code; what is said of it in several places stands side by side."""
    rows = []
    for code in dict.fromkeys(one.code for one in errors):
        same = [one for one in errors if one.code == code]
        says, do = (
            " · ".join(dict.fromkeys(filter(None, each)))
            for each in zip(*((e.message, e.hint) for e in same), strict=True)
        )
        rows.append(f"| `{code}` | {_cell(says)} | {_cell(do)} |\n")
    return "".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _is_fresh(path: Path, page: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == page


if __name__ == "__main__":
    sys.exit(main())
