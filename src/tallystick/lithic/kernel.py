"""A kernel: an integer model, the code that computes it, and the proof that the code's lanes do not overflow.

Compiling is pure: the same model, registration and density give the same bytes and so the same address on every chain.
What a kernel answers can be had in three ways that agree bit for bit: by the reference in Python, by its code on an EVM
with nothing else in it, and from a chain where it is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_PARTS_MAX, OUTBOX_WAIT_S, TRANSACTION_GAS_MAX
from tallystick.lithic.contract import Registration, calldata, read_answer, views
from tallystick.lithic.evm.assembler import initcode
from tallystick.lithic.evm.emit import StepCode, emit_kernel
from tallystick.lithic.integer import document, reference
from tallystick.lithic.integer.model import IntegerModel, Vector
from tallystick.lithic.lanes.model_proof import StepProof, prove
from tallystick.lithic.lanes.packing import Packing

if TYPE_CHECKING:
    from tallystick.chain.deploy_code import Code, PlacedCode
    from tallystick.chain.outbox import Outbox
    from tallystick.chain.scratch import Executed, ScratchEvm
    from tallystick.lithic.quantise.bound import ErrorBound
    from tallystick.lithic.quantise.derivation import Derivation

DENSE = 1_000  # in a thousand inputs that are not zero: nothing is known of them


@dataclass(frozen=True)
class KernelPart:
    """A contract that a kernel calls for a share of a step: its place on every chain, its code, its greatest gas."""

    address: str
    code: bytes
    worst_gas: int


@dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled model.

    registry          which model of which registry it says it is a version of, if any
    density_permille  how many in a thousand inputs the compiler expected not to be zero
    packings          how the inputs and outputs of each dense step lie in words, by the step's place
    worst_gas         the most execution gas of a prediction, parts included, the 21,000 and calldata not
    steps             what each step takes of it; nothing where the kernel was read and not compiled
    derivation        how the integer model was made of a float model, and how far off it can be; nothing if it was not
    """

    model: IntegerModel
    registry: Registration | None
    density_permille: int
    code: bytes
    parts: tuple[KernelPart, ...]
    packings: Mapping[int, Packing]
    worst_gas: int
    steps: tuple[StepCode, ...] = ()
    derivation: Derivation | None = None

    @cached_property
    def digest(self) -> bytes:
        """The integer model's name, which the contract answers too."""
        return document.digest(self.model)

    @cached_property
    def address(self) -> str:
        """Where the kernel is on every chain that has it."""
        return _locate(self.code)

    @cached_property
    def codes(self) -> tuple[Code, ...]:
        """Every contract to deploy: the parts, then the kernel."""
        from tallystick.chain.deploy_code import Code

        name = f"kernel {self.digest.hex()[:16]}"
        parts = [Code(f"part {at} of {name}", initcode(part.code), part.code) for at, part in enumerate(self.parts)]
        return (*parts, Code(name, initcode(self.code), self.code))

    @property
    def bytes_total(self) -> int:
        """How many bytes of code there are, parts included."""
        return len(self.code) + sum(len(part.code) for part in self.parts)

    @cached_property
    def deployment_gas(self) -> int:
        """The gas of all transactions that put the kernel on a chain that has the deployment proxy."""
        from tallystick.chain.deploy_code import creation_gas

        return sum(creation_gas(one) for one in {one.address: one for one in self.codes}.values())

    @property
    def bound(self) -> ErrorBound | None:
        """How far its scores can be from the float model's, proven when it was made of one."""
        return None if self.derivation is None else self.derivation.bound

    def proof(self) -> tuple[StepProof, ...]:
        """Prove again, from weights and ranges alone, that no lane overflows; return what each dense step needs.

        raises  VerificationFailed "kernel.proof"
        """
        return prove(self.model, self.packings)

    # --- answers

    def encode(self, row: Sequence[float]) -> Vector:
        """Return the integers that stand for a row of the model's own features; raises as `encode_rows`."""
        return self.encode_rows([row])[0]

    def encode_rows(self, rows: Sequence[Sequence[float]], *, clip: bool = False) -> list[Vector]:
        """Return the integers that stand for rows of the model's own features.

        clip    take what is outside a declared range as the range's end
        raises  InvalidInput "kernel.rows" for another number of them or one that is not finite, "kernel.input" for one
                outside its declared range
        """
        from tallystick.lithic.quantise.grids import encode

        wanted = len(self.model.input.fields)
        for row in rows:
            if not hasattr(row, "__len__"):
                raise InvalidInput("kernel.rows", "not a row", expected=f"{wanted} numbers", got=type(row).__name__)
            if len(row) != wanted:
                raise InvalidInput("kernel.rows", "a row has another number of features", expected=wanted, got=len(row))
        if not rows:
            return []
        return [tuple(row) for row in encode(self.model.input, [list(row) for row in rows], clip=clip).tolist()]

    def predict(self, x: Sequence[int]) -> Vector:
        """Return the answer of the reference for an input of integers; raises InvalidInput "kernel.input"."""
        return reference.predict(self.model, x)

    def predict_raw(self, row: Sequence[float]) -> Vector:
        """Return the answer for a row of the model's own features; raises as `encode`."""
        return self.predict(self.encode(row))

    def run(self, x: Sequence[int]) -> Vector:
        """Return the answer of the code, executed on an EVM of its own; raises as `trial`."""
        return self.trial(x)[0]

    def gas(self, x: Sequence[int]) -> int:
        """Return the execution gas of a prediction, the 21,000 and calldata not; raises as `trial`."""
        return self.trial(x)[1]

    def trial(self, x: Sequence[int], gas: int = TRANSACTION_GAS_MAX) -> tuple[Vector, int]:
        """Return the answer of the code, executed on an EVM of its own, and the gas that this took.

        raises  InvalidInput "kernel.input", "kernel.answer"; Rejected with the code's reason, or for want of `gas`
        """
        done = self.execute(calldata(reference.pack(self.model.input, x)), gas)
        if not done.ok:
            from tallystick.chain.reverts import rejection_of_revert

            raise rejection_of_revert(done.output)
        return read_answer(done.output, self.model.outputs), done.gas

    def execute(self, data: bytes, gas: int = TRANSACTION_GAS_MAX) -> Executed:
        """Call the code with any calldata on an EVM of its own."""
        return self._evm.call(self.address, data, gas)

    @cached_property
    def _evm(self) -> ScratchEvm:
        from tallystick.chain.scratch import ScratchEvm  # an EVM takes time to import

        evm = ScratchEvm()
        for part in self.parts:
            evm.put(part.address, part.code)
        evm.put(self.address, self.code)
        return evm

    # --- chains

    def deploy(self, outbox: Outbox, *, timeout_s: float = OUTBOX_WAIT_S) -> list[PlacedCode]:
        """Return where the parts and the kernel are on the outbox's chain, after putting there what is not yet.

        raises  as `chain.deploy_code.deploy_codes`: nothing is sent unless everything fits and can be paid for
        """
        from tallystick.chain.deploy_code import deploy_codes

        return deploy_codes(outbox, self.codes, timeout_s=timeout_s)


