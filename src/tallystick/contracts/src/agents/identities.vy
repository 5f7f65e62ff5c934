# pragma version 0.4.3
"""
@title   The identity registry that a registry beside it relies on
@license Apache-2.0
@notice  Chosen when the contract is made, or once by `initialize` where the constructor was given the zero address.
@custom:invariant Once chosen it never changes.
@custom:security  A contract made with the zero address belongs to whoever initializes it first: make it with the
                  registry, as `tally` does; its CREATE2 address then commits to it. Ask getIdentityRegistry() before
                  relying on a stranger's.
"""

interface IIdentity:
    def ownerOf(agent_id: uint256) -> address: view
    def getAgentWallet(agent_id: uint256) -> address: view
    def isAuthorizedOrOwner(spender: address, agent_id: uint256) -> bool: view

_registry: address


@deploy
def __init__(identity_registry: address):
    if identity_registry != empty(address):
        self._choose(identity_registry)


@external
def initialize(identity_registry: address):
    assert self._registry == empty(address), "identities: already set"
    self._choose(identity_registry)


@view
@external
def getIdentityRegistry() -> address:
    return self._registry


@internal
def _choose(identity_registry: address):
    assert identity_registry.is_contract, "identities: not a contract"
    self._registry = identity_registry


@view
@internal
def _chosen() -> IIdentity:
    registry: address = self._registry
    assert registry != empty(address), "identities: not set"
    return IIdentity(registry)


@view
@internal
def _is_authorized(account: address, agent_id: uint256) -> bool:
    """
    @dev Reverts as the identity registry does when there is no such agent.
    """
    return staticcall self._chosen().isAuthorizedOrOwner(account, agent_id)


@view
@internal
def _owner_of(agent_id: uint256) -> address:
    return staticcall self._chosen().ownerOf(agent_id)


@view
@internal
def _wallet_of(agent_id: uint256) -> address:
    return staticcall self._chosen().getAgentWallet(agent_id)
