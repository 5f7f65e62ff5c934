"""What a workspace can do for callers over any of the agents' protocols, each a call of a door.

ability.py  an ability: its name, its shapes, which level of autonomy it needs, what runs it
shapes.py   JSON schemas of arguments and results, and the one check of both
till.py     what abilities cost, and how the money is taken
others      the abilities, by what they are about; `ABILITIES` has all, in the order in which they are listed
"""

from __future__ import annotations

from tallystick.services.abilities.ability import Ability
from tallystick.services.abilities.agents import AGENTS
from tallystick.services.abilities.ledger import LEDGER
from tallystick.services.abilities.models import MODELS
from tallystick.services.abilities.predictions import PREDICTIONS
from tallystick.services.abilities.wallets import WALLETS

ABILITIES: tuple[Ability, ...] = (*MODELS, *PREDICTIONS, *LEDGER, *AGENTS, *WALLETS)
