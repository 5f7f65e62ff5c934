# pragma version 0.4.3
"""
@title   Levels: what a session may do at this moment, for those who only look
@license Apache-2.0
@notice  An account writes down that a session's level fell, because its owner is silent, when the session next acts.
         Whoever acts on a session's word without such an act asks here.
@custom:invariant A session whose owner has been silent for too long is at most at level 1, before and after that is
                  written down.
"""

from ....interfaces import IPolicyAccount

_PROPOSE: constant(uint8) = 1


@view
@internal
def _level_now(account: address, session: address, heartbeat_s: uint32) -> uint8:
    """
    @param heartbeat_s of the session's terms
    """
    level: uint8 = staticcall IPolicyAccount(account).live_level(session)
    if heartbeat_s == 0:
        return level
    heard_until: uint256 = convert(staticcall IPolicyAccount(account).last_heartbeat(), uint256) + convert(heartbeat_s, uint256)
    if block.timestamp > heard_until:
        return min(level, _PROPOSE)
    return level
