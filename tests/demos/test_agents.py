"""The agents' story holds on both chains: what it says was counted, and whatever goes wrong is said."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from tallystick.agents.loop import Tool, Toolbox, run
from tallystick.agents.policy.bounds import loss_bounds
from tallystick.agents.policy.reading import read_policy
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.demos.agents import AgentsSettings
from tallystick.demos.agents_report import html_agents
from tallystick.demos.agents_told import AgentsTold, AnswerTold, OrderTold, PaidTold, ServiceTold
from tallystick.demos.researcher import PlanPlanner, buy_or_ask, research, try_each

MEMBERS = ["payments", "channel_calls", "refused", "queued", "frozen", "audit_balanced", "seconds"]
CALLS = 20
SAMPLES = 8


def tell(folder: Path, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tallystick", "demo", "agents", "--json", "--folder", str(folder / "demo")]
    done = subprocess.run([*command, "--calls", str(CALLS), *more], capture_output=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2_000:] + done.stdout.decode()[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found) == MEMBERS
    assert found["payments"] > SAMPLES + 2, "each sample, some second opinions, a deposit, and what a person let pass"
    assert (found["channel_calls"], found["queued"], found["frozen"], found["audit_balanced"]) == (CALLS, 1, True, True)
    assert found["refused"] == 8, "seven orders of the document, and what was over the budget"
    return found


def test_the_embedded_story_is_whole_and_its_report_stands_alone(tmp_path: Path) -> None:
    tell(tmp_path)
    folder = tmp_path / "demo"
    text = (folder / "report.html").read_text("utf-8")
    for words in ("buckets: over budget", "payees: not allowed", "roles: frozen", "over channels", "approved and paid"):
        assert words in text, words
    assert "src=" not in text
    assert "href=" not in text
    (bound, *_) = loss_bounds(read_policy((folder / "lab.policy.toml").read_bytes()), 86_400)
    assert bound.total == 5_000_000, "the budget is what the policy bounds, in a day"


@pytest.mark.anvil
def test_the_story_on_anvil_ends_the_same(tmp_path: Path, anvil: Any) -> None:
    tell(tmp_path, "--rpc", anvil.url)


# --- what it says


WHOLE = AgentsTold(
    answers=[AnswerTold("shop", "0.05", 0.9, 0, 5, 5)],
    services=[ServiceTold("<shop>", 0, "0.05", 900, 950, True)],
    channel_calls=2, channel_wanted=2, channel_is_settled=True,
    orders=[OrderTold("pay", "<script>", "payees: not allowed")], to_thief="0",
    over_budget="buckets: over budget", items=["approved and paid"], is_within=True, frozen=True,
    paid=[PaidTold("0.05", "shop", "x402", "an answer", "a planner", "ann")], audit_balanced=True,
    seconds={"all": 1.25},
)  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"answers": []},
        {"answers": [AnswerTold("shop", "0.05", 0.9, 0, 4, 5)]},
        {"answers": [AnswerTold("shop", "0.05", 0.9, 0, 5, 5, "signed")]},
        {"answers": [AnswerTold("shop", "0.05", -1.0, -1, 0, 0, "answer.version: another")]},
        {"channel_calls": 1},
        {"channel_is_settled": False},
        {"orders": []},
        {"orders": [OrderTold("pay", "", "")]},
        {"to_thief": "0.01"},
        {"over_budget": ""},
        {"items": []},
        {"items": ["open"]},
        {"is_within": False},
        {"frozen": False},
        {"audit_balanced": False},
        {"unexplained": 1},
    ],
)
def test_a_story_in_which_anything_went_wrong_is_not_whole(change: dict[str, Any]) -> None:
    assert WHOLE.is_whole
    told = replace(WHOLE, **change)
    assert not told.is_whole
    assert sum(not good for good, _ in told.checks()) == 1
    assert "Not everything came out" in html_agents(told)


def test_what_others_wrote_is_only_text_in_the_report() -> None:
    text = html_agents(WHOLE)
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


def test_payments_that_are_alike_are_told_together() -> None:
    told = replace(WHOLE, paid=[*WHOLE.paid * 3, replace(WHOLE.paid[0], amount="1")])
    assert [(count, amount) for count, amount, *_ in told.paid_in_groups()] == [(3, "0.05"), (1, "1")]
    assert told.summary() == {
        "payments": 4, "channel_calls": 2, "refused": 0, "queued": 1, "frozen": True, "audit_balanced": True,
        "seconds": 1.2,
    }  # fmt: skip


@pytest.mark.parametrize("calls", [0, 501])
def test_too_many_calls_for_the_deposit_are_refused(tmp_path: Path, calls: int) -> None:
    with pytest.raises(InvalidInput, match="too few or too many"):
        AgentsSettings(tmp_path, calls)


# --- its planner


def played(plan: Any, **tools: Any) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Return the text that a plan ends with and the calls it made, with tools that are given as functions."""
    made: list[tuple[str, dict[str, Any]]] = []

    def tool(name: str, work: Any) -> Tool:
        def ran(arguments: dict[str, Any], _: Any) -> str:
            made.append((name, arguments))
            return orjson.dumps(work(arguments)).decode()

        return Tool(name, name, {"type": "object", "additionalProperties": True}, "reads", ran)

    box = Toolbox([tool(name, work) for name, work in tools.items()])
    return run("a goal", PlanPlanner("planner", plan), box, briefing="").answer, made


def service(name: str, score: int, channel: str = "") -> dict[str, Any]:
    return {"name": name, "url": f"http://{name}", "channel": channel, "wallet": f"0x{name}", "score": score}


