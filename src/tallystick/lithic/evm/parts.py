"""Steps too large for one contract: parts that hold a share of the weights or trees, and the calls that add them up.

EIP-170 allows a contract 24,576 bytes of code. A part is called with the memory or calldata that holds the step's
inputs, and returns what its share adds to each word of outputs. It is deployed by CREATE2, so that the kernel can name
it before it exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tallystick.lithic.evm.assembler import Assembler, Label
from tallystick.lithic.evm.dense import emit_sums
from tallystick.lithic.evm.extract import emit_unpacked
from tallystick.lithic.evm.lanes import LaneWords
from tallystick.lithic.evm.sparse import emit_sparse_sums
from tallystick.lithic.evm.trees import emit_trees
from tallystick.lithic.integer.model import Dense, Node, Vector
from tallystick.lithic.lanes.packing import InputSet, Packing
from tallystick.lithic.lanes.source import Source


@dataclass(frozen=True)
class Part:
    """A contract's code, and the most execution gas that a call of it uses."""

    code: bytes
    worst_gas: int


def dense_part(
    step: Dense, packing: Packing, source: Source, sets: Sequence[InputSet], words: int, is_sparse: bool
) -> Part:
    """Return the part that multiplies `sets`, passing over zeros if it `is_sparse`."""
    start, _ = source.span
    moved = [replace(each, place=replace(each.place, address=each.place.address - start)) for each in sets]
    asm = Assembler()
    if is_sparse:
        emit_sparse_sums(asm, step, packing, moved, [0] * words, 0)
    else:
        emit_sums(asm, step, packing, "calldata", moved, [0] * words, 0)
    return _finished(asm, words)


def trees_part(trees: Sequence[Node | Vector], source: Source, lanes: LaneWords) -> Part:
    """Return the part that walks `trees`."""
    start, _ = source.span
    asm = Assembler()
    features = emit_unpacked(asm, source.rebased(start), 32 * lanes.words)
    emit_trees(asm, trees, features, replace(lanes, address=0), [0] * lanes.words)
    return _finished(asm, lanes.words)


def _finished(asm: Assembler, words: int) -> Part:
    asm.push(32 * words, 0)
    asm.op("RETURN")
    return Part(asm.assemble(), asm.worst_gas())


def emit_calls(
    asm: Assembler, source: Source, parts: Sequence[tuple[str, Part]], words: int, memory: int, refuse: Label
) -> list[int]:
    """Call each part with the source's words; return where in memory, from `memory` on, their answers are."""
    start, end = source.span
    answers = memory
    if source.kind == "calldata":
        asm.push(end - start, start, memory)
        asm.op("CALLDATACOPY")
        asm.reach(memory + end - start)
        asm.extra_gas += 3 * -(-(end - start) // 32)
        answers, start, end = memory + end - start, memory, memory + end - start
    found = []
    for address, part in parts:
        asm.push(32 * words, answers, end - start, start, int(address, 16))
        asm.op("GAS", "STATICCALL", "RETURNDATASIZE")
        asm.push(32 * words)
        asm.op("EQ", "AND", "ISZERO")
        asm.jump_if(refuse)
        asm.reach(answers + 32 * words)
        asm.extra_gas += part.worst_gas
        found.append(answers)
        answers += 32 * words
    return found


def emit_additions(asm: Assembler, target: int, words: int, answers: Sequence[int]) -> None:
    """Add the answers of parts to the words from `target` on."""
    for word in range(words if answers else 0):
        asm.load(target + 32 * word)
        for answer in answers:
            asm.load(answer + 32 * word)
            asm.op("ADD")
        asm.store(target + 32 * word)
