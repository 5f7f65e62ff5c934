"""Agents: who one is, and which offer what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.agents.directory import Wanted
from tallystick.agents.scoring.trust import Seed, Terms
from tallystick.chain.coin import read_coin
from tallystick.core.ids import parse_address
from tallystick.core.limits import MCP_ROWS_MAX
from tallystick.services.abilities.ability import Ability, Powers
from tallystick.services.abilities.models import CHECK, shown
from tallystick.services.abilities.shapes import ADDRESS, amount, anything, flag, many, record, text, whole
from tallystick.tally import Tally
from tallystick.tally.agents.identities import file_services

_AGENT = text("An id of this chain's registry, such as 7, or eip155:CHAIN:0x…/7", 200)
_SERVICES = many(anything("name, endpoint, version, skills"))


def _look_up(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    agents = tally.agents
    found = agents.identities.show(agents.registries.agent(given["agent"])).to_dict()
    checks = found.pop("checks")
    assert isinstance(checks, list)
    return {**_readable(found), "checks": [shown(one) for one in checks[:MCP_ROWS_MAX]]}


def _find(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    tally.index.sync()
    wanted = Wanted(
        name=given["name"], service=given["service"], skill=given["skill"], trust=given["trust"],
        needs_x402=given["needs_x402"],
    )  # fmt: skip
    listed = [
        {**_readable(one.to_dict()), "name": file.name, "description": file.description,
         "services": file_services(file), "x402_support": file.x402_support}
        for one, file in tally.agents.identities.find(wanted, given["limit"])
    ]  # fmt: skip
    return {"agents": listed}


def _score(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    tally.index.sync()
    desk = tally.agents.feedback
    coin = read_coin(tally.node, desk.coin)
    seeds = [Seed(parse_address(one["account"]), coin.parse(one["allotment"], "allotment")) for one in given["seeds"]]
    basis = desk.basis(
        tally.agents.registries.agent(given["agent"]), seeds, terms=Terms(prior=coin.parse(given["prior"], "prior"))
    )
    found = basis.compute()
    return {
        "agent": str(basis.agent), "block": basis.block, "coin": basis.coin, **found.to_dict(),
        "explanation": found.explain(coin.named),
    }  # fmt: skip


def _readable(agent: Mapping[str, object]) -> dict[str, object]:
    """Return an agent's members with its id in decimal: many readers of JSON round what is beyond 2**53."""
    return {**agent, "agent_id": str(agent["agent_id"])}


AGENTS = (
    Ability(
        "look_up_agent", "Look up an agent",
        "An agent of the identity registry (ERC-8004): owner, wallet, services, and whether its file is its own.",
        record({"agent": _AGENT}),
        record({"agent": text(), "agent_id": text(), "owner": text(), "wallet": text(),
                "domain": text("", 1_024), "uri": text("", 16_384), "name": text("", 1_024),
                "description": text("", 16_384), "services": _SERVICES, "x402_support": flag(), "active": flag(),
                "supported_trust": many(text()), "is_verified": flag(), "checks": many(CHECK, most=MCP_ROWS_MAX)}),
        _look_up,
    ),
    Ability(
        "find_agents", "Find agents",
        "Agents by what their own registration files say, newest first. What an agent says of itself is a claim.",
        record({"name": text("Part of its name", default=""), "service": text("MCP, A2A, …", 64, default=""),
                "skill": text("Part of a skill", default=""), "trust": text("A trust model", 64, default=""),
                "needs_x402": flag("Only who is paid over x402", default=False),
                "limit": whole("How many", 1, MCP_ROWS_MAX, default=20)},
               optional=("name", "service", "skill", "trust", "needs_x402", "limit")),
        record({"agents": many(record({"agent_id": text(), "owner": text(), "wallet": text(),
                                       "name": text("", 1_024), "services": _SERVICES}, is_open=True),
                               most=MCP_ROWS_MAX)}),
        _find, is_read_only=False,
    ),
    Ability(
        "score_agent", "Score an agent",
        "How far an agent is trusted, by payments and ratings that lead to accounts which the caller knows. Averages "
        "that anybody can make are told beside it.",
        record({"agent": _AGENT,
                "seeds": many(record({"account": ADDRESS, "allotment": amount("The most it may vouch for")}),
                              "Accounts that you know", 100),
                "prior": {**amount("Weight of the opinion that an unknown agent is worth nothing"), "default": "1"}},
               optional=("prior",)),
        record({"agent": text(), "block": whole(), "coin": text(), "explanation": many(text("", 4_096))}, is_open=True),
        _score, is_read_only=False,
    ),
)  # fmt: skip
