# pragma version 0.4.3
"""
@title   Audit: the chain of all that was done
@license Apache-2.0
@notice  Every act, refusal and change is one link; a link's hash covers the one before.
@custom:invariant Who knows the head can check a whole list of links, and a missing, changed or added one is seen.
@custom:security  ERC-1271 answers are views and leave no link: their spending is found by the token's own events.
"""

from ....interfaces import IPolicyAccount

head: public(bytes32)
link_count: public(uint64)


@internal
def _link(
    session: address,
    kind: uint8,
    target: address,
    token: address,
    amount: uint256,
    data_hash: bytes32,
    intent_hash: bytes32,
    result: bool,
):
    seq: uint64 = self.link_count + 1
    head: bytes32 = keccak256(
        abi_encode(self.head, seq, session, kind, target, token, amount, data_hash, intent_hash, result)
    )
    self.head = head
    self.link_count = seq
    log IPolicyAccount.ActionLogged(
        seq=seq,
        session=session,
        kind=kind,
        target=target,
        token=token,
        amount=amount,
        data_hash=data_hash,
        intent_hash=intent_hash,
        result=result,
        head=head,
    )


@internal
def _note(kind: uint8, target: address, data_hash: bytes32):
    self._link(empty(address), kind, target, empty(address), 0, data_hash, empty(bytes32), True)
