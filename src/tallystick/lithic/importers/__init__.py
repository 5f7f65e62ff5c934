"""Trained models from other libraries: an ONNX file becomes a `FloatModel`.

    graph       the bytes as inputs, constants and nodes
    reading     the graph followed once, with symbols for what depends on the input
    operators   how each operator is read: the table of what is supported
    values      what flows along the edges; linear, joining, functions: what is known of the numbers
    decision    from outputs to label, scores and link
    chain       from layers to the steps of a model

A number that depends on the input is affine in a layer of numbers, so scalers, convolutions, average pools, batch norms
and whatever only moves numbers melt into the next step, in whichever operators a converter spelled them.
The file is a stranger's: it is read, never run, and anything but a model of the supported kinds is InvalidInput.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import FloatModel, Task


def read_onnx(
    data: bytes,
    *,
    name: str,
    output: str | None = None,
    task: Task | None = None,
    features: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> FloatModel:
    """Return the model in an ONNX file, written by skl2onnx, onnxmltools, torch.onnx or alike.

    output    which output of the graph to answer, where it has several beside a label and its scores
    task      what the scores are for, where the graph has no label: "classes" for a network that ends with logits
    features  names of the inputs, instead of the graph's
    labels    of the classes, instead of the graph's
    raises    InvalidInput "onnx.unsupported" (operator and node are named), "onnx.branches", "onnx.output",
              "onnx.shape", "onnx.size", "onnx.value", "onnx.graph", "onnx.attribute", "onnx.tensor", "onnx.external",
              "onnx.text", "onnx.unknown", "onnx.parse"; "models.extra" where the `onnx` package is missing

    Numbers are those of the file, float32 for the most part, and what is computed from them here is in double
    precision. Trees compare as a runtime does that rounds its input to float32.
    """
    try:
        from tallystick.lithic.importers.reading import model_of
    except ImportError:
        raise InvalidInput(
            "models.extra", "reading ONNX needs the onnx package", hint="pip install 'tallystick[models]'"
        ) from None
    return model_of(data, name, output, task, features, labels)


def supported_operators() -> tuple[tuple[str, str, str], ...]:
    """Return (domain, operator, which part of it) of every supported operator, sorted; docs are made from it."""
    from tallystick.lithic.importers.operators import OPERATORS

    return tuple(sorted((domain, name, operator.part) for (domain, name), operator in OPERATORS.items()))