def predicted(benign: float) -> dict[str, Any]:
    outputs = [{"name": "probabilities", "data": [1 - benign, benign]}]
    return {"status": 200, "body": orjson.dumps({"outputs": outputs}).decode()}


def shopping(prices: dict[str, int], scores: dict[str, int], benign: float = 0.99) -> list[tuple[str, Any]]:
    answer, made = played(
        research("skill", ["a", "b"], 0),
        find_services=lambda _: [service(name, score) for name, score in scores.items()],
        ask_price=lambda given: {"amount": str(prices[given["url"][7:]]), "pay_to": f"0x{given['url'][7:]}"},
        fetch=lambda _: predicted(benign),
    )
    assert answer
    return [(given["url"][7:], given["body"]) for name, given in made if name == "fetch"]


def test_the_best_price_for_the_trust_wins() -> None:
    assert shopping({"dear": 50, "cheap": 20}, {"dear": 860, "cheap": 310}) == [("dear", "a"), ("dear", "b")]
    assert shopping({"dear": 50, "cheap": 20}, {"dear": 860, "cheap": 690}) == [("cheap", "a"), ("cheap", "b")]


def test_whom_nobody_trusts_is_not_asked() -> None:
    assert shopping({"cheap": 1, "dear": 50}, {"cheap": 0, "dear": 1}) == [("dear", "a"), ("dear", "b")]
    assert shopping({"cheap": 1}, {"cheap": 0}) == []


def test_where_it_doubts_it_asks_another_too() -> None:
    bought = shopping({"dear": 50, "cheap": 20}, {"dear": 860, "cheap": 310}, benign=0.5)
    assert bought == [("dear", "a"), ("dear", "b"), ("cheap", "a"), ("cheap", "b")]


def test_a_service_that_wants_another_account_paid_than_its_registry_names_is_not_bought_from() -> None:
    answer, made = played(
        research("skill", ["a"], 5),
        find_services=lambda _: [service("thief", 900)],
        ask_price=lambda _: {"amount": "1", "pay_to": "0xsomebody"},
    )
    assert (answer, [name for name, _ in made]) == ("nobody whom I trust sells this", ["find_services", "ask_price"])


@pytest.mark.parametrize("price", [{"amount": "-1"}, {"amount": None}, {"amount": "1.5"}, {"code": "demo.price"}])
def test_a_price_that_is_no_number_is_no_offer(price: dict[str, Any]) -> None:
    answer, _ = played(
        research("skill", ["a"], 5),
        find_services=lambda _: [service("shop", 900)],
        ask_price=lambda _: {"pay_to": "0xshop", **price},
    )
    assert answer == "nobody whom I trust sells this"


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"outputs": 1}', '{"outputs": [{"name": "probabilities"}]}'])
def test_an_answer_that_is_no_prediction_counts_as_none(body: str) -> None:
    answer, _ = played(
        research("skill", ["a"], 0),
        find_services=lambda _: [service("shop", 900)],
        ask_price=lambda _: {"amount": "1", "pay_to": "0xshop"},
        fetch=lambda _: {"status": 200, "body": body},
    )
    assert answer == "0 of 0 samples look malignant, by shop; 0 second opinions"


def test_an_answer_that_was_cut_is_as_good_as_refused() -> None:
    answer, _ = played(
        research("skill", ["a"], 0),
        find_services=lambda _: [service("shop", 900)],
        ask_price=lambda _: {"amount": "1", "pay_to": "0xshop"},
        fetch=lambda _: {"status": 200, "body": "x" * 70_000},
    )
    assert answer.startswith("0 of 0 samples")


def test_a_channel_is_opened_for_exactly_what_is_wanted_and_not_for_another_payee() -> None:
    tools = {
        "find_services": lambda _: [service("shop", 900, "http://many")],
        "fetch": lambda _: predicted(0.99),
        "open_channel": lambda _: {"channel": "01"},
        "ask_many": lambda given: {"answers": given["count"]},
    }
    honest = {"amount": "7", "pay_to": "0xshop"}
    answer, made = played(research("skill", ["a"], 5), ask_price=lambda _: honest, **tools)
    assert "5 more answers" in answer
    assert dict(made)["open_channel"]["units"] == 35
    other = lambda given: honest if given["url"] == "http://shop" else {**honest, "pay_to": "0xthief"}  # noqa: E731
    _, made = played(research("skill", ["a"], 5), ask_price=other, **tools)
    assert "open_channel" not in dict(made)


def test_what_may_be_paid_is_paid_and_what_may_not_is_asked_for() -> None:
    answer, made = played(buy_or_ask("shop", "1", "USD", "x"), pay=lambda _: {"paid": "1"})
    assert (answer, [name for name, _ in made]) == ("paid", ["pay"])

    def refuse(_: Any) -> None:
        raise Rejected("buckets: over budget", "no")

    answer, made = played(buy_or_ask("shop", "1", "USD", "x"), pay=refuse, propose_payment=lambda _: {"item": "ab"})
    assert (answer, [name for name, _ in made]) == ("ab", ["pay", "propose_payment"])
    answer, _ = played(buy_or_ask("shop", "1", "USD", "x"), pay=refuse, propose_payment=refuse)
    assert answer == "neither paid nor asked: buckets: over budget"


def test_a_plan_hears_refusals_and_its_weights_are_its_file() -> None:
    planner = PlanPlanner("tries", try_each([("nothing", {})]))
    made = run("a goal", planner, Toolbox([]), briefing="")
    assert (made.answer, made.called[0].code) == ("tried", "loop.tool")
    assert planner.weights == PlanPlanner("other", try_each([])).weights
