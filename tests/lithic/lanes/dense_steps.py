"""Dense steps for tests of the packing: random ones, their accumulators in plain integers, and their code alone."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from tallystick.chain.scratch import ScratchEvm
from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.evm.dense import emit_sums
from tallystick.lithic.evm.interface import packed
from tallystick.lithic.evm.lanes import LaneWords, emit_signed
from tallystick.lithic.integer.intervals import Interval, dot
from tallystick.lithic.integer.model import Dense, Field, Input
from tallystick.lithic.lanes.packing import WORD_BITS, Packing
from tallystick.lithic.lanes.source import Place, Source
from tests.lithic.random_models import weights

WORD = 1 << WORD_BITS
ADDRESS = "0x" + "cd" * 20


@st.composite
def steps(draw, inputs_max: int = 70, outputs_max: int = 40) -> tuple[Dense, Source]:
    """Draw a dense step and where its inputs stand: fields of calldata, lanes of words, or words of their own."""
    inputs, outputs = draw(st.integers(1, inputs_max)), draw(st.integers(1, outputs_max))
    rng = Random(draw(st.integers(0, 2**32 - 1)))
    step = Dense(tuple(weights(rng, inputs) for _ in range(outputs)), weights(rng, outputs))
    return step, source(rng, draw(st.sampled_from(("bytes", "pairs", "lanes", "words"))), inputs)


def source(rng: Random, kind: str, count: int) -> Source:
    """Return places of one kind for so many inputs, and ranges that they can have there."""
    if kind in ("bytes", "pairs"):
        bits = 8 if kind == "bytes" else 16
        bounds = [sorted((rng.randrange(1 << bits), rng.choice((0, (1 << bits) - 1)))) for _ in range(count)]
        return packed(Input(bits, tuple(Field(f"f{k}", low, high, "0", "1") for k, (low, high) in enumerate(bounds))))
    if kind == "words":
        ends = [sorted(rng.randint(-(2**70), 2**70) for _ in range(2)) for _ in range(count)]
        ranges = tuple(Interval(*pair) for pair in ends)
        return Source("memory", tuple(Place(32 * k, 0, WORD_BITS) for k in range(count)), ranges)
    width = rng.choice((3, 8, 11, 24, 60, 128))
    shift = rng.randrange(width - 1)
    bits, lanes = width - 1 - shift, WORD_BITS // width
    places = tuple(Place(64 + 32 * (k // lanes), k % lanes * width + shift, bits) for k in range(count))
    return Source("memory", places, tuple(Interval(0, rng.randrange(1 << bits)) for _ in range(count)))


def extremes(step: Dense, placed: Source, output: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the inputs that make one output least and greatest."""
    row = step.weights[output]
    least = tuple(z.low if w >= 0 else z.high for w, z in zip(row, placed.ranges, strict=True))
    most = tuple(z.high if w >= 0 else z.low for w, z in zip(row, placed.ranges, strict=True))
    return least, most


def random_input(rng: Random, placed: Source) -> tuple[int, ...]:
    """Return an input in range, often at the ends."""
    return tuple(rng.choice((z.low, z.high, rng.randint(z.low, z.high))) for z in placed.ranges)


def sums(step: Dense, x) -> list[int]:
    """Return what the step is."""
    return [b + sum(w * v for w, v in zip(row, x, strict=True)) for row, b in zip(step.weights, step.bias, strict=True)]


def unpacked(step: Dense, packing: Packing, x) -> list[int]:
    """Return what the packing makes of an input, by the identity alone: words modulo 2**256, then lanes."""
    found = []
    for group in range(packing.groups(len(step.weights))):
        word = packing.start_word(step, group)
        for inputs in packing.sets:
            polynomial = sum(x[index] << j * packing.stride for j, index in enumerate(inputs.indices))
            word += polynomial * packing.weight_word(step, inputs, group)
        word %= WORD
        for k in range(min(packing.lanes, len(step.weights) - group * packing.lanes)):
            lane = word >> packing.base + k * packing.lane_bits & (1 << packing.lane_bits) - 1
            found.append(lane - packing.half)
    return found


def executed(step: Dense, packing: Packing, placed: Source, x) -> list[int]:
    """Return what the step's code makes of inputs that stand where `placed` says, seen as calldata."""
    asm = Assembler()
    groups = packing.groups(len(step.weights))
    starts = [packing.start_word(step, group) for group in range(groups)]
    emit_sums(asm, step, packing, "calldata", packing.sets, starts, 0)
    lanes = LaneWords(
        0, packing.lane_bits, packing.lanes, packing.base, tuple(dot(row, placed.ranges) for row in step.weights)
    )
    emit_signed(asm, lanes, 32 * groups)
    asm.push(32 * len(step.weights), 32 * groups)
    asm.op("RETURN")
    evm = ScratchEvm()
    evm.put(ADDRESS, asm.assemble())
    done = evm.call(ADDRESS, laid_out(placed, x))
    assert done.ok
    words = [int.from_bytes(done.output[at : at + 32]) for at in range(0, len(done.output), 32)]
    return [word - WORD if word >> 255 else word for word in words]


def laid_out(placed: Source, x) -> bytes:
    """Return memory in which each number stands at its place."""
    words: dict[int, int] = {}
    for place, value in zip(placed.places, x, strict=True):
        words[place.address] = words.get(place.address, 0) + (value % WORD << place.offset)
    data = bytearray(max(words) + 32)
    for address, word in words.items():
        data[address : address + 32] = word.to_bytes(32)
    return bytes(data)
