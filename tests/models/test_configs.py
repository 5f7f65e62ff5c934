"""Configurations made canonical: volatile keys gone, numbers written out, nothing lost and nothing confused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import canonical
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MODEL_CONFIG_BYTES_MAX
from tallystick.models.formats.configs import NUMBER, SKLEARN_KIND, VOLATILE_KEYS, number, parse_json, read_config

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@given(documents)
def test_every_json_document_has_a_canonical_form(document: object) -> None:
    found = parse_json(json.dumps(document).encode(), "config")
    assert canonical.decode(canonical.encode(found)) == _canonical(document)


@given(documents, documents)
def test_two_documents_share_a_form_only_when_they_are_the_same(left: object, right: object) -> None:
    forms = [canonical.encode(parse_json(json.dumps(value).encode(), "config")) for value in (left, right)]
    assert (forms[0] == forms[1]) == (
        repr(_canonical(left)) == repr(_canonical(right)) or _canonical(left) == _canonical(right)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-05", {NUMBER: "1e-05"}), ("0.00001", {NUMBER: "1e-05"}), ("1.0", {NUMBER: "1.0"}), ("1", 1),
        ("-0.0", {NUMBER: "-0.0"}),
        ("9007199254740992", {NUMBER: "9007199254740992"}), ("NaN", {NUMBER: "nan"}), ("-Infinity", {NUMBER: "-inf"}),
        ("1e999", {NUMBER: "inf"}), ('"1.0"', "1.0"),
    ],
)  # fmt: skip
def test_a_number_is_written_out_as_it_reads_back(text: str, expected: object) -> None:
    assert parse_json(text.encode(), "config") == expected


@pytest.mark.parametrize("key", sorted(VOLATILE_KEYS))
def test_a_volatile_key_is_dropped_at_every_level(key: str) -> None:
    document = {"layers": 2, "inner": [{"size": 1}]}
    noisy = {"layers": 2, "inner": [{"size": 1, key: "x"}], key: "y"}
    assert read_config(json.dumps(noisy).encode(), "config") == read_config(json.dumps(document).encode(), "config")


def test_how_it_was_trained_is_dropped_from_our_own_documents_alone() -> None:
    own = {"estimator": {"training": {"C": 1}}, "kind": SKLEARN_KIND}
    assert read_config(canonical.encode(own), "config") == {"estimator": {}, "kind": SKLEARN_KIND}
    foreign = {"label2id": {"training": 0}, "training": {"act": "relu"}}
    assert read_config(canonical.encode(foreign), "config") == foreign


def test_any_other_key_is_kept() -> None:
    assert read_config(b'{"hidden_size":8}', "config") != read_config(b'{"hidden_size":9}', "config")


def test_the_reserved_key_is_refused_but_in_our_own_documents() -> None:
    own = canonical.encode({"estimator": {NUMBER: "0.5"}, "kind": SKLEARN_KIND})
    assert read_config(own, "config") == {"estimator": {NUMBER: "0.5"}, "kind": SKLEARN_KIND}
    for data in (b'{"a":{"$number":"0.5"}}', b" " + own, own.replace(b"sklearn/v1", b"sklearn/v2")):
        with pytest.raises(InvalidInput) as caught:
            read_config(data, "config")
        assert caught.value.code == "config.reserved"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5_000,
        b'{"a":"\\ud800"}', b'{"\\ud800":1}', b"1" * 401, b"0." + b"1" * 400, b" " * (MODEL_CONFIG_BYTES_MAX + 1),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_malformed_configuration_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_config(data, "config")


@given(st.binary(max_size=100) | st.text(st.sampled_from('{}[]":,0123.eE+-naN \\u$'), max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_config(data, "config")
    except InvalidInput:
        pass
