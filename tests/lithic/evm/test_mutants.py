"""One wrong bit in a kernel's constants is seen: the comparison with the reference would let no such compiler pass."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tallystick.chain.scratch import ScratchEvm
from tallystick.core.digest import keccak
from tallystick.lithic.integer.model import Dense, Relu
from tallystick.lithic.integer.reference import pack, predict
from tests.lithic.kernel_kit import ADDRESS, Kernel, answer, calldata
from tests.lithic.kernel_models import dense, model
from tests.lithic.random_models import inputs

SLEEPY = dense(9, 5, seed=4)
AWAKE = Dense(tuple(tuple(map(abs, row)) for row in SLEEPY.weights), tuple(map(abs, SLEEPY.bias)))  # no ReLU hides it
BOTH_WAYS = {
    "one input a product": (model(dense(8, 11, seed=1), inputs=8), 1_000),
    "several inputs a product": (model(dense(12, 2, seed=2), inputs=12), 1_000),
    "zeros passed over": (model(dense(40, 6, seed=3), inputs=40), 10),
    "with a hidden layer": (model(AWAKE, Relu(), dense(5, 2, seed=5), inputs=9), 1_000),
}


def constants(code: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each operand of a push stands, and how many bytes it has."""
    at = 0
    while at < len(code):
        size = max(0, code[at] - 0x5F) if 0x60 <= code[at] <= 0x7F else 0
        if size:
            yield at + 1, size
        at += 1 + size


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_flipped_bit_of_a_weight_a_start_or_a_mask_changes_an_answer(name):
    whole, density = BOTH_WAYS[name]
    kernel = Kernel(whole, density)
    bases = {packing.base for packing in kernel.emitted.packings.values()}  # below are lanes that nobody reads
    samples = [x for x in inputs(whole, Random(6), 40) if any(x)]
    right = [(calldata(pack(whole.input, x)), predict(whole, x)) for x in samples]
    end = kernel.emitted.code.index(keccak(b"digest()")[:4])  # the first view; behind it are other answers
    tried = 0
    for at, size in constants(kernel.emitted.code[:end]):
        reached = [base for base in bases if base < 8 * size]
        if size >= 8 and reached:
            mutants = [flipped(kernel.emitted.code, at + size, base) for base in reached]
            assert not all(agrees(mutant, right) for mutant in mutants), f"the constant at {at} may be wrong"
            tried += 1
    assert tried >= len(kernel.emitted.packings[0].sets)


def flipped(code: bytes, end: int, bit: int) -> bytes:
    """Return the code with one bit changed of the number that ends before `end`."""
    mutant = bytearray(code)
    mutant[end - 1 - bit // 8] ^= 1 << bit % 8
    return bytes(mutant)


def agrees(code: bytes, right: list[tuple[bytes, tuple[int, ...]]]) -> bool:
    """Return whether the code gives all the right answers."""
    evm = ScratchEvm()
    evm.put(ADDRESS, code)
    for data, expected in right:
        done = evm.call(ADDRESS, data, 100_000)
        if not done.ok or answer(done.output) != expected:
            return False
    return True


def test_the_unchanged_code_agrees():
    whole, density = BOTH_WAYS["with a hidden layer"]
    right = [(calldata(pack(whole.input, x)), predict(whole, x)) for x in inputs(whole, Random(6), 12)]
    assert agrees(Kernel(whole, density).emitted.code, right)
