# pragma version 0.4.3
"""
@title   Who may act for a model
@license Apache-2.0
@notice  The owner of the token may do everything; accounts that the owner named may add versions. A delegate belongs
         to one epoch of ownership (the token's count of transfers), so a sale ends all of them without a loop.
@custom:invariant An account named under one owner has no role under the next.
"""

from ...interfaces import IModelRegistry
from . import erc721

uses: erc721

_delegates: HashMap[uint256, HashMap[uint48, HashMap[address, bool]]]  # model, transfers, account


@external
def set_delegate(model_id: uint256, account: address, allowed: bool):
    word: uint256 = erc721._words[model_id]
    self._check_owner(word)
    transfers: uint48 = erc721._transfers_in(word)
    self._delegates[model_id][transfers][account] = allowed
    log IModelRegistry.DelegateSet(model_id=model_id, account=account, allowed=allowed, transfers=transfers)


@view
@external
def is_delegate(model_id: uint256, account: address) -> bool:
    return self._is_delegate(model_id, erc721._words[model_id], account)


@view
@internal
def _check_owner(word: uint256):
    assert erc721._owner_in(word) == msg.sender and word != 0, "roles: not the owner"


@view
@internal
def _check_contributor(model_id: uint256, word: uint256):
    if erc721._owner_in(word) != msg.sender or word == 0:
        assert self._is_delegate(model_id, word, msg.sender), "roles: not owner or delegate"


@view
@internal
def _is_delegate(model_id: uint256, word: uint256, account: address) -> bool:
    return self._delegates[model_id][erc721._transfers_in(word)][account]
