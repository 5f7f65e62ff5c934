"""Kernels on a scratch EVM: what tests of the compiler share."""

from __future__ import annotations

from eth_abi.abi import decode, encode

from tallystick.chain.scratch import Executed, ScratchEvm
from tallystick.core.digest import keccak
from tallystick.core.limits import CODE_BYTES_MAX
from tallystick.lithic.evm.emit import Emitted, emit_kernel
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.integer.reference import pack

ADDRESS = "0x" + "ab" * 20
PREDICT = keccak(b"predict(bytes)")[:4]
VIEWS = {"digest()": [7], "shape()": [1, 2, 3]}


def locate(code: bytes) -> str:
    """Return where a part goes: an address that only its code has."""
    return "0x" + keccak(code)[:20].hex()


def calldata(packed: bytes) -> bytes:
    """Return what an ABI encoder makes of predict(packed)."""
    return PREDICT + encode(["bytes"], [packed])


def reason(output: bytes) -> str:
    """Return the reason of a revert, "" where it has none."""
    if not output:
        return ""
    assert output[:4] == keccak(b"Error(string)")[:4]
    (text,) = decode(["string"], output[4:], strict=False)
    return text


class Kernel:
    """A model's code in an EVM of its own."""

    def __init__(
        self, model: IntegerModel, density_permille: int = 1_000, code_bytes_max: int = CODE_BYTES_MAX
    ) -> None:
        self.model = model
        self.emitted: Emitted = emit_kernel(model, VIEWS, locate, density_permille, code_bytes_max)
        self.evm = ScratchEvm()
        self.evm.put(ADDRESS, self.emitted.code)
        for part in self.emitted.parts:
            self.evm.put(locate(part.code), part.code)

    def run(self, x) -> Executed:
        """Call predict with an input in range."""
        return self.evm.call(ADDRESS, calldata(pack(self.model.input, x)))

    def predict(self, x) -> tuple[int, ...]:
        """Return the answer."""
        done = self.run(x)
        assert done.ok, reason(done.output)
        return answer(done.output)


def answer(output: bytes) -> tuple[int, ...]:
    """Return the numbers of an answer, which must be encoded exactly as an ABI encoder does."""
    (numbers,) = decode(["int256[]"], output)
    assert output == encode(["int256[]"], [numbers])
    return tuple(numbers)