def compile_integer(
    model: IntegerModel,
    *,
    registry: Registration | tuple[str, int] | None = None,
    density_permille: int = DENSE,
) -> Kernel:
    """Return the kernel of an integer model.

    registry          which model of which registry it is a version of: (address, model id)
    density_permille  how many in a thousand inputs are expected not to be zero; zeros are passed over where that pays
    raises            InvalidInput "kernel.size" when it does not fit its contracts, "kernel.overflow" when a number
                      needs more than a word, "kernel.gas" when a prediction could need more than a transaction has,
                      "kernel.registry", "kernel.density"
    """
    if not 0 <= density_permille <= DENSE:
        raise InvalidInput("kernel.density", "not a share", expected=f"0 to {DENSE}", got=density_permille)
    link = Registration(*registry) if isinstance(registry, tuple) else registry
    emitted = emit_kernel(model, views(model, document.digest(model), link), _locate, density_permille)
    if emitted.worst_gas > TRANSACTION_GAS_MAX or len(emitted.parts) > KERNEL_PARTS_MAX:
        raise InvalidInput(
            "kernel.gas", "a prediction could need more gas than a transaction has", expected=TRANSACTION_GAS_MAX,
            got=emitted.worst_gas, hint="make the model smaller: fewer inputs, units or trees",
        )  # fmt: skip
    parts = tuple(KernelPart(_locate(part.code), part.code, part.worst_gas) for part in emitted.parts)
    packings = dict(emitted.packings)
    return Kernel(model, link, density_permille, emitted.code, parts, packings, emitted.worst_gas, emitted.steps)


def _locate(code: bytes) -> str:
    from tallystick.chain.deploy_code import code_address

    return code_address(initcode(code))
