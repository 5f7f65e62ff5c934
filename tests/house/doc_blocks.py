"""Runs the code blocks of one document in order, in the current folder: `python doc_blocks.py DOCUMENT`.

    python    executed in one namespace per document; a block of `>>>` lines is compared as a doctest
    console   lines after `$ ` are run by bash; the lines below a command must appear in its output, in order

In expected output `…` stands for anything within a line, and alone on a line for any lines. The comment
`<!-- not run: reason -->` above a block leaves it out; `<!-- exits: 2 -->` says how the last command of a block ends.
Blocks of other languages are text. A shell block that is not `console` is refused, as nobody would check it.
"""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"```(\S*)\s*\Z")
NOT_RUN = re.compile(r"<!-- not run: (\S.*\S) -->\Z")
EXITS = re.compile(r"<!-- exits: (\d+) -->\Z")
SHELLS = frozenset({"sh", "bash", "shell", "zsh"})


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its lines, the line of its fence, and what the comment above it says."""

    language: str
    lines: tuple[str, ...]
    at: int
    reason: str = ""
    exits: int = 0


class Failed(Exception):
    """A block did not do what the document says."""


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a document in order."""
    above, inside, language, at = "", None, "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if inside is None and fence:
            inside, language, at = [], fence[1], number
        elif inside is not None and line.strip() == "```":
            skipped, exits = NOT_RUN.match(above), EXITS.match(above)
            yield Block(language, tuple(inside), at, skipped[1] if skipped else "", int(exits[1]) if exits else 0)
            inside, above = None, ""
        elif inside is not None:
            inside.append(line)
        elif line.strip():
            above = line.strip()
    if inside is not None:
        raise Failed(f"line {at}: block is never closed")


def run_document(path: Path) -> int:
    """Run every block of the document; return how many ran.

    raises  Failed naming the line
    """
    names: dict[str, object] = {"__name__": "__main__"}
    ran = 0
    for block in blocks(path.read_text("utf-8")):
        if block.reason:
            continue
        if block.language in SHELLS:
            raise Failed(f"line {block.at}: write shell blocks as ```console with `$ ` before each command")
        if block.language == "python":
            _run_python(block, names, path)
        elif block.language == "console":
            _run_console(block)
        else:
            continue
        ran += 1
    return ran


def _run_python(block: Block, names: dict[str, object], path: Path) -> None:
    source = "\n".join(block.lines) + "\n"
    if any(line.startswith(">>> ") for line in block.lines):
        test = doctest.DocTestParser().get_doctest(source, names, path.name, str(path), block.at)
        said: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
        names.update(test.globs)
        if said:
            raise Failed("".join(said))
        return
    try:
        exec(compile("\n" * block.at + source, str(path), "exec"), names)
    except Exception as error:
        raise Failed(f"line {block.at}: {type(error).__name__}: {error}") from error


def _run_console(block: Block) -> None:
    steps: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            steps.append((line[2:], []))
        elif steps and steps[-1][0].endswith("\\") and not steps[-1][1]:
            steps[-1] = (f"{steps[-1][0]}\n{line}", [])
        elif steps:
            steps[-1][1].append(line)
        else:
            raise Failed(f"line {block.at}: console block does not begin with `$ `")
    for step, (command, expected) in enumerate(steps, start=1):
        done = subprocess.run(
            ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        wanted = block.exits if step == len(steps) else 0
        if done.returncode != wanted:
            raise Failed(f"line {block.at}: `{command}` ended with {done.returncode}, not {wanted}:\n{done.stdout}")
        missing = first_missing(expected, done.stdout.splitlines())
        if missing is not None:
            raise Failed(f"line {block.at}: `{command}` did not print {missing!r} in its place:\n{done.stdout}")


def first_missing(expected: list[str], printed: list[str]) -> str | None:
    """Return the first expected line that is not among those printed after the one before it, or None."""
    rest = iter(printed)
    for line in expected:
        if line.strip() in ("", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("…")))
        if not any(pattern.fullmatch(found.rstrip()) for found in rest):
            return line
    return None


if __name__ == "__main__":
    try:
        run_document(Path(sys.argv[1]).resolve())
    except Failed as failure:
        sys.exit(str(failure))
