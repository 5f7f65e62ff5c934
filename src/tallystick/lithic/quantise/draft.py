"""The integer model while it is made: its steps so far, what its integers can be, and what they are on the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tallystick.lithic.integer.batch import apply_rows
from tallystick.lithic.integer.intervals import Intervals, after
from tallystick.lithic.integer.model import Step
from tallystick.lithic.quantise.forms import Form

if TYPE_CHECKING:
    from tallystick.lithic.integer.batch import Rows


@dataclass
class Draft:
    """Steps, and what comes out of them.

    forms    the float model's numbers, said in those integers
    ranges   what each integer can be
    sample   the integers of each row of the calibration sample, or nothing
    """

    forms: tuple[Form, ...]
    ranges: Intervals
    sample: Rows | None
    steps: list[Step] = field(default_factory=list)

    def push(self, step: Step, forms: Sequence[Form]) -> None:
        """Add a step; `forms` say the float model's numbers in what comes out of it."""
        if self.sample is not None:
            self.sample = apply_rows(step, self.sample, self.ranges)
        self.ranges = after(step, self.ranges)
        self.steps.append(step)
        self.forms = tuple(forms)

    def spans(self) -> list[int]:
        """Return how great each integer can be, sign aside."""
        return [max(abs(z.low), abs(z.high)) for z in self.ranges]

    def totals(self) -> list[int] | None:
        """Return the sum of each integer over the sample, sign aside: how great it is, beside others, on average."""
        if self.sample is None or not len(self.sample):
            return None
        is_small = self.sample.dtype != object and max(self.spans(), default=0) * len(self.sample) < 1 << 63
        sums = abs(self.sample if is_small else self.sample.astype(object)).sum(axis=0)
        return [int(total) for total in sums]

    def is_ready(self, *, alike: bool) -> bool:
        """Whether each number is a positive multiple of the integer at its place; `alike`, the same multiple."""
        if len(self.forms) != len(self.ranges):
            return False
        for place, form in enumerate(self.forms):
            if form.constant or list(form.numerators) != [place] or form.numerators[place] < 0:
                return False
        return not alike or len({form.single[1] for form in self.forms}) == 1
