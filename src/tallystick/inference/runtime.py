"""Running a model: ONNX bytes in onnxruntime, one thread, tensors in and tensors out.

Loaded from bytes, so what runs is what was hashed, and a model cannot pull in files beside it. Needs the extra
`serve`, imported when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MODEL_BYTES_MAX, PREDICT_TENSORS_MAX
from tallystick.inference.tensors import Tensor

if TYPE_CHECKING:
    import numpy as np

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    **{f"tensor({sign.lower()}int{bits})": f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


class Predictor:
    """A loaded model. `inputs` and `outputs` say what it takes and gives; safe in many threads."""

    def __init__(self, model: bytes, *, threads: int = 1) -> None:
        """Load an ONNX model.

        threads  of one prediction; more than one may change the last bits of sums
        raises   InvalidInput "model.size", "model.onnx", "model.tensor", "model.extra" when onnxruntime is not
                 installed
        """
        if len(model) > MODEL_BYTES_MAX:
            raise InvalidInput("model.size", "model is too large", expected=f"≤ {MODEL_BYTES_MAX}", got=len(model))
        try:
            import onnxruntime
        except ImportError:
            raise InvalidInput(
                "model.extra", "onnxruntime is not installed", hint='pip install "tallystick[serve]"'
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its warnings would go to standard error, past everyone
        options.use_deterministic_compute = True
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  onnxruntime raises many kinds for a bad model
            raise InvalidInput("model.onnx", "not a model that onnxruntime can run", got=str(error)[:200]) from None
        self.inputs = _described(self._session.get_inputs(), "input")
        self.outputs = _described(self._session.get_outputs(), "output")

    def predict(
        self, arrays: Mapping[str, np.ndarray[Any, Any]], outputs: Sequence[str] | None = None
    ) -> list[tuple[Tensor, np.ndarray[Any, Any]]]:
        """Return the named outputs, by default all, each with its description.

        raises  InvalidInput "predict.failed" when the model refuses these inputs
        """
        wanted = [tensor for tensor in self.outputs if outputs is None or tensor.name in outputs]
        if outputs is not None:
            wanted.sort(key=lambda tensor: outputs.index(tensor.name))
        try:
            found = self._session.run([tensor.name for tensor in wanted], dict(arrays))
        except Exception as error:  # noqa: BLE001  whatever it objects to, the caller's input brought it about
            raise InvalidInput("predict.failed", "the model refused this input", got=str(error)[:200]) from None
        return list(zip(wanted, found, strict=True))


def _described(arguments: Sequence[Any], what: str) -> tuple[Tensor, ...]:
    if len(arguments) > PREDICT_TENSORS_MAX:
        raise InvalidInput("model.tensor", f"too many {what}s", expected=f"≤ {PREDICT_TENSORS_MAX}", got=len(arguments))
    tensors = []
    for argument in arguments:
        if argument.type not in _DATATYPES:
            raise InvalidInput(
                "model.tensor",
                f"{what} {argument.name} is not a tensor that can be served",
                expected=", ".join(_DATATYPES),
                got=str(argument.type)[:80],
                hint="scikit-learn classifiers: convert with zipmap=False",
            )
        shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in argument.shape)
        tensors.append(Tensor(argument.name, _DATATYPES[argument.type], shape))
    return tuple(tensors)
