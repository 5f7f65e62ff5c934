"""`tally agent run --buy-in`: a planner buys from a server on this machine, and its wallet's records say why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.agent_kit import make_token
from tests.cli.test_payment_commands import shop

PLAN = """
format = "tallystick-plan-1"
name = "buys an answer"

[[step]]
call = "fetch"
arguments = {{ url = "{url}", body = "{{}}" }}
"""
SLOTS = 'slots = { token = "USD", max = 3, per = "1d", cap = "0.02" }'


@pytest.fixture
def buying(tally: Any, workspace: Path) -> str:
    """The sealed wallet `bot`, whose session may sign three payments of 0.02 a day; return its token."""
    token = make_token(workspace)
    assert tally("agent", "new", "bot", "--guardian", "guard", "--token", token, "--payee", "shop")[0] == 0
    file = Path("bot.policy.toml")
    lines = [SLOTS if line.startswith("slots") else line for line in file.read_text().splitlines()]
    text = "\n".join(lines)
    file.write_text(text if SLOTS in text else text.replace('level = "', SLOTS + '\nlevel = "', 1))
    assert tally("agent", "policy", "apply", "bot", str(file), "--yes")[0] == 0
    assert tally("agent", "wallet", "fund", "bot", "1", "--token", token)[0] == 0
    assert tally("agent", "wallet", "seal", "bot", "--yes")[0] == 0
    return token


def run(tally: Any, url: str, *options: str) -> tuple[int, Any]:
    Path("plan.toml").write_text(PLAN.format(url=url), "utf-8")
    return tally("agent", "run", "bot", "bot", "learn the answer", "--plan", "plan.toml", *options)  # type: ignore[no-any-return]


def test_a_plan_buys_and_the_audit_says_on_whose_word_and_what_for(
    tally: Any, buying: str, workspace: Path, tmp_path: Path
) -> None:
    paying = ("--buy-in", buying, "--buy-max", "0.02", "--asked-by", "ann", "--transcript", "run.json")
    with shop(workspace, buying) as url:
        status, made = run(tally, f"{url}/answer", *paying)
    assert (status, made["calls"]) == (0, [{"call": "fetch", "refused": None}])
    answer = json.loads(made["answer"])
    assert (answer["status"], answer["body"], answer["paid"]["amount"]) == (200, "you asked {}", "10000")
    found = tally("agent", "audit", "bot")[1]
    assert found["balanced"]
    (reason,) = found["reasons"]
    record = reason["record"]
    assert (record["asked_by"], record["model"]["name"]) == ("ann", "buys an answer")
    assert record["purpose"].startswith("learn the answer: POST ")
    assert record["payment"]["amount"] == "10000"
    assert len(found["movements"]) == 2, "it was given 1, and paid once"


def test_what_is_beyond_its_limits_is_not_bought(tally: Any, buying: str, workspace: Path) -> None:
    with shop(workspace, buying) as url:
        for options, code in (
            (("--buy-max", "0.001"), "payment.refused"),
            (("--buy-max", "0.02", "--buy-daily", "0.001"), "payment.budget"),
            (("--buy-max", "0.02", "--host", "elsewhere.example:443"), "buy.url"),
        ):
            status, made = run(tally, f"{url}/answer", "--buy-in", buying, *options)
            assert (status, made["refused"]) == (0, [{"call": "fetch", "code": code}])
        allowed = ("--buy-max", "0.02", "--host", url.removeprefix("http://"))
        assert run(tally, f"{url}/answer", "--buy-in", buying, *allowed)[1]["refused"] == []
    with shop(workspace, buying, price="0.03") as url:  # within the purse's limit, and not within a slot's
        made = run(tally, f"{url}/answer", "--buy-in", buying, "--buy-max", "1")[1]
    assert made["refused"] == [{"call": "fetch", "code": "payment.refused"}]
    assert len(tally("agent", "audit", "bot")[1]["reasons"]) == 1


def test_without_a_token_it_does_not_fetch_and_limits_that_mean_nothing_are_refused(
    tally: Any, buying: str, workspace: Path
) -> None:
    made = run(tally, "http://127.0.0.1:1/")[1]
    assert made["refused"] == [{"call": "fetch", "code": "loop.tool"}]
    for options, code in (
        (("--buy-in", buying, "--buy-max", "much"), "amount.form"),
        (("--buy-in", "0x12"), "address.form"),
    ):
        status, error = run(tally, "http://127.0.0.1:1/", *options)
        assert (status, error["code"]) == (2, code)
