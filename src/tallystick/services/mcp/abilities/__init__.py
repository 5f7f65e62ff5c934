"""Every ability that a server can offer, in the order in which it is listed."""

from __future__ import annotations

from tallystick.services.mcp.abilities.agents import AGENTS
from tallystick.services.mcp.abilities.ledger import LEDGER
from tallystick.services.mcp.abilities.models import MODELS
from tallystick.services.mcp.abilities.predictions import PREDICTIONS
from tallystick.services.mcp.abilities.wallets import WALLETS
from tallystick.services.mcp.ability import Ability

ABILITIES: tuple[Ability, ...] = (*MODELS, *PREDICTIONS, *LEDGER, *AGENTS, *WALLETS)
