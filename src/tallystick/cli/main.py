"""`tally`: finds its groups of commands in this folder, and turns every error into words and an exit status.

Exit status: 0 done; 1 a verification found faults; 2 the request must change; 3 the chain said no; 4 try again later;
5 evidence is wrong; 70 we are wrong; 130 interrupted; 141 whoever read the output left before its end.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
from typing import Any

import click

from tallystick import cli
from tallystick.cli.output import Output, ReaderGone
from tallystick.core.errors import Broken, InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed
from tallystick.store.files import machine_error

EXIT_FAULTS_FOUND = 1
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_READER_GONE = 141  # 128 + SIGPIPE: not 0, which would say that every check held
EXIT_STATUS: dict[type[TallystickError], int] = {
    InvalidInput: 2,
    Rejected: 3,
    Unavailable: 4,
    VerificationFailed: 5,
    Broken: 70,
}


class Commands(click.Group):
    """The groups of commands in this folder: each module with a `command` is one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, sorted."""
        return sorted(name for name in _modules() if hasattr(_load(name), "command"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or None when no module has that name."""
        command = getattr(_load(cmd_name), "command", None) if cmd_name in _modules() else None
        if not isinstance(command, click.Command):
            return None
        _shorten(command)
        return command


def _shorten(command: click.Command) -> None:
    """Let lists of commands show the first clause of what each does, whole, instead of a cut sentence."""
    summary = (command.help or "").split("\n\n")[0].replace("\n", " ")
    command.short_help = command.short_help or re.split(r"[;:]", summary)[0].rstrip(". ")
    for member in getattr(command, "commands", {}).values():
        _shorten(member)


def _modules() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(cli.__path__)}


def _load(name: str) -> Any:
    return importlib.import_module(f"{cli.__name__}.{name}")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tallystick", prog_name="tally")
def tally() -> None:
    """Record how a model was made, what it answered and who was paid, so that anyone can check it."""


def main() -> None:
    """Run `tally` and exit the process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run `tally` with these arguments and return its exit status; nothing is raised and no traceback printed."""
    output = Output(json="--json" in arguments)
    try:
        try:
            result = tally.main(arguments, prog_name="tally", standalone_mode=False)
            output.flush()
        except (TallystickError, click.ClickException, click.exceptions.Abort, OSError) as error:
            return _refused(error, output)
        return result if isinstance(result, int) else 0
    except ReaderGone:
        _drop_output()
        return EXIT_READER_GONE
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug of ours, said in words
        return _bug(error, output)


def _refused(error: Exception, output: Output) -> int:
    """Say why the command ended early; return the exit status of who must act."""
    if isinstance(error, click.exceptions.Abort):
        output.errors.print("aborted: nothing more was done", style="red")
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        return _usage(error, output)
    if isinstance(error, OSError):
        error = machine_error(error, f"cannot use {error.filename}" if error.filename else "the machine refused")
    assert isinstance(error, TallystickError)
    try:
        output.failure(error)
        output.flush()
    except OSError:  # it is our output that the machine refuses
        _drop_output()
        Output().failure(error)
    return next(status for kind, status in EXIT_STATUS.items() if isinstance(error, kind))


def _drop_output() -> None:
    """Let what is left in the buffer of standard output go nowhere, or Python would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _usage(error: click.ClickException, output: Output) -> int:
    if output.json:
        output.failure(InvalidInput("cli.usage", error.format_message(), hint="--help lists what a command takes"))
    else:
        error.show()
    return EXIT_STATUS[InvalidInput]


def _bug(error: Exception, output: Output) -> int:
    if os.environ.get("TALLY_DEBUG"):
        raise error
    message = f"internal error, {type(error).__name__}: {error}"
    hint = "this is a bug of ours; run again with TALLY_DEBUG=1 and report what it prints"
    output.failure(Broken("cli.bug", message[:400], hint=hint))
    return EXIT_STATUS[Broken]
