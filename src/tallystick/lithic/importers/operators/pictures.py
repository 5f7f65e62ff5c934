"""Products with matrices, convolutions, pools and batch norms, over numbers of one row.

A convolution is a matrix whose weights are mostly zero; so is an average pool. What is left is the greatest of groups.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.linear import Array, Indices, Linear, check_size
from tallystick.lithic.importers.node import Node, shown
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.operators.reductions import greatest
from tallystick.lithic.importers.values import Constant, Numbers, Value, scaled, sum_of

Shape = tuple[int, ...]


def _matmul(node: Node) -> list[Value]:
    left, right = node.tensor(0), node.tensor(1)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return [_multiplied(node, left, right)]
    if isinstance(left, Numbers) and isinstance(right, np.ndarray):
        return [_by_matrix(node, left, right.astype(np.float64))]
    if isinstance(right, Numbers) and isinstance(left, np.ndarray):
        return [_matrix_by(node, left.astype(np.float64), right)]
    raise node.unsupported("multiplies two tensors that both depend on the input")


def _multiplied(node: Node, left: Constant, right: Constant) -> Constant:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise node.unsupported("multiplies tensors that are no matrices which fit each other")
    check_size(left.shape[0] * right.shape[1])
    return np.asarray(left @ right)


def _by_matrix(node: Node, left: Numbers, matrix: Constant) -> Numbers:
    if matrix.ndim not in (1, 2) or not left.shape or left.shape[-1] != len(matrix):
        raise InvalidInput("onnx.shape", f"{node} does not fit its input", expected=left.shape, got=matrix.shape)
    rows = int(np.prod(left.shape[:-1], dtype=np.int64))
    columns = matrix.reshape(len(matrix), -1)
    check_size(rows * rows * columns.size)
    full: Array = columns.T if rows == 1 else np.kron(np.eye(rows), columns.T).astype(np.float64)
    return Numbers((*left.shape[:-1], *matrix.shape[1:]), left.linear.through(full))


def _matrix_by(node: Node, matrix: Constant, right: Numbers) -> Numbers:
    if matrix.ndim != 2 or len(right.shape) not in (1, 2) or matrix.shape[1] != right.shape[0]:
        raise InvalidInput("onnx.shape", f"{node} does not fit its input", expected=right.shape, got=matrix.shape)
    columns = int(np.prod(right.shape[1:], dtype=np.int64))
    check_size(columns * columns * matrix.size)
    full: Array = matrix if columns == 1 else np.kron(matrix, np.eye(columns)).astype(np.float64)
    return Numbers((len(matrix), *right.shape[1:]), right.linear.through(full))


def _gemm(node: Node) -> list[Value]:
    left, matrix = node.numbers(0), node.reals(1)
    alpha, beta = node.real("alpha", 1.0), node.real("beta", 1.0)
    if node.integer("transA", 0):
        raise node.unsupported("transposes its input")
    if matrix.ndim != 2 or len(left.shape) != 2:
        raise InvalidInput("onnx.shape", f"{node} multiplies matrices", got=matrix.shape)
    product = _by_matrix(node, left, alpha * (matrix.T if node.integer("transB", 0) else matrix))
    if node.value(2) is None:
        return [product]
    term = node.tensor(2)
    return [sum_of(product, scaled(term, np.array(beta)) if isinstance(term, Numbers) else term * beta)]


class _Window:
    """The places that each output of a convolution or pool sees, worked out from a node's attributes."""

    def __init__(self, node: Node, shape: Shape, kernel: Shape) -> None:
        rank = len(kernel)
        if len(shape) != rank + 2 or shape[0] != 1 or not 1 <= rank <= 3 or min(kernel) < 1:
            raise node.unsupported(
                "works on pictures of one to three axes", "the first two axes are the batch and the channels"
            )
        strides = node.integers("strides") or (1,) * rank
        dilations = node.integers("dilations") or (1,) * rank
        pads = self._pads(node, shape[2:], kernel, strides, dilations)
        if not len(strides) == len(dilations) == rank or min(strides + dilations) < 1 or len(pads) != 2 * rank:
            raise InvalidInput("onnx.shape", f"{node} is malformed", got=shown((strides, dilations, pads)))
        ceil = node.integer("ceil_mode", 0)
        axes = [
            self._axis(node, shape[2 + k], kernel[k], strides[k], dilations[k], pads[k], pads[k + rank], ceil)
            for k in range(rank)
        ]
        self.shape = tuple(len(axis) for axis in axes)
        check_size(int(np.prod(self.shape)) * int(np.prod(kernel)) * shape[1])
        self.places = self._places(axes, shape[2:])
        self.is_padded, self.is_rounded_up = any(pads), bool(ceil)

    @staticmethod
    def _pads(node: Node, sizes: Shape, kernel: Shape, strides: Shape, dilations: Shape) -> Shape:
        kind, pads = node.text("auto_pad", "NOTSET"), node.integers("pads")
        if kind in ("NOTSET", "VALID"):
            pads = pads if kind == "NOTSET" and pads else (0,) * (2 * len(kernel))
            if max(pads) > 1 << 12 or min(pads) < 0:
                raise InvalidInput("onnx.shape", f"{node} pads by too much, or too little", got=shown(pads))
            return pads
        if kind not in ("SAME_UPPER", "SAME_LOWER") or len(strides) != len(kernel) or min(strides) < 1:
            raise node.unsupported("this padding is not supported")
        total = [
            max(0, (-(-size // stride) - 1) * stride + (length - 1) * dilation + 1 - size)
            for size, length, stride, dilation in zip(sizes, kernel, strides, dilations, strict=False)
        ]
        small, large = tuple(part // 2 for part in total), tuple(part - part // 2 for part in total)
        return small + large if kind == "SAME_UPPER" else large + small

    @staticmethod
    def _axis(
        node: Node, size: int, kernel: int, stride: int, dilation: int, before: int, after: int, ceil: int
    ) -> Indices:
        """Return what each output sees along one axis: (outputs, kernel); -1 is padding."""
        reach = (kernel - 1) * dilation + 1
        free = size + before + after - reach
        if free < 0:
            raise InvalidInput("onnx.shape", f"{node} is larger than its picture", expected=f"≤ {size}", got=reach)
        count = (-(-free // stride) if ceil else free // stride) + 1
        if ceil and (count - 1) * stride >= size + before:  # a window that would begin in the padding behind
            count -= 1
        check_size(count * kernel)
        seen = np.arange(count)[:, None] * stride + np.arange(kernel)[None, :] * dilation - before
        return np.where((seen >= 0) & (seen < size), seen, -1)

    @staticmethod
    def _places(axes: list[Indices], sizes: Shape) -> Indices:
        """Return the places in one channel: (outputs of all axes, kernel of all axes), flat; -1 is padding."""
        places, outside = np.zeros((1, 1), np.int64), np.zeros((1, 1), bool)
        for axis, size in zip(axes, sizes, strict=True):
            places = (places[:, None, :, None] * size + axis[None, :, None, :]).reshape(len(places) * len(axis), -1)
            outside = (outside[:, None, :, None] | (axis < 0)[None, :, None, :]).reshape(places.shape)
        return np.where(outside, -1, places)


def _convolve(node: Node) -> list[Value]:
    value, weights = node.numbers(0), node.reals(1)
    kernel, groups = tuple(weights.shape[2:]), node.integer("group", 1)
    if node.integers("kernel_shape", kernel) != kernel:
        raise InvalidInput("onnx.shape", f"{node} says another kernel than it holds", got=kernel)
    if len(kernel) < 1 or len(value.shape) != len(kernel) + 2 or groups < 1:
        raise InvalidInput("onnx.shape", f"{node} does not fit its input", expected=value.shape, got=weights.shape)
    outputs, channels = weights.shape[0], value.shape[1]
    if channels != weights.shape[1] * groups or outputs % groups:
        raise InvalidInput("onnx.shape", f"{node} does not fit its channels", expected=channels, got=weights.shape)
    window = _Window(node, value.shape, kernel)
    area = int(np.prod(value.shape[2:]))
    count = len(window.places)
    check_size(outputs * count * channels * area)
    matrix = np.zeros((outputs, count, channels, area + 1))  # the last column takes what falls on the padding
    flat = weights.reshape(outputs, weights.shape[1], -1)
    for output in range(outputs):
        first = output // (outputs // groups) * weights.shape[1]
        for channel in range(weights.shape[1]):
            for cell in range(flat.shape[2]):
                matrix[output, np.arange(count), first + channel, window.places[:, cell]] += flat[output, channel, cell]
    linear = value.linear.through(matrix[..., :-1].reshape(outputs * count, channels * area))
    if node.value(2) is not None:
        linear = linear.plus(np.repeat(_per_channel(node, 2, outputs), count))
    return [Numbers((1, outputs, *window.shape), linear)]


def _per_channel(node: Node, place: int, channels: int) -> Constant:
    values = node.reals(place).ravel()
    if len(values) != channels:
        raise InvalidInput("onnx.shape", f"{node} takes a number for each channel", expected=channels, got=len(values))
    return values


def _pooled(node: Node) -> tuple[Numbers, _Window, Indices]:
    value = node.numbers(0)
    window = _Window(node, value.shape, node.integers("kernel_shape", None))
    area = int(np.prod(value.shape[2:]))
    offsets = np.arange(value.shape[1])[:, None, None] * area
    places = np.where(window.places < 0, -1, window.places + offsets).reshape(-1, window.places.shape[1])
    return value, window, places


def _max_pool(node: Node) -> list[Value]:
    value, window, places = _pooled(node)
    if node.integer("storage_order", 0) or node.outputs > 1:
        raise node.unsupported("gives the places of the greatest numbers")
    return [Numbers((1, value.shape[1], *window.shape), greatest(value.linear, places))]


def _average_pool(node: Node) -> list[Value]:
    value, window, places = _pooled(node)
    if node.integer("count_include_pad", 0) and window.is_padded:
        if window.is_rounded_up:
            raise node.unsupported("counts padding and rounds up", "use one of the two")
        counts = np.full(len(places), float(places.shape[1]))
    else:
        counts = (places >= 0).sum(axis=1).astype(np.float64)
    return [Numbers((1, value.shape[1], *window.shape), _averages(value.linear, places, counts))]


def _averages(linear: Linear, places: Indices, counts: Constant) -> Linear:
    check_size(len(places) * (len(linear) + 1))
    matrix = np.zeros((len(places), len(linear) + 1))
    for cell in range(places.shape[1]):
        matrix[np.arange(len(places)), places[:, cell]] += 1.0
    return linear.through(matrix[:, :-1] / np.maximum(counts, 1.0)[:, None])


def _global(pool: Callable[[Linear, Indices], Linear]) -> Callable[[Node], list[Value]]:
    def read(node: Node) -> list[Value]:
        value = node.numbers(0)
        if len(value.shape) < 3 or value.shape[0] != 1 or not len(value.linear):
            raise node.unsupported("works on pictures", "the first two axes are the batch and the channels")
        places = np.arange(len(value.linear)).reshape(value.shape[1], -1)
        return [Numbers((*value.shape[:2], *(1,) * (len(value.shape) - 2)), pool(value.linear, places))]

    return read


def _normalise(node: Node) -> list[Value]:
    value = node.numbers(0)
    if node.integer("training_mode", 0) or len(value.shape) < 2:
        raise node.unsupported("learns as it goes", "export the model for inference")
    node.real("momentum", 0.9)
    if node.has("spatial") and not node.integer("spatial"):
        raise node.unsupported("normalises each place by itself")
    channels = value.shape[1]
    scale, shift, mean, variance = (_per_channel(node, place, channels) for place in (1, 2, 3, 4))
    factors = scale / np.sqrt(variance + node.real("epsilon", 1e-5))
    form = (channels, *(1,) * (len(value.shape) - 2))
    return [sum_of(scaled(value, factors.reshape(form)), (shift - mean * factors).reshape(form))]


OPERATORS = {
    "MatMul": Operator(_matmul, "by matrices of the model"),
    "Gemm": Operator(_gemm, "by matrices of the model"),
    "Conv": Operator(_convolve),
    "MaxPool": Operator(_max_pool),
    "AveragePool": Operator(_average_pool),
    "GlobalAveragePool": Operator(
        _global(lambda linear, places: _averages(linear, places, np.full(len(places), float(places.shape[1]))))
    ),
    "GlobalMaxPool": Operator(_global(greatest)),
    "BatchNormalization": Operator(_normalise, "as in inference"),
}
