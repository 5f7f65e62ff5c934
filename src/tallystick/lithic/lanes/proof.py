"""The proof that no lane overflows: an interval for every sum that a lane holds, checked again from the weights alone.

Claim: for every input in its declared range, lane k of block b of the accumulator ends as 2**(L-1) + s, where s is the
sum that the interval bounds. Proof: modulo 2**256 the accumulator is Σ (2**(L-1) + s_bk) · 2**(bS + kL) over blocks up
to p-1, plus a multiple of 2**(pS). Each interval is within [-2**(L-1), 2**(L-1)), so each coefficient is within
[0, 2**L); the lanes do not overlap, since u · L ≤ S; and (p-1)S + uL ≤ 256. So the coefficients up to block p-1 are the
digits of one number below 2**256, and digits are unique. What the order of additions was, and whether a partial sum
wrapped, does not matter. Multiples of 2**(pS) lie above every lane that is read.
"""

from __future__ import annotations

from tallystick.core.errors import VerificationFailed
from tallystick.lithic.integer.intervals import Intervals
from tallystick.lithic.integer.model import Dense
from tallystick.lithic.lanes.packing import WORD_BITS, Packing, bits_of


def check_packing(step: Dense, packing: Packing, ranges: Intervals) -> None:
    """Return if the packing computes the step for every input in `ranges`.

    raises  VerificationFailed "kernel.proof", naming the lane and the interval that does not fit
    """
    lanes, width, stride = packing.lanes, packing.lane_bits, packing.stride
    if lanes * width > stride or packing.base + lanes * width > WORD_BITS:
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
    for output, block, interval in packing.sums(step, ranges):
        if bits_of(interval) > width:
            raise VerificationFailed(
                "kernel.proof",
                f"output {output}, block {block} overflows its lane",
                expected=f"within ±2**{width - 1}",
                got=f"{interval.low} to {interval.high}",
            )
