"""The proof that no lane overflows: an interval for every sum that a lane holds, found again from the weights alone.

Claim: for every input in its declared range, lane k of block b of the accumulator ends as 2**(L-1) + s, where s is the
sum that the interval bounds. Proof: modulo 2**256 the accumulator is Σ (2**(L-1) + s_bk) · 2**(bS + kL) over blocks up
to p-1, plus a multiple of 2**(pS). Each interval is within [-2**(L-1), 2**(L-1)), so each coefficient is within
[0, 2**L); the lanes do not overlap, since u · L ≤ S; and (p-1)S + uL ≤ 256. So the coefficients up to block p-1 are the
digits of one number below 2**256, and digits are unique. What the order of additions was, and whether a partial sum
wrapped, does not matter. Multiples of 2**(pS) lie above every lane that is read.

The planner's own sums are not asked: what is here follows from the product of the two polynomials that `packing` names.
"""

from __future__ import annotations

from tallystick.core.errors import VerificationFailed
from tallystick.lithic.integer.intervals import Interval, Intervals
from tallystick.lithic.integer.model import Dense, Vector
from tallystick.lithic.lanes.packing import WORD_BITS, InputSet, Packing
from tallystick.lithic.lanes.source import Source


def check_packing(step: Dense, packing: Packing, ranges: Intervals) -> None:
    """Return if the packing computes the step for every input in `ranges`, each standing where its set says.

    raises  VerificationFailed "kernel.proof", naming the lane and the interval that does not fit
    """
    lanes, width, stride = packing.lanes, packing.lane_bits, packing.stride
    if min(lanes, width, packing.blocks) < 1 or lanes * width > stride or packing.base + lanes * width > WORD_BITS:
        raise VerificationFailed(
            "kernel.proof",
            "lanes overlap or leave the word",
            expected=f"{lanes} × {width} ≤ {stride}",
            got=packing.base,
        )
    taken = sorted(index for inputs in packing.sets for index in inputs.indices)
    if taken != list(range(len(ranges))) or any(len(inputs.indices) > packing.blocks for inputs in packing.sets):
        raise VerificationFailed(
            "kernel.proof", "not every input is multiplied once", expected=len(ranges), got=len(taken)
        )
    half = 1 << (width - 1)
    for output, (row, bias) in enumerate(zip(step.weights, step.bias, strict=True)):
        for block, (low, high) in enumerate(_sums(row, bias, packing, ranges)):
            if low < -half or high >= half:
                raise VerificationFailed(
                    "kernel.proof",
                    f"output {output}, block {block} overflows its lane",
                    expected=f"within ±2**{width - 1}",
                    got=f"{low} to {high}",
                )


def check_places(packing: Packing, source: Source) -> None:
    """Return if every input stands where its set says, and is what is read there.

    raises  VerificationFailed "kernel.proof"
    """
    for inputs in packing.sets:
        for j, index in enumerate(inputs.indices):
            place, (low, high) = source.places[index], source.ranges[index]
            is_there = (place.address, place.bits) == (inputs.place.address, inputs.place.bits)
            if not is_there or place.offset != inputs.place.offset + j * packing.stride:
                raise VerificationFailed("kernel.proof", f"input {index} stands elsewhere", expected=inputs, got=place)
            if place.bits < WORD_BITS and not 0 <= low <= high < 1 << place.bits:
                raise VerificationFailed(
                    "kernel.proof", f"input {index} leaves its place", expected=f"{place.bits} bits", got=(low, high)
                )
        _check_distance(inputs, packing.stride)


def _check_distance(inputs: InputSet, stride: int) -> None:
    """Raise unless the inputs of a set are apart and within the word."""
    place, others = inputs.place, len(inputs.indices) - 1
    if place.offset + others * stride + place.bits > WORD_BITS or (others and place.bits > stride):
        raise VerificationFailed("kernel.proof", "inputs overlap or leave the word", expected=stride, got=inputs)


def _sums(row: Vector, bias: int, packing: Packing, ranges: Intervals) -> list[Interval]:
    """Return the interval of one output's lane in each block up to p-1.

    Input j of a set meets the weight of input i of the same set at block j + p-1 - i.
    """
    last = packing.blocks - 1
    low, high = [0] * last + [bias], [0] * last + [bias]
    for inputs in packing.sets:
        for j, index in enumerate(inputs.indices):
            for i, weighed in enumerate(inputs.indices[j:], j):
                ends = (ranges[index].low * row[weighed], ranges[index].high * row[weighed])
                low[j + last - i] += min(ends)
                high[j + last - i] += max(ends)
    return list(map(Interval, low, high))
