"""The desk of the room `lithic` in an open workspace: kernels put on this workspace's chain, and asked there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.deploy_code import PlacedCode
from tallystick.core.checks import Check, Report
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.lithic.contract import DeployedKernel
from tallystick.lithic.integer import reference
from tallystick.lithic.integer.decimals import positive
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.kernel import Kernel

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


def open_desk(tally: Tally) -> Kernels:
    """Return the desk of `lithic` in this workspace."""
    return Kernels(tally)


class Kernels:
    """Deploy kernels, and compare what they answer on chain with what their models say."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def deploy(self, kernel: Kernel) -> list[PlacedCode]:
        """Return where the parts and the kernel are, after putting there what is not; paid by this workspace's account.

        raises  InvalidInput "kernel.registry" when it names a model that this workspace's registry does not have;
                as `Kernel.deploy`
        """
        if kernel.registry is not None:
            self._check_registered(kernel.registry.registry, kernel.registry.model_id)
        return kernel.deploy(self._tally.outbox)

    def at(self, address: str) -> DeployedKernel:
        """Return the contract at `address` of this chain, to be read; raises InvalidInput "chain.no_contract"."""
        found = DeployedKernel(self._tally.node, address)
        self._tally.node.check_contract(found.address)
        return found

    def compare(self, kernel: Kernel, address: str, inputs: Sequence[Vector]) -> Report:
        """Return whether the contract at `address` is this kernel, and answers each input as the reference does."""
        return Report.of(_compared(kernel, self.at(address), inputs))

    def _check_registered(self, registry: str, model_id: int) -> None:
        ours = self._tally.address("ModelRegistry")
        if registry != ours:
            raise InvalidInput(
                "kernel.registry", "the kernel names another registry than this workspace's", expected=ours,
                got=registry, hint="build it again with --model, in the workspace whose model it is",
            )  # fmt: skip
        count = ModelRegistry(self._tally.node, ours).model_count()
        if model_id > count:
            raise InvalidInput(
                "kernel.registry", "the registry has no such model", expected=f"1 to {count}", got=model_id,
                hint="`tally model register` makes one",
            )  # fmt: skip


def _compared(kernel: Kernel, found: DeployedKernel, inputs: Sequence[Vector]) -> Iterator[Check]:
    declared, outputs = kernel.model.input, kernel.model.outputs
    scale = positive(kernel.model.scale)
    try:
        yield Check.equal("model digest", kernel.digest, found.digest, f"of {found.address}")
        yield Check.equal("shape", (len(declared.fields), declared.bits, outputs), found.shape)
        yield Check.equal("scale", (scale.numerator, scale.denominator), found.scale)
        yield Check.equal("registry", kernel.registry, found.registration)
    except TallystickError as error:
        yield Check.failed("views", error)
        return
    for number, x in enumerate(inputs):
        try:
            yield Check.equal(
                f"answer {number}", kernel.predict(x), found.predict(reference.pack(declared, x), outputs)
            )
        except TallystickError as error:
            yield Check.failed(f"answer {number}", error)
