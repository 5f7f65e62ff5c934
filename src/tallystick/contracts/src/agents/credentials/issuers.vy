# pragma version 0.4.3
"""
@title   Issuers of credentials, by the name they give themselves
@license Apache-2.0
@notice  An account names itself once and for all; the name goes with all it issues.
@custom:invariant An issuer's name never changes.
@custom:security  Names are claims and not unique: whoever relies on a credential relies on the issuer's address.
"""

from ....interfaces import IAgentCredentials

_names: HashMap[address, String[64]]


@external
def name_issuer(issuer_name: String[64], uri: String[256]):
    assert len(issuer_name) != 0, "issuers: empty name"
    assert len(self._names[msg.sender]) == 0, "issuers: already named"
    self._names[msg.sender] = issuer_name
    log IAgentCredentials.IssuerNamed(issuer=msg.sender, issuer_name=issuer_name, uri=uri)


@view
@external
def issuer_name(issuer: address) -> String[64]:
    return self._names[issuer]


@view
@internal
def _check_named(issuer: address):
    assert len(self._names[issuer]) != 0, "issuers: not named"
