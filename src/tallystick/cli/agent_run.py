"""`tally agent run`: a planner acts with a wallet; its limits are told to it, and the chain holds it to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from tallystick.cli.agent_door import FILE, at_wallet, open_policy
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import LOOP_PLAN_BYTES_MAX, PASSPHRASE_BYTES_MAX, SANDBOX_PROGRAM_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.agents.loop import Called, Planner, Run, Tool
    from tallystick.tally.agents.wallet import Wallet

KEY_VARIABLE = "TALLYSTICK_MODEL_KEY"


@click.command("run")
@at_wallet
@click.argument("session")
@click.argument("goal")
@click.option("--plan", type=FILE, help="A script or rules in TOML instead of a model.")
@click.option("--endpoint", help="Address of a chat completions interface, https://…/v1 or on this machine.")
@click.option("--model", default="", help="Which of the endpoint's models.")
@click.option("--key-file", type=FILE, help=f"The endpoint's key; {KEY_VARIABLE} of the environment if left out.")
@click.option("--tool", "code", type=FILE, multiple=True, help="A Python file that is a tool; runs in the sandbox.")
@click.option("--buy-in", "token", help="Let it fetch from the web and pay in this token, by its address.")
@click.option("--buy-max", default="0", show_default=True, help="The most for one answer.")
@click.option("--buy-daily", help="The most in a day, over all runs.")
@click.option("--host", "hosts", multiple=True, metavar="HOST:PORT", help="The only hosts it may ask; any if left out.")
@click.option("--policy", "names", type=FILE, help="The policy whose names for coins and payees are used.")
@click.option("--steps", type=click.IntRange(1, 1_000), default=32, show_default=True, help="Messages of the planner.")
@click.option("--asked-by", default="a person at the command line", show_default=True, help="Who asked.")
@click.option("--transcript", type=FILE, help="Where all that was read, said and called goes, as JSON.")
def run(
    output: Output,
    tally: Tally,
    wallet: Wallet,
    session: str,
    goal: str,
    plan: Path | None,
    endpoint: str | None,
    model: str,
    key_file: Path | None,
    code: tuple[Path, ...],
    token: str | None,
    buy_max: str,
    buy_daily: str | None,
    hosts: tuple[str, ...],
    names: Path | None,
    steps: int,
    asked_by: str,
    transcript: Path | None,
) -> int:
    """Let a planner reach GOAL with WALLET, as the key SESSION signs; end with 1 where it did not answer.

    The planner is a model behind --endpoint, or a --plan. It is told the wallet's limits and gets tools to read them,
    to pay and to propose, beside each --tool. What it may do is decided by the wallet alone.
    """
    from tallystick.tally.agents.planning import Planning

    planning = Planning(tally, wallet, session, asked_by, open_policy(names) if names else None)
    tools = planning.tools()
    if token is not None:
        from tallystick.services.buying import buying_tool

        purse = tally.agents.payments.purse(
            [token], buy_max, buy_daily, wallet=wallet.address, session=session, told=output.note
        )
        tools.append(buying_tool(purse, frozenset(hosts) or None))
    with _planner(plan, endpoint, model, key_file) as planner:
        made = _run(tools, planner, goal, planning.briefing(), code, steps, _teller(output))
    if transcript is not None:
        write_atomic(transcript, orjson.dumps(made.to_dict(), option=orjson.OPT_INDENT_2), mode=0o600)
    _show(output, made)
    return 0 if made.ending == "answered" else EXIT_FAULTS_FOUND


def _run(
    tools: list[Tool],
    planner: Planner,
    goal: str,
    briefing: str,
    code: tuple[Path, ...],
    steps: int,
    told: Callable[[Called], None],
) -> Run:
    from tallystick.agents.loop import RunBounds, Toolbox, run
    from tallystick.agents.loop.code import read_code_tool

    own = [read_code_tool(read_bounded(path, SANDBOX_PROGRAM_BYTES_MAX)) for path in code]
    return run(goal, planner, Toolbox([*tools, *own]), briefing=briefing, bounds=RunBounds(steps=steps), told=told)


@contextmanager
def _planner(plan: Path | None, endpoint: str | None, model: str, key_file: Path | None) -> Iterator[Planner]:
    """Lend the planner that the options name; raises InvalidInput "plan.…", "completion.…"; UsageError."""
    if (plan is None) == (endpoint is None):
        raise click.UsageError("name a --plan or an --endpoint")
    if plan is not None:
        from tallystick.agents.loop import read_plan

        yield read_plan(read_bounded(plan, LOOP_PLAN_BYTES_MAX))
        return
    if not model:
        raise click.UsageError("name the endpoint's --model")
    from tallystick.services.completions import CompletionsPlanner

    assert endpoint is not None
    with closing(CompletionsPlanner(endpoint, model, _key(key_file))) as planner:
        yield planner


def _key(file: Path | None) -> str:
    if file is None:
        return os.environ.get(KEY_VARIABLE, "")
    key = read_bounded(file, PASSPHRASE_BYTES_MAX).strip()
    if not key.isascii() or not key.decode("ascii", "replace").isprintable():
        raise InvalidInput("cli.key_file", "not a key", expected="one line of printable ASCII")
    return key.decode("ascii")


def _teller(output: Output) -> Callable[[Called], None]:
    def tell(called: Called) -> None:
        how = f"refused, {called.code}" if called.is_refused else "done"
        output.note(f"{called.call.name}: {how}")

    return tell


def _show(output: Output, made: Run) -> None:
    value = made.to_dict()
    shown = {name: value[name] for name in ("planner", "ending", "answer", "refused")}
    calls = [{"call": one.call.name, "refused": one.code if one.is_refused else None} for one in made.called]
    output.result({**shown, "calls": calls}, [f"{made.ending}: {made.answer}"])
