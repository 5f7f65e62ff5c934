"""The options that say why an act is done, for its intent record, and the arguments that say which call it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tallystick.agents.calldata import write_call
from tallystick.cli.door import read_id
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import INTENT_CONTENT_BYTES_MAX
from tallystick.store.blobs import hash_file
from tallystick.store.files import read_bounded
from tallystick.tally import Tally
from tallystick.tally.agents.reasons import Committed, Content, Reasons, ToolUse

R = TypeVar("R")


def why_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that say why it is done."""
    for option in reversed(_WHY):
        function = option(function)
    return function


def session_why_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command those options where only a session's act has a record: --for may then be left out."""
    for option in reversed((_FOR_A_SESSION, *_WHY[1:])):
        function = option(function)
    return function


_FOR_A_SESSION = click.option(
    "--for", "purpose", default="", help="What for, where a session acts; kept with the record."
)
_WHY = (
    click.option("--for", "purpose", required=True, help="What for, in a sentence; kept with the record."),
    click.option("--asked-by", default="a person at the command line", show_default=True, help="Who asked."),
    click.option("--model", default="", help="On which model's word, by its name."),
    click.option("--weights", metavar="FILE|SHA256", help="Its weights or manifest; only the SHA-256 is recorded."),
    click.option("--prompt", metavar="FILE|HASH", help="What it was given; only a salted commitment is recorded."),
    click.option(
        "--tool", "tools", nargs=3, multiple=True, metavar="NAME GIVEN GAVE",
        help="A tool that was used, what it was given and what it gave: files, recorded as the prompt is.",
    ),
    click.option("--quote", metavar="FILE|SHA256", help="The offer that is taken; only the SHA-256 is recorded."),
    click.option("--task", default="", help="The task's id."),
    click.option("--context", default="", help="The conversation's id."),
    click.option("--parent", metavar="HASH", help="The intent that this one serves."),
    click.option("--keep", is_flag=True, help="Keep what prompt and tools hold, readable by this user only."),
)  # fmt: skip


def reasons_of(why: dict[str, Any]) -> Reasons:
    """Return what the options of `why_options` say.

    raises  InvalidInput "files.…", "cli.hash"
    """
    weights, quote, parent = why["weights"], why["quote"], why["parent"]
    return Reasons(
        asked_by=why["asked_by"],
        purpose=why["purpose"],
        model=why["model"],
        weights=_digest(weights) if weights else bytes(32),
        prompt=_content(why["prompt"]) if why["prompt"] else b"",
        tools=tuple(ToolUse(name, _content(given), _content(gave)) for name, given, gave in why["tools"]),
        quote=_digest(quote) if quote else None,
        task=why["task"],
        context=why["context"],
        parent=to_hash(parent, "the intent that this one serves") if parent else None,
        is_kept=why["keep"],
    )


def to_hash(text: str, what: str) -> bytes:
    """Return 32 bytes that a user wrote, of what `what` says; raises InvalidInput "cli.hash"."""
    found = read_id(text)
    if found is None:
        raise InvalidInput(
            "cli.hash", "not a hash", expected="64 hexadecimal digits", got=ascii(text)[:80], hint=f"name {what}"
        )
    return found


def _digest(text: str) -> bytes:
    """Return a SHA-256 that is written out, or that of a file's content."""
    return read_id(text) or hash_file(Path(text))


def _content(text: str) -> Content:
    """Return a commitment that is written out, or a file's content."""
    found = read_id(text)
    return Committed(found) if found else read_bounded(Path(text), INTENT_CONTENT_BYTES_MAX)


def call_arguments(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the arguments and the option that say which call is meant: TARGET CALL [ARGUMENTS] --amount."""
    for one in (
        click.option("--amount", default="0", help="Native coin that goes along."),
        click.argument("arguments", nargs=-1),
        click.argument("call"),
        click.argument("target"),
    ):
        function = one(function)
    return function


def calldata_of(tally: Tally, call: str, arguments: tuple[str, ...]) -> bytes:
    """Return the calldata that `call_arguments` say; raises InvalidInput "calldata.…", "address.…"."""
    return write_call(call, arguments, tally.agents.address)
