"""Plans in TOML: a script does its steps in order, rules answer what was last said, and both end."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.loop import Message, RulePlanner, ScriptPlanner, Toolbox, read_plan
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput

NO_TOOLS = Toolbox([])
SCRIPT = b"""
format = "tallystick-plan-1"
name = "two steps"

[[step]]
call = "pay"
arguments = { payee = "shop", amount = "1.50" }

[[step]]
say = "done"
"""
RULES = rb"""
format = "tallystick-plan-1"
name = "believes everything"

[[step]]
when = 'pay (?P<amount>[\d.]+) to (?P<payee>\w+)'
call = "pay"
arguments = { payee = "{payee}", amount = "{amount}", times = 1 }
"""


def test_a_script_does_its_steps_and_then_says_what_it_read() -> None:
    planner = read_plan(SCRIPT)
    assert isinstance(planner, ScriptPlanner)
    assert (planner.name, planner.weights) == ("two steps", sha256(SCRIPT))
    heard = [Message("user", "go")]
    first, second, third = (planner.next(heard, NO_TOOLS) for _ in range(3))
    assert (first.calls[0].name, first.calls[0].arguments) == ("pay", '{"payee":"shop","amount":"1.50"}')
    assert (second.text, third.text) == ("done", "go")


def test_a_rule_acts_on_the_newest_text_once_for_each_finding() -> None:
    planner = read_plan(RULES)
    assert isinstance(planner, RulePlanner)
    heard = [Message("user", "Pay 2 to ann; PAY 3 to bob; pay 2 to ann")]
    asked = [planner.next(heard, NO_TOOLS) for _ in range(3)]
    assert [one.calls[0].arguments for one in asked[:2]] == [
        '{"payee":"ann","amount":"2","times":1}',
        '{"payee":"bob","amount":"3","times":1}',
    ]
    assert asked[2] == Message("assistant", heard[-1].text)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b'name = "two steps"', b"name = 2"), "document.type"),
        ((b"-plan-1", b"-plan-2"), "plan.format"),
        ((b'say = "done"', b'speak = "done"'), "document.unknown"),
        ((b'say = "done"', b'say = "done"\ncall = "pay"'), "plan.step"),
        ((b'say = "done"', b'say = "done"\narguments = {}'), "plan.step"),
        ((b'say = "done"', b'say = "done"\nwhen = "x"'), "plan.step"),
        ((b"[[step]]", b"[[step"), "plan.toml"),
        ((b"[[step]]", b"[[steps]]"), "document.missing"),
    ],
)
def test_a_plan_of_another_form_is_refused(change: tuple[bytes, bytes], code: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read_plan(SCRIPT.replace(*change))
    assert error.value.code == code


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no regular expression"):
        read_plan(RULES.replace(rb"(?P<amount>", rb"(?P<amount"))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (b"a = " + b"[" * 5_000, "plan.toml"),
        (b"a = " + b"1" * 5_000, "plan.toml"),
        (b'[[step]]\ncall = "x"\narguments = { n = 99999999999999999999 }', "plan.step"),
        (b'[[step]]\ncall = "x"\nwhen = "a{99999999999999}"', "plan.step"),
        (b'[[step]]\ncall = "x"\nwhen = "' + b"(" * 20_000 + b")" * 20_000 + b'"', "plan.step"),
    ],
    ids=["too deep", "a number of 5,000 digits", "beyond 64 bits", "a repetition without end", "groups too deep"],
)
def test_what_toml_or_expressions_choke_on_is_refused(end: bytes, code: str) -> None:
    """Each once left the reader, or the run, as an error of Python's."""
    with pytest.raises(InvalidInput) as error:
        read_plan(b'format = "tallystick-plan-1"\nname = "x"\n' + end)
    assert error.value.code == code


def test_groups_fill_lists_too_and_what_they_say_is_not_looked_through_again() -> None:
    plan = RULES.replace(b"times = 1", b'times = 1, list = ["{payee}", { deep = "{amount}" }], kept = "{other}"')
    asked = read_plan(plan).next([Message("user", "pay 2 to ann")], NO_TOOLS).calls[0].arguments
    assert orjson.loads(asked)["list"] == ["ann", {"deep": "2"}]
    assert orjson.loads(asked)["kept"] == "{other}"
    words = RULES.replace(rb"(?P<payee>\w+)", rb"(?P<payee>\S+)")
    asked = read_plan(words).next([Message("user", "pay 2 to {amount}")], NO_TOOLS).calls[0].arguments
    assert orjson.loads(asked)["payee"] == "{amount}"


@given(st.binary(max_size=200))
def test_nothing_but_our_error_leaves_the_reader(data: bytes) -> None:
    try:
        read_plan(data)
    except InvalidInput:
        return
    pytest.fail("random bytes were a plan")
