# pragma version 0.4.3
"""
@title   Companions: the contracts an account leans on
@license Apache-2.0
@notice  The EntryPoint of ERC-4337, and four contracts of ours that have no owner and no upgrade: rules, queue and changes
         keep state for the account that asks, the relay what was signed and used.
@custom:invariant They are chosen when the implementation is made and are the same for every clone of it, for ever.
@custom:security  What they may ask of an account is small and named: `check_setter` trusts changes, `note` the first three,
                  `run_item` the queue, `act` the relay. None of them is ever a target of sessions or of the owner's calls.
"""

entry_point: public(immutable(address))
rules: public(immutable(address))
queue: public(immutable(address))
changes: public(immutable(address))
relay: public(immutable(address))


@deploy
def __init__(entry_point_: address, rules_: address, queue_: address, changes_: address, relay_: address):
    entry_point = entry_point_
    rules = rules_
    queue = queue_
    changes = changes_
    relay = relay_


@view
@external
def is_own(target: address) -> bool:
    return self._is_own(target) or target == entry_point


@view
@internal
def _is_own(target: address) -> bool:
    return target in [self, rules, queue, changes, relay]
