"""Dense steps: for each word of outputs, a start word plus the products of input sets and weight words.

Weights stand in the code, as operands of PUSH32: 3 gas each, and nothing to copy. Up to fourteen input polynomials lie
on the stack at a time, and each word of outputs goes past them: PUSH32, DUP, MUL, ADD, 14 gas for all its lanes. What
is multiplied with zero, as most of a convolution, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.evm.extract import emit_set
from tallystick.lithic.integer.model import Dense
from tallystick.lithic.lanes.packing import InputSet, Packing

_ON_STACK = 14  # the deepest is reached by DUP16, under the accumulator and the weight word


def emit_sums(
    asm: Assembler,
    step: Dense,
    packing: Packing,
    kind: str,
    sets: Sequence[InputSet],
    starts: Sequence[int],
    target: int,
) -> None:
    """Store in memory word g from `target` on: starts[g] + Σ over `sets` of inputs · weights."""
    table = [[packing.weight_word(step, inputs, group) for group in range(len(starts))] for inputs in sets]
    used = [(inputs, words) for inputs, words in zip(sets, table, strict=True) if any(words)]
    size = _ON_STACK if len(starts) > 1 else max(len(used), 1)
    chunks = [used[at : at + size] for at in range(0, len(used), size)] or [[]]
    for number, chunk in enumerate(chunks):
        shared = [inputs for inputs, words in chunk if sum(map(bool, words)) > 1]
        for inputs in shared:
            emit_set(asm, kind, inputs, packing.stride)
        for group, start in enumerate(starts):
            products = [(inputs, words[group]) for inputs, words in chunk if words[group]]
            if number and not products:
                continue
            asm.push(start) if number == 0 else asm.load(target + 32 * group)
            for inputs, word in products:
                asm.push(word)
                if inputs in shared:
                    asm.op(f"DUP{2 + len(shared) - shared.index(inputs)}")
                else:
                    emit_set(asm, kind, inputs, packing.stride)
                asm.op("MUL", "ADD")
            asm.store(target + 32 * group)
        asm.op(*["POP"] * len(shared))
