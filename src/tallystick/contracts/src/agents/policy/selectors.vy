# pragma version 0.4.3
"""
@title   Selectors: what no rule can ever allow
@license Apache-2.0
@notice  Functions by which a holder gives its tokens, its signature or its voice away, as four bytes each, one after the
         other. docs/spec/policy-rules.md spells them; a test compares.
@custom:invariant The list never changes.
@custom:security  A target can do the same under another name: a rule is a statement of trust in a target's function, and
                  the balances are compared after each call whatever the rule says.
"""

_COUNT: constant(uint256) = 88
_DENIED: constant(Bytes[352]) = x"095ea7b339509351d73dd623d505accf9fd5a6cf8fcbaf0ca22cb46523b872dd42842e0eb88d4fdef242432a2eb2c2d63177029fcae9ca511296ee624000aea0d8fbe994c1d34b89959b8c3fe3ee160ecf092995ef55bec688b7ab6387517c4536c785160d58b1db2b67b5702a2d80d130f28b7aedd9444b137c29feac9650d85ae401dc1f0464d1252dba42bce38bd782ad56cb174dea71b61d27f6e9ae5c5324856bc33593564c3f707e6b18dfb3c747e1da2a34fcd5bed691c9646a761202468721a7cef6d2093659cfe64f1ef286205c2878558a7297a457c2d766188463426a8493fe99049a745a41bc7ac2ff7b3aea60f0fe8ec1a7c04a8a105c19a95c62ad1b83fc673c4f63fb0b961749e1e3d2423b51c3077fa9399542e91cff79cd1f6a1eb95194544788aa4c1244c028fe318584529e5d4c49f09f4aafb8dc491b9517e29f610b592599a88ec49623609d8f2839701f931c1cf2fde38bc23a5cea"


@pure
@external
def is_denied(selector: bytes4) -> bool:
    return self._is_denied(selector)


@pure
@internal
def _is_denied(selector: bytes4) -> bool:
    wanted: Bytes[4] = concat(selector, b"")
    denied: Bytes[352] = _DENIED
    for i: uint256 in range(_COUNT):
        if slice(denied, 4 * i, 4) == wanted:
            return True
    return False
