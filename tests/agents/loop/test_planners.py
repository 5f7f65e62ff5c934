"""Plans in TOML: a script does its steps in order, rules answer what was last said, and both end."""

from __future__ import annotations

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


@given(st.binary(max_size=200))
def test_nothing_but_our_error_leaves_the_reader(data: bytes) -> None:
    try:
        read_plan(data)
    except InvalidInput:
        return
    pytest.fail("random bytes were a plan")
