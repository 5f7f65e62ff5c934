"""The plan of a node, a TOML file: which models it serves, with what, for how much, at which risk.

    coin = "0x…"                # the token that the committee counts in; leave out for the native coin

    [[model]]
    digest = "…"                # SHA-256 of the model, as requests name it
    cost = "1000"               # for an answer, in the coin's smallest unit
    stake_max = "5000000"       # that it puts at risk for one, in the same
    kernel = "0x…"              # the contract that may judge it; leave out for none

    function = "package.module:name"                  one of these four: a Python function of (terms, data),
    artifact = "model.kernel.json"                    a kernel's file,
    onnx = "model.onnx"                               an ONNX model (output, dtype, scale),
    endpoint = "https://host/v1"                      a chat endpoint (model, prompt, allowed, scale, key_file)

Paths are relative to the file. A key of an endpoint is in a file of its own, which only its owner may read.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tallystick.core import documents
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import (
    CANONICAL_BYTES_MAX,
    MODEL_BYTES_MAX,
    NODE_CONFIG_BYTES_MAX,
    NODE_MODELS_MAX,
    PASSPHRASE_BYTES_MAX,
)
from tallystick.lithic.committee.provider import Answerer, Service
from tallystick.lithic.committee.request import NOBODY
from tallystick.services.dialer import Place
from tallystick.services.lithic_node.answerers import FunctionAnswerer, KernelAnswerer, OnnxAnswerer
from tallystick.services.lithic_node.endpoint import EndpointAnswerer
from tallystick.store.files import read_bounded

_DTYPES = ("float32", "float64", "int32", "int64")


@dataclass(frozen=True)
class Plan:
    """What a node serves, model digest to service, and the coin that its costs and stakes are in."""

    services: Mapping[bytes, Service]
    coin: str = NOBODY


def read_plan(path: Path) -> Plan:
    """Read a plan and load what it names; functions are imported.

    raises  InvalidInput "node.plan", "document.…", "node.import" and what loading a model raises
    """
    try:
        found = tomllib.loads(read_bounded(path, NODE_CONFIG_BYTES_MAX).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput("node.plan", f"{path.name} is not TOML", got=str(error)[:120]) from None
    top = documents.members(found, path.name, ("model",), ("coin",))
    services = {}
    for entry in documents.listed(top["model"], "model", NODE_MODELS_MAX):
        model = parse_hex32(documents.typed(entry, dict, "model").get("digest"), "digest")
        if model in services:
            raise InvalidInput("node.plan", "a model is served once", got=model.hex())
        services[model] = _service(entry, path.parent)
    return Plan(services, parse_address(top.get("coin", NOBODY)))


def _service(entry: dict[str, Any], folder: Path) -> Service:
    kinds = [kind for kind in _MAKERS if kind in entry]
    if len(kinds) != 1:
        raise InvalidInput("node.plan", "a model is computed by one thing", expected=" | ".join(_MAKERS), got=kinds)
    required, optional, make = _MAKERS[kinds[0]]
    found = documents.members(
        entry, "model", ("digest", kinds[0], *required), ("cost", "stake_max", "kernel", *optional)
    )
    return Service(
        make(found, folder),
        documents.decimal(found.get("cost", "0"), "cost"),
        documents.decimal(found.get("stake_max", str(2**256 - 1)), "stake_max"),
        parse_address(found.get("kernel", NOBODY)),
    )


def _function(found: dict[str, Any], _: Path) -> Answerer:
    place = documents.text(found["function"], "function")
    module, _colon, name = place.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(
            "node.import", "no such function", expected="package.module:name", got=str(error)[:160]
        ) from None
    if not callable(function):
        raise InvalidInput("node.import", "not a function", got=place)
    return FunctionAnswerer(function)


def _kernel(found: dict[str, Any], folder: Path) -> Answerer:
    from tallystick.lithic.artifact import Artifact

    data = read_bounded(folder / documents.text(found["artifact"], "artifact"), CANONICAL_BYTES_MAX)
    return KernelAnswerer(Artifact.from_bytes(data).require())


def _onnx(found: dict[str, Any], folder: Path) -> Answerer:
    from tallystick.inference.runtime import Predictor

    predictor = Predictor(read_bounded(folder / documents.text(found["onnx"], "onnx"), MODEL_BYTES_MAX))
    names = [tensor.name for tensor in predictor.outputs]
    output = documents.text(found.get("output", names[-1]), "output")
    dtype = documents.text(found.get("dtype", "float32"), "dtype")
    if output not in names or dtype not in _DTYPES:
        expected = f"{names}, {list(_DTYPES)}"
        raise InvalidInput("node.plan", "no such output or dtype", expected=expected, got=f"{output}, {dtype}")
    return OnnxAnswerer(predictor, output, dtype, _scale(found))


def _endpoint(found: dict[str, Any], folder: Path) -> Answerer:
    allowed = tuple(
        documents.text(value, "allowed") for value in documents.listed(found.get("allowed", []), "allowed", 256)
    )
    if len({value.strip().casefold() for value in allowed}) != len(allowed):
        raise InvalidInput("node.plan", "two allowed values are the same", got=", ".join(allowed))
    prompt = documents.text(found["prompt"], "prompt", NODE_CONFIG_BYTES_MAX)
    if "{input}" not in prompt:
        raise InvalidInput("node.plan", "the prompt does not say where the input goes", expected="{input} in it")
    url = documents.text(found["endpoint"], "endpoint")
    Place.parse(url)
    model = documents.text(found["model"], "model")
    return EndpointAnswerer(url, model, prompt, allowed, _scale(found), _endpoint_key(found, folder))


def _endpoint_key(found: dict[str, Any], folder: Path) -> str:
    if "key_file" not in found:
        return ""
    path = folder / documents.text(found["key_file"], "key_file")
    key = read_bounded(path, PASSPHRASE_BYTES_MAX, private=True).strip()
    if not key.isascii() or not key.decode("latin-1").isprintable() or b" " in key:
        raise InvalidInput("node.plan", f"{path.name} holds no key", expected="one line of printable ASCII")
    return key.decode("ascii")


def _scale(found: dict[str, Any]) -> Decimal:
    try:
        scale = Decimal(documents.text(found.get("scale", "1"), "scale", 40))
    except InvalidOperation:
        scale = Decimal("NaN")
    if not scale.is_finite() or scale == 0:
        raise InvalidInput("node.plan", "not a scale", expected="a decimal number in quotes", got=found.get("scale"))
    return scale


_Maker = Callable[[dict[str, Any], Path], Answerer]
# What computes: further required members, optional ones, and what makes it.
_MAKERS: dict[str, tuple[tuple[str, ...], tuple[str, ...], _Maker]] = {
    "function": ((), (), _function),
    "artifact": ((), (), _kernel),
    "onnx": ((), ("output", "dtype", "scale"), _onnx),
    "endpoint": (("model", "prompt"), ("allowed", "scale", "key_file"), _endpoint),
}
