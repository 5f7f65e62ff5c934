"""The server: a workspace's abilities listed and called.

A call goes through steps in this order, so that nothing is paid for that cannot be done: the tool is found, its
arguments are checked, a payment is taken where the tool has a price, and the verb runs in a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)

from tallystick.core.errors import Broken, InvalidInput, TallystickError
from tallystick.services.abilities import ABILITIES
from tallystick.services.abilities.ability import Ability, Powers, find_ability, offered
from tallystick.services.abilities.shapes import check_arguments
from tallystick.services.abilities.till import Till
from tallystick.services.bench import Bench
from tallystick.services.mcp import outcomes
from tallystick.services.mcp.payment import PAYMENT, tool_operation

PRICE: Final = "tallystick/price"
LEVEL: Final = "tallystick/required_level"

_ABOUT = (
    "Tools of a Tallystick workspace. What they say of models, receipts, agents and wallets is rechecked against the "
    "chain. Tools that spend act by one session of one wallet, whose limits the chain holds; a refusal says which."
)
_log = logging.getLogger(__name__)


class Desk:
    """Answers tool calls for one workspace."""

    def __init__(
        self,
        bench: Bench,
        powers: Powers,
        abilities: tuple[Ability, ...] = ABILITIES,
        *,
        till: Till | None = None,
        hidden: str = "",
    ) -> None:
        """
        till    takes the prices of tools; without it all are free
        hidden  the path of the workspace, which errors do not tell
        raises  InvalidInput "ability.price"
        """
        self._bench = bench
        self._powers = powers
        self._hidden = hidden
        self.abilities = offered(abilities, powers)
        self._till = till
        if till is not None:
            till.check(self.abilities)

    def server(self) -> Server[Any]:
        """Return the protocol server that asks this desk."""
        shapes = {one.name: one.takes for one in self.abilities}

        async def list_tools(context: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
            return ListToolsResult(tools=[self.tool(one) for one in self.abilities])

        async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
            return await self.call(params.name, params.arguments or {}, params.meta or {})

        return Server(
            "tallystick", version=version("tallystick"), title="Tallystick", instructions=_ABOUT,
            on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=shapes.get,
        )  # fmt: skip

    def tool(self, ability: Ability) -> Tool:
        """Return how an ability is listed."""
        hints = ToolAnnotations(
            title=ability.title, read_only_hint=ability.is_read_only, destructive_hint=not ability.is_read_only,
            idempotent_hint=ability.is_repeatable, open_world_hint=ability.is_outward,
        )  # fmt: skip
        made = Tool(
            name=ability.name, title=ability.title, description=ability.about, input_schema=ability.takes,
            output_schema=ability.gives, annotations=hints,
        )  # fmt: skip
        made.meta = {PRICE: self._till.shown(ability) if self._till else "free", LEVEL: ability.level.name.lower()}
        return made

    async def call(self, name: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> CallToolResult:
        """Return what a call of a tool came to; raises MCPError where there is no such tool."""
        try:
            ability = find_ability(self.abilities, name)
        except InvalidInput as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None
        try:
            taken = check_arguments(ability.takes, arguments)
            terms = self._till.terms(ability) if self._till else None
            if self._till is None or terms is None:
                return outcomes.given(await self._bench.run(lambda tally: ability.verb(tally, self._powers, taken)))
            till, operation = self._till, tool_operation(name, arguments)
            payment = meta.get(PAYMENT)
            sale = await self._bench.run(
                lambda tally: till.sell(
                    tally, terms, operation, payment, lambda: ability.verb(tally, self._powers, taken)
                )
            )
            return outcomes.sold(sale)
        except TallystickError as error:
            return outcomes.refused(error, self._hidden)
        except Exception as error:  # noqa: BLE001  a bug of ours must not tell strangers about our insides
            _log.error("the tool %s failed", name, exc_info=error)
            return outcomes.refused(Broken("mcp.bug", "internal error", hint="this is a bug of ours; please report it"))
