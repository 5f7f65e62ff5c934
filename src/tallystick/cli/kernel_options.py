"""Options of `tally lithic model build` that say how fine the integers are, and how to read the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tallystick.core.errors import InvalidInput

if TYPE_CHECKING:
    from tallystick.lithic.quantise.conversion import Precision
    from tallystick.lithic.quantise.derivation import Graph

F = TypeVar("F", bound=Callable[..., object])

_BITS: Final = {
    "weight": "Bits of a weight of a hidden layer, 2 to 32. [default: 8]",
    "score": "Bits of a weight of the layer that makes the scores, 2 to 32. [default: 12]",
    "activation": "Bits of what a hidden layer gives, 1 to 16. [default: 8]",
    "leaf": "Bits of the greatest leaf of trees, 2 to 48. [default: 16]",
    "table": "Bits of the index into a table of a sigmoid or tanh, 2 to 12. [default: 8]",
}


def bits_options(function: F) -> F:
    """Give a command the options by which bits are asked for."""
    for name, words in reversed(_BITS.items()):
        function = click.option(f"--{name}-bits", type=int, help=words)(function)
    words = "Bits of an input; by the kind of model and the steps declared if left out."
    return click.option("--bits", type=click.Choice(["8", "16"]), help=words)(function)


def graph_options(function: F) -> F:
    """Give a command the options by which an ONNX file is read."""
    function = click.option("--labels", help="Names of the classes, comma-separated; the file's if left out.")(function)
    function = click.option("--graph-output", help="The output of the file to answer, where it has several.")(function)
    kinds = click.Choice(["classes", "value", "clusters"])
    function = click.option("--task", type=kinds, help="What the scores are for, if the file does not say.")(function)
    return click.option("--name", help="The model's name; the file's if left out.")(function)


def precision_of(options: dict[str, Any]) -> tuple[Precision, frozenset[str]]:
    """Return the bits of everything, and which were asked for; raises InvalidInput "kernel.bits"."""
    from tallystick.lithic.quantise.conversion import Precision

    asked = {name: options[f"{name}_bits"] for name in _BITS if options[f"{name}_bits"] is not None}
    if options["bits"] is not None:
        asked["input"] = int(options["bits"])
    return Precision(**asked), frozenset(asked)


def graph_of(options: dict[str, Any], name: str) -> Graph:
    """Return how to read the file; `name` is the model's where none is given. Raises InvalidInput "cli.labels"."""
    from tallystick.lithic.quantise.derivation import Graph

    labels = () if options["labels"] is None else tuple(one.strip() for one in options["labels"].split(","))
    if len(set(labels)) != len(labels) or not all(labels):
        raise InvalidInput("cli.labels", "--labels has an empty name, or one twice", got=options["labels"][:80])
    return Graph(options["name"] or name, output=options["graph_output"], task=options["task"], labels=labels)
