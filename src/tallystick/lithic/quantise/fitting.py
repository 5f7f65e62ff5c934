"""Whether a float model is one at all: each step takes what the one before gives, before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_TREE_DEPTH_MAX, KERNEL_TREE_NODES_MAX
from tallystick.lithic.floats import Activation, Affine, FloatModel, Fork, MaxPool, OneHot, Squares, Step, Trees


def check_fit(model: FloatModel) -> None:
    """Return if every step fits the one before it.

    raises  InvalidInput "kernel.float", naming the step; "kernel.model" for trees that no kernel holds
    """
    width = len(model.features)
    for at, step in enumerate(model.steps):
        width = _width_after(step, width, f"step {at} ({type(step).__name__})")


def _width_after(step: Step, width: int, where: str) -> int:
    match step:
        case Affine(weights, bias):
            if weights.ndim != 2 or bias.ndim != 1 or weights.shape != (len(bias), width) or not len(bias):
                raise _unfit(where, f"(outputs, {width}) weights, a bias each", (weights.shape, bias.shape))
            return len(bias)
        case Activation(function):
            if function not in ("relu", "sigmoid", "tanh"):
                raise _unfit(where, "relu, sigmoid or tanh", function)
        case Squares():
            return 2 * width
        case OneHot(columns):
            if len(columns) != width or any(column is not None and not column for column in columns):
                raise _unfit(where, f"{width} columns, none of them empty", len(columns))
            return sum(1 if column is None else len(column) for column in columns)
        case MaxPool(groups):
            if not groups or any(not group or not all(0 <= i < width for i in group) for group in groups):
                raise _unfit(where, f"groups of indices below {width}", len(groups))
            return len(groups)
        case Trees(base, trees):
            for node in walk(trees):
                if isinstance(node, Fork):
                    if not 0 <= node.feature < width:
                        raise _unfit(where, f"features below {width}", node.feature)
                elif len(node) != len(base) or not base:
                    raise _unfit(where, f"leaves of {len(base)} numbers", len(node))
            return len(base)
    return width


def walk(trees: tuple[Fork | tuple[float, ...], ...]) -> Iterator[Fork | tuple[float, ...]]:
    """Yield every fork and leaf; raises InvalidInput "kernel.model" when the trees are too deep or too many."""
    waiting = [(tree, 0) for tree in trees]
    nodes = 0
    while waiting:
        tree, depth = waiting.pop()
        nodes += 1
        if nodes > KERNEL_TREE_NODES_MAX or depth > KERNEL_TREE_DEPTH_MAX:
            raise InvalidInput(
                "kernel.model", "the trees do not fit a kernel", got=f"{nodes} nodes, {depth} deep",
                expected=f"≤ {KERNEL_TREE_NODES_MAX} nodes, ≤ {KERNEL_TREE_DEPTH_MAX} deep",
            )  # fmt: skip
        yield tree
        if isinstance(tree, Fork):
            waiting += ((tree.left, depth + 1), (tree.right, depth + 1))


def _unfit(where: str, expected: object, got: object) -> InvalidInput:
    return InvalidInput("kernel.float", f"{where} does not fit", expected=expected, got=got)
