"""A fitted scikit-learn estimator written as evidence, from the live object and never from a pickle.

    parameters.safetensors   every fitted attribute (those that end in `_`), through pipelines, ensembles and trees
    architecture.json        class names and settings, those that only train set apart
    model.onnx               the same model as ONNX, which is what is served

A fitted attribute of a kind that is not understood is refused rather than left out: evidence says all or says no.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tallystick.core import canonical
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SKLEARN_DEPTH_MAX, SKLEARN_PARAMETERS_BYTES_MAX
from tallystick.models.formats import safetensors
from tallystick.models.formats.configs import SKLEARN_KIND, number
from tallystick.models.formats.onnx import escape
from tallystick.models.formats.sklearn_names import class_name, is_training_only
from tallystick.store.files import write_atomic

PARAMETERS, ARCHITECTURE, MODEL = "parameters.safetensors", "architecture.json", "model.onnx"

_OPSETS: Final = {"": 18, "ai.onnx.ml": 3}  # pinned: a newer converter must not change what is written
_JSON = ".json"  # ends the name of a tensor whose bytes are canonical JSON: texts, None, mixed lists

# Fitted state that scikit-learn keeps under private names, and without which an estimator could not answer.
_PRIVATE: Final = frozenset(
    {
        "_baseline_prediction", "_fit_X", "_gamma", "_mask_fit_X", "_n_support", "_predictors", "_probA", "_probB",
        "_scaler", "_tfidf", "_valid_mask", "_y", "_y_train_mean", "_y_train_std",
    }
)  # fmt: skip
# How training went, clocks, and second names for what stands elsewhere: nothing here reaches a prediction.
_LEFT_OUT: Final = frozenset(
    {
        "best_loss_", "best_validation_score_", "cv_results_", "loss_", "loss_curve_", "n_iter_", "named_estimators_",
        "named_transformers_", "oob_decision_function_", "oob_improvement_", "oob_prediction_", "oob_score_",
        "oob_scores_", "refit_time_", "scorer_", "t_", "train_score_", "validation_score_", "validation_scores_",
    }
)  # fmt: skip
# Where containers keep their fitted parts.
_PARTS: Final = frozenset({"estimators_", "steps", "transformer_list", "transformers_"})
_TREE_ARRAYS: Final = (
    "children_left", "children_right", "feature", "threshold", "value", "impurity", "n_node_samples",
    "weighted_n_node_samples",
)  # fmt: skip
_DTYPES: Final = {
    "b1": "BOOL", "u1": "U8", "i1": "I8", "u2": "U16", "i2": "I16", "u4": "U32", "i4": "I32", "u8": "U64", "i8": "I64",
    "f2": "F16", "f4": "F32", "f8": "F64", "c8": "C64",
}  # fmt: skip

Array = tuple[str, tuple[int, ...], bytes]  # dtype, shape, bytes


def write_model(estimator: Any, folder: Path, *, features: int | None = None) -> None:
    """Write the fitted `estimator` into `folder` as evidence.

    The same estimator gives the same bytes, but for the few whose ONNX converter numbers its nodes anew each time.

    features  width of a row; taken from the estimator where it knows
    raises    InvalidInput "sklearn.attribute" or "sklearn.setting" naming what is not understood, "sklearn.unfitted",
              "sklearn.convert" when there is no ONNX form, "models.extra" where the packages are missing
    """
    tensors = list(parameters(estimator))
    if not tensors:
        raise InvalidInput("sklearn.unfitted", "the estimator has no fitted attribute", hint="fit it first")
    model = _to_onnx(estimator, features)
    document = canonical.encode({"estimator": architecture(estimator), "kind": SKLEARN_KIND})
    write_atomic(folder / PARAMETERS, safetensors.to_bytes(tensors))
    write_atomic(folder / ARCHITECTURE, document)
    write_atomic(folder / MODEL, model)


def parameters(estimator: Any) -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
    """Yield (name, dtype, shape, bytes) of every fitted attribute, sub-estimators and trees included.

    raises  InvalidInput "sklearn.attribute", "sklearn.size"
    """
    total = 0
    for name, (dtype, shape, data) in _walk(estimator, "", SKLEARN_DEPTH_MAX):
        total += len(data)
        if total > SKLEARN_PARAMETERS_BYTES_MAX:
            raise InvalidInput(
                "sklearn.size", "too many parameters", expected=f"≤ {SKLEARN_PARAMETERS_BYTES_MAX} bytes"
            )
        yield name, dtype, shape, data


def architecture(estimator: Any) -> dict[str, Any]:
    """Return class names and settings, canonical: `parameters` shape the model, `training` only how it was found.

    raises  InvalidInput "sklearn.setting"
    """
    return _describe(estimator, "estimator", SKLEARN_DEPTH_MAX)


# --- parameters


def _walk(value: Any, place: str, depth: int) -> Iterator[tuple[str, Array]]:
    if depth == 0:
        raise InvalidInput("sklearn.attribute", f"{place} is nested too deeply", expected=f"≤ {SKLEARN_DEPTH_MAX}")
    if _is_estimator(value):
        for name, part in sorted(vars(value).items()):
            if _is_fitted(name):
                yield from _walk(part, f"{place}/{name}".lstrip("/"), depth - 1)
    elif type(value).__module__ == "sklearn.tree._tree":
        for name in _TREE_ARRAYS:
            yield from _walk(getattr(value, name), f"{place}/{name}", depth - 1)
    elif type(value).__name__ == "TreePredictor":
        yield from _walk(value.nodes, f"{place}/nodes", depth - 1)
    elif _is_sparse(value):
        for name in ("data", "indices", "indptr"):
            yield from _walk(getattr(value.tocsr(), name), f"{place}/{name}", depth - 1)
    elif _is_array(value) and value.dtype.names:
        for name in value.dtype.names:
            yield from _walk(value[name], f"{place}/{name}", depth - 1)
    elif _is_array(value) and value.dtype.kind in "biufc":
        yield place, _numeric(value, place)
    elif isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        yield place, _scalar(value)
    else:
        yield from _walk_other(value, place, depth)


def _walk_other(value: Any, place: str, depth: int) -> Iterator[tuple[str, Array]]:
    """Walk what is neither estimator nor number: lists of them, and texts."""
    plain = _plain(value)
    if plain is not _UNKNOWN:
        data = canonical.encode(plain)
        yield place + _JSON, ("U8", (len(data),), data)
    elif isinstance(value, Mapping):
        for key, part in sorted(value.items(), key=lambda item: str(item[0])):
            yield from _walk(part, f"{place}/{escape(str(key))}", depth - 1)
    elif _is_named_parts(value):
        for name, part, *columns in value:  # steps of a pipeline; transformers with the columns they take
            yield from _walk(part, f"{place}/{escape(name)}", depth - 1)
            if columns:
                yield from _walk(columns[0], f"{place}/{escape(name)}/columns", depth - 1)
    elif isinstance(value, list | tuple) or _is_array(value):
        for at, part in enumerate(value):
            yield from _walk(part, f"{place}/{at}", depth - 1)
    elif _has_settings(value) or isinstance(value, slice) or callable(value):
        data = canonical.encode(_setting(value, place, depth))  # a kernel or a column selector that training chose
        yield place + _JSON, ("U8", (len(data),), data)
    elif type(value).__module__.startswith("sklearn."):
        for name, part in sorted(vars(value).items()):
            yield from _walk(part, f"{place}/{name}", depth - 1)
    else:
        raise InvalidInput(
            "sklearn.attribute",
            f"fitted attribute {place} is of a kind that is not understood",
            got=class_name(type(value)),
            hint="export the model to ONNX or safetensors where it was made, and add that folder",
        )


def _is_fitted(name: str) -> bool:
    if name in _LEFT_OUT:
        return False
    return name in _PARTS or name in _PRIVATE or (name.endswith("_") and not name.startswith("_"))


def _numeric(value: Any, place: str) -> Array:
    code = f"{value.dtype.kind}{value.dtype.itemsize}"
    if code not in _DTYPES:
        raise InvalidInput("sklearn.attribute", f"{place} has an unknown element type", got=str(value.dtype))
    stored = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
    return _DTYPES[code], tuple(int(axis) for axis in value.shape), stored.tobytes(order="C")


def _scalar(value: bool | int | float) -> Array:
    if isinstance(value, bool):
        return "BOOL", (), bytes([value])
    if isinstance(value, int):
        return "I64", (), value.to_bytes(8, "little", signed=True)
    return "F64", (), struct.pack("<d", value)


def _is_named_parts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, tuple) and len(part) in (2, 3) and isinstance(part[0], str) for part in value)
    )


_UNKNOWN: Final = object()


def _plain(value: Any, depth: int = SKLEARN_DEPTH_MAX) -> Any:
    """Return texts, None, plain numbers, and lists or dictionaries of them as canonical JSON, or _UNKNOWN."""
    if value is None or isinstance(value, bool | str):
        return value
    if _is_array(value):
        return _plain(value.tolist(), depth) if value.dtype.kind in "OUS" or value.ndim == 0 else _UNKNOWN
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    if depth == 0:
        return _UNKNOWN
    if isinstance(value, list | tuple):
        items = [_plain(item, depth - 1) for item in value]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    if isinstance(value, Mapping):
        pairs = [[_plain(key, depth - 1), _plain(item, depth - 1)] for key, item in value.items()]
        if any(item is _UNKNOWN for pair in pairs for item in pair):
            return _UNKNOWN
        return {"$map": sorted(pairs, key=canonical.encode)}
    return _UNKNOWN


# --- architecture


def _describe(estimator: Any, place: str, depth: int) -> dict[str, Any]:
    if depth == 0:
        raise InvalidInput("sklearn.setting", f"{place} is nested too deeply", expected=f"≤ {SKLEARN_DEPTH_MAX}")
    shaping: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for name, value in sorted(estimator.get_params(deep=False).items()):
        chosen = training if is_training_only(estimator, name) else shaping
        chosen[name] = _setting(value, f"{place}.{name}", depth - 1)
    return {"class": class_name(type(estimator)), "parameters": shaping, "training": training}


def _setting(value: Any, place: str, depth: int) -> Any:
    if _has_settings(value):
        return _describe(value, place, depth)
    plain = _plain(value)
    if plain is not _UNKNOWN:
        return plain
    if isinstance(value, list | tuple):
        return [_setting(item, f"{place}[{at}]", depth - 1) for at, item in enumerate(value)]
    if _is_array(value) and value.dtype.kind in "biuf":
        return _plain(value.tolist())
    if isinstance(value, slice):
        return {"$slice": [_plain(value.start), _plain(value.stop), _plain(value.step)]}
    if isinstance(value, type):
        return {"$class": class_name(value)}
    if callable(value) and getattr(value, "__qualname__", "<").isidentifier():
        return {"$function": f"{value.__module__}.{value.__qualname__}"}
    if type(value).__module__.startswith("numpy.random"):
        return {"$generator": type(value).__name__}  # a seed in use; its state is not a setting
    raise InvalidInput(
        "sklearn.setting",
        f"setting {place} is of a kind that is not understood",
        got=class_name(type(value)),
        hint="use named functions and plain values",
    )


def _is_estimator(value: Any) -> bool:
    return _has_settings(value) and hasattr(value, "fit")


def _has_settings(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def _is_sparse(value: Any) -> bool:
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


# --- ONNX


def _to_onnx(estimator: Any, features: int | None) -> bytes:
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError:
        raise InvalidInput(
            "models.extra", "writing scikit-learn models needs skl2onnx", hint="pip install 'tallystick[demo]'"
        ) from None
    width = getattr(estimator, "n_features_in_", None) if features is None else features
    if width is None:
        raise InvalidInput("sklearn.convert", "the estimator does not know its width", hint="pass features=")
    # probabilities as a plain tensor: a list of maps could not be served
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about attributes that the converter still reads: not our caller's to mend
            model = to_onnx(
                estimator,
                initial_types=[("input", FloatTensorType([None, int(width)]))],
                options=options,
                target_opset=_OPSETS,
                name="model",
            )
    except Exception as error:  # noqa: BLE001 - converters raise whatever they meet
        raise InvalidInput(
            "sklearn.convert", f"no ONNX form: {type(error).__name__}: {str(error)[:200]}", hint="see skl2onnx's list"
        ) from None
    return bytes(model.SerializeToString())
