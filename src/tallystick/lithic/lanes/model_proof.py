"""The proof of a whole model: every dense step's packing checked against ranges that are computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.core.errors import VerificationFailed
from tallystick.lithic.integer.intervals import Intervals, intervals
from tallystick.lithic.integer.model import Dense, IntegerModel
from tallystick.lithic.lanes.packing import Packing, bits_of
from tallystick.lithic.lanes.proof import check_packing


@dataclass(frozen=True)
class StepProof:
    """What was proved of a dense step: every sum that its lanes hold is within `low` to `high`, and fits.

    at               the step's place in the model
    lanes, words     outputs of one word, and words
    blocks           inputs of one multiplication, at most
    multiplications  of the whole step, where no input is passed over
    needed_bits      of the widest sum
    """

    at: int
    inputs: int
    outputs: int
    lane_bits: int
    lanes: int
    words: int
    blocks: int
    multiplications: int
    low: int
    high: int
    needed_bits: int

    @property
    def headroom_bits(self) -> int:
        """Bits of a lane that no input can reach."""
        return self.lane_bits - self.needed_bits


def prove(model: IntegerModel, packings: Mapping[int, Packing]) -> tuple[StepProof, ...]:
    """Return what holds of each dense step of the model.

    raises  VerificationFailed "kernel.proof" when a dense step has no packing, another step has one, or a packing does
            not compute its step; InvalidInput "kernel.overflow"
    """
    dense = {at: step for at, step in enumerate(model.steps) if isinstance(step, Dense)}
    if set(dense) != set(packings):
        raise VerificationFailed(
            "kernel.proof", "not a packing for each dense step", expected=sorted(dense), got=sorted(packings)
        )
    ranges = intervals(model)
    return tuple(_prove(at, step, packings[at], ranges[at]) for at, step in dense.items())


def _prove(at: int, step: Dense, packing: Packing, ranges: Intervals) -> StepProof:
    check_packing(step, packing, ranges)
    sums = [interval for _, _, interval in packing.sums(step, ranges)]
    return StepProof(
        at=at,
        inputs=len(ranges),
        outputs=len(step.weights),
        lane_bits=packing.lane_bits,
        lanes=packing.lanes,
        words=packing.groups(len(step.weights)),
        blocks=packing.blocks,
        multiplications=len(packing.sets) * packing.groups(len(step.weights)),
        low=min(interval.low for interval in sums),
        high=max(interval.high for interval in sums),
        needed_bits=max(map(bits_of, sums)),
    )
