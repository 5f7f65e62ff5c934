# pragma version 0.4.3
"""
@title   A file of a version
@license Apache-2.0
@notice  Computes the Merkle leaf that a version's manifest has for its integer model, from the file's digest and size:
         SHA-256 of a zero byte and the entry's canonical JSON. The name is fixed, so nothing in the entry is anybody's
         free text and no two entries have one spelling.
@custom:invariant Equal to core.manifest.FileEntry("integer-model.json", size, digest) of the Python side.
"""

_BEFORE: constant(Bytes[70]) = b'{"kind":"tallystick/file/v1","name":"integer-model.json","sha256":"'
_LOW_HALF: constant(uint256) = 2**128 - 1
_ALL: constant(uint256) = max_value(uint256)
_ONES: constant(uint256) = max_value(uint256) // 255  # one in each byte


@pure
@internal
def _leaf(digest: bytes32, size: uint64) -> bytes32:
    value: uint256 = convert(digest, uint256)
    written: Bytes[20] = convert(uint2str(size), Bytes[20])
    return sha256(
        concat(0x00, _BEFORE, self._hex(value >> 128), self._hex(value & _LOW_HALF), b'","size":', written, b"}")
    )


@pure
@internal
def _hex(half: uint256) -> bytes32:
    """
    @dev The 32 lower-case hex digits of a number below 2**128: its nibbles are moved to one byte each, the distance
         halving five times; _ALL // (2**k + 1) has ones in every other k bits. A digit above nine has 39 more.
    """
    spread: uint256 = (half | half << 64) & _ALL // (2**64 + 1)
    spread = (spread | spread << 32) & _ALL // (2**32 + 1)
    spread = (spread | spread << 16) & _ALL // (2**16 + 1)
    spread = (spread | spread << 8) & _ALL // (2**8 + 1)
    spread = (spread | spread << 4) & _ALL // (2**4 + 1)
    above_nine: uint256 = (spread + 6 * _ONES) >> 4 & _ONES
    return convert(spread + 48 * _ONES + 39 * above_nine, bytes32)
