# pragma version 0.4.3
"""
@title   PolicyRelay
@license Apache-2.0
@notice  Brings what the sessions of policy accounts have signed. The interface IPolicyRelay.vyi teaches the contract; this
         shell composes its modules.
@custom:invariant What was signed for one account, chain and epoch counts there, and once.
@custom:kill      There is none: no administrator, no pause, no upgrade. A freeze's new epoch voids all that was signed.
@custom:security  Accounts believe this contract which session has signed: read its modules to see how it knows.
"""

from ..interfaces import IPolicyRelay
from .agents.policy import authorizations
from .agents.policy import messages
from .agents.policy import relay

implements: IPolicyRelay

initializes: relay

exports: (
    relay.execute_signed,
    relay.redeemDelegations,
    relay.seq_of,
    relay.is_redeemed,
    authorizations.is_signed,
    authorizations.slot_nonce,
    messages.action_digest,
    messages.delegation_digest,
    messages.eip712Domain,
)
