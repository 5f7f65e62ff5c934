"""Dense steps on inputs that are mostly zero: a word of zeros is passed over at once, then each field that is zero.

A zero field costs 31 gas whatever is behind it; a field that is not zero costs 31, and 22 for each word of outputs.
The accumulators lie on the stack, under the input word, because the code that is jumped over may not move them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.integer.model import Dense
from tallystick.lithic.lanes.packing import WORD_BITS, WORD_GAS, InputSet, Packing, cost

_WORDS_MAX: Final = 12  # accumulators that SWAP16 still reaches, under a product, a field and a word
_FIELD_GAS: Final = 31
_PRODUCT_GAS: Final = 22


def pays(step: Dense, single: Packing, best: Packing, density_permille: int) -> bool:
    """Return whether passing over zeros is expected to be cheaper than `best`, which multiplies them.

    single            the packing of one input a multiplication
    density_permille  how many in a thousand inputs are expected not to be zero
    """
    words = single.groups(len(step.weights))
    if words > _WORDS_MAX:
        return False
    expected = len(single.sets) * (_FIELD_GAS * 1_000 + density_permille * _PRODUCT_GAS * words)
    return expected + 1_000 * WORD_GAS * words < 1_000 * cost(step, best)


def emit_sparse_sums(
    asm: Assembler, step: Dense, packing: Packing, sets: Sequence[InputSet], starts: Sequence[int], target: int
) -> None:
    """Store in memory word g from `target` on: starts[g] + Σ over `sets`, fields of calldata, of input · weights."""
    asm.push(*reversed(starts))
    by_word: dict[int, list[InputSet]] = {}
    for inputs in sets:
        by_word.setdefault(inputs.place.address, []).append(inputs)
    for address, fields in by_word.items():
        asm.push(address)
        asm.op("CALLDATALOAD")
        after_word = asm.new_label("zeros")
        asm.op("DUP1", "ISZERO")
        asm.jump_if(after_word)
        for inputs in fields:
            words = [packing.weight_word(step, inputs, group) for group in range(len(starts))]
            if any(words):
                _emit_field(asm, inputs, words)
        asm.place(after_word)
        asm.op("POP")
    for group in range(len(starts)):
        asm.store(target + 32 * group)


def _emit_field(asm: Assembler, inputs: InputSet, words: Sequence[int]) -> None:
    """Add one field's products to the accumulators. On the stack: the input word, then the accumulators."""
    after = asm.new_label("zero")
    asm.op("DUP1")
    if inputs.place.bits == 8:
        asm.push((WORD_BITS - 8 - inputs.place.offset) // 8)
        asm.op("BYTE")
    else:
        asm.push(inputs.place.offset)
        asm.op("SHR")
        asm.push((1 << inputs.place.bits) - 1)
        asm.op("AND")
    asm.op("DUP1", "ISZERO")
    asm.jump_if(after)
    for group, word in enumerate(words):
        if word:
            asm.push(word)
            asm.op("DUP2", "MUL", f"DUP{4 + group}", "ADD", f"SWAP{3 + group}", "POP")
    asm.place(after)
    asm.op("POP")
