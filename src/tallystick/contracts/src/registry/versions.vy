# pragma version 0.4.3
"""
@title   Versions: append-only records of what a model was made of
@license Apache-2.0
@notice  A record is found by its statement and never changes, but for its status. Two words carry what is small:
         place  model id in bits 0 to 63, seq 64 to 95, data size 96 to 159, first parent's seq 160 to 191 and model id
                192 to 255
         head   signer in bits 0 to 159, time 160 to 199, key index 200 to 231, kinds 232 to 239, status 240 to 247,
                number of parents 248 to 255
@custom:invariant A statement has one place; a model's places are 1, 2, 3, … without a gap; every parent has a place
                  that was taken earlier; revoked is final.
@custom:security  Parents may belong to other owners: lineage is a claim by the signer, as is the metadata flag.
                  Model ids of 2**64 and seqs of 2**32 are out of reach of any chain's gas.
"""

from ...interfaces import IModelRegistry

_DATA: constant(uint256) = 1
_PARAMETERS: constant(uint256) = 2
_ARCHITECTURE: constant(uint256) = 4
_CODE: constant(uint256) = 8
_METADATA: constant(uint256) = 16

_ACTIVE: constant(uint256) = 1
_REVOKED: constant(uint256) = 3

_U64: constant(uint256) = 2**64 - 1
_U40: constant(uint256) = 2**40 - 1
_U32: constant(uint256) = 2**32 - 1
_U8: constant(uint256) = 2**8 - 1
_STATUS_SHIFT: constant(uint256) = 240

struct Record:
    place: uint256
    head: uint256
    manifest_root: bytes32
    architecture_root: bytes32
    parameter_root: bytes32
    data_root: bytes32
    code_digest: bytes32

_statements: HashMap[uint256, HashMap[uint256, bytes32]]     # model, seq
_records: HashMap[bytes32, Record]                           # statement
_other_parents: HashMap[bytes32, HashMap[uint256, bytes32]]  # statement, position from 1


@view
@external
def version(model_id: uint256, seq: uint32) -> IModelRegistry.Version:
    statement: bytes32 = self._known(model_id, convert(seq, uint256))
    record: Record = self._records[statement]
    return IModelRegistry.Version(
        model_id=model_id,
        seq=seq,
        statement=statement,
        roots=IModelRegistry.Roots(
            manifest_root=record.manifest_root,
            architecture_root=record.architecture_root,
            parameter_root=record.parameter_root,
            data_root=record.data_root,
            data_size=convert(record.place >> 96 & _U64, uint64),
            code_digest=record.code_digest,
        ),
        parents=self._parents(statement, record.place, record.head >> 248),
        signer=convert(record.head & (2**160 - 1), address),
        key_index=convert(record.head >> 200 & _U32, uint32),
        registered_at=convert(record.head >> 160 & _U40, uint64),
        kinds=convert(record.head >> 232 & _U8, uint8),
        status=convert(record.head >> _STATUS_SHIFT & _U8, uint8),
    )


@view
@external
def version_of(statement: bytes32) -> (uint256, uint32):
    place: uint256 = self._records[statement].place
    assert place != 0, "versions: unknown version"
    return place & _U64, convert(place >> 64 & _U32, uint32)


@view
@external
def statement_at(model_id: uint256, seq: uint32) -> bytes32:
    return self._statements[model_id][convert(seq, uint256)]


@view
@external
def status_of(model_id: uint256, seq: uint32) -> uint8:
    return convert(self._status(self._known(model_id, convert(seq, uint256))), uint8)


