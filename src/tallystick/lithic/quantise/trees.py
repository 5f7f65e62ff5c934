"""Trees: thresholds moved onto the grid exactly, leaves rounded to a power of two.

On the grid x = o + f · q with f > 0, so x ≤ t exactly when q < floor((t - o) / f) + 1, and x < t exactly when
q < ceil((t - o) / f): an input on the grid goes the way it went. With f < 0 the branches change places. What is
rounded is the leaves, each by half a unit at most, and the base: T trees are off by (T + 1) / 2 units at most, and the
bound that is told is what theirs add up to. An input that has to be put on the grid first may fall on the other side of
a threshold, where a tree can say anything it says anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from tallystick.lithic import floats
from tallystick.lithic.integer.intervals import Interval
from tallystick.lithic.integer.model import Node, Trees, Vector
from tallystick.lithic.quantise.dense import push_dense
from tallystick.lithic.quantise.draft import Draft
from tallystick.lithic.quantise.exact import nearest, threshold, trained
from tallystick.lithic.quantise.fitting import walk
from tallystick.lithic.quantise.forms import EXACT, Errors, Form, everywhere

Leaf = tuple[int, ...]  # numerators over one power of two, which has every bit of every leaf
FloatTree = floats.Fork | tuple[float, ...]

_POWER_MAX = 70  # of a scale 2**-power, whose decimal has as many digits


def push_trees(
    draft: Draft, step: floats.Trees, weight_bits: int, leaf_bits: int, reading: Callable[[Leaf], Leaf], less: Fraction
) -> None:
    """Add base + Σ leaves - less.

    leaf_bits  of the greatest leaf, sign included
    reading    linear: what is made of the leaves and of the base
    """
    if not all(form.is_single for form in draft.forms):
        push_dense(draft, weight_bits, alike=False)
    grower = _Grower(draft, step, reading, leaf_bits)
    grown = [grower.grow(tree) for tree in step.trees]
    base = [Fraction(value, grower.divisor) - less for value in grower.leaf(step.base)]
    integers = tuple(nearest(value / grower.scale) for value in base)
    forms = []
    for k, (value, integer) in enumerate(zip(base, integers, strict=True)):
        errors = [tree.error(k, grower.unit) for tree in grown]
        totals = (Fraction(sum(error[mode] for error in errors), grower.divisor) for mode in range(3))
        error = everywhere(abs(value - grower.scale * integer)).plus(Errors(*totals))
        forms.append(Form.of(Fraction(0), {k: grower.scale}, error.rounded()))
    draft.push(Trees(integers, tuple(tree.root for tree in grown)), forms)


@dataclass
class _Grown:
    """A tree on the grid.

    all_leaves  of the float tree, which numbers that are off may reach
    leaves      of the tree on the grid, before rounding
    way         how far off the numbers are that forks compare
    """

    all_leaves: list[Leaf]
    root: Node | Vector = ()
    leaves: list[Leaf] = field(default_factory=list)
    way: Errors = EXACT

    def error(self, output: int, unit: Fraction) -> list[Fraction]:
        """Return how far off the tree is: its worst leaf, and where the way is off, from any leaf to any other."""
        values = [leaf[output] for leaf in self.all_leaves]
        apart = max(values) - min(values)
        rounding = max(abs(leaf[output] - unit * nearest(leaf[output] / unit)) for leaf in self.leaves)
        return [rounding + (apart if off else 0) for off in self.way]


class _Grower:
    """Makes integer trees of float trees over the draft's forms.

    divisor  of the leaves' numerators
    scale    of the integer leaves: the power of two in which the greatest takes all the bits
    unit     the same in numerators
    """

    def __init__(self, draft: Draft, step: floats.Trees, reading: Callable[[Leaf], Leaf], bits: int) -> None:
        self._forms, self._ranges, self._reading = draft.forms, draft.ranges, reading
        leaves = [*_leaves(step.trees)]
        self.divisor = max(trained(value, "a leaf").denominator for leaf in [*leaves, step.base] for value in leaf)
        greatest = max(abs(value) for leaf in leaves or [step.base] for value in self.leaf(leaf))
        self.scale = _scale(Fraction(greatest, self.divisor), bits)
        self.unit = self.scale * self.divisor

    def leaf(self, values: tuple[float, ...]) -> Leaf:
        """Return a leaf's exact numerators."""
        ratios = [float(value).as_integer_ratio() for value in values]
        return self._reading(tuple(n * (self.divisor // denominator) for n, denominator in ratios))

    def grow(self, tree: FloatTree) -> _Grown:
        """Return the tree on the grid, without forks that no input in range takes both ways."""
        grown = _Grown([self.leaf(leaf) for leaf in _leaves((tree,))])
        grown.root = self._branch(tree, grown, {})
        return grown

    def _branch(self, tree: FloatTree, grown: _Grown, known: dict[int, Interval]) -> Node | Vector:
        if not isinstance(tree, floats.Fork):
            leaf = self.leaf(tree)
            grown.leaves.append(leaf)
            return tuple(nearest(value / self.unit) for value in leaf)
        form = self._forms[tree.feature]
        if any(form.error):
            grown.way = Errors(*(max(a, b) for a, b in zip(grown.way, form.error, strict=True)))
        t = threshold(tree.threshold)
        if not form.numerators:
            is_left = form.offset < t if tree.strict else form.offset <= t
            return self._branch(tree.left if is_left else tree.right, grown, known)
        place, factor = form.single
        edge = (t - form.offset) / factor
        first, second = (tree.left, tree.right) if factor > 0 else (tree.right, tree.left)
        below = ceil(edge) if tree.strict == (factor > 0) else floor(edge) + 1
        low, high = known.get(place, self._ranges[place])
        if high < below:
            return self._branch(first, grown, known)
        if low >= below:
            return self._branch(second, grown, known)
        left = self._branch(first, grown, known | {place: Interval(low, below - 1)})
        right = self._branch(second, grown, known | {place: Interval(below, high)})
        return left if left == right else Node(place, below, left, right)


def _leaves(trees: tuple[FloatTree, ...]) -> Iterator[tuple[float, ...]]:
    return (node for node in walk(trees) if not isinstance(node, floats.Fork))


def _scale(greatest: Fraction, bits: int) -> Fraction:
    """Return the power of two in which `greatest` takes `bits` bits, sign included."""
    if not greatest:
        return Fraction(1)
    room = ((1 << (bits - 1)) - 1) / greatest
    power = room.numerator.bit_length() - room.denominator.bit_length()
    if Fraction(2) ** power > room:
        power -= 1
    return Fraction(2) ** -min(power, _POWER_MAX)
