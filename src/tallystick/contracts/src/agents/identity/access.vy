# pragma version 0.4.3
"""
@title   Who may act for an agent
@license Apache-2.0
@notice  The owner of its token, the one account approved for the token, and the owner's operators: those whom ERC-721
         lets move it. ERC-8004 lets the same accounts edit the agent.
@custom:invariant Nobody acts for an agent that does not exist.
@custom:security  Whoever may edit an agent may also take it: name operators with that in mind.
"""

from ...registry import erc721

uses: erc721


@view
@internal
def _check(spender: address, agent_id: uint256) -> address:
    """
    @dev Return the agent's owner, if `spender` may act for the agent.
    """
    owner: address = erc721._existing_owner(agent_id)
    assert self._may(owner, spender, agent_id), "identity: not authorized"
    return owner


@view
@internal
def _may(owner: address, spender: address, agent_id: uint256) -> bool:
    # No approval is an approval of the zero address, which sends only in simulations.
    if spender == owner or erc721._operators[owner][spender]:
        return True
    return spender != empty(address) and spender == erc721._approved[agent_id]
