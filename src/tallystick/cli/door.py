"""What every command shares: where the workspace is, how to answer, and how to ask for a passphrase."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import PASSPHRASE_BYTES_MAX
from tallystick.store.files import read_bounded
from tallystick.store.workspace import FOLDER
from tallystick.tally import Tally

R = TypeVar("R")

workspace_option = click.option(
    "--workspace", "-w", type=click.Path(path_type=Path), envvar="TALLY_WORKSPACE", default=Path(FOLDER),
    show_default=True, help="The workspace folder, where one is needed.",
)  # fmt: skip
PASSPHRASE_FILE = "TALLY_PASSPHRASE_FILE"  # noqa: S105  a variable's name


def answers(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the option --json and hand it the `Output` to answer with."""

    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, **options: Any) -> R:
        return function(Output(json=as_json), *args, **options)

    return command


def in_workspace(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options --workspace and --json and hand it the open workspace."""

    @click.option(
        "--workspace", "-w", type=click.Path(path_type=Path), envvar="TALLY_WORKSPACE", default=Path(FOLDER),
        show_default=True, help="The workspace folder.",
    )  # fmt: skip
    @answers
    @functools.wraps(function)
    def command(output: Output, *args: Any, workspace: Path, **options: Any) -> R:
        with Tally.open(workspace, ask_passphrase) as tally:
            if tally.workspace.is_embedded:
                output.note("chain: embedded, with a local development key; nothing here is worth money")
            return function(output, tally, *args, **options)

    return command


@contextmanager
def reading(path: Path, hint: str) -> Iterator[None]:
    """Let whatever is wrong with what a file holds be said with the file's name, and with what to do."""
    try:
        yield
    except InvalidInput as error:
        error.message = f"{path}: {error.message}"
        error.hint = error.hint or hint
        raise


def standard_input() -> BinaryIO:
    """Return standard input, to be read as bytes; raises InvalidInput "cli.stdin" when it is closed."""
    if sys.stdin is None:
        raise InvalidInput("cli.stdin", "standard input is closed", hint="name a file instead of -")
    return sys.stdin.buffer


def ask_passphrase(name: str) -> str:
    """Return the passphrase of the key `name`: the first line of the file that TALLY_PASSPHRASE_FILE names, or typed.

    raises  InvalidInput "cli.passphrase" when there is neither a file nor a terminal, or the file holds no text
    """
    path = os.environ.get(PASSPHRASE_FILE)
    if path:
        return _first_line(read_bounded(Path(path), PASSPHRASE_BYTES_MAX + 2, private=True))
    if not os.isatty(0):
        raise InvalidInput(
            "cli.passphrase",
            f"key {name!r} needs its passphrase and nobody is there to ask",
            hint=f"put it in a file that only you can read and name that file in {PASSPHRASE_FILE}",
        )
    return str(click.prompt(f"passphrase of key {name!r}", hide_input=True, err=True))


def read_id(text: str) -> bytes | None:
    """Return the 32 bytes that a user wrote as 64 hexadecimal digits, after 0x or not; None if it is no such."""
    digits = text.removeprefix("0x")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return None
    return found if len(found) == 32 and len(digits) == 64 else None


def _first_line(data: bytes) -> str:
    try:
        return data.decode("utf-8").split("\n")[0]
    except UnicodeDecodeError:
        raise InvalidInput(
            "cli.passphrase", f"the file in {PASSPHRASE_FILE} holds no text", expected="one line of UTF-8"
        ) from None