@internal
def _append(
    model_id: uint256,
    seq: uint256,
    parents: DynArray[bytes32, 8],
    statement: bytes32,
    roots: IModelRegistry.Roots,
    kinds: uint256,
    signer: address,
    key_index: uint256,
):
    """
    @dev The caller has checked that `signer` may, with the key at `key_index`, and that `seq` is the next.
    """
    assert statement != empty(bytes32), "versions: empty statement"
    assert self._records[statement].place == 0, "versions: already registered"
    assert roots.manifest_root != empty(bytes32), "versions: empty manifest root"
    first_parent: uint256 = 0
    changed: uint256 = 0
    if len(parents) != 0:
        first_parent = self._place_of_parent(parents[0])
        changed = self._changed(self._records[parents[0]], roots) | kinds & _METADATA
        self._store_other_parents(statement, parents)
    assert kinds == changed, "versions: wrong kinds"

    self._statements[model_id][seq] = statement
    self._records[statement] = Record(
        place=model_id | seq << 64 | convert(roots.data_size, uint256) << 96 | first_parent << 160,
        head=convert(signer, uint256)
        | block.timestamp << 160
        | key_index << 200
        | kinds << 232
        | _ACTIVE << _STATUS_SHIFT
        | len(parents) << 248,
        manifest_root=roots.manifest_root,
        architecture_root=roots.architecture_root,
        parameter_root=roots.parameter_root,
        data_root=roots.data_root,
        code_digest=roots.code_digest,
    )
    log IModelRegistry.VersionAdded(
        model_id=model_id,
        statement=statement,
        signer=signer,
        seq=convert(seq, uint32),
        key_index=convert(key_index, uint32),
        kinds=convert(kinds, uint8),
        roots=roots,
        parents=parents,
    )


@internal
def _set_status(model_id: uint256, seq: uint32, status: uint8, reason: String[160]):
    statement: bytes32 = self._known(model_id, convert(seq, uint256))
    wanted: uint256 = convert(status, uint256)
    head: uint256 = self._records[statement].head
    previous: uint256 = head >> _STATUS_SHIFT & _U8
    assert wanted >= _ACTIVE and wanted <= _REVOKED, "versions: unknown status"
    assert wanted != previous, "versions: status unchanged"
    assert previous != _REVOKED, "versions: revoked is final"

    self._records[statement].head = head ^ (previous ^ wanted) << _STATUS_SHIFT
    log IModelRegistry.StatusSet(
        model_id=model_id,
        statement=statement,
        seq=seq,
        previous=convert(previous, uint8),
        status=status,
        reason=reason,
    )


@internal
def _store_other_parents(statement: bytes32, parents: DynArray[bytes32, 8]):
    for i: uint256 in range(1, 8):
        if i >= len(parents):
            break
        self._place_of_parent(parents[i])
        for j: uint256 in range(i, bound=8):
            assert parents[j] != parents[i], "versions: duplicate parent"
        self._other_parents[statement][i] = parents[i]


@view
@internal
def _place_of_parent(parent: bytes32) -> uint256:
    """
    @dev The parent's seq in bits 0 to 31 and model id in 32 to 95.
    """
    place: uint256 = self._records[parent].place
    assert place != 0, "versions: unknown parent"
    return place >> 64 & _U32 | (place & _U64) << 32


@view
@internal
def _changed(parent: Record, roots: IModelRegistry.Roots) -> uint256:
    changed: uint256 = 0
    if roots.data_root != parent.data_root or convert(roots.data_size, uint256) != parent.place >> 96 & _U64:
        changed |= _DATA
    if roots.parameter_root != parent.parameter_root:
        changed |= _PARAMETERS
    if roots.architecture_root != parent.architecture_root:
        changed |= _ARCHITECTURE
    if roots.code_digest != parent.code_digest:
        changed |= _CODE
    return changed


@view
@internal
def _parents(statement: bytes32, place: uint256, count: uint256) -> DynArray[bytes32, 8]:
    parents: DynArray[bytes32, 8] = []
    if count != 0:
        parents.append(self._statements[place >> 192][place >> 160 & _U32])
    for i: uint256 in range(1, 8):
        if i >= count:
            break
        parents.append(self._other_parents[statement][i])
    return parents


@view
@internal
def _known(model_id: uint256, seq: uint256) -> bytes32:
    statement: bytes32 = self._statements[model_id][seq]
    assert statement != empty(bytes32), "versions: unknown version"
    return statement


@view
@internal
def _status(statement: bytes32) -> uint256:
    return self._records[statement].head >> _STATUS_SHIFT & _U8
