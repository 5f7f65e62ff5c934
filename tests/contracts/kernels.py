"""Contracts for the tests of the directory and of those who rely on it: a model that may misbehave, two consumers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from eth_abi.abi import encode
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.settings import Settings

import tallystick
from tallystick.core.digest import keccak, sha256
from tallystick.core.manifest import FileEntry, Manifest

DOCUMENT = b'{"an":"integer model"}'
DIGEST = sha256(DOCUMENT)
INTEGER_MODEL = "integer-model.json"

# What `predict` does. GOOD and COSTLY answer [1, the first byte], the latter after some 300,000 gas.
GOOD, REVERTS, BURNS, LONGER, SHORTER, BAD_OFFSET, BAD_COUNT, COSTLY, HUGE = range(9)

MODEL = """
# pragma version 0.4.3
MODE: immutable(uint256)
DIGEST: immutable(bytes32)
REGISTRY: immutable(address)
MODEL_ID: immutable(uint256)

@deploy
def __init__(mode: uint256, digest: bytes32, registry: address, model_id: uint256):
    MODE = mode
    DIGEST = digest
    REGISTRY = registry
    MODEL_ID = model_id

@raw_return
@view
@external
def predict(data: Bytes[8192]) -> Bytes[4096]:
    offset: bytes32 = convert(32, bytes32)
    count: bytes32 = convert(2, bytes32)
    one: bytes32 = convert(1, bytes32)
    first: bytes32 = convert(convert(slice(data, 0, 1), uint256), bytes32)
    zeros: uint256[100] = empty(uint256[100])
    assert MODE != 1, "kernel: malformed input"
    if MODE == 2:
        raise UNREACHABLE
    if MODE == 3:
        return concat(offset, convert(3, bytes32), one, first, one)
    if MODE == 4:
        return concat(offset, one, one)
    if MODE == 5:
        return concat(convert(64, bytes32), count, one, first)
    if MODE == 6:
        return concat(offset, convert(5, bytes32), one, first)
    if MODE == 7:
        for i: uint256 in range(100):
            zeros[i] = convert(ecrecover(keccak256(data), 27, i, i), uint256)
    if MODE == 8:
        return concat(offset, count, one, first, abi_encode(zeros))
    return concat(offset, count, one, first)

@view
@external
def model_digest() -> bytes32:
    return DIGEST

@view
@external
def registry() -> (address, uint256):
    return REGISTRY, MODEL_ID
"""

# The released version of one model decides, and the applicant cannot choose another.
LENDER = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IFollow
from tallystick.contracts.src.kernels import follow

initializes: follow
exports: (follow.propose, follow.following)
granted: public(HashMap[address, bool])

@deploy
def __init__(terms: IFollow.Terms):
    follow.__init__(terms)

@external
def apply(features: Bytes[1024]) -> bool:
    ok: bool = False
    values: DynArray[int256, 32] = []
    ok, values = follow._ask(features)
    self.granted[msg.sender] = ok and values[0] == 1
    return self.granted[msg.sender]
"""

# As the lender, and for want of an answer it takes the fallback: what a starved call must never reach.
FALLS_BACK = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IFollow
from tallystick.contracts.src.kernels import follow

initializes: follow
exports: (follow.propose, follow.following)
decided: public(uint256)
values: public(DynArray[int256, 32])

@deploy
def __init__(terms: IFollow.Terms):
    follow.__init__(terms)

@external
def decision(features: Bytes[1024]) -> uint256:
    ok: bool = False
    values: DynArray[int256, 32] = []
    ok, values = follow._ask(features)
    return 1 if ok else 2

@external
def decide(features: Bytes[1024]) -> uint256:
    ok: bool = False
    values: DynArray[int256, 32] = []
    ok, values = follow._ask(features)
    self.decided = 1 if ok else 2
    self.values = values
    return self.decided
"""


@cache
def compiled(source: str) -> bytes:
    """Return the initcode of a test's contract, which may import what the package offers."""
    bundle = FilesystemInputBundle([Path(tallystick.__file__).parent.parent])
    path = Path("test.vy")
    file = FileInput(0, path, path, source)
    made = compile_from_file_input(file, input_bundle=bundle, settings=Settings(), output_formats=["bytecode"])
    return bytes.fromhex(made["bytecode"][2:])


def model(mode: int, registry: str, model_id: int, digest: bytes = DIGEST) -> bytes:
    """Return the initcode of a model that says this of itself."""
    arguments = encode(["uint256", "bytes32", "address", "uint256"], [mode, digest, registry, model_id])
    return compiled(MODEL) + arguments


def manifest(digest: bytes = DIGEST, size: int = len(DOCUMENT), others: int = 4) -> Manifest:
    """Return the manifest of a version that has the integer model among other files."""
    files = [FileEntry(f"file-{number}.bin", number, sha256(bytes([number]))) for number in range(others)]
    return Manifest.of([FileEntry(INTEGER_MODEL, size, digest), *files])


def proof_of(files: Manifest) -> tuple[int, int, int, list[bytes]]:
    """Return (size, index, count, proof) of the integer model, as the directory takes it."""
    entry = files.entry(INTEGER_MODEL)
    return entry.size, files.files.index(entry), files.count, files.inclusion_path(INTEGER_MODEL)


def selector(signature: str) -> bytes:
    """Return a function's four bytes."""
    return keccak(signature.encode())[:4]
