"""Tools tell what doors tell, refuse what has another shape, and spend only what the chain lets them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mcp.shared.exceptions import MCPError

from tallystick.agents.identity.registration import Registration, Service
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MCP_ARGUMENTS_BYTES_MAX
from tallystick.services.abilities import ABILITIES
from tallystick.services.abilities.ability import Powers, offered
from tallystick.services.abilities.shapes import amount, check_arguments, many, record, text, whole
from tallystick.services.mcp.server import LEVEL, PRICE, Desk
from tests.cli.agent_kit import address_of, open_tally
from tests.services.mcp.places import asked, called, desk_of

SPENDING = {"propose_payment", "pay"}


@pytest.mark.parametrize("ability", ABILITIES, ids=lambda one: one.name)
def test_what_a_tool_takes_and_gives_is_a_schema_and_says_what_it_is(ability: Any) -> None:
    Draft202012Validator.check_schema(ability.takes)
    Draft202012Validator.check_schema(ability.gives)
    assert ability.takes["additionalProperties"] is False
    assert ability.about.endswith(".")
    optional = set(ability.takes["properties"]) - set(ability.takes["required"])
    assert all("default" in ability.takes["properties"][name] for name in optional)


def test_tools_that_spend_are_offered_only_with_a_wallet_and_its_session() -> None:
    for powers in (Powers(), Powers(wallet="bot"), Powers(session="bot")):
        assert not SPENDING & {one.name for one in offered(ABILITIES, powers)}
    assert {one.name for one in offered(ABILITIES, Powers("bot", "bot"))} > SPENDING
    assert "predict" not in {one.name for one in offered(ABILITIES, Powers())}
    assert "predict" in {one.name for one in offered(ABILITIES, Powers(gateway="http://127.0.0.1:1"))}


def test_a_list_says_of_each_tool_its_price_its_level_and_whether_it_only_reads(desk: Desk) -> None:
    tools = {tool.name: tool for tool in asked(desk.server(), lambda client: client.list_tools()).tools}
    assert {name: tool.meta[LEVEL] for name, tool in tools.items() if name in SPENDING} == {
        "propose_payment": "propose",
        "pay": "bounded",
    }
    assert all(tool.meta[PRICE] == "free" for tool in tools.values())
    assert not tools["pay"].annotations.read_only_hint
    assert tools["pay"].annotations.destructive_hint
    assert tools["audit_wallet"].annotations.read_only_hint
    assert all(tool.output_schema for tool in tools.values())


def test_a_tool_tells_what_the_chain_says(desk: Desk, tmp_path: Path) -> None:
    found = called(desk.server(), "chain_status", {})
    with open_tally(tmp_path / ".tally") as tally:
        assert found.structured_content["block"] == tally.node.block_number()
        assert found.structured_content["account"] == tally.account.address
    assert json.loads(found.content[0].text) == found.structured_content


def test_a_wallet_is_explained_and_audited_for_whoever_asks(desk: Desk, tmp_path: Path) -> None:
    told = called(desk.server(), "explain_wallet", {"wallet": "bot"}).structured_content
    assert any("may act alone" in line or "may call" in line for one in told["sections"] for line in one["lines"])
    audit = called(desk.server(), "audit_wallet", {"wallet": told["wallet"]}).structured_content
    assert audit["balanced"] is True
    assert audit["gaps_total"] == 0
    assert called(desk.server(), "list_queue", {"wallet": "bot"}).structured_content["items"] == []


def test_a_payment_within_the_policy_is_made_and_one_beyond_is_refused_by_the_chain(
    desk: Desk, token: str, tmp_path: Path
) -> None:
    shop = address_of(tmp_path / ".tally", "shop")
    asking = {"payee": shop, "amount": "2.5", "token": token, "purpose": "two predictions"}
    paid = called(desk.server(), "pay", asking).structured_content
    assert paid["spent"] == "2500000"
    assert paid["session"] == address_of(tmp_path / ".tally", "bot")
    refused = called(desk.server(), "pay", {**asking, "amount": "11"})
    assert refused.is_error
    assert refused.structured_content["code"] == "rules: over the cap"
    assert refused.structured_content["hint"]
    stranger = called(desk.server(), "pay", {**asking, "payee": "0x" + "11" * 20})
    assert stranger.structured_content["code"] == "payees: not allowed"
    audit = called(desk.server(), "audit_wallet", {"wallet": "bot"}).structured_content
    assert audit["balanced"] is True


def test_what_may_not_be_paid_alone_is_proposed_and_waits(desk: Desk, token: str, tmp_path: Path) -> None:
    asking = {"payee": address_of(tmp_path / ".tally", "shop"), "amount": "60", "token": token, "purpose": "a year"}
    item = called(desk.server(), "propose_payment", asking).structured_content
    assert item["state"] == "open"
    assert item["max_debit"] == "60000000"
    waiting = called(desk.server(), "list_queue", {"wallet": "bot"}).structured_content["items"]
    assert [one["item"] for one in waiting] == [item["item"]]


def test_no_caller_chooses_the_wallet_or_names_a_key_of_the_workspace(desk: Desk, token: str) -> None:
    asking = {"payee": "shop", "amount": "1", "token": token, "purpose": "p"}
    for more in ({}, {"wallet": "bot"}, {"session": "guard"}):
        refused = called(desk.server(), "pay", {**asking, **more})
        assert refused.structured_content["code"] == "ability.arguments"


def test_an_agent_is_found_looked_up_and_scored(desk: Desk, tmp_path: Path) -> None:
    with open_tally(tmp_path / ".tally") as tally:
        file = Registration("oracle", "asks chains", services=(Service("MCP", "http://a.test/mcp"),))
        agent = tally.agents.identities.register(file).agent
        known = tally.agents.address("known")
    found = called(desk.server(), "find_agents", {"service": "mcp"}).structured_content["agents"]
    assert [one["agent_id"] for one in found] == [str(agent.agent_id)]
    looked = called(desk.server(), "look_up_agent", {"agent": str(agent)}).structured_content
    assert (looked["name"], looked["is_verified"]) == ("oracle", True)
    asking = {"agent": str(agent.agent_id), "seeds": [{"account": known, "allotment": "100"}]}
    scored = called(desk.server(), "score_agent", asking).structured_content
    assert scored["agent"] == str(agent)
    assert scored["explanation"]
    assert called(desk.server(), "look_up_agent", {"agent": "99"}).structured_content["code"] == "erc721: no such token"
    elsewhere = {"agent": "eip155:1:0x" + "11" * 20 + "/7"}
    assert called(desk.server(), "look_up_agent", elsewhere).structured_content["code"] == "agent.elsewhere"


HOSTILE: list[dict[str, Any]] = [
    {},
    {"wallet": 1},
    {"wallet": None},
    {"wallet": "b" * 65},
    {"wallet": "bot", "window_s": 0},
    {"wallet": "bot", "window_s": 1.5},
    {"wallet": "bot", "more": "x"},
    {"wallet": {"$ref": "https://example.com/schema"}},
]


@pytest.mark.parametrize("arguments", HOSTILE, ids=str)
def test_arguments_of_another_shape_are_refused_before_anything_runs(desk: Desk, arguments: dict[str, Any]) -> None:
    refused = called(desk.server(), "explain_wallet", arguments)
    assert refused.is_error
    assert refused.structured_content["code"] == "ability.arguments"


def test_a_tool_that_is_not_offered_is_an_error_of_the_protocol(desk: Desk) -> None:
    for name in ("predict", "shell", "pay\n", "x" * 10_000):
        with pytest.raises(MCPError, match="no such tool"):
            called(desk.server(), name, {})


def test_errors_tell_no_path_of_this_machine_and_no_word_about_our_insides(desk: Desk, tmp_path: Path) -> None:
    missing = called(desk.server(), "log_status", {"log": "absent"})
    assert missing.structured_content["code"] == "log.none"
    assert str(tmp_path) not in missing.content[0].text

    def broken(tally: Any, powers: Any, arguments: Any) -> Any:
        raise KeyError(f"secret of {tally.workspace.path}")

    from dataclasses import replace

    with desk_of(tmp_path / ".tally", abilities=(replace(ABILITIES[0], verb=broken),)) as faulty:
        told = called(faulty.server(), "verify_model", {"model": "1"})
    assert told.structured_content == {
        "error": "Broken", "code": "mcp.bug", "message": "internal error",
        "hint": "this is a bug of ours; please report it",
    }  # fmt: skip


class TestShapes:
    """The one check of arguments: nothing but our own errors comes out of it."""

    SHAPE = record(
        {"name": text("", 8), "many": many(whole("", 0, 9), most=3), "amount": {**amount("x"), "default": "1"}},
        optional=("amount",),
    )

    @settings(max_examples=150, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        )
    )
    def test_whatever_comes_is_taken_or_refused_in_our_words(self, value: Any) -> None:
        arguments = {"name": value, "many": [1], "amount": "1"} if not isinstance(value, dict) else value
        with contextlib.suppress(InvalidInput):
            taken = check_arguments(self.SHAPE, arguments)
            assert isinstance(taken["name"], str)
            assert len(taken["name"]) <= 8

    def test_what_is_left_out_has_its_default(self) -> None:
        assert check_arguments(self.SHAPE, {"name": "a", "many": []})["amount"] == "1"

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("x" * MCP_ARGUMENTS_BYTES_MAX, "ability.arguments_size"),
            (2**70, "ability.arguments"),
            ("\ud800", "ability.arguments"),
        ],
        ids=["too large", "too long a number", "no text"],
    )
    def test_what_cannot_be_json_of_ours_is_refused(self, value: Any, code: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            check_arguments(self.SHAPE, {"name": value, "many": []})
        assert refused.value.code == code

    def test_what_nests_too_deeply_is_refused(self) -> None:
        nested: Any = []
        for _ in range(60):
            nested = [nested]
        with pytest.raises(InvalidInput) as refused:
            check_arguments(self.SHAPE, {"name": "a", "many": nested})
        assert refused.value.code == "canonical.depth"
        for _ in range(400):
            nested = [nested]
        with pytest.raises(InvalidInput):
            check_arguments(self.SHAPE, {"name": "a", "many": nested})

    @pytest.mark.parametrize("words", ["1e9", "-1", "01", "1.", ".5", "1_000", "0x10", "١", "1\n"])
    def test_what_is_no_plain_amount_is_refused(self, words: str) -> None:
        with pytest.raises(InvalidInput):
            check_arguments(self.SHAPE, {"name": "a", "many": [], "amount": words})
