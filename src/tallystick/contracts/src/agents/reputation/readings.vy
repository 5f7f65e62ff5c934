# pragma version 0.4.3
"""
@title   Reading feedback in bulk
@license Apache-2.0
@notice  Loops over what feedback.vy keeps. They have bounds, and say so when an agent has more: read it off chain.
@custom:invariant Revoked feedback counts in no summary.
@custom:security  Whoever gives much feedback makes these loops dear for those who name it; name clients you believe.
                  All clients of an agent can be read at once only while there are few.
"""

from . import feedback

uses: feedback

_CLIENTS_MAX: constant(uint256) = 256
_LOOKED_AT_MAX: constant(uint256) = 1_024  # of one client, and in all
_FOUND_MAX: constant(uint256) = 256
_I128_MAX: constant(int256) = 2**127 - 1


@view
@external
def getSummary(
    agent_id: uint256, client_addresses: DynArray[address, 256], tag1: String[64], tag2: String[64]
) -> (uint64, int128, uint8):
    assert len(client_addresses) != 0, "readings: name the clients"
    total: int256 = 0
    found: uint256 = 0
    looked_at: uint256 = 0
    by_decimals: uint256[19] = empty(uint256[19])
    for client: address in client_addresses:
        last: uint256 = convert(feedback._counts[agent_id][client], uint256)
        looked_at += last
        assert looked_at <= _LOOKED_AT_MAX, "readings: too many to read"
        for i: uint256 in range(last, bound=_LOOKED_AT_MAX):
            index: uint64 = convert(i + 1, uint64)
            word: uint256 = feedback._words[agent_id][client][index]
            if feedback._is_revoked(word) or not feedback._has_tags(agent_id, client, index, tag1, tag2):
                continue
            decimals: uint256 = convert(feedback._decimals_in(word), uint256)
            total += convert(feedback._value_in(word), int256) * convert(10 ** (18 - decimals), int256)
            by_decimals[decimals] += 1
            found += 1
    if found == 0:
        return 0, 0, 0
    return self._scaled(total // convert(found, int256), self._most_frequent(by_decimals), convert(found, uint64))


@view
@external
def readAllFeedback(
    agent_id: uint256,
    client_addresses: DynArray[address, 256],
    tag1: String[64],
    tag2: String[64],
    include_revoked: bool,
) -> (
    DynArray[address, 256],
    DynArray[uint64, 256],
    DynArray[int128, 256],
    DynArray[uint8, 256],
    DynArray[String[64], 256],
    DynArray[String[64], 256],
    DynArray[bool, 256],
):
    asked: DynArray[address, 256] = client_addresses
    if len(asked) == 0:
        asked = self._all_clients(agent_id)
    clients: DynArray[address, 256] = []
    indexes: DynArray[uint64, 256] = []
    values: DynArray[int128, 256] = []
    decimals: DynArray[uint8, 256] = []
    tags1: DynArray[String[64], 256] = []
    tags2: DynArray[String[64], 256] = []
    revocations: DynArray[bool, 256] = []
    looked_at: uint256 = 0
    for client: address in asked:
        last: uint256 = convert(feedback._counts[agent_id][client], uint256)
        looked_at += last
        assert looked_at <= _LOOKED_AT_MAX, "readings: too many to read"
        for i: uint256 in range(last, bound=_LOOKED_AT_MAX):
            index: uint64 = convert(i + 1, uint64)
            word: uint256 = feedback._words[agent_id][client][index]
            is_revoked: bool = feedback._is_revoked(word)
            if (is_revoked and not include_revoked) or not feedback._has_tags(agent_id, client, index, tag1, tag2):
                continue
            assert len(clients) < _FOUND_MAX, "readings: too many to read"
            clients.append(client)
            indexes.append(index)
            values.append(feedback._value_in(word))
            decimals.append(feedback._decimals_in(word))
            tags1.append(feedback._tags1[agent_id][client][index])
            tags2.append(feedback._tags2[agent_id][client][index])
            revocations.append(is_revoked)
    return clients, indexes, values, decimals, tags1, tags2, revocations


@view
@external
def getClients(agent_id: uint256) -> DynArray[address, 256]:
    return self._all_clients(agent_id)


@view
@internal
def _all_clients(agent_id: uint256) -> DynArray[address, 256]:
    count: uint256 = feedback._client_counts[agent_id]
    assert count <= _CLIENTS_MAX, "readings: too many to read"
    clients: DynArray[address, 256] = []
    for position: uint256 in range(count, bound=_CLIENTS_MAX):
        clients.append(feedback._clients[agent_id][position])
    return clients


@pure
@internal
def _most_frequent(by_decimals: uint256[19]) -> uint256:
    """
    @dev The fewer decimals where two are as frequent.
    """
    best: uint256 = 0
    for decimals: uint256 in range(1, 19):
        if by_decimals[decimals] > by_decimals[best]:
            best = decimals
    return best


@pure
@internal
def _scaled(average: int256, wanted: uint256, found: uint64) -> (uint64, int128, uint8):
    """
    @dev `average` has 18 decimals. A mean of few large values among many small ones may not fit an int128 with the
         wanted decimals: it is then given with as many as fit. With none it always does.
    """
    decimals: uint256 = wanted
    scaled: int256 = average // convert(10 ** (18 - decimals), int256)
    for _: uint256 in range(18):
        if abs(scaled) <= _I128_MAX:
            break
        decimals -= 1
        scaled = average // convert(10 ** (18 - decimals), int256)
    return found, convert(scaled, int128), convert(decimals, uint8)
