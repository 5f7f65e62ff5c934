"""Inputs to try a model on: the corners where its numbers are greatest, and draws that anybody can repeat.

Draws come from SHA-256 in counter mode, so that a seed means the same inputs on every machine and in every version.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product

from tallystick.core.digest import sha256
from tallystick.lithic.integer.model import Dense, IntegerModel, Node, OneHot, Trees, Vector

_ALL_CORNERS_FIELDS = 6  # up to so many fields, each of the 2**n corners is tried


def corners(model: IntegerModel, most: int) -> list[Vector]:
    """Return inputs at the ends of the declared ranges, at most `most` of them, each once.

    All fields least, all greatest, in turns; every corner where there are few fields; and for each output of a first
    dense step the two inputs that drive it to the ends of its interval, which are the fullest that a lane can be.
    """
    found = dict.fromkeys(islice(_corners(model), most))
    return list(found)


def draws(model: IntegerModel, count: int, seed: bytes) -> list[Vector]:
    """Return `count` inputs drawn from `seed`.

    Two in four are from the whole ranges, one is mostly least, one from the edges at which trees and categories tell
    numbers apart.
    """
    stream = _stream(seed)
    edges = _edges(model)
    return [_draw(model, edges, number % 4, stream) for number in range(count)]


def _corners(model: IntegerModel) -> Iterator[Vector]:
    fields = model.input.fields
    yield tuple(field.low for field in fields)
    yield tuple(field.high for field in fields)
    for first in (0, 1):
        yield tuple((field.low, field.high)[(at + first) % 2] for at, field in enumerate(fields))
    if isinstance(model.steps[0], Dense):
        for row in model.steps[0].weights:
            yield tuple(field.high if weight > 0 else field.low for field, weight in zip(fields, row, strict=True))
            yield tuple(field.low if weight > 0 else field.high for field, weight in zip(fields, row, strict=True))
    if len(fields) <= _ALL_CORNERS_FIELDS:
        yield from product(*((field.low, field.high) for field in fields))
    for at in range(len(fields)):
        yield tuple(field.high if here == at else field.low for here, field in enumerate(fields))


def _draw(model: IntegerModel, edges: list[list[int]], kind: int, stream: Iterator[int]) -> Vector:
    found = []
    for field, around in zip(model.input.fields, edges, strict=True):
        number = field.low + next(stream) % (field.high - field.low + 1)
        if kind == 2 and next(stream) % 8:
            number = field.low
        if kind == 3:
            number = around[next(stream) % len(around)]
        found.append(number)
    return tuple(found)


def _edges(model: IntegerModel) -> list[list[int]]:
    """Return for each field the numbers of its range at which the first step may change its mind."""
    edges = [{field.low, field.high} for field in model.input.fields]
    match model.steps[0]:
        case Trees(_, trees):
            waiting = list(trees)
            while waiting:
                node = waiting.pop()
                if isinstance(node, Node):
                    edges[node.field] |= {node.threshold - 1, node.threshold}
                    waiting += (node.left, node.right)
        case OneHot(columns):
            for known, column in zip(edges, columns, strict=True):
                known.update(column or ())
    return [
        sorted(number for number in known if field.low <= number <= field.high)
        for known, field in zip(edges, model.input.fields, strict=True)
    ]


def _stream(seed: bytes) -> Iterator[int]:
    """Yield numbers of 32 bits without end."""
    counter = 0
    while True:
        block = sha256(seed + counter.to_bytes(8))
        counter += 1
        for at in range(0, len(block), 4):
            yield int.from_bytes(block[at : at + 4])
