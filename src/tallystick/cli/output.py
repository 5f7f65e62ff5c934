"""What commands print: one result, as text for people or one JSON object for programs; progress on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tallystick.core.checks import Report
from tallystick.core.errors import TallystickError

Advance = Callable[[int], None]


class ReaderGone(Exception):
    """Whoever read our output closed it: there is nobody left to answer."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the command end with a status of its own; rich would end the process with that of found faults."""
        raise ReaderGone


def _console(*, stderr: bool = False) -> Console:
    return _Console(stderr=stderr, highlight=False, soft_wrap=True)


@dataclass
class Output:
    """Where a command's result goes. With `json` the standard output holds exactly one JSON object and nothing else."""

    json: bool = False
    console: Console = field(default_factory=_console)
    errors: Console = field(default_factory=lambda: _console(stderr=True))

    def result(self, value: Mapping[str, object], text: str | Table | Sequence[str | Table] | None = None) -> None:
        """Print the command's result: `value` as JSON, or `text`, or the members of `value` one a line, and theirs."""
        if self.json:
            self._write_object(value)
            return
        if text is None:
            text = _member_lines(value)
        for part in [text] if isinstance(text, str | Table) else text:
            self.console.print(part, markup=False) if isinstance(part, str) else self.console.print(part)

    def flush(self) -> None:
        """Make what was printed reach its reader now; raises ReaderGone, and OSError where the disk is full."""
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            raise ReaderGone from None

    def _write_object(self, value: Mapping[str, object]) -> None:
        if sys.stdout is None:  # closed before we began
            raise ReaderGone
        try:
            sys.stdout.write(_json(value).decode())
        except BrokenPipeError:
            raise ReaderGone from None

    def note(self, message: str) -> None:
        """Say something on the side: to standard error, and not at all with `json`."""
        if not self.json:
            self.errors.print(message, markup=False, style="dim")

    def report(self, report: Report, value: Mapping[str, object], verbose: bool = False) -> None:
        """Print what a verification found: every failed check whole, the others as a count or, verbosely, a line."""
        if self.json:
            checks = [check.to_dict() for check in report.checks]
            self.result({**value, "checks_passed": report.passed, "checks_total": report.total, "checks": checks})
            return
        for number, check in enumerate(report.checks, 1):
            if verbose or not check.ok:
                self._print_check(number, check.ok, check.name, check.detail)
            if not check.ok and (check.expected or check.got):
                self.console.print(f"        expected {printable(check.expected)}", markup=False)
                self.console.print(f"        got      {printable(check.got)}", markup=False)
        style = "bold green" if report.ok else "bold red"
        self.console.print(f"{report.passed} of {report.total} checks passed", style=style)

    def _print_check(self, number: int, ok: bool, name: str, detail: str) -> None:
        mark, style = ("✓", "green") if ok else ("✗", "red")
        line = f"{mark} {number:>4}  {name}" + (f": {detail}" if detail else "")
        self.console.print(printable(line), markup=False, style=style)

    def failure(self, error: TallystickError) -> None:
        """Print an error: what was expected, what came, what to do next."""
        if self.json:
            self._write_object(error.to_dict())
            return
        self.errors.print(f"error: {printable(error)}", markup=False, style="red")
        if error.hint:
            self.errors.print(f"hint:  {error.hint}", markup=False)
        self.errors.print(f"code:  {error.code}", markup=False, style="dim")

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Advance]:
        """Show a bar on standard error while the block runs, or one line where that is no terminal.

        The block calls what it is given with steps done.
        """
        if not self.errors.is_terminal:
            self.note(f"{label} …")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.errors, disable=self.json or not self.errors.is_terminal) as bar:
            task = bar.add_task(label, total=total)
            yield lambda steps: bar.advance(task, steps)

    def confirm(self, question: str, yes: bool) -> None:
        """Return when `yes` was given or a person agrees; otherwise end the command with nothing done."""
        if yes:
            return
        if self.json or not os.isatty(0):
            raise click.UsageError(f"{question} Say so with --yes.")
        click.confirm(question, abort=True, err=True)


def table(title: str, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a plain table for people."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    return made


def _member_lines(value: Mapping[str, object]) -> list[str]:
    width = max((len(key) for key in value), default=0)
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            lines += [key, *(f"  {line}" for line in _member_lines(item))]
        else:
            lines.append(f"{key.ljust(width)}  {printable(item)}")
    return lines


def printable(value: object) -> str:
    """Return `value` as text in which control characters are spelled out: names come from strangers, on chain."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(value))


def _json(value: object) -> bytes:
    """Return `value` as one line of JSON."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(_spelled_out(value), option=orjson.OPT_APPEND_NEWLINE)


def _spelled_out(value: object) -> object:
    """Return `value` with what JSON cannot carry as text: names that are not UTF-8, integers beyond 64 bits."""
    if isinstance(value, Mapping):
        return {str(_spelled_out(key)): _spelled_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled_out(item) for item in value]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()
