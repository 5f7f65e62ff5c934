"""Canonical encoding: one value, one spelling, RFC 8785 byte for byte."""

from __future__ import annotations

import json
import sys

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import canonical
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CANONICAL_BYTES_MAX, CANONICAL_DEPTH_MAX, SAFE_INTEGER_MAX
from tests.core.strategies import json_values, texts


@given(json_values)
def test_every_value_is_written_as_the_reference_implementation_writes_it(value: canonical.Json) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(json_values)
def test_what_was_written_reads_back_as_the_same_value(value: canonical.Json) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(json_values)
def test_any_other_spelling_of_a_value_is_refused(value: canonical.Json) -> None:
    right = canonical.encode(value)
    others = (
        json.dumps(value, ensure_ascii=False, indent=1).encode(),
        json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode(),
        b" " + right,
        right + b"\n",
        b"\xef\xbb\xbf" + right,
    )
    for other in others:
        if other != right:
            with pytest.raises(InvalidInput):
                canonical.decode(other)


@given(json_values)
def test_parse_reads_every_spelling_to_the_same_value(value: canonical.Json) -> None:
    assert canonical.parse(json.dumps(value, indent=1).encode()) == value


@given(st.dictionaries(texts, st.integers(0, 9), min_size=2, max_size=4))
def test_keys_in_another_order_are_refused(value: dict[str, int]) -> None:
    ordered = sorted(value, key=lambda key: key.encode("utf-16-be"))
    swapped = {key: value[key] for key in reversed(ordered)}
    data = json.dumps(swapped, ensure_ascii=False, separators=(",", ":")).encode()
    with pytest.raises(InvalidInput):
        canonical.decode(data)


