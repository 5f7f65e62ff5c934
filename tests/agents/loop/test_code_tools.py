"""Tools that are code: their head says what they are, and their body reaches nothing."""

from __future__ import annotations

import shutil

import pytest

from tallystick.agents.loop import Moment, Toolbox, ToolCall
from tallystick.agents.loop.code import read_code_tool
from tallystick.core.errors import InvalidInput
from tallystick.sandbox import Bounds

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

MOMENT = Moment("goal", "planner", bytes(32), b"[]")
HEAD = b"""# /// tool
# name = "mean"
# description = "The mean of numbers."
#
# [parameters]
# type = "object"
# required = ["values"]
# properties.values = { type = "array", items = { type = "number" }, minItems = 1 }
# ///
"""
MEAN = (
    HEAD
    + b"""import json, sys
values = json.load(sys.stdin)["values"]
print(sum(values) / len(values))
"""
)


def _call(source: bytes, arguments: str = '{"values": [1, 2, 6]}', bounds: Bounds | None = None) -> tuple[str, str]:
    tool = read_code_tool(source, bounds) if bounds else read_code_tool(source)
    called = Toolbox([tool]).call(ToolCall("c", "mean", arguments), MOMENT)
    return called.code, called.answer


def test_a_file_is_a_tool_and_computes() -> None:
    tool = read_code_tool(MEAN)
    assert (tool.name, tool.effect, tool.description) == ("mean", "computes", "The mean of numbers.")
    assert _call(MEAN) == ("", "3.0\n")


def test_its_arguments_are_checked_before_it_runs() -> None:
    assert _call(MEAN, '{"values": []}')[0] == "loop.arguments"


@pytest.mark.parametrize(
    "body",
    [
        b"open('/etc/passwd').read()",
        b"import socket; socket.create_connection(('127.0.0.1', 80))",
        b"import os; os.execv('/bin/sh', ['sh', '-c', 'exit 3'])",
        b"import subprocess; subprocess.run(['id'])",
        b"raise ValueError('no')",
    ],
)
def test_code_that_reaches_for_more_fails_alone(body: bytes) -> None:
    assert _call(HEAD + body)[0] == "loop.code_failed"


def test_code_that_does_not_end_is_ended() -> None:
    assert _call(HEAD + b"while True: pass", bounds=Bounds(cpu_s=1))[0] == "loop.code_failed"


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"print(1)",
        HEAD + HEAD,
        HEAD.replace(b'name = "mean"', b'name = "me an"'),
        HEAD.replace(b'name = "mean"', b"name = 1"),
        HEAD.replace(b"[parameters]", b"[parameters"),
        HEAD.replace(b"description", b"descriptions"),
        HEAD.replace(b'type = "array"', b'type = "sequence"'),
        b"\xff" + HEAD,
        HEAD + b"#" * 2**20,
        b"# /// tool\n# a = " + b"[" * 5_000 + b"\n# ///\n",
        b"# /// tool\n# a = " + b"1" * 5_000 + b"\n# ///\n",
        HEAD.replace(b"minItems = 1", b"minItems = 99999999999999999999"),
    ],
)
def test_a_file_without_the_head_is_no_tool(source: bytes) -> None:
    with pytest.raises(InvalidInput):
        Toolbox([read_code_tool(source)])
