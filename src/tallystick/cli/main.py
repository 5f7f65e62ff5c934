"""`tally`: finds its groups of commands in this folder, and turns every error into words and an exit status.

Exit status: 0 done; 1 a verification found faults; 2 the request must change; 3 the chain said no; 4 try again later;
5 evidence is wrong; 70 we are wrong; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import Any

import click

from tallystick import cli
from tallystick.cli.output import Output
from tallystick.core.errors import Broken, InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed

EXIT_FAULTS_FOUND = 1

_EXIT: dict[type[TallystickError], int] = {
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
        return command if isinstance(command, click.Command) else None


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
        result = tally.main(arguments, prog_name="tally", standalone_mode=False)
    except TallystickError as error:
        output.failure(error)
        return next(status for kind, status in _EXIT.items() if isinstance(error, kind))
    except click.exceptions.Abort:
        output.errors.print("aborted: nothing more was done", style="red")
        return 130
    except click.ClickException as error:
        return _usage(error, output)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug of ours, said in words
        return _bug(error, output)
    return result if isinstance(result, int) else 0


def _usage(error: click.ClickException, output: Output) -> int:
    if output.json:
        output.failure(InvalidInput("cli.usage", error.format_message(), hint="--help lists what a command takes"))
    else:
        error.show()
    return 2


def _bug(error: Exception, output: Output) -> int:
    if os.environ.get("TALLY_DEBUG"):
        raise error
    message = f"internal error, {type(error).__name__}: {error}"
    hint = "this is a bug of ours; run again with TALLY_DEBUG=1 and report what it prints"
    output.failure(Broken("cli.bug", message[:400], hint=hint))
    return _EXIT[Broken]
