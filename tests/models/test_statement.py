"""A version's statement: one spelling, everything bound, and nothing but a whole one is read."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallystick.contracts import Kind
from tallystick.core import canonical
from tallystick.core.digest import sha256
from tallystick.core.dsse import Envelope
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import checksum_address
from tallystick.core.statement import IN_TOTO
from tallystick.models.statement import (
    PREDICATE_TYPE,
    CodeClaim,
    DataClaim,
    Listing,
    Place,
    VersionStatement,
)

digests = st.binary(min_size=32, max_size=32).filter(any)
addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
listings = st.builds(Listing, st.integers(0, 100_000), digests)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str)
places = st.builds(
    Place, st.integers(0, 2**256 - 1), addresses, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), addresses
)


@st.composite
def claims(draw: st.DrawFn) -> DataClaim:
    relation = draw(st.sampled_from(["first", "same", "grown", "restarted", "replaced"]))
    path = tuple(draw(st.lists(digests, max_size=3))) if relation == "grown" else ()
    reason = draw(st.text(min_size=1, max_size=9)) if relation in ("restarted", "replaced") else ""
    size = draw(st.integers(0, 2**64 - 1))
    return DataClaim(draw(digests), size, draw(digests), draw(st.booleans()), relation, path, reason)


@st.composite
def statements(draw: st.DrawFn) -> VersionStatement:
    has_tensors = draw(st.booleans())
    return VersionStatement(
        name=draw(st.text(min_size=1, max_size=64)),
        place=draw(places),
        manifest_root=draw(digests),
        manifest=draw(listings),
        architecture_root=draw(st.none() | digests),
        parameter_root=draw(digests) if has_tensors else None,
        tensors=draw(listings) if has_tensors else None,
        data=draw(st.none() | claims()),
        code=draw(st.none() | st.builds(CodeClaim, digests, st.sampled_from(["file", "manifest"]))),
        opaque=tuple(draw(st.lists(st.sampled_from(["a.pkl", "b/c.bin"]), max_size=2))),
        kinds=draw(st.integers(0, 31).map(Kind)),
        parents=tuple(draw(st.lists(digests, max_size=8))),
        environment=draw(texts),
        hyperparameters=draw(texts),
        metrics=draw(st.dictionaries(st.text(max_size=8), decimals, max_size=3)),
        note=draw(st.text(max_size=9)),
    )


EXAMPLE = VersionStatement(
    name="tumour",
    place=Place(2**53 + 1, checksum_address(bytes(20)), 7, 2, checksum_address(bytes(range(20)))),
    manifest_root=bytes([1]) * 32,
    manifest=Listing(3, bytes([2]) * 32),
    architecture_root=bytes([3]) * 32,
    parameter_root=bytes([4]) * 32,
    tensors=Listing(2, bytes([5]) * 32),
    data=DataClaim(bytes([6]) * 32, 2**53 + 1, bytes([7]) * 32, True, "grown", (bytes([8]) * 32,)),
    code=CodeClaim(bytes([9]) * 32, "file"),
    opaque=("old.pkl",),
    kinds=Kind.DATA | Kind.PARAMETERS,
    parents=(bytes([10]) * 32,),
    environment={"python": "CPython 3.11.0"},
    hyperparameters={"C": "0.2"},
    metrics={"accuracy": "0.95"},
    note="retuned",
)


@given(statements())
def test_a_statement_survives_its_payload(statement: VersionStatement) -> None:
    assert VersionStatement.from_bytes(statement.to_bytes()) == statement
    assert canonical.encode(canonical.decode(statement.to_bytes())) == statement.to_bytes()


def test_the_bytes_of_a_statement_never_change() -> None:
    assert sha256(EXAMPLE.to_bytes()).hex() == "a8ef164c30967203a19426e2dd109eb631d979976ff30e8eb85cac406affa7f8"


def test_a_count_beyond_what_doubles_hold_survives() -> None:
    found = VersionStatement.from_bytes(EXAMPLE.to_bytes())
    assert found.data is not None
    assert (found.data.size, found.place.chain_id) == (2**53 + 1, 2**53 + 1)
    assert b"9007199254740993" in EXAMPLE.to_bytes()


def test_the_subject_is_the_manifest_root_under_the_models_name() -> None:
    found = json.loads(EXAMPLE.to_bytes())
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == PREDICATE_TYPE
    assert found["subject"] == [{"name": "tumour", "digest": {"sha256": EXAMPLE.manifest_root.hex()}}]


class TestSignature:
    """An envelope is good under the key that signed it and under no other."""

    def test_a_signed_statement_is_verified_and_read_back(self) -> None:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        envelope = Envelope.from_bytes(EXAMPLE.sign(key).to_bytes())
        assert envelope.verify([public]) == (public,)
        assert envelope.payload_type == IN_TOTO
        assert VersionStatement.from_bytes(envelope.payload) == EXAMPLE

    def test_the_same_statement_and_key_give_the_same_envelope(self) -> None:
        key = Ed25519PrivateKey.generate()
        assert EXAMPLE.sign(key).to_bytes() == EXAMPLE.sign(key).to_bytes()

    def test_another_key_or_payload_is_refused(self) -> None:
        key = Ed25519PrivateKey.generate()
        public, envelope = key.public_key().public_bytes_raw(), EXAMPLE.sign(key)
        with pytest.raises(VerificationFailed):
            envelope.verify([Ed25519PrivateKey.generate().public_key().public_bytes_raw()])
        with pytest.raises(VerificationFailed):
            replace(envelope, payload=replace(EXAMPLE, note="").to_bytes()).verify([public])


class TestContent:
    """What a version is, apart from where it stands."""

    @pytest.mark.parametrize(
        "change",
        [
            {"place": Place(1, EXAMPLE.place.registry, 7, 9, EXAMPLE.place.signer)},
            {"parents": ()},
            {"kinds": Kind.CODE},
            {"data": replace(EXAMPLE.data, relation="same", path=())},  # type: ignore[type-var]
        ],
    )
    def test_the_place_is_no_part_of_the_content(self, change: dict[str, Any]) -> None:
        assert replace(EXAMPLE, **change).content == EXAMPLE.content

    @pytest.mark.parametrize(
        "change",
        [
            {"manifest_root": bytes([99]) * 32}, {"architecture_root": None}, {"code": None}, {"note": ""},
            {"metrics": {}}, {"hyperparameters": {}}, {"environment": {}}, {"data": None}, {"opaque": ()},
            {"name": "other"}, {"data": replace(EXAMPLE.data, size=1)},  # type: ignore[type-var]
        ],
    )  # fmt: skip
    def test_everything_else_is(self, change: dict[str, Any]) -> None:
        assert replace(EXAMPLE, **change).content != EXAMPLE.content


def _paths(value: object, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every member of every object in a document."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            found += [(*place, key), *_paths(item, (*place, key))]
    if isinstance(value, list):
        for at, item in enumerate(value):
            found += _paths(item, (*place, at))
    return found


DOCUMENT = json.loads(EXAMPLE.to_bytes())
FREE = {("predicate", member) for member in ("environment", "hyperparameters", "metrics")}


class TestStrictness:
    """Every member is there, of its type, in its range, and nothing else is."""

    @staticmethod
    def _edited(path: tuple[Any, ...], edit: Any) -> bytes:
        document = copy.deepcopy(DOCUMENT)
        holder = document
        for step in path[:-1]:
            holder = holder[step]
        edit(holder, path[-1])
        try:
            return canonical.encode(document)  # or the spelling alone would have it refused
        except InvalidInput:
            return json.dumps(document).encode()

    def _set(self, path: tuple[Any, ...], value: object) -> bytes:
        return self._edited(path, lambda holder, key: holder.__setitem__(key, value))

    @pytest.mark.parametrize("path", [path for path in _paths(DOCUMENT) if path[:-1] not in FREE], ids=str)
    def test_a_missing_member_is_refused(self, path: tuple[Any, ...]) -> None:
        with pytest.raises(InvalidInput):
            VersionStatement.from_bytes(self._edited(path, lambda holder, key: holder.pop(key)))

    @pytest.mark.parametrize("path", _paths(DOCUMENT), ids=str)
    def test_a_member_of_another_type_is_refused(self, path: tuple[Any, ...]) -> None:
        for value in (1, 1.5, [1], {"a": 1}, True):
            if path == ("predicate", "data", "published") and value is True:
                continue
            with pytest.raises(InvalidInput):
                VersionStatement.from_bytes(
                    self._edited(path, lambda holder, key, new=value: holder.__setitem__(key, new))
                )

    @pytest.mark.parametrize("holder", sorted({path[:-1] for path in _paths(DOCUMENT)} - FREE, key=str), ids=str)
    def test_an_unknown_member_is_refused(self, holder: tuple[Any, ...]) -> None:
        with pytest.raises(InvalidInput):
            VersionStatement.from_bytes(
                self._edited((*holder, "extra"), lambda found, key: found.__setitem__(key, "x"))
            )

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("predicateType",), "https://slsa.dev/provenance/v1"),
            (("subject", 0, "digest", "sha256"), "00" * 32),
            (("subject", 0, "name"), "other"),
            (("subject",), []),
            (("predicate", "metrics", "accuracy"), "high"),
            (("predicate", "metrics", "accuracy"), "NaN"),
            (("predicate", "kinds"), ["parameters", "data"]),
            (("predicate", "parents"), ["00" * 31]),
            (("predicate", "parents"), ["0a" * 32] * 9),
            (("predicate", "opaque"), ["../x"]),
            (("predicate", "data", "relation"), "better"),
            (("predicate", "data", "relation"), "restarted"),
            (("predicate", "data", "relation"), "first"),
            (("predicate", "data", "reason"), "why"),
            (("predicate", "data", "size"), "-1"),
            (("predicate", "data", "size"), "01"),
            (("predicate", "data", "size"), str(2**64)),
            (("predicate", "code", "form"), "folder"),
            (("predicate", "place", "seq"), str(2**32)),
            (("predicate", "place", "signer"), "0x" + "Ab" * 20),
            (("predicate", "place", "signer"), "0x" + EXAMPLE.place.signer[2:].upper()),
            (("predicate", "place", "registry"), "ab" * 20),
            (("predicate", "name"), "x" * 257),
            (("predicate", "manifest", "count"), "1000001"),
            (("predicate", "manifest", "root"), "0A" * 32),
        ],
    )
    def test_a_value_out_of_range_is_refused(self, path: tuple[Any, ...], value: object) -> None:
        with pytest.raises(InvalidInput):
            VersionStatement.from_bytes(self._set(path, value))

    @given(st.binary(max_size=200))
    def test_any_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            VersionStatement.from_bytes(data)

    @given(statements(), st.data())
    def test_a_changed_byte_is_another_statement_or_refused(
        self, statement: VersionStatement, data: st.DataObject
    ) -> None:
        payload = bytearray(statement.to_bytes())
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            assert VersionStatement.from_bytes(bytes(payload)) != statement
        except InvalidInput:
            pass

    @pytest.mark.parametrize(
        "spell",
        [
            lambda document: json.dumps(document).encode(),
            lambda document: canonical.encode(document) + b"\n",
            lambda document: canonical.encode(document).replace(b'"retuned"', b'"r\\u0065tuned"'),
        ],
        ids=["spaces", "newline", "escape"],
    )
    def test_another_spelling_of_the_same_statement_is_refused(self, spell: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            VersionStatement.from_bytes(spell(DOCUMENT))
        assert caught.value.code == "statement.form"

    def test_a_salt_makes_another_payload_of_the_same_content(self) -> None:
        salted = replace(EXAMPLE, salt="ab" * 16)
        assert VersionStatement.from_bytes(salted.to_bytes()) == salted
        assert (salted.to_bytes() != EXAMPLE.to_bytes(), salted.content == EXAMPLE.content) == (True, True)
        for salt in ("AB", "a", "xy", "00" * 33):
            with pytest.raises(InvalidInput):
                VersionStatement.from_bytes(replace(EXAMPLE, salt=salt).to_bytes())

    def test_a_parameter_root_without_its_list_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            replace(EXAMPLE, tensors=None)
