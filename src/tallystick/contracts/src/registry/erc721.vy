# pragma version 0.4.3
"""
@title   ERC-721 ownership without enumeration
@license Apache-2.0
@notice  Who owns which token and who may move it. Tokens are never burnt. One word per token holds the owner, the
         number of transfers and a tag of 48 bits that belongs to the composing contract, so that it pays no slot of
         its own: owner in bits 0 to 159, transfers in 160 to 207, tag in 208 to 255.
@custom:invariant The balances sum to the number of tokens; a token's owner is never zero once minted.
@custom:security  A receiver is called after every effect, so re-entering sees finished state. A transfer to oneself
                  counts as a transfer.
"""

from ethereum.ercs import IERC721

interface IERC721Receiver:
    def onERC721Received(operator: address, sender: address, token_id: uint256, data: Bytes[1024]) -> bytes4: nonpayable

_RECEIVED: constant(bytes4) = method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4)
_OWNER_MASK: constant(uint256) = 2**160 - 1
_TRANSFERS_SHIFT: constant(uint256) = 160
_TAG_SHIFT: constant(uint256) = 208
_COUNT_MASK: constant(uint256) = 2**48 - 1

_words: HashMap[uint256, uint256]
_balances: HashMap[address, uint256]
_approved: HashMap[uint256, address]
_operators: HashMap[address, HashMap[address, bool]]


@pure
@external
def supportsInterface(interface_id: bytes4) -> bool:
    return interface_id in [0x01ffc9a7, 0x80ac58cd, 0x5b5e139f]


@view
@external
def balanceOf(owner: address) -> uint256:
    assert owner != empty(address), "erc721: zero address"
    return self._balances[owner]


@view
@external
def ownerOf(token_id: uint256) -> address:
    return self._existing_owner(token_id)


@view
@external
def getApproved(token_id: uint256) -> address:
    self._existing_owner(token_id)
    return self._approved[token_id]


@view
@external
def isApprovedForAll(owner: address, operator: address) -> bool:
    return self._operators[owner][operator]


@external
def approve(approved: address, token_id: uint256):
    owner: address = self._existing_owner(token_id)
    assert msg.sender == owner or self._operators[owner][msg.sender], "erc721: not owner or operator"
    self._approved[token_id] = approved
    log IERC721.Approval(owner=owner, approved=approved, token_id=token_id)


@external
def setApprovalForAll(operator: address, approved: bool):
    self._operators[msg.sender][operator] = approved
    log IERC721.ApprovalForAll(owner=msg.sender, operator=operator, approved=approved)


@external
def transferFrom(sender: address, receiver: address, token_id: uint256):
    self._transfer(sender, receiver, token_id)


@external
def safeTransferFrom(sender: address, receiver: address, token_id: uint256, data: Bytes[1024] = b""):
    self._transfer(sender, receiver, token_id)
    if receiver.is_contract:
        answer: bytes4 = extcall IERC721Receiver(receiver).onERC721Received(msg.sender, sender, token_id, data)
        assert answer == _RECEIVED, "erc721: receiver refused"


@internal
def _mint(receiver: address, token_id: uint256):
    """
    @dev The caller vouches that `token_id` is new and `receiver` not zero.
    """
    self._words[token_id] = convert(receiver, uint256)
    self._balances[receiver] = unsafe_add(self._balances[receiver], 1)
    log IERC721.Transfer(sender=empty(address), receiver=receiver, token_id=token_id)


@internal
def _transfer(sender: address, receiver: address, token_id: uint256):
    word: uint256 = self._words[token_id]
    owner: address = convert(word & _OWNER_MASK, address)
    assert owner != empty(address), "erc721: no such token"
    approved: address = self._approved[token_id]
    # The zero address sends only in simulations, and no approval is an approval of it.
    assert (
        msg.sender == owner
        or (msg.sender == approved and approved != empty(address))
        or self._operators[owner][msg.sender]
    ), "erc721: not owner or approved"
    assert sender == owner, "erc721: wrong owner"
    assert receiver != empty(address), "erc721: zero address"

    if approved != empty(address):
        self._approved[token_id] = empty(address)
    self._balances[owner] -= 1
    self._balances[receiver] += 1
    # 2**48 transfers cannot happen: a thousand a second would take nine thousand years.
    self._words[token_id] = (word & ~_OWNER_MASK | convert(receiver, uint256)) + (1 << _TRANSFERS_SHIFT)
    log IERC721.Transfer(sender=sender, receiver=receiver, token_id=token_id)


@internal
def _set_tag(token_id: uint256, word: uint256, tag: uint256):
    """
    @dev `word` is the token's word as just read; `tag` fits 48 bits.
    """
    self._words[token_id] = word & (2**208 - 1) | (tag << _TAG_SHIFT)


@view
@internal
def _existing_owner(token_id: uint256) -> address:
    owner: address = self._owner_in(self._words[token_id])
    assert owner != empty(address), "erc721: no such token"
    return owner


@pure
@internal
def _owner_in(word: uint256) -> address:
    return convert(word & _OWNER_MASK, address)


@pure
@internal
def _transfers_in(word: uint256) -> uint48:
    return convert(word >> _TRANSFERS_SHIFT & _COUNT_MASK, uint48)


@pure
@internal
def _tag_in(word: uint256) -> uint256:
    return word >> _TAG_SHIFT
