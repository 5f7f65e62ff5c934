# pragma version 0.4.3
"""
@title   Release pointers
@license Apache-2.0
@notice  A channel of a model names one version at a time. The word of a channel holds seq in bits 0 to 31 and the
         number of moves in 32 to 63.
@custom:invariant A channel never moves to a revoked version; the count only grows.
@custom:security  A version revoked after its release stays released and reads as revoked: whoever follows a channel
                  checks the status, and the owner moves the channel.
"""

from ...interfaces import IModelRegistry
from . import versions

uses: versions

_REVOKED: constant(uint256) = 3
_SEQ_MASK: constant(uint256) = 2**32 - 1

_channels: HashMap[uint256, HashMap[String[32], uint256]]  # model, channel


@view
@external
def released(model_id: uint256, channel: String[32]) -> uint32:
    return convert(self._channels[model_id][channel] & _SEQ_MASK, uint32)


@view
@external
def release_count(model_id: uint256, channel: String[32]) -> uint32:
    return convert(self._channels[model_id][channel] >> 32, uint32)


@view
@external
def released_version(model_id: uint256, channel: String[32]) -> (bytes32, bytes32, uint8):
    seq: uint256 = self._channels[model_id][channel] & _SEQ_MASK
    assert seq != 0, "releases: nothing released"
    statement: bytes32 = versions._statements[model_id][seq]
    return statement, versions._records[statement].manifest_root, convert(versions._status(statement), uint8)


@internal
def _release(model_id: uint256, channel: String[32], seq: uint32):
    """
    @dev The caller has checked that the sender owns the model.
    """
    assert len(channel) != 0, "releases: empty channel"
    word: uint256 = self._channels[model_id][channel]
    wanted: uint256 = convert(seq, uint256)
    previous: uint256 = word & _SEQ_MASK
    assert wanted != previous, "releases: unchanged"
    if wanted != 0:
        statement: bytes32 = versions._known(model_id, wanted)
        assert versions._status(statement) != _REVOKED, "releases: version is revoked"

    count: uint256 = (word >> 32) + 1
    self._channels[model_id][channel] = wanted | count << 32
    log IModelRegistry.Released(
        model_id=model_id,
        channel=channel,
        seq=seq,
        previous=convert(previous, uint32),
        count=convert(count, uint32),
    )
