"""A kernel seen from outside: what it says of itself, what is sent to it, and what comes back.

IModel.vyi is the interface; `evm/interface.py` emits it; this reads it, from a chain or from an EVM with nothing else
in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tallystick.core.amounts import UINT256_MAX
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.lithic.evm.interface import selector
from tallystick.lithic.integer.decimals import positive
from tallystick.lithic.integer.model import IntegerModel, Vector

if TYPE_CHECKING:
    from tallystick.chain.calls import BlockId, Caller

PREDICT: Final = "predict(bytes)"
DIGEST: Final = "model_digest()"
SHAPE: Final = "shape()"
SCALE: Final = "scale()"
REGISTRY: Final = "registry()"

_WORD: Final = 32
_NOBODY: Final = "0x" + "00" * 20


@dataclass(frozen=True)
class Registration:
    """Which model of which ModelRegistry a kernel says it is a version of; raises InvalidInput "kernel.registry"."""

    registry: str
    model_id: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "registry", parse_address(self.registry))
        if self.registry == _NOBODY or not 0 < self.model_id <= UINT256_MAX:
            raise InvalidInput(
                "kernel.registry", "not a model of a registry", expected="an address, a model id from 1",
                got=f"{self.registry}, {self.model_id}",
            )  # fmt: skip


def views(model: IntegerModel, digest: bytes, registration: Registration | None) -> dict[str, list[int]]:
    """Return what a kernel answers beside predict: the words of each view, by signature."""
    scale = positive(model.scale, "scale")
    linked = [int(registration.registry, 16), registration.model_id] if registration else [0, 0]
    return {
        DIGEST: [int.from_bytes(digest)],
        SHAPE: [len(model.input.fields), model.input.bits, model.outputs],
        SCALE: [scale.numerator, scale.denominator],
        REGISTRY: linked,
    }


def calldata(packed: bytes) -> bytes:
    """Return the call of predict with a packed input, as any ABI encoder writes it."""
    head = selector(PREDICT).to_bytes(4) + _WORD.to_bytes(_WORD) + len(packed).to_bytes(_WORD)
    return head + packed + bytes(-len(packed) % _WORD)


def view_call(signature: str) -> bytes:
    """Return the call of a view."""
    return selector(signature).to_bytes(4)


def read_answer(output: bytes, count: int) -> Vector:
    """Return the numbers that predict answered.

    raises  InvalidInput "kernel.answer" unless it is int256[] of exactly `count` numbers
    """
    words = [output[at : at + _WORD] for at in range(0, len(output), _WORD)]
    is_whole = len(output) == _WORD * (2 + count)
    if not is_whole or int.from_bytes(words[0]) != _WORD or int.from_bytes(words[1]) != count:
        raise InvalidInput(
            "kernel.answer", "not the answer of this kernel", expected=f"{count} numbers", got=f"{len(output)} bytes"
        )
    return tuple(int.from_bytes(word, signed=True) for word in words[2:])


@dataclass(frozen=True)
class DeployedKernel:
    """A contract that says it is a kernel, on a chain; everything read from it is its own word.

    node     where the chain is asked
    address  of the contract; raises InvalidInput "address.form"
    """

    node: Caller
    address: str
    at: BlockId = "latest"

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", parse_address(self.address))

    @cached_property
    def digest(self) -> bytes:
        """The digest of its integer model."""
        return self._words(DIGEST, 1)[0].to_bytes(_WORD)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """How many fields, how many bits each, how many numbers in an answer."""
        fields, bits, outputs = self._words(SHAPE, 3)
        return fields, bits, outputs

    @cached_property
    def scale(self) -> tuple[int, int]:
        """Numerator and denominator of what a score is worth."""
        numerator, denominator = self._words(SCALE, 2)
        return numerator, denominator

    @cached_property
    def registration(self) -> Registration | None:
        """Which model of which registry it says it is a version of."""
        address, model_id = self._words(REGISTRY, 2)
        if not address and not model_id:
            return None
        if address >> 160:
            raise InvalidInput("kernel.answer", f"{REGISTRY} gives no address", got=hex(address))
        return Registration("0x" + address.to_bytes(20).hex(), model_id)

    def predict(self, packed: bytes, outputs: int) -> Vector:
        """Return its answer for a packed input; raises Rejected with its reason, InvalidInput "kernel.answer"."""
        return read_answer(self.node.call(self.address, calldata(packed), at=self.at), outputs)

    def _words(self, signature: str, count: int) -> Sequence[int]:
        output = self.node.call(self.address, view_call(signature), at=self.at)
        if len(output) != _WORD * count:
            raise InvalidInput(
                "kernel.answer", f"{self.address} does not answer {signature} as a kernel does",
                expected=f"{_WORD * count} bytes", got=f"{len(output)} bytes",
            )  # fmt: skip
        return [int.from_bytes(output[at : at + _WORD]) for at in range(0, len(output), _WORD)]
