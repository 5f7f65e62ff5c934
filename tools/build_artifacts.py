"""Compile the contracts into the JSON artifacts that the package carries; with --check, only compare.

One artifact per deployable (a .vy in contracts/src with a capital initial; what is lower case is a module). Bytecode
carries no metadata, so a comment in a source cannot move a CREATE2 address; where it came from stands beside it: the
SHA-256 of each source and the compiler's integrity sum. Next: tools/build_bindings.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import vyper
from vyper.compiler import outputs_from_compiler_data
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import OptimizationLevel, Settings

CONTRACTS = Path(__file__).resolve().parent.parent / "src" / "tallystick" / "contracts"
ARTIFACTS = CONTRACTS / "artifacts"
EVM_VERSION = "cancun"  # Prague changes no opcode that we use, and more networks run the older rules
RUNTIME_BYTES_MAX = 24_576  # EIP-170
SMALL = frozenset({"PolicyAccount"})  # has more to say than EIP-170 lets it when compiled for gas alone


def main(arguments: list[str] | None = None) -> int:
    """Write or compare every artifact; return 0 when all is well, 1 when --check found a difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="recompile and compare, write nothing")
    check = parser.parse_args(arguments).check

    deployables = [path for path in sorted((CONTRACTS / "src").glob("*.vy")) if path.stem[0].isupper()]
    wanted = {f"{path.stem}.json": artifact_of(path) for path in deployables}
    found = {path.name: json.loads(path.read_text("utf-8")) for path in sorted(ARTIFACTS.glob("*.json"))}
    if check:
        differences = [line for name in sorted({*wanted, *found}) for line in _differences(name, wanted, found)]
        print("\n".join(differences) or f"{len(wanted)} artifacts are as their sources compile")
        return 1 if differences else 0

    for name in found.keys() - wanted.keys():
        (ARTIFACTS / name).unlink()
    for name, artifact in wanted.items():
        (ARTIFACTS / name).write_text(json.dumps(artifact, indent=1, sort_keys=True) + "\n", "utf-8")
        print(f"{name}: {len(artifact['runtime_bytecode']) // 2 - 1} bytes at run time")
    return 0


def artifact_of(source: Path) -> dict[str, Any]:
    """Compile one deployable and return its artifact as JSON values."""
    bundle = FilesystemInputBundle([CONTRACTS])
    optimization = OptimizationLevel.CODESIZE if source.stem in SMALL else OptimizationLevel.GAS
    settings = Settings(evm_version=EVM_VERSION, optimize=optimization)
    unit = CompilerData(bundle.load_file(source), bundle, settings=settings, no_bytecode_metadata=True)
    output = outputs_from_compiler_data(unit, ("abi", "bytecode", "bytecode_runtime", "layout", "integrity"))
    size = len(output["bytecode_runtime"]) // 2 - 1 + _immutable_bytes(output["layout"].get("code_layout", {}))
    if size > RUNTIME_BYTES_MAX:
        raise SystemExit(f"{source.stem} is {size} bytes, EIP-170 allows {RUNTIME_BYTES_MAX}")
    return {
        "abi": _without_gas([*output["abi"], *_overloads(source.stem, bundle)]),
        "bytecode": output["bytecode"],
        "compiler": {
            "evm_version": EVM_VERSION,
            "name": "vyper",
            "optimization": optimization.name.lower(),
            "version": vyper.__version__,
        },
        "integrity": output["integrity"],
        "name": source.stem,
        "runtime_bytecode": output["bytecode_runtime"],
        "sources": _sources(unit),
        "storage_layout": output["layout"]["storage_layout"],
    }


def _immutable_bytes(layout: dict[str, Any]) -> int:
    """Return how many bytes the immutables have, which the constructor writes behind the code: they count too."""
    if "length" in layout and "offset" in layout:
        return int(layout["length"])
    return sum(_immutable_bytes(inner) for inner in layout.values())


def _overloads(name: str, bundle: FilesystemInputBundle) -> list[dict[str, Any]]:
    """Return the ABI of the functions that the contract takes by their selector, since Vyper overloads no name."""
    path = CONTRACTS / "interfaces" / f"IOverloaded{name}.vyi"
    if not path.exists():
        return []
    unit = CompilerData(bundle.load_file(path), bundle)
    abi: list[dict[str, Any]] = outputs_from_compiler_data(unit, ("abi",))["abi"]
    return abi


def _sources(unit: CompilerData) -> dict[str, str]:
    inputs = [file for file in unit.resolved_imports.compiler_inputs if not file.from_builtin]
    return {
        Path(file.resolved_path).relative_to(CONTRACTS).as_posix(): hashlib.sha256(file.contents.encode()).hexdigest()
        for file in (*inputs, unit.file_input)
    }


def _without_gas(abi: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop the compiler's gas estimates, which are no part of an interface."""
    return [{key: value for key, value in entry.items() if key != "gas"} for entry in abi]


def _differences(name: str, wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    if name not in wanted:
        return [f"{name}: has no source"]
    if name not in found:
        return [f"{name}: missing; run tools/build_artifacts.py"]
    new, old = wanted[name], found[name]
    changed = [key for key in sorted({*new, *old}) if new.get(key) != old.get(key)]
    return [f"{name}: {key} {_change(old.get(key), new.get(key))}" for key in changed]


def _change(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        return f"differs at {', '.join(keys)}"
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > 80:
        return f"differs ({len(old) // 2 - 1} bytes committed, {len(new) // 2 - 1} compiled)"
    return f"differs: committed {str(old)[:80]}, compiled {str(new)[:80]}"


if __name__ == "__main__":
    sys.exit(main())
