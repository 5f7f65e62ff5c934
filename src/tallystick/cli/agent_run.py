"""`tally agent run`: a planner acts with a wallet; its limits are told to it, and the chain holds it to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from tallystick.cli.agent_door import FILE, at_wallet, open_policy
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.limits import LOOP_PLAN_BYTES_MAX, PASSPHRASE_BYTES_MAX, SANDBOX_PROGRAM_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.agents.loop import Called, Moment, Planner, Run, Tool
    from tallystick.agents.payments.purse import Purse
    from tallystick.tally.agents.planning import Planning
    from tallystick.tally.agents.wallet import Wallet

KEY_VARIABLE = "TALLYSTICK_MODEL_KEY"


@click.command("run")
@at_wallet
@click.argument("session")
@click.argument("goal")
@click.option("--plan", type=FILE, help="A script or rules in TOML instead of a model.")
@click.option("--endpoint", help="Address of a chat completions interface, https://…/v1 or on this machine.")
@click.option("--model", default="", help="Which of the endpoint's models.")
@click.option("--key-file", type=FILE, help=f"The endpoint's key, yours alone; else {KEY_VARIABLE} is read.")
@click.option("--tool", "code", type=FILE, multiple=True, help="A Python file that is a tool; runs in the sandbox.")
@click.option("--mcp", "servers", multiple=True, metavar="NAME=URL", help="Tools of an MCP server, called NAME_tool.")
@click.option("--buy-in", "token", help="Let it fetch from the web and pay in this token, by its address.")
@click.option("--buy-max", default="0", show_default=True, help="The most for one answer.")
@click.option("--buy-daily", help="The most in a day, over all runs.")
@click.option("--host", "hosts", multiple=True, metavar="HOST:PORT", help="The only hosts it may ask; any if left out.")
@click.option("--policy", "names", type=FILE, help="The policy whose names for coins and payees are used.")
@click.option("--steps", type=click.IntRange(1, 1_000), default=32, show_default=True, help="Messages of the planner.")
@click.option("--asked-by", default="a person at the command line", show_default=True, help="Who asked.")
@click.option("--transcript", type=FILE, help="A new file for all that is read, said and called, as JSON.")
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
    servers: tuple[str, ...],
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
    to pay and to propose, beside each --tool and the tools of each --mcp server. What it may do is decided by the
    wallet alone. The --transcript grows with the run, so it is there however that ends; docs/spec/agent-run.md says
    what is in it.
    """
    from tallystick.services.extra import agents_extra

    with agents_extra():
        from tallystick.agents.loop import RunBounds, Toolbox
        from tallystick.agents.loop import run as run_loop
        from tallystick.agents.loop.code import read_code_tool
        from tallystick.tally.agents.planning import Planning

    if token is None and (hosts or buy_daily or buy_max != "0"):
        raise click.UsageError("--buy-max, --buy-daily and --host say how to buy: name what is paid with by --buy-in")
    planning = Planning(tally, wallet, session, asked_by, open_policy(names) if names else None)
    lend = None
    if token is not None:
        pays = partial(tally.agents.payments.purse, wallet=wallet.address, session=session, told=output.note)
        purse = partial(pays, [token], buy_max, buy_daily)
        lend = _lender(purse, planning, goal)
    tools = [*planning.tools(), *_of_others(servers, hosts, lend)]
    with _planner(plan, endpoint, model, key_file) as planner:
        tools += [read_code_tool(read_bounded(path, SANDBOX_PROGRAM_BYTES_MAX)) for path in code]
        made = run_loop(
            goal,
            planner,
            Toolbox(tools),
            briefing=planning.briefing(),
            bounds=RunBounds(steps=steps),
            told=_teller(output),
            kept=_Transcript(transcript).keep if transcript is not None else None,
        )
    _show(output, made)
    return 0 if made.ending == "answered" else EXIT_FAULTS_FOUND


def _lender(purse: Callable[..., Purse], planning: Planning, goal: str) -> Callable[[Moment], Purse]:
    """Return who lends the purse for one call; limits that mean nothing are refused before anything is planned."""
    from tallystick.agents.loop import Moment

    def lend(moment: Moment) -> Purse:
        return purse(why=planning.reasons(goal, moment))

    lend(Moment(goal, "", bytes(32), b""))
    return lend


def _of_others(servers: tuple[str, ...], hosts: tuple[str, ...], lend: Callable[[Moment], Purse] | None) -> list[Tool]:
    """Return what reaches beyond this machine: the web where there is a purse, and tools of MCP servers."""
    tools: list[Tool] = []
    if lend:
        from tallystick.services.buying import buying_tool

        tools.append(buying_tool(lend, frozenset(hosts) or None))
    if servers:
        from tallystick.services.mcp.borrowed import borrowed_tools
        from tallystick.services.mcp.client import Toolbox

        for server in servers:
            name, _, url = server.partition("=")
            if not url:
                raise click.UsageError("--mcp names a server: NAME=URL")
            tools += borrowed_tools(Toolbox(url), name, lend)
    return tools


class _Transcript:
    """A new file that holds the run so far; what an earlier run left there is evidence, and stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_new = True

    def keep(self, made: Run) -> None:
        """Have the file hold the run; raises InvalidInput "files.exists" where there was one before it."""
        data = orjson.dumps(made.to_dict(), option=orjson.OPT_INDENT_2)
        write_atomic(self._path, data, mode=0o600, new=self._is_new)
        self._is_new = False


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
    return read_bounded(file, PASSPHRASE_BYTES_MAX, private=True).decode("utf-8", "replace").strip()


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
