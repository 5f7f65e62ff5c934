"""Tools of other people's MCP servers as tools of a planner, paid for where they have a price.

Their names carry a prefix of the user's choice, so that no server offers a `pay` of its own in place of the wallet's.
What they say of themselves and what they answer is a stranger's text, and is told as that. Of their schemas the forms
count; expressions to match texts with are left to the server, since one can be made that never ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson
from mcp.types import Tool as Offered

from tallystick.agents.loop.tools import Moment, Tool
from tallystick.agents.payments.purse import Purse
from tallystick.agents.policy.nouns import Level
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import LOOP_TOLD_CHARS_MAX
from tallystick.services.mcp.client import Toolbox

_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{0,15}\Z", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,47}\Z", re.ASCII)  # with the prefix at most the 64 that models take
_EXPRESSIONS: Final = frozenset({"pattern", "patternProperties", "format"})

Lend = Callable[[Moment], Purse]


def borrowed_tools(server: Toolbox, prefix: str, lend: Lend | None = None) -> list[Tool]:
    """Return the server's tools, each called `prefix_name`; those whose names no model could call are left out.

    lend    gives the purse that pays for one call; None: what has a price is refused
    raises  InvalidInput "loop.tool" for a prefix that is none; what `Toolbox.tools` raises
    """
    if not _PREFIX.match(prefix):
        raise InvalidInput(
            "loop.tool", "not a name for a server", expected="up to 16 small letters and digits", got=ascii(prefix)[:80]
        )
    return [_borrowed(server, one, prefix, lend) for one in server.tools() if _NAME.match(one.name)]


def _borrowed(server: Toolbox, offered: Offered, prefix: str, lend: Lend | None) -> Tool:
    def ask(arguments: dict[str, Any], moment: Moment) -> str:
        called = server.call(offered.name, arguments, lend(moment) if lend else None)
        paid = called.paid and {"payment": called.paid.id, "state": called.paid.state}
        answer = {"answer": called.text, "failed": bool(called.result.is_error), "paid": paid}
        return orjson.dumps(answer).decode()

    words = (offered.description or "")[:LOOP_TOLD_CHARS_MAX]
    return Tool(
        name=f"{prefix}_{offered.name}",
        description=f"A tool of {server.origin}, which says of it: {words}",
        parameters=_forms(offered.input_schema),
        effect="spends" if lend else "reads",
        run=ask,
        level=Level.BOUNDED if lend else Level.OBSERVE,
        price="what its server asks, within your limits" if lend else "",
    )


def _forms(schema: Any) -> Any:
    """Return a schema without the expressions in it; names of members stay, whatever they are."""
    if isinstance(schema, list):
        return [_forms(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {word: one for word, one in schema.items() if word not in _EXPRESSIONS}
    return {
        word: {name: _forms(inner) for name, inner in one.items()}
        if word in ("properties", "$defs") and isinstance(one, dict)
        else _forms(one)
        for word, one in kept.items()
    }
