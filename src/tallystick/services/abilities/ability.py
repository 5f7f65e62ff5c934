"""An ability of the workspace as a tool: what it takes and gives, what it may change, what it needs, what runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.agents.policy.nouns import Level
from tallystick.core.errors import InvalidInput
from tallystick.services.abilities.shapes import Shape
from tallystick.tally import Tally


@dataclass(frozen=True)
class Powers:
    """What the server was started with, and no caller can change.

    wallet   the wallet that tools spend from, by name or address; "" for none: such tools are not offered
    session  the key of this workspace by which they act in it
    gateway  URL of the gateway that answers predictions; "" for none
    log      the log that the gateway writes
    """

    wallet: str = ""
    session: str = ""
    gateway: str = ""
    log: str = "main"


Verb = Callable[[Tally, Powers, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Ability:
    """One tool.

    level          what its session must at least be allowed; OBSERVE for what only looks. The chain enforces it
    is_read_only   it changes nothing anywhere
    is_repeatable  doing it again with the same arguments does nothing more
    is_outward     it speaks to a party outside this workspace and its chain
    """

    name: str
    title: str
    about: str
    takes: Shape
    gives: Shape
    verb: Verb
    level: Level = Level.OBSERVE
    is_read_only: bool = True
    is_repeatable: bool = True
    is_outward: bool = False
    needs_wallet: bool = False
    needs_gateway: bool = False


def offered(abilities: tuple[Ability, ...], powers: Powers) -> tuple[Ability, ...]:
    """Return the abilities that a server with these powers offers."""
    return tuple(
        one
        for one in abilities
        if (not one.needs_wallet or (powers.wallet and powers.session)) and (not one.needs_gateway or powers.gateway)
    )


def find_ability(abilities: tuple[Ability, ...], name: str) -> Ability:
    """Return the ability of this name; raises InvalidInput "ability.unknown"."""
    found = next((one for one in abilities if one.name == name), None)
    if found is None:
        raise InvalidInput(
            "ability.unknown", "no such tool", got=ascii(name)[:80], hint="the listing tells which there are"
        )
    return found
