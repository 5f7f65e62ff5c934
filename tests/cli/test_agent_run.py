"""`tally agent run`: a planner acts with a wallet by the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tallystick.services.mcp.serving import build_app
from tests.services.mcp.places import desk_of, served

PLAN = """
format = "tallystick-plan-1"
name = "buys once"

[[step]]
call = "pay"
arguments = {{ payee = "provider", amount = "{amount}", coin = "USD", purpose = "what the goal needs" }}

[[step]]
say = "bought"
"""
TOOL = """# /// tool
# name = "double"
# description = "Double a number."
# [parameters]
# type = "object"
# properties.n = { type = "integer" }
# required = ["n"]
# ///
import json, sys
print(2 * json.load(sys.stdin)["n"])
"""


def _plan(tmp_path: Path, amount: str = "2.5") -> str:
    (tmp_path / "plan.toml").write_text(PLAN.format(amount=amount), "utf-8")
    return "plan.toml"


def test_a_plan_pays_answers_and_leaves_a_transcript(tally: Any, token: str, tmp_path: Path) -> None:
    run = ("agent", "run", "bot", "bot", "buy one", "--plan", _plan(tmp_path), "--policy", "bot.toml")
    status, made = tally(*run, "--transcript", "run.json", "--asked-by", "ann")
    assert (status, made["ending"], made["answer"], made["refused"]) == (0, "answered", "bought", [])
    assert made["calls"] == [{"call": "pay", "refused": None}]
    transcript = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert [one["role"] for one in transcript["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert "at most 10 USD each" in transcript["messages"][0]["content"], "the planner is told its limits"
    assert (tmp_path / "run.json").stat().st_mode & 0o077 == 0, "what was read is shown to nobody else"
    intent = json.loads(transcript["messages"][3]["content"])["intent"]
    record = tally("agent", "intent", "show", intent)[1]["record"]
    assert (record["model"]["name"], record["asked_by"]) == ("buys once", "ann")
    assert tally("agent", "audit", "bot", "--policy", "bot.toml")[0] == 0


def test_what_the_wallet_refuses_is_told(tally: Any, token: str, tmp_path: Path) -> None:
    plan = _plan(tmp_path, "12")
    status, made = tally("agent", "run", "bot", "bot", "buy much", "--plan", plan, "--policy", "bot.toml")
    assert (status, made["refused"]) == (0, [{"call": "pay", "code": "rules: over the cap"}])


def test_a_run_that_gets_nowhere_ends_with_1(tally: Any, token: str, tmp_path: Path) -> None:
    status, made = tally("agent", "run", "bot", "bot", "buy", "--plan", _plan(tmp_path), "--steps", "1")
    assert (status, made["ending"]) == (1, "out of steps")
    status, made = tally("agent", "run", "bot", "bot", "x", "--endpoint", "http://127.0.0.1:1/v1", "--model", "m")
    assert (status, made["ending"]) == (1, "planner failed")


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_a_file_of_code_is_a_tool(tally: Any, token: str, tmp_path: Path) -> None:
    (tmp_path / "double.py").write_text(TOOL, "utf-8")
    plan = 'format = "tallystick-plan-1"\nname = "doubles"\n[[step]]\ncall = "double"\narguments = { n = 21 }\n'
    (tmp_path / "plan.toml").write_text(plan, "utf-8")
    status, made = tally("agent", "run", "bot", "bot", "double", "--plan", "plan.toml", "--tool", "double.py")
    assert (status, made["answer"].strip()) == (0, "42")
    status, error = tally("agent", "run", "bot", "bot", "double", "--plan", "plan.toml", "--tool", "plan.toml")
    assert (status, error["code"]) == (2, "loop.code")


def test_tools_of_others_are_called_under_the_name_of_their_server(tally: Any, token: str, tmp_path: Path) -> None:
    plan = 'format = "tallystick-plan-1"\nname = "asks"\n[[step]]\ncall = "theirs_chain_status"\n'
    (tmp_path / "plan.toml").write_text(plan, "utf-8")
    with desk_of(tmp_path / ".tally") as desk, served(build_app(desk.server())) as url:
        run = ("agent", "run", "bot", "bot", "ask", "--plan", "plan.toml")
        status, made = tally(*run, "--mcp", f"theirs={url}")
        assert tally(*run, "--mcp", f"one={url}", "--mcp", f"one={url}")[1]["code"] == "loop.tool"
    assert (status, made["refused"]) == (0, [])
    assert json.loads(json.loads(made["answer"])["answer"])["chain_id"] == 1337


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), "cli.usage"),
        (("--plan", "plan.toml", "--endpoint", "http://127.0.0.1:1/v1"), "cli.usage"),
        (("--endpoint", "http://127.0.0.1:1/v1"), "cli.usage"),
        (("--endpoint", "http://elsewhere.example/v1", "--model", "m"), "completion.url"),
        (("--plan", "nowhere.toml"), "files.missing"),
        (("--plan", "bot.toml"), "document.missing"),
        (("--plan", "plan.toml", "--policy", "plan.toml"), "document.missing"),
        (("--plan", "plan.toml", "--steps", "0"), "cli.usage"),
        (("--plan", "plan.toml", "--mcp", "http://127.0.0.1:1/mcp"), "cli.usage"),
        (("--plan", "plan.toml", "--mcp", "A b=http://127.0.0.1:1/mcp"), "loop.tool"),
        (("--plan", "plan.toml", "--mcp", "other=nowhere"), "dialer.url"),
        (("--plan", "plan.toml", "--host", "127.0.0.1:80"), "cli.usage"),
        (("--plan", "plan.toml", "--buy-max", "1"), "cli.usage"),
        (("--plan", "plan.toml", "--asked-by", "x" * 1_025), "document.length"),
    ],
)
def test_what_cannot_be_run_is_refused(
    tally: Any, token: str, tmp_path: Path, options: tuple[str, ...], code: str
) -> None:
    _plan(tmp_path)
    status, error = tally("agent", "run", "bot", "bot", "go", *options)
    assert (status, error["code"]) == (2, code)


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (b"\x00\xff", 0o600, "completion.key"),
        (b"sk-good", 0o644, "files.permissions"),
        (b"x" * 5_000, 0o600, "files.size"),
    ],
)
def test_a_key_file_that_holds_no_key_or_is_open_to_others_is_refused(
    tally: Any, token: str, tmp_path: Path, content: bytes, mode: int, code: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(mode)
    options = ("--endpoint", "http://127.0.0.1:1/v1", "--model", "m", "--key-file", "key")
    status, error = tally("agent", "run", "bot", "bot", "go", *options)
    assert (status, error["code"]) == (2, code)


def test_a_transcript_of_an_earlier_run_is_not_written_over(tally: Any, token: str, tmp_path: Path) -> None:
    """It is what the records of that run's payments commit to."""
    (tmp_path / "run.json").write_text("evidence", "utf-8")
    run = ("agent", "run", "bot", "bot", "buy one", "--plan", _plan(tmp_path), "--policy", "bot.toml")
    status, error = tally(*run, "--transcript", "run.json")
    assert (status, error["code"]) == (2, "files.exists")
    assert (tmp_path / "run.json").read_text("utf-8") == "evidence"


def test_a_long_run_still_pays(tally: Any, token: str, tmp_path: Path) -> None:
    """A record has room for so many tools: after many calls, the newest; names of tools that do not exist are none."""
    steps = "".join(f'[[step]]\ncall = "{"wallet_limits" if n % 2 else "no" * 100}"\n' for n in range(62))
    purpose = "é" * 1_024
    given = f'{{ payee = "provider", amount = "1", coin = "USD", purpose = "{purpose}" }}'
    pay = f'[[step]]\ncall = "pay"\narguments = {given}\n'
    (tmp_path / "plan.toml").write_text(f'format = "tallystick-plan-1"\nname = "long"\n{steps}{pay}', "utf-8")
    run = ("agent", "run", "bot", "bot", "go on", "--plan", "plan.toml", "--policy", "bot.toml", "--steps", "80")
    status, made = tally(*run)
    assert (status, made["calls"][-1]) == (0, {"call": "pay", "refused": None})
