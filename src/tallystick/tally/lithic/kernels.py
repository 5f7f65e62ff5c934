"""Kernels put on this workspace's chain, tied to versions of its models, and asked there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.deploy_code import PlacedCode
from tallystick.core import documents
from tallystick.core.checks import Check, Report
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.ids import ModelRef
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.core.manifest import Manifest
from tallystick.core.statement import Statement
from tallystick.lithic.contract import DeployedKernel
from tallystick.lithic.directory import INTEGER_MODEL_FILE, Directory
from tallystick.lithic.integer import reference
from tallystick.lithic.integer.decimals import positive
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.kernel import Kernel
from tallystick.tally.lithic.committee import CommitteeDesk
from tallystick.tally.lithic.direct import DirectDesk
from tallystick.tally.lithic.optimistic import OptimisticDesk

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


class Kernels:
    """Deploy kernels, and compare what they answer on chain with what their models say."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def direct(self, contract: str | None = None) -> DirectDesk:
        """Return the desk of direct answers, by the workspace's contract or the one at an address."""
        return DirectDesk(self._tally, contract)

    def optimistic(self, contract: str | None = None) -> OptimisticDesk:
        """Return the desk of answers under bond, by the workspace's contract or the one at an address."""
        return OptimisticDesk(self._tally, contract)

    def committee(self, contract: str | None = None) -> CommitteeDesk:
        """Return the desk of answers by committees, by the workspace's contract or the one at an address."""
        return CommitteeDesk(self._tally, contract)

    def deploy(self, kernel: Kernel) -> list[PlacedCode]:
        """Return where the parts and the kernel are, after putting there what is not; paid by this workspace's account.

        raises  InvalidInput "kernel.registry" when it names a model that this workspace's registry does not have;
                as `Kernel.deploy`
        """
        if kernel.registry is not None:
            self._check_registered(kernel.registry.registry, kernel.registry.model_id)
        return kernel.deploy(self._tally.outbox)

    # --- versions of models

    @cached_property
    def directory(self) -> Directory:
        """Which kernel is which version's, on this workspace's chain."""
        tally = self._tally
        return Directory(tally.node, tally.address("KernelDirectory"), tally.address("ModelRegistry"))

    def resolve(self, reference: ModelRef) -> tuple[int, int]:
        """Return (model id, sequence number) of what `7@3`, `7@production` or `7` (the newest) means.

        raises  InvalidInput "model.version" when there is none; Rejected when the model does not exist
        """
        registry = self.directory.registry
        if reference.seq is not None:
            seq = reference.seq
        elif reference.channel is not None:
            seq = registry.released(reference.model_id, reference.channel)
        else:
            seq = registry.model(reference.model_id).version_count
        if seq == 0:
            raise InvalidInput("model.version", f"{reference} means no version", hint="add or release one first")
        return reference.model_id, seq

    def record(self, kernel: Kernel, reference: ModelRef) -> str:
        """Record for ever which kernel is that version's; return its address.

        raises  InvalidInput "kernel.version" when the version's integer model is another, "chain.no_contract" when the
                kernel is not deployed; Rejected with the directory's reasons
        """
        model_id, seq = self.resolve(reference)
        manifest = self._manifest(model_id, seq)
        entry = manifest.entry(INTEGER_MODEL_FILE)
        if entry.sha256 != kernel.digest:
            raise InvalidInput(
                "kernel.version", f"the integer model of {model_id}@{seq} is another", expected=entry.sha256.hex(),
                got=kernel.digest.hex(), hint="add a version with this kernel's `integer-model.json` in its folder",
            )  # fmt: skip
        address = self.at(kernel.address).address
        self.directory.record(self._tally.outbox, model_id, seq, address, manifest)
        return address

    def verify(self, reference: ModelRef) -> Report:
        """Recheck from chain and evidence that the recorded kernel is what the version's integer model compiles to."""
        model_id, seq = self.resolve(reference)
        manifest = self._manifest(model_id, seq)
        data = self._tally.blobs.get(manifest.entry(INTEGER_MODEL_FILE).sha256, CANONICAL_BYTES_MAX)
        return self.directory.verify(model_id, seq, manifest, data)

    def kernel_of(self, reference: ModelRef) -> str:
        """Return where the kernel of a version is: of a channel the released one, unless it was revoked.

        raises  InvalidInput "kernel.version" when none is recorded; Rejected with the directory's reasons
        """
        if reference.channel is not None:
            return self.directory.released(reference.model_id, reference.channel)
        model_id, seq = self.resolve(reference)
        found = self.directory.find(model_id, seq)
        if found is None:
            raise InvalidInput("kernel.version", f"{model_id}@{seq} has no kernel", hint="record one first")
        return found

    def _manifest(self, model_id: int, seq: int) -> Manifest:
        """Return the files of a version, by way of its statement; `verify` compares what it says with the chain."""
        digest = self.directory.registry.version(model_id, seq).statement
        predicate = Statement.from_bytes(self._tally.blobs.get(digest, CANONICAL_BYTES_MAX)).predicate
        listing = documents.members(predicate.get("manifest"), "manifest", ("count", "document", "root"))
        document = documents.digest(listing["document"], "manifest")
        return Manifest.from_bytes(self._tally.blobs.get(document, CANONICAL_BYTES_MAX))

    # --- asking

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
