"""A whole kernel: entry, every step, the decision, and the views, in one contract or with parts beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CODE_BYTES_MAX
from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.evm.dense import emit_sums
from tallystick.lithic.evm.elementwise import emit_elementwise, scratch_bytes
from tallystick.lithic.evm.extract import emit_unpacked, words
from tallystick.lithic.evm.interface import Refusals, emit_entry, emit_return, emit_views, packed
from tallystick.lithic.evm.lanes import LaneWords, emit_relu, emit_signed
from tallystick.lithic.evm.parts import (
    Part,
    dense_part,
    emit_additions,
    emit_calls,
    trees_part,
)
from tallystick.lithic.evm.sparse import emit_sparse_sums, pays
from tallystick.lithic.evm.trees import emit_trees, lay_out, start_words
from tallystick.lithic.integer.intervals import Intervals, intervals
from tallystick.lithic.integer.model import Dense, IntegerModel, Node, Relu, Trees, Vector
from tallystick.lithic.lanes.packing import WORD_BITS, InputSet, Packing, plan, single
from tallystick.lithic.lanes.proof import check_packing, check_places
from tallystick.lithic.lanes.source import Source

_SHARE_PERMILLE = 975  # of a contract is filled: many items take a little more than the sum of what each takes alone
Item = TypeVar("Item")

Locate = Callable[[bytes], str]  # runtime code of a part → the address where it will be


@dataclass(frozen=True)
class StepCode:
    """What a step takes: bytes of code, in parts or not, and the most gas, parts included and memory not."""

    code_bytes: int
    worst_gas: int


@dataclass(frozen=True)
class Emitted:
    """A kernel's code and its parts', the packing of each dense step by its place, and the most gas of a prediction.

    steps  what each step takes; what is left over is entry, memory, decision and views
    """

    code: bytes
    parts: tuple[Part, ...]
    packings: Mapping[int, Packing]
    worst_gas: int
    steps: tuple[StepCode, ...]


@dataclass
class _Passes:
    """What one pass over the model tells the next: which steps to split, whether their last shares stay, and plans."""

    code_bytes_max: int
    split: set[int] = field(default_factory=set)
    keeps_last: bool = True
    plans: dict[tuple[int, Source], tuple[Packing, bool]] = field(default_factory=dict)


def emit_kernel(
    model: IntegerModel,
    views: Mapping[str, Sequence[int]],
    locate: Locate,
    density_permille: int = 1_000,
    code_bytes_max: int = CODE_BYTES_MAX,
) -> Emitted:
    """Return the code of a model, splitting its heaviest steps until every contract is within `code_bytes_max`.

    views             what the kernel answers beside predict, by signature
    locate            tells where a part will be
    density_permille  how many in a thousand inputs are expected not to be zero: where it pays, zeros are passed over
    raises   InvalidInput "kernel.size" when it cannot be split that far, "kernel.overflow"
    """
    return _fitted(lambda passes: _Emission(model, views, locate, density_permille, passes).run(), code_bytes_max)


def emit_stage(model: IntegerModel, at: int, locate: Locate, code_bytes_max: int = CODE_BYTES_MAX) -> Emitted:
    """Return the code of one step alone, or after the last step of the decision: words of a vector in, the next out.

    Calldata is nothing but int256 words, and so is what it returns. Vectors outside the step's ranges give some vector.
    raises   as `emit_kernel`
    """
    return _fitted(lambda passes: _Emission(model, {}, locate, 1_000, passes).run_stage(at), code_bytes_max)


def _fitted(run: Callable[[_Passes], _Emission], code_bytes_max: int) -> Emitted:
    """Run passes, splitting the heaviest steps, until every contract is within `code_bytes_max`."""
    passes = _Passes(code_bytes_max)
    last = run(passes)
    for at in sorted(last.heavy, key=last.heavy.__getitem__, reverse=True):
        if last.size <= code_bytes_max:
            break
        passes.split.add(at)
        for passes.keeps_last in (True, False):
            last = run(passes)
            if last.size <= code_bytes_max:
                break
    largest = max((last.size, *(len(part.code) for part in last.parts)))
    if largest > code_bytes_max:
        raise _too_large(code_bytes_max, largest)
    return last.emitted()


def _too_large(most: int, got: int) -> InvalidInput:
    return InvalidInput(
        "kernel.size", "the model does not fit its contracts", expected=most, got=got,
        hint="make it smaller: fewer inputs, units or trees, or fewer bits",
    )  # fmt: skip


class _Emission:
    """One pass over the model. `heavy` notes how many bytes each step takes that can be split."""

    def __init__(
        self,
        model: IntegerModel,
        views: Mapping[str, Sequence[int]],
        locate: Locate,
        density_permille: int,
        passes: _Passes,
    ) -> None:
        self._model, self._views, self._locate, self._passes = model, views, locate, passes
        self._density_permille = density_permille
        self._asm = Assembler()
        self._refusals = Refusals(*map(self._asm.new_label, ("malformed", "range", "part")))
        self._free = 0
        self._packings: dict[int, Packing] = {}
        self.parts: list[Part] = []
        self.heavy: dict[int, int] = {}
        self._marks: list[tuple[int, int, int]] = []  # before each step and after the last: position, bytes, extra gas

    @property
    def size(self) -> int:
        """How many bytes the kernel's own code has."""
        return self._asm.size

    def emitted(self) -> Emitted:
        """Return what the pass made."""
        asm = self._asm
        return Emitted(asm.assemble(), tuple(self.parts), self._packings, asm.worst_gas(), tuple(self._steps()))

    def _steps(self) -> Iterator[StepCode]:
        worst = self._asm.worst_after()
        for (first, size, extra), (last, next_size, next_extra) in pairwise(self._marks):
            yield StepCode(next_size - size, worst[first] - worst[last] + next_extra - extra)

    def _mark(self) -> None:
        size = self._asm.size + sum(len(part.code) for part in self.parts)
        self._marks.append((self._asm.position, size, self._asm.extra_gas))

    def run(self) -> _Emission:
        """Emit the whole kernel."""
        asm, model = self._asm, self._model
        others = asm.new_label("others")
        answer = self._take(64 + 32 * model.outputs)
        emit_entry(asm, model.input, others, self._refusals)
        numbers: Source | LaneWords = packed(model.input)
        ranges = intervals(model)
        fixed = 0  # bytes of steps that no part can take
        for at, step in enumerate(model.steps):
            before = asm.size
            self._mark()
            numbers, items = self._step(at, step, numbers, ranges[at + 1])
            if items > 1:
                self.heavy[at] = asm.size - before
            else:
                fixed += asm.size - before
            if fixed > self._passes.code_bytes_max:  # now, before a hostile model's other steps take minutes
                raise _too_large(self._passes.code_bytes_max, fixed)
        self._mark()
        self._decide(numbers, answer)
        emit_return(asm, answer, model.outputs)
        asm.place(others)
        emit_views(asm, self._views, self._refusals)
        return self

    def run_stage(self, at: int) -> _Emission:
        """Emit one step, or the decision after the last."""
        asm, model, ranges = self._asm, self._model, intervals(self._model)
        numbers: Source | LaneWords = self._taken(ranges[at])
        if at < len(model.steps):
            numbers, items = self._step(at, model.steps[at], numbers, ranges[at + 1])
            if items > 1:
                self.heavy[at] = asm.size
            count = len(ranges[at + 1])
            start = self._source(numbers).places[0].address
        else:
            count, start = model.outputs, self._take(64 + 32 * model.outputs) + 64
            self._decide(numbers, start - 64)
        asm.push(32 * count, start)
        asm.op("RETURN")
        emit_views(asm, {}, self._refusals)
        return self

    def _taken(self, ranges: Intervals) -> Source:
        """Copy the words of a vector from calldata; refuse another number of them."""
        asm, size = self._asm, 32 * len(ranges)
        start = self._take(size)
        asm.op("CALLDATASIZE")
        asm.push(size)
        asm.op("XOR")
        asm.jump_if(self._refusals.malformed)
        asm.push(size, 0, start)
        asm.op("CALLDATACOPY")
        asm.reach(start + size)
        asm.extra_gas += 3 * len(ranges)
        return words(start, Source("memory", (), ranges))

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
        packing, is_sparse = self._pack(at, step, source)
        self._packings[at] = packing
        words = packing.groups(len(step.weights))
        lanes = LaneWords(self._take(32 * words), packing.lane_bits, packing.lanes, packing.base, ranges)

        def part(share: Sequence[InputSet]) -> Part:
            return dense_part(step, packing, source, share, words, is_sparse)

        shares, kept = self._split(at, packing.sets, part)
        parts = [part(share) for share in shares]
        answers = self._call(source, parts, words)
        starts = [packing.start_word(step, word) for word in range(words)]
        if is_sparse:
            emit_sparse_sums(self._asm, step, packing, kept, starts, lanes.address)
        else:
            emit_sums(self._asm, step, packing, source.kind, kept, starts, lanes.address)
        emit_additions(self._asm, lanes.address, words, answers)
        return lanes, len(packing.sets)

    def _pack(self, at: int, step: Dense, source: Source) -> tuple[Packing, bool]:
        """Return the cheapest packing, proved to be right, and whether zeros are passed over."""
        plans = self._passes.plans
        if (at, source) not in plans:
            packing, _ = plans[at, source] = self._planned(step, source)
            check_packing(step, packing, source.ranges)
            check_places(packing, source)
        return plans[at, source]

    def _planned(self, step: Dense, source: Source) -> tuple[Packing, bool]:
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

        def part(share: Sequence[Node | Vector]) -> Part:
            return trees_part(share, source, lanes)

        shares, kept = self._split(at, step.trees, part)
        answers = self._call(source, [part(share) for share in shares], lanes.words)
        features = self._words(source) if kept else source
        emit_trees(self._asm, kept, features, lanes, start_words(step, lanes))
        emit_additions(self._asm, lanes.address, lanes.words, answers)
        return lanes, len(step.trees)

    def _split(
        self, at: int, items: Sequence[Item], part: Callable[[Sequence[Item]], Part]
    ) -> tuple[list[Sequence[Item]], Sequence[Item]]:
        """Return the shares of a step that go to parts, and what stays."""
        if at not in self._passes.split:
            return [], items
        room = self._passes.code_bytes_max * _SHARE_PERMILLE // 1_000
        shares = list(_shares(items, lambda share: len(part(share).code), room))
        return (shares[:-1], shares[-1]) if self._passes.keeps_last else (shares, items[:0])

    def _call(self, source: Source, parts: list[Part], words: int) -> list[int]:
        if not parts:
            return []
        self.parts += parts
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


def _shares(items: Sequence[Item], size: Callable[[Sequence[Item]], int], room: int) -> Iterator[Sequence[Item]]:
    """Yield runs of items of about `room` bytes at most, unless one alone takes more; `size` tells those of a run."""
    none = size(items[:0])
    sizes = [size(items[at : at + 1]) - none for at in range(len(items))]
    first, total = 0, none
    for at, each in enumerate(sizes):
        if at > first and total + each > room:
            yield items[first:at]
            first, total = at, none
        total += each
    yield items[first:]


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
