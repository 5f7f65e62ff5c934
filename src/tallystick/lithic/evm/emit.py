"""A whole kernel: entry, every step, the decision, and the views, in one contract or with parts beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tallystick.core.errors import InvalidInput
from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.evm.dense import emit_sums
from tallystick.lithic.evm.elementwise import emit_elementwise, scratch_bytes
from tallystick.lithic.evm.extract import emit_unpacked
from tallystick.lithic.evm.interface import Refusals, emit_entry, emit_return, emit_views, packed
from tallystick.lithic.evm.lanes import LaneWords, emit_relu, emit_signed
from tallystick.lithic.evm.parts import (
    CODE_BYTES_MAX,
    Part,
    dense_part,
    emit_additions,
    emit_calls,
    trees_part,
)
from tallystick.lithic.evm.sparse import emit_sparse_sums, pays
from tallystick.lithic.evm.trees import emit_trees, lay_out, start_words
from tallystick.lithic.integer.intervals import Intervals, intervals
from tallystick.lithic.integer.model import Dense, IntegerModel, Relu, Trees
from tallystick.lithic.lanes.packing import WORD_BITS, Packing, plan, single
from tallystick.lithic.lanes.source import Source

Item = TypeVar("Item")

Locate = Callable[[bytes], str]  # runtime code of a part → the address where it will be


@dataclass(frozen=True)
class Emitted:
    """A kernel's code and its parts', the packing of each dense step by its place, and the most gas of a prediction."""

    code: bytes
    parts: tuple[Part, ...]
    packings: Mapping[int, Packing]
    worst_gas: int


@dataclass
class _Shares:
    """Which steps are split: for each, how many sets or trees a part holds, and whether the last share stays here."""

    size: dict[int, int] = field(default_factory=dict)
    keeps_last: bool = True


def emit_kernel(
    model: IntegerModel, views: Mapping[str, Sequence[int]], locate: Locate, density_permille: int = 1_000
) -> Emitted:
    """Return the code of a model, splitting its heaviest steps until every contract is within EIP-170.

    views             what the kernel answers beside predict, by signature
    locate            tells where a part will be
    density_permille  how many in a thousand inputs are expected not to be zero: where it pays, zeros are passed over
    raises   InvalidInput "kernel.size" when it cannot be split that far, "kernel.overflow"
    """
    shares = _Shares()
    emission = _Emission(model, views, locate, density_permille, shares)
    found = emission.run()
    heavy = sorted(emission.heavy, key=lambda at: -emission.heavy[at][0])
    for at in heavy:
        if len(found.code) <= CODE_BYTES_MAX:
            break
        size, items = emission.heavy[at]
        shares.size[at] = max(1, int((CODE_BYTES_MAX - 600) / (size / items) * 0.97))
        for shares.keeps_last in (True, False):
            found = _Emission(model, views, locate, density_permille, shares).run()
            if len(found.code) <= CODE_BYTES_MAX:
                break
    for code in (found.code, *(part.code for part in found.parts)):
        if len(code) > CODE_BYTES_MAX:
            raise InvalidInput(
                "kernel.size", "the model does not fit its contracts", expected=CODE_BYTES_MAX, got=len(code),
                hint="make it smaller: fewer inputs, units or trees, or fewer bits",
            )  # fmt: skip
    return found


class _Emission:
    """One pass over the model. `heavy` notes the bytes and the items, sets or trees, of steps that can be split."""

    def __init__(
        self,
        model: IntegerModel,
        views: Mapping[str, Sequence[int]],
        locate: Locate,
        density_permille: int,
        shares: _Shares,
    ) -> None:
        self._model, self._views, self._locate, self._shares = model, views, locate, shares
        self._density_permille = density_permille
        self._asm = Assembler()
        self._refusals = Refusals(*map(self._asm.new_label, ("malformed", "range", "part")))
        self._free = 0
        self._parts: list[Part] = []
        self._packings: dict[int, Packing] = {}
        self.heavy: dict[int, tuple[int, int]] = {}

    def run(self) -> Emitted:
        asm, model = self._asm, self._model
        others = asm.new_label("others")
        answer = self._take(64 + 32 * model.outputs)
        emit_entry(asm, model.input, others, self._refusals)
        numbers: Source | LaneWords = packed(model.input)
        ranges = intervals(model)
        for at, step in enumerate(model.steps):
            before = asm.size
            numbers, items = self._step(at, step, numbers, ranges[at + 1])
            if items > 1:
                self.heavy[at] = (asm.size - before, items)
        self._decide(numbers, answer)
        emit_return(asm, answer, model.outputs)
        asm.place(others)
        emit_views(asm, self._views, self._refusals)
        return Emitted(asm.assemble(), tuple(self._parts), self._packings, asm.worst_gas())

    def _step(
        self, at: int, step: object, numbers: Source | LaneWords, ranges: Intervals
    ) -> tuple[Source | LaneWords, int]:
        """Emit one step; return where its results are, and how many items it could be split into."""
        match step:
            case Dense():
                return self._dense(at, step, self._source(numbers), ranges)
            case Trees():
                return self._trees(at, step, self._source(numbers), ranges)
            case Relu() if isinstance(numbers, LaneWords):
                return emit_relu(self._asm, numbers, step, ranges), 0
            case _:
                x = self._words(numbers)
                target = self._take(32 * len(ranges) + scratch_bytes(step))  # type: ignore[arg-type]
                return emit_elementwise(self._asm, step, x, ranges, target), 0  # type: ignore[arg-type]

    def _dense(self, at: int, step: Dense, source: Source, ranges: Intervals) -> tuple[LaneWords, int]:
        packing, is_sparse = self._pack(step, source)
        self._packings[at] = packing
        words = packing.groups(len(step.weights))
        lanes = LaneWords(self._take(32 * words), packing.lane_bits, packing.lanes, packing.base, ranges)
        shares, kept = self._split(at, packing.sets)
        parts = [dense_part(step, packing, source, share, words, is_sparse) for share in shares]
        answers = self._call(source, parts, words)
        starts = [packing.start_word(step, word) for word in range(words)]
        if is_sparse:
            emit_sparse_sums(self._asm, step, packing, kept, starts, lanes.address)
        else:
            emit_sums(self._asm, step, packing, source.kind, kept, starts, lanes.address)
        emit_additions(self._asm, lanes.address, words, answers)
        return lanes, len(packing.sets)

    def _pack(self, step: Dense, source: Source) -> tuple[Packing, bool]:
        """Return the cheapest packing, and whether zeros are passed over: only those of the kernel's own input."""
        best = plan(step, source)
        if source.kind == "calldata":
            one_by_one = single(step, source)
            if pays(step, one_by_one, best, self._density_permille):
                return one_by_one, True
        return best, False

    def _trees(self, at: int, step: Trees, source: Source, ranges: Intervals) -> tuple[LaneWords, int]:
        lanes = lay_out(ranges, 0)
        lanes = lay_out(ranges, self._take(32 * lanes.words))
        shares, kept = self._split(at, step.trees)
        answers = self._call(source, [trees_part(share, source, lanes) for share in shares], lanes.words)
        features = self._words(source) if kept else source
        emit_trees(self._asm, kept, features, lanes, start_words(step, lanes))
        emit_additions(self._asm, lanes.address, lanes.words, answers)
        return lanes, len(step.trees)

    def _split(self, at: int, items: Sequence[Item]) -> tuple[list[Sequence[Item]], Sequence[Item]]:
        """Return the shares that go to parts, and what stays."""
        size = self._shares.size.get(at)
        if size is None:
            return [], items
        shares = [items[first : first + size] for first in range(0, len(items), size)]
        return (shares[:-1], shares[-1]) if self._shares.keeps_last else (shares, items[:0])

    def _call(self, source: Source, parts: list[Part], words: int) -> list[int]:
        if not parts:
            return []
        self._parts += parts
        start, end = source.span
        memory = self._take(32 * words * len(parts) + (end - start if source.kind == "calldata" else 0))
        located = [(self._locate(part.code), part) for part in parts]
        return emit_calls(self._asm, source, located, words, memory, self._refusals.no_part)

    def _decide(self, numbers: Source | LaneWords, answer: int) -> None:
        """Put the scores into the answer, and the decision before them."""
        asm, decision = self._asm, self._model.decision
        at = answer + 64 + (0 if decision == "none" else 32)
        if isinstance(numbers, LaneWords):
            scores = emit_signed(asm, numbers, at)
        else:
            scores = emit_unpacked(asm, numbers, at)
        addresses = [place.address for place in scores.places]
        if decision == "positive":
            asm.push(0)
            asm.load(addresses[0])
            asm.op("SGT")
            asm.store(answer + 64)
        elif decision == "argmax":
            _emit_argmax(asm, addresses)
            asm.store(answer + 64)

    def _source(self, numbers: Source | LaneWords) -> Source:
        return self._words(numbers) if isinstance(numbers, LaneWords) else numbers

    def _words(self, numbers: Source | LaneWords) -> Source:
        """Return the numbers as whole memory words, unpacked if they are not."""
        if isinstance(numbers, LaneWords):
            return emit_signed(self._asm, numbers, self._take(32 * len(numbers.ranges)))
        if all(place.bits == WORD_BITS for place in numbers.places):
            return numbers
        return emit_unpacked(self._asm, numbers, self._take(32 * len(numbers.places)))

    def _take(self, size: int) -> int:
        """Return the start of so many bytes of memory that nothing else uses."""
        start = self._free
        self._free += -(-size // 32) * 32
        return start


def _emit_argmax(asm: Assembler, addresses: Sequence[int]) -> None:
    """Push the place of the greatest number, the first of equals. On the stack: the best so far, then its place."""
    asm.push(0)
    asm.load(addresses[0])
    for place, address in enumerate(addresses[1:], 1):
        after = asm.new_label("not_better")
        asm.load(address)
        asm.op("DUP1", "DUP3", "SLT", "ISZERO")
        asm.jump_if(after)
        asm.op("SWAP1")
        asm.push(place)
        asm.op("SWAP3", "POP")
        asm.place(after)
        asm.op("POP")
    asm.op("POP")
