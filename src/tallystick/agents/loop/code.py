"""Tools that are code: one Python file that says in its head what it is. It runs in the sandbox, always.

The head is a block of TOML in comments, between `# /// tool` and `# ///`, as Python's inline script metadata has them
(PEP 723): `name`, `description` and the JSON schema `parameters`. The program reads its arguments as JSON from standard
input and writes its answer to standard output.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tallystick.agents.loop.tools import Moment, Tool, check_json
from tallystick.core import documents
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.limits import LOOP_NAME_CHARS_MAX, LOOP_TEXT_CHARS_MAX, SANDBOX_PROGRAM_BYTES_MAX
from tallystick.sandbox import Bounds, check_walls, run_python

_HEAD: Final = re.compile(r"^# /// tool$\n(?P<lines>(?:^#(?:| .*)$\n)+?)^# ///$", re.MULTILINE)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_BOUNDS: Final = Bounds(cpu_s=10, wall_s=30, memory_bytes=2**29, output_bytes=2**18)


@dataclass(frozen=True)
class Head:
    """What a file says that it is."""

    name: str
    description: str
    parameters: dict[str, Any]


def read_code_tool(source: bytes, bounds: Bounds = _BOUNDS) -> Tool:
    """Return the tool that a Python file is. Its code has not run yet.

    raises  as `read_tool_head`; Unavailable "sandbox.absent", "sandbox.leaks" where it could not be run safely
    """
    head = read_tool_head(source)
    check_walls()

    def compute(arguments: dict[str, Any], _: Moment) -> str:
        outcome = run_python(source, orjson.dumps(arguments), bounds)
        if not outcome.is_done:
            words = outcome.errors.decode("utf-8", "replace").strip().splitlines()
            raise Rejected(
                "loop.code_failed", f"the program ended: {outcome.ending}", got=words[-1][:200] if words else "",
                hint="give it other arguments, or do without it",
            )  # fmt: skip
        return outcome.output.decode("utf-8", "replace")

    return Tool(head.name, head.description, head.parameters, "computes", compute)


def read_tool_head(source: bytes) -> Head:
    """Return what a file says that it is; raises InvalidInput "loop.code" for one without the head, "document.…"."""
    found = documents.members(_head(source), "the tool's head", ("name", "description", "parameters"))
    name = documents.text(found["name"], "name", LOOP_NAME_CHARS_MAX)
    if not _NAME.fullmatch(name):
        raise InvalidInput("loop.code", "not a tool's name", expected="letters, digits, _ and -", got=ascii(name))
    parameters = documents.typed(found["parameters"], dict, "parameters")
    check_json(parameters, "loop.code")
    return Head(name, documents.text(found["description"], "description", LOOP_TEXT_CHARS_MAX), parameters)


def _head(source: bytes) -> object:
    if len(source) > SANDBOX_PROGRAM_BYTES_MAX:
        raise _no_tool(f"{len(source)} bytes")
    try:
        heads = list(_HEAD.finditer(source.decode("utf-8")))
        if len(heads) != 1:
            raise _no_tool(f"{len(heads)} such blocks")
        return tomllib.loads("\n".join(line[2:] for line in heads[0]["lines"].splitlines()))
    except (ValueError, RecursionError) as error:
        raise _no_tool(ascii(str(error))[:120]) from None


def _no_tool(got: str) -> InvalidInput:
    return InvalidInput(
        "loop.code",
        "the file is no tool",
        expected="one block of TOML in comments, from `# /// tool` to `# ///`",
        got=got,
        hint="docs/agents/running.md shows one",
    )
