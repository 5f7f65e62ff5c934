# pragma version 0.4.3
"""
@title   Attestations about who answers for an agent
@license Apache-2.0
@notice  An issuer attests something of an agent to the account that owns it now: who operates it, under which
         jurisdiction. What is personal stays off the chain; here lies a salted commitment to it.
@custom:invariant An attestation never moves: it is good for one agent in the hands of one holder, until it expires, its
                  issuer revokes it or its holder renounces it, and never again after those two.
@custom:security  Anybody may issue anything of anybody: ask for issuers by address. A holder who sells the agent and
                  buys it back holds it again, since he is the one it was issued to.
"""

from ....interfaces import IAgentCredentials
from .. import identities
from . import issuers

uses: identities
uses: issuers

_LIFETIME_S_MAX: constant(uint256) = 2 * 366 * 86_400  # what nobody renews in two years nobody vouches for

_credentials: HashMap[uint256, IAgentCredentials.Credential]
_latest: HashMap[uint256, HashMap[address, HashMap[String[32], uint256]]]  # agent, issuer, kind
credential_count: public(uint256)


@external
def issue(
    agent_id: uint256,
    kind: String[32],
    jurisdiction: String[8],
    commitment: bytes32,
    uri: String[256],
    expires_at: uint64,
) -> uint256:
    issuers._check_named(msg.sender)
    assert len(kind) != 0, "credentials: empty kind"
    expiry: uint256 = convert(expires_at, uint256)
    assert block.timestamp < expiry, "credentials: expired"
    assert expiry <= block.timestamp + _LIFETIME_S_MAX, "credentials: lasts too long"
    assert not identities._is_authorized(msg.sender, agent_id), "credentials: own agent"
    holder: address = identities._owner_of(agent_id)

    credential_id: uint256 = self.credential_count + 1

    self.credential_count = credential_id
    self._credentials[credential_id] = IAgentCredentials.Credential(
        agent_id=agent_id,
        issuer=msg.sender,
        holder=holder,
        kind=kind,
        jurisdiction=jurisdiction,
        commitment=commitment,
        issued_at=convert(block.timestamp, uint64),
        expires_at=expires_at,
        ended_at=0,
    )
    self._latest[agent_id][msg.sender][kind] = credential_id

    log IAgentCredentials.CredentialIssued(
        credential_id=credential_id,
        agent_id=agent_id,
        issuer=msg.sender,
        holder=holder,
        kind=kind,
        jurisdiction=jurisdiction,
        commitment=commitment,
        uri=uri,
        expires_at=expires_at,
    )
    return credential_id


@external
def revoke(credential_id: uint256, reason: String[160]):
    assert msg.sender == self._live(credential_id).issuer, "credentials: not the issuer"
    self._end(credential_id, reason)


@external
def renounce(credential_id: uint256, reason: String[160]):
    assert msg.sender == self._live(credential_id).holder, "credentials: not the holder"
    self._end(credential_id, reason)


@view
@external
def credential(credential_id: uint256) -> IAgentCredentials.Credential:
    return self._existing(credential_id)


@view
@external
def is_valid(credential_id: uint256) -> bool:
    return self._is_valid(self._existing(credential_id))


@view
@external
def valid_credential(agent_id: uint256, issuer: address, kind: String[32]) -> uint256:
    credential_id: uint256 = self._latest[agent_id][issuer][kind]
    if credential_id == 0 or not self._is_valid(self._credentials[credential_id]):
        return 0
    return credential_id


@internal
def _end(credential_id: uint256, reason: String[160]):
    self._credentials[credential_id].ended_at = convert(block.timestamp, uint64)
    log IAgentCredentials.CredentialEnded(credential_id=credential_id, ended_by=msg.sender, reason=reason)


@view
@internal
def _is_valid(one: IAgentCredentials.Credential) -> bool:
    if one.ended_at != 0 or block.timestamp >= convert(one.expires_at, uint256):
        return False
    return identities._owner_of(one.agent_id) == one.holder


@view
@internal
def _live(credential_id: uint256) -> IAgentCredentials.Credential:
    one: IAgentCredentials.Credential = self._existing(credential_id)
    assert one.ended_at == 0, "credentials: already ended"
    return one


@view
@internal
def _existing(credential_id: uint256) -> IAgentCredentials.Credential:
    assert credential_id != 0 and credential_id <= self.credential_count, "credentials: unknown"
    return self._credentials[credential_id]
