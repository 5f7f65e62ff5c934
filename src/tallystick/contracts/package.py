"""Reads the compiled contracts that the package carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from tallystick.core.digest import sha256_hex
from tallystick.core.errors import Broken, InvalidInput


@dataclass(frozen=True)
class Artifact:
    """One compiled contract.

    abi               as the compiler gives it, without gas estimates
    bytecode          initcode; contracts that hold money take one constructor argument, their coin, and no other any
    runtime_bytecode  what eth_getCode answers once deployed, without metadata; after it comes the coin, where there is
                      one, as a word
    storage_layout    variable (by module) to slot and type
    compiler          name, version, evm_version, optimization
    sources           path in the package to SHA-256 in hex
    integrity         the compiler's own digest over all sources
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    runtime_bytecode: bytes
    storage_layout: Mapping[str, Any]
    compiler: Mapping[str, str]
    sources: Mapping[str, str]
    integrity: str


def names() -> tuple[str, ...]:
    """Return the contracts that can be deployed, in order of name."""
    listed = (entry.name for entry in _package().joinpath("artifacts").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in listed if name.endswith(".json")))


@cache
def artifact(name: str) -> Artifact:
    """Return the compiled contract `name`.

    raises  InvalidInput "contracts.unknown", Broken "contracts.artifact" when the installation is damaged
    """
    if name not in names():
        raise InvalidInput("contracts.unknown", "no such contract", expected=", ".join(names()), got=name)
    try:
        read = json.loads(_package().joinpath("artifacts", f"{name}.json").read_text("utf-8"))
        return Artifact(
            name=read["name"],
            abi=tuple(read["abi"]),
            bytecode=_unhex(read["bytecode"]),
            runtime_bytecode=_unhex(read["runtime_bytecode"]),
            storage_layout=read["storage_layout"],
            compiler=read["compiler"],
            sources=read["sources"],
            integrity=read["integrity"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Broken("contracts.artifact", f"artifact of {name} is damaged", got=repr(error)[:120]) from error


def source(name: str, path: str) -> str:
    """Return the source text at `path` of the contract `name`, checked against the digest in its artifact.

    raises  InvalidInput "contracts.unknown", Broken "contracts.source" when the text is not what was compiled
    """
    sources = artifact(name).sources
    if path not in sources:
        raise InvalidInput("contracts.unknown", "no such source", expected=", ".join(sorted(sources)), got=path)
    data = _package().joinpath(*path.split("/")).read_bytes()
    if sha256_hex(data) != sources[path]:
        raise Broken(
            "contracts.source",
            f"{path} is not what {name} was compiled from",
            expected=sources[path],
            got=sha256_hex(data),
        )
    return data.decode("utf-8")


def _package() -> Traversable:
    return files("tallystick.contracts")


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
