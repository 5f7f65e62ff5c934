"""What a line of the table of operators holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tallystick.lithic.importers.node import Node
from tallystick.lithic.importers.values import Value


class Operator(NamedTuple):
    """How an operator is read.

    read  takes a node, returns its outputs
    part  which part of the operator is supported, empty for all of it
    """

    read: Callable[[Node], list[Value]]
    part: str = ""
