# pragma version 0.4.3
"""
@title   PolicyChanges
@license Apache-2.0
@notice  The scheduled changes of all policy accounts. The interface IPolicyChanges.vyi teaches the contract, its module
         holds all.
@custom:invariant What is scheduled for an account was announced by its owner, speaks of that account, and waits.
@custom:kill      There is none: no administrator, no pause, no upgrade. An account's guardians cancel; a freeze voids all.
@custom:security  Accounts do what this contract brings: read its module to see whom it brings it for.
"""

from ..interfaces import IPolicyChanges
from .agents.policy import changes

implements: IPolicyChanges

initializes: changes

exports: (
    changes.schedule,
    changes.apply,
    changes.cancel,
    changes.due_at,
)


@deploy
def __init__(rules: address, queue: address):
    changes.__init__(rules, queue)
