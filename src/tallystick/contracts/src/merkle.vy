# pragma version 0.4.3
"""
@title   RFC 9162 proofs over SHA-256
@license Apache-2.0
@notice  Checks inclusion and consistency of RFC 6962 trees. The walk is that of RFC 9162 section 2.1 with one change
         of form: once the node is the rightmost of its level (fn = sn), each remaining proof node stands for one more
         bit of sn, so clearing the lowest bit replaces "shift until odd". Verdicts are the same; fewer steps are.
@custom:invariant A proof passes only if it consumes its size whole: the last test is that nothing of sn is left.
@custom:security  A root does not bind the size of its tree. Whoever calls takes (size, root) as a pair from a place
                  that it trusts.
"""


@pure
@internal
def _included(index: uint256, size: uint256, root: bytes32, leaf_hash: bytes32, proof: DynArray[bytes32, 63]) -> bool:
    if index >= size:
        return False
    fn: uint256 = index
    sn: uint256 = unsafe_sub(size, 1)
    folded: bytes32 = leaf_hash
    for node: bytes32 in proof:
        if fn == sn:
            if sn == 0:
                return False  # the proof is longer than the tree is high
            fn &= unsafe_sub(fn, 1)
            sn = fn
            folded = sha256(concat(0x01, node, folded))
        else:
            if fn & 1 == 0:
                folded = sha256(concat(0x01, folded, node))
            else:
                folded = sha256(concat(0x01, node, folded))
            fn >>= 1
            sn >>= 1
    return sn == 0 and folded == root


@pure
@internal
def _consistent(
    old_size: uint256, old_root: bytes32, new_size: uint256, new_root: bytes32, proof: DynArray[bytes32, 63]
) -> bool:
    if old_size == new_size or old_size == 0:
        return (
            old_size <= new_size
            and len(proof) == 0
            and (old_size != 0 or old_root == sha256(b""))
            and (old_size != new_size or old_root == new_root)
        )
    if old_size > new_size or len(proof) == 0:
        return False

    # Whole subtrees under the old right edge need no node: drop as many levels as old_size has low zero bits.
    lowest_bit: uint256 = old_size & unsafe_sub(0, old_size)
    fn: uint256 = unsafe_div(unsafe_sub(old_size, 1), lowest_bit)
    sn: uint256 = unsafe_div(unsafe_sub(new_size, 1), lowest_bit)
    # A power of two is one subtree, whose hash the verifier already has; otherwise the proof opens with it.
    first_is_start: bool = old_size != lowest_bit
    old: bytes32 = old_root
    if first_is_start:
        old = proof[0]
    new: bytes32 = old
    for node: bytes32 in proof:
        if first_is_start:
            first_is_start = False
        elif fn == sn:
            if sn == 0:
                return False
            fn &= unsafe_sub(fn, 1)
            sn = fn
            old = sha256(concat(0x01, node, old))
            new = sha256(concat(0x01, node, new))
        else:
            if fn & 1 == 0:
                new = sha256(concat(0x01, new, node))
            else:
                old = sha256(concat(0x01, node, old))
                new = sha256(concat(0x01, node, new))
            fn >>= 1
            sn >>= 1
    return sn == 0 and old == old_root and new == new_root
