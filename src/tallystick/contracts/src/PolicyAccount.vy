# pragma version 0.4.3
"""
@title   PolicyAccount
@license Apache-2.0
@notice  A wallet whose limits hold even if its agent, the agent's host and every session key are an attacker's. The
         interface IPolicyAccount.vyi teaches the contract; this shell composes its modules. Accounts are clones of one
         implementation, which is nobody's account.
@custom:invariant With every session key in one hand, in any time T no more of a token leaves than the account's bucket
                  lets out (cap + refill in T), the slots of ERC-1271 that begin in T, and what open channels hold; it
                  goes to allowed payees, or at level 3 and 4 as rules and newcomers' bucket let it. Frozen, nothing.
@custom:kill      Any guardian's `freeze`, at once; the owner's `sweep` takes everything out.
@custom:security  No delegated calls, no plug-ins, no upgrade. An EIP-7702 key that delegates to this code is not held by it:
                  its root key passes the policy by.
"""

from ..interfaces import IPolicyAccount
from .agents.account import audit
from .agents.account import buckets
from .agents.account import calls
from .agents.account import companions
from .agents.account import operations
from .agents.account import owners
from .agents.account import roles
from .agents.account import sessions
from .agents.account import signed

implements: IPolicyAccount

initializes: audit
initializes: companions
initializes: roles[audit := audit, companions := companions]
initializes: buckets[audit := audit, roles := roles]
initializes: sessions[audit := audit, buckets := buckets, companions := companions, roles := roles]
initializes: calls[audit := audit, buckets := buckets, companions := companions, sessions := sessions]
initializes: owners[audit := audit, companions := companions, roles := roles]
initializes: signed[audit := audit, companions := companions, roles := roles]
initializes: operations[audit := audit, buckets := buckets, calls := calls, companions := companions, sessions := sessions]

exports: (
    audit.head,
    audit.link_count,
    companions.entry_point,
    companions.rules,
    companions.queue,
    companions.changes,
    companions.relay,
    companions.is_own,
    roles.owner,
    roles.heir,
    roles.role_of,
    roles.set_delays,
    roles.set_role,
    roles.offer_ownership,
    roles.accept_ownership,
    roles.heartbeat,
    roles.bump_epoch,
    roles.freeze,
    roles.extend_freeze,
    roles.unfreeze,
    roles.seal,
    roles.note,
    roles.check_setter,
    roles.epoch,
    roles.is_sealed,
    roles.frozen_until,
    roles.last_heartbeat,
    roles.delays,
    buckets.set_bucket,
    buckets.forget_token,
    buckets.accrue,
    buckets.bucket_of,
    buckets.tokens,
    sessions.grant_session,
    sessions.revoke_session,
    sessions.rotate_session,
    sessions.set_level,
    sessions.live_level,
    sessions.session_of,
    sessions.state_of,
    calls.execute,
    calls.act,
    calls.run_item,
    calls.perform,
    owners.owner_execute,
    owners.sweep,
    signed.approve_digest,
    signed.isValidSignature,
    signed.digest_until,
    operations.validateUserOp,
    operations.executeUserOp,
)


@deploy
def __init__(entry_point: address, rules: address, queue: address, changes: address, relay: address):
    companions.__init__(entry_point, rules, queue, changes, relay)
    roles.owner = self  # the implementation is locked: it can be nobody's account


@external
def initialize(owner: address, guardians: DynArray[address, 8], raise_delay_s: uint32):
    assert roles.owner == empty(address), "roles: already initialized"
    roles._own(owner, empty(address))
    roles._set_delays(convert(raise_delay_s, uint256), convert(raise_delay_s, uint256))
    for guardian: address in guardians:
        roles._set_role(guardian, roles._GUARDIAN, True)


@payable
@external
def __default__():
    log IPolicyAccount.Received(sender=msg.sender, amount=msg.value)


@pure
@external
def onERC721Received(operator: address, sender: address, token_id: uint256, data: Bytes[1024]) -> bytes4:
    return 0x150b7a02
