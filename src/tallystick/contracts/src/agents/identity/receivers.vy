# pragma version 0.4.3
"""
@title   Asking a contract whether it takes an ERC-721 token
@license Apache-2.0
@notice  For contracts that have more to do in a transfer than the module erc721 knows of, and so write the two external
         transfers themselves.
@custom:invariant An account without code is not asked.
@custom:security  A receiver is called: do it after every effect.
"""

interface IERC721Receiver:
    def onERC721Received(operator: address, sender: address, token_id: uint256, data: Bytes[1024]) -> bytes4: nonpayable

_RECEIVED: constant(bytes4) = method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4)


@internal
def _ask(receiver: address, sender: address, token_id: uint256, data: Bytes[1024]):
    if receiver.is_contract:
        answer: bytes4 = extcall IERC721Receiver(receiver).onERC721Received(msg.sender, sender, token_id, data)
        assert answer == _RECEIVED, "erc721: receiver refused"
