"""What computes answers on this machine: an integer kernel, a Python function, an ONNX model.

Each gives one integer. A kernel is exact. A function answers for itself. An ONNX model's output is a float, so it is
scaled and rounded, or the place of the largest score is taken; honest nodes on other machines may differ in the last
step, which is what a request's tolerance is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeVar

from tallystick.chain.bindings.committee import Terms
from tallystick.chain.reverts import rejection_of_revert
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.contract import calldata, read_answer

if TYPE_CHECKING:
    from tallystick.inference.runtime import Predictor
    from tallystick.lithic.kernel import Kernel

T = TypeVar("T")


@dataclass(frozen=True)
class KernelAnswerer:
    """Runs the kernel's own code on an EVM in this process: exactly what a contract would get."""

    kernel: Kernel

    def answer(self, terms: Terms, data: bytes) -> int:
        """Return the number at the terms' index; raises Rejected with the kernel's reason, InvalidInput."""
        done = self.kernel.execute(calldata(data))
        if not done.ok:
            raise rejection_of_revert(done.output)
        numbers = read_answer(done.output, self.kernel.model.outputs)
        return _at(numbers, terms.output_index)


@dataclass(frozen=True)
class FunctionAnswerer:
    """Asks a Python function of (terms, data) for an integer."""

    function: Callable[[Terms, bytes], int]

    def answer(self, terms: Terms, data: bytes) -> int:
        """Return what the function returns.

        raises  InvalidInput "node.function" for anything but an integer; whatever TallystickError the function raises
        """
        try:
            found = self.function(terms, data)
        except TallystickError:
            raise  # Unavailable says that it may answer later
        except Exception as error:
            raise InvalidInput("node.function", "the function failed", got=repr(error)[:200]) from error
        if type(found) is not int:
            raise InvalidInput(
                "node.function", "the function gave no integer", expected="int", got=type(found).__name__
            )
        return found


@dataclass(frozen=True)
class OnnxAnswerer:
    """Runs an ONNX model on the input read as numbers of `dtype`, little-endian, in a row.

    output  the output's name
    scale   a number is multiplied by it and rounded half to even; a label is the place of the largest score
    """

    predictor: Predictor
    output: str
    dtype: str = "float32"
    scale: Decimal = Decimal(1)

    def answer(self, terms: Terms, data: bytes) -> int:
        """Return the answer, a number kept within the terms' bounds.

        raises  InvalidInput "node.input", "node.index", "node.number", "predict.failed"
        """
        import numpy as np

        kind = np.dtype(self.dtype).newbyteorder("<")
        if not data or len(data) % kind.itemsize:
            expected = f"a multiple of {kind.itemsize} bytes"
            raise InvalidInput("node.input", "the input is no row of numbers", expected=expected)
        row = np.frombuffer(data, kind).astype(self.dtype)[None, :]
        ((_, found),) = self.predictor.predict({self.predictor.inputs[0].name: row}, [self.output])
        scores = np.asarray(found).reshape(-1)
        if terms.kind == OutputKind.LABEL:
            return int(np.argmax(scores)) if len(scores) > 1 else int(scores[0])
        return scaled(Decimal(repr(float(_at(scores.tolist(), terms.output_index)))), self.scale, terms)


def scaled(value: Decimal, scale: Decimal, terms: Terms) -> int:
    """Return `value` × `scale`, rounded half to even and kept within the terms' bounds.

    raises  InvalidInput "node.number" for what is no finite number
    """
    try:
        rounded = (value * scale).to_integral_value(ROUND_HALF_EVEN)
        number = int(rounded)
    except (InvalidOperation, OverflowError, ValueError):
        raise InvalidInput("node.number", "the answer is no finite number", got=str(value)[:80]) from None
    return max(terms.low, min(terms.high, number))


def _at(numbers: Sequence[T], index: int) -> T:
    if index >= len(numbers):
        raise InvalidInput("node.index", "the model has no such output", expected=f"< {len(numbers)}", got=index)
    return numbers[index]
