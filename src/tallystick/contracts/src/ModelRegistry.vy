# pragma version 0.4.3
"""
@title   ModelRegistry
@license Apache-2.0
@notice  The life of every model: who made which version from what, signed with whose key, and which one is released.
         The interface IModelRegistry.vyi teaches the contract; this shell composes its modules.
@custom:invariant History only grows: no function edits or removes a version, a key, or a past owner's act. A version's
                  signer held a role and an active key in the block that recorded it. Transfers rewrite nothing.
@custom:kill      There is none: no administrator, no pause, no upgrade. An owner stops a version by revoking it, an
                  account stops a key by revoking it, a buyer ends all delegates by the transfer itself.
@custom:security  Names are not unique; trust the id and its owner. Anyone may name anyone's version as a parent.
                  Ether sent here is refused.
"""

from ..interfaces import IModelRegistry
from .registry import erc721
from .registry import keys
from .registry import releases
from .registry import roles
from .registry import versions

implements: IModelRegistry

initializes: erc721
initializes: keys
initializes: roles[erc721 := erc721]
initializes: versions
initializes: releases[versions := versions]

exports: (
    erc721.supportsInterface,
    erc721.balanceOf,
    erc721.ownerOf,
    erc721.getApproved,
    erc721.isApprovedForAll,
    erc721.approve,
    erc721.setApprovalForAll,
    erc721.transferFrom,
    erc721.safeTransferFrom,
    roles.set_delegate,
    roles.is_delegate,
    keys.rotate_key,
    keys.revoke_key,
    keys.key_count,
    keys.key_at,
    keys.key_index,
    keys.active_key,
    versions.version,
    versions.version_of,
    versions.statement_at,
    versions.status_of,
    releases.released,
    releases.release_count,
    releases.released_version,
)

model_count: public(uint256)
_names: HashMap[uint256, String[64]]
_uris: HashMap[uint256, String[256]]


@external
def register(name: String[64], uri: String[256]) -> uint256:
    assert len(name) != 0, "registry: empty name"

    model_id: uint256 = self.model_count + 1

    self.model_count = model_id
    self._names[model_id] = name
    self._uris[model_id] = uri
    erc721._mint(msg.sender, model_id)

    log IModelRegistry.ModelRegistered(model_id=model_id, owner=msg.sender, name=name, uri=uri)
    return model_id


@external
def set_uri(model_id: uint256, uri: String[256]):
    roles._check_owner(erc721._words[model_id])
    self._uris[model_id] = uri
    log IModelRegistry.UriSet(model_id=model_id, uri=uri)


@external
def add_version(
    model_id: uint256,
    seq: uint32,
    parents: DynArray[bytes32, 8],
    statement: bytes32,
    roots: IModelRegistry.Roots,
    kinds: uint8,
):
    word: uint256 = erc721._words[model_id]
    roles._check_contributor(model_id, word)
    key_index: uint256 = keys._active_index(msg.sender)
    # The token's tag counts the versions of the model.
    assert convert(seq, uint256) == erc721._tag_in(word) + 1, "versions: out of sequence"

    erc721._set_tag(model_id, word, convert(seq, uint256))
    versions._append(
        model_id, convert(seq, uint256), parents, statement, roots, convert(kinds, uint256), msg.sender, key_index
    )


@external
def set_status(model_id: uint256, seq: uint32, status: uint8, reason: String[160]):
    roles._check_owner(erc721._words[model_id])
    versions._set_status(model_id, seq, status, reason)


@external
def release(model_id: uint256, channel: String[32], seq: uint32):
    roles._check_owner(erc721._words[model_id])
    releases._release(model_id, channel, seq)


@view
@external
def model(model_id: uint256) -> IModelRegistry.Model:
    word: uint256 = erc721._words[model_id]
    assert word != 0, "erc721: no such token"
    return IModelRegistry.Model(
        owner=erc721._owner_in(word),
        name=self._names[model_id],
        uri=self._uris[model_id],
        version_count=convert(erc721._tag_in(word), uint32),
        transfers=erc721._transfers_in(word),
    )


@view
@external
def version_count(model_id: uint256) -> uint32:
    return convert(erc721._tag_in(erc721._words[model_id]), uint32)


@view
@external
def tokenURI(token_id: uint256) -> String[256]:
    erc721._existing_owner(token_id)
    return self._uris[token_id]


@pure
@external
def name() -> String[32]:
    return "Tallystick Models"


@pure
@external
def symbol() -> String[8]:
    return "TALLY"
