"""Bytes from outside are accepted or refused; no parser raises anything else, whatever it is given."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import Target, targets
from tests.house import tree

NAMES = sorted(targets())
EXAMPLES = 5_000 if os.environ.get("TALLYSTICK_LONG") else 60

# What parsers trip over: brackets, escapes, lengths at the edges of their width, signs, broken UTF-8, line ends.
TOKENS = [
    b"",
    b"\x00",
    b"\xff",
    b"\n",
    b"\r\n",
    b" ",
    b'"',
    b"\\",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xc3",
    b"[" * 80,
    b"{",
    b"}",
    b"null",
    b"true",
    b"-0",
    b"1.0",
    b"1e999",
    b"NaN",
    b"9007199254740992",
    b"18446744073709551616",
    b"1" * 5_000,
    b"0x",
    b"../",
    b"\xff" * 8,
    b"\x00" * 8,
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x00\x00\x00",
    "\u2014 ".encode(),
    b"=",
    b"+",
]


def _mutated(seed: bytes, other: bytes, draw: st.DrawFn) -> bytes:
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        match draw(st.integers(0, 6)):
            case 0 if data:
                data[at % len(data)] ^= 1 << draw(st.integers(0, 7))
            case 1 if data:
                data[at % len(data)] = draw(st.integers(0, 255))
            case 2:
                data[at : at + length] = b""
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data[at : at + length] = draw(st.sampled_from(TOKENS))
            case 5:
                del data[at:]
            case _:
                cut = draw(st.integers(0, len(other)))
                data[at:] = other[cut:]
    return bytes(data)


@st.composite
def _inputs(draw: st.DrawFn, target: Target) -> bytes:
    seeds = target.seeds()
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=300))
    return _mutated(draw(st.sampled_from(seeds)), draw(st.sampled_from(seeds)), draw)


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_accepts_what_it_is_meant_to_read(name: str) -> None:
    target = targets()[name]
    for seed in target.seeds():
        assert target.check(seed), f"{name} refuses {seed[:200]!r}"


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_accepts_or_refuses_and_raises_nothing_else(name: str) -> None:
    target = targets()[name]

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(_inputs(target))
    def check(data: bytes) -> None:
        target.check(data)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_thousand_brackets_do_not_end_the_process(name: str) -> None:
    for nested in (b"[" * 100_000, b'{"a":' * 100_000, _nested_rlp(50_000)):
        targets()[name].check(nested)


def _nested_rlp(depth: int) -> bytes:
    """Return a list in a list in a list, as Ethereum spells them."""
    prefixes, size = [], 0
    for _ in range(depth):
        length = size.to_bytes(4, "big").lstrip(b"\x00")
        prefixes.append(bytes([0xC0 + size]) if size < 56 else bytes([0xF7 + len(length)]) + length)
        size += len(prefixes[-1])
    return b"".join(reversed(prefixes))


@pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer is built for Linux alone")
def test_a_bounded_run_of_the_coverage_guided_fuzzer_finds_nothing(tmp_path: object) -> None:
    runs = "1000000" if os.environ.get("TALLYSTICK_LONG") else "20000"
    command = [
        sys.executable,
        str(tree.ROOT / "tools" / "fuzz.py"),
        "all",
        "--runs",
        runs,
        "--seed",
        "1",
        "--corpus",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    assert f"Done {runs} runs" in done.stderr
    reached = [int(count) for count in re.findall(r"cov: (\d+)", done.stderr)]
    assert reached[-1] > 1_000, "the fuzzer is blind: it sees no branches of the parsers"


def _reads_first_byte(data: bytes) -> int:
    return data[0]


def _forgets(data: bytes) -> bytes:
    return data.strip()


def test_the_table_itself_tells_a_stray_error_from_a_refusal() -> None:
    with pytest.raises(IndexError):
        Target("planted", _reads_first_byte, lambda: [b"a"]).check(b"")
    with pytest.raises(AssertionError, match="second spelling"):
        Target("planted", _forgets, lambda: [b"a"], bytes, exact=True).check(b" a")
    with pytest.raises(AssertionError, match="does not read back"):
        Target("planted", _forgets, lambda: [b"a"], lambda value: value + b"!").check(b"a")