@given(st.binary(max_size=64))
def test_arbitrary_bytes_raise_nothing_but_invalid_input(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except InvalidInput:
        return
    assert canonical.encode(value) == data


@given(json_values, st.data())
def test_a_changed_byte_is_refused_or_is_the_one_spelling_of_another_value(
    value: canonical.Json, data: st.DataObject
) -> None:
    changed = bytearray(canonical.encode(value))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        other = canonical.decode(bytes(changed))
    except InvalidInput:
        return
    assert canonical.encode(other) == bytes(changed)


def test_keys_are_sorted_by_utf16_units_as_the_standard_demands() -> None:
    # U+10000 is D800 DC00 in UTF-16, so it sorts before U+FFFF although its code point is larger.
    assert canonical.encode({"\uffff": 1, "\U00010000": 2}) == '{"\U00010000":2,"\uffff":1}'.encode()


def test_the_example_of_rfc_8785_section_3_2_3_sorts_as_printed_there() -> None:
    value = {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One"}
    value |= {
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    keys = list(json.loads(canonical.encode(value)))
    assert keys == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_control_characters_have_their_short_escapes_and_the_rest_four_hex_digits() -> None:
    assert canonical.encode('\b\t\n\f\r\x00\x1f\x7f"\\/') == b'"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\\"\\\\/"'


@pytest.mark.parametrize("number", [SAFE_INTEGER_MAX, -SAFE_INTEGER_MAX])
def test_the_largest_safe_integers_are_taken(number: int) -> None:
    assert canonical.decode(canonical.encode(number)) == number


@pytest.mark.parametrize(
    "number", [SAFE_INTEGER_MAX + 1, -SAFE_INTEGER_MAX - 1, 2**63, 10**400, 1 << 100_000], ids=int.bit_length
)
def test_integers_that_other_tools_would_round_are_refused(number: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical.encode([number])
    assert refused.value.code == "canonical.integer"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "canonical.float"),
        (float("nan"), "canonical.float"),
        (float("inf"), "canonical.float"),
        ({"a": [0.5]}, "canonical.float"),
        (b"bytes", "canonical.type"),
        ({1, 2}, "canonical.type"),
        (object(), "canonical.type"),
        ({1: "a"}, "canonical.key"),
        ({None: "a"}, "canonical.key"),
        ("\ud800", "canonical.text"),
        ({"\udfff": 1}, "canonical.text"),
    ],
)
def test_values_without_a_canonical_form_are_refused(value: object, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical.encode(value)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "canonical.json"),
        (b"{", "canonical.json"),
        (b'{"a":1} x', "canonical.json"),
        (b"\xff", "canonical.json"),
        (b"\xef\xbb\xbf1", "canonical.json"),
        (b"[" * 100_000, "canonical.depth"),
        (b"1" * 5_000, "canonical.json"),
        (b"NaN", "canonical.float"),
        (b"-Infinity", "canonical.float"),
        (b"1.0", "canonical.float"),
        (b"1e2", "canonical.float"),
        (b"9007199254740992", "canonical.integer"),
        (b'{"a":1,"a":1}', "canonical.duplicate"),
        (b'{"a":{"b":1,"b":2}}', "canonical.duplicate"),
        (b'{"a":1,"\\u0061":2}', "canonical.duplicate"),
        (b'"\\ud800"', "canonical.text"),
        (b"-0", "canonical.form"),
        (b'"\\u00e9"', "canonical.form"),
        (b'"\\/"', "canonical.form"),
        (b'{"b":1,"a":2}', "canonical.form"),
        (b"[1, 2]", "canonical.form"),
    ],
)
def test_bytes_that_are_not_the_one_spelling_are_refused_with_their_reason(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical.decode(data)
    assert refused.value.code == code


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_nesting_is_taken_to_its_bound_and_refused_one_deeper() -> None:
    assert canonical.encode(canonical.decode(_nested(CANONICAL_DEPTH_MAX))) == _nested(CANONICAL_DEPTH_MAX)
    for read in (canonical.decode, canonical.parse):
        with pytest.raises(InvalidInput) as refused:
            read(_nested(CANONICAL_DEPTH_MAX + 1))
        assert refused.value.code == "canonical.depth"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"]":', b'["\\"",'])
def test_brackets_enough_to_overrun_the_stack_are_refused_though_the_recursion_limit_is_high(opening: bytes) -> None:
    # Libraries under the ledger raise the limit to 100,000, where Python's parser dies of a segmentation fault.
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        for read in (canonical.decode, canonical.parse):
            with pytest.raises(InvalidInput) as refused:
                read(opening * 1_000_000)
            assert refused.value.code == "canonical.depth"
    finally:
        sys.setrecursionlimit(before)


def test_brackets_within_strings_do_not_count_as_nesting() -> None:
    value = {"[" * 1_000: ["{" * 1_000, '\\"[' * 1_000]}
    assert canonical.decode(canonical.encode(value)) == value
    assert canonical.parse(canonical.encode(value)) == value


@given(
    st.recursive(
        st.just([]), lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(texts, inner, max_size=2))
    )
)
def test_nesting_is_counted_as_python_counts_it(value: object) -> None:
    def depth(part: object) -> int:
        if not isinstance(part, list | dict):
            return 0
        return 1 + max(map(depth, part.values() if isinstance(part, dict) else part), default=0)

    data = canonical.encode(value)
    canonical.check_nesting(data, deepest=depth(value))
    with pytest.raises(InvalidInput):
        canonical.check_nesting(data, deepest=depth(value) - 1)


def test_a_list_that_holds_itself_is_refused_as_too_deep() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(InvalidInput) as refused:
        canonical.encode(value)
    assert refused.value.code == "canonical.depth"


def test_a_document_is_taken_to_its_size_and_refused_one_byte_larger() -> None:
    largest = "x" * (CANONICAL_BYTES_MAX - 2)
    assert canonical.decode(canonical.encode(largest)) == largest
    with pytest.raises(InvalidInput) as refused:
        canonical.encode(largest + "x")
    assert refused.value.code == "canonical.size"
    with pytest.raises(InvalidInput) as refused:
        canonical.decode(b'"' + b"x" * CANONICAL_BYTES_MAX + b'"')
    assert refused.value.code == "canonical.size"


def test_true_is_not_one() -> None:
    assert canonical.encode([True, 1, False, 0]) == b"[true,1,false,0]"
