# pragma version 0.4.3
"""
@title   PolicyRules
@license Apache-2.0
@notice  The rules and payees of all policy accounts. The interface IPolicyRules.vyi teaches the contract; this shell
         composes its modules.
@custom:invariant What is kept for an account changes only by that account, or by whom it names as its owner, and then only
                  as the account lets it.
@custom:kill      There is none: no administrator, no pause, no upgrade. An account's guardian freezes the account.
@custom:security  Anybody can pretend to be an account here, and then speaks of itself alone.
"""

from ..interfaces import IPolicyRules
from .agents.policy import payees
from .agents.policy import rules
from .agents.policy import selectors

implements: IPolicyRules

initializes: payees
initializes: rules[payees := payees]

exports: (
    rules.set_rule,
    rules.read_call,
    rules.rule_of,
    payees.set_payee,
    payees.set_newcomers,
    payees.introduce,
    payees.payee_of,
    payees.is_payee,
    payees.newcomers_of,
    payees.newcomer_of,
    selectors.is_denied,
)
