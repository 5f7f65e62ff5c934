"""The directory of kernels: which contract is the kernel of which version, recorded, found and verified.

A version has its integer model as a file, `integer-model.json`, so its signature covers the model and its manifest root
lets a contract check it. `Directory` records and finds; `verify` rechecks a record from the chain and that one file:

 1  the directory is the packaged contract, so that what it refuses was refused
 2  the version is recorded, and the directory has a kernel for it
 3  the manifest is the version's, and the integer model is a file in it
 4  the file's bytes are those of the manifest, and are an integer model's document
 5  the kernel names that model's digest, this registry and this model
 6  the kernel's code, and the code of each part, is what the integer model compiles to
 7  the version's status is told; a revoked version's record stays what it is

What signs the manifest is the business of whoever verifies the version (docs/spec/version-statement.md); what a kernel
is worth is told by the quality report. The page docs/spec/kernel-directory.md says why this ties code to evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tallystick.chain.bindings.kernel_directory import KernelDirectory
from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.deploy import check_code
from tallystick.contracts import Status
from tallystick.core.checks import Check, Report
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import TallystickError
from tallystick.core.ids import parse_address
from tallystick.core.manifest import Manifest
from tallystick.lithic.contract import DeployedKernel, Registration
from tallystick.lithic.integer import document
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.kernel import DENSE, Kernel, compile_integer

if TYPE_CHECKING:
    from tallystick.chain.calls import BlockId
    from tallystick.chain.node import Node
    from tallystick.chain.outbox import Outbox

INTEGER_MODEL_FILE: Final = "integer-model.json"  # the contract spells it so

_NOBODY: Final = "0x" + "00" * 20


class Directory:
    """The kernels of one registry's models in one directory.

    directory, registry  addresses of the KernelDirectory and the ModelRegistry
    """

    def __init__(self, node: Node, directory: str, registry: str) -> None:
        self.contract = KernelDirectory(node, parse_address(directory))
        self.registry = ModelRegistry(node, parse_address(registry))
        self.node = node

    def find(self, model_id: int, seq: int, at: BlockId = "latest") -> str | None:
        """Return where the kernel of a version is, whatever the version's status; None if none is recorded."""
        found = self.contract.kernel_of(self.registry.address, model_id, seq, at=at)
        return None if found == _NOBODY else found

    def released(self, model_id: int, channel: str, at: BlockId = "latest") -> str:
        """Return where the kernel is of the version that a channel points at.

        raises  Rejected "directory: nothing released", "directory: version is revoked", "directory: no kernel"
        """
        return self.contract.released(self.registry.address, model_id, channel, at=at)

    def record(self, outbox: Outbox, model_id: int, seq: int, kernel: str, manifest: Manifest) -> None:
        """The kernel of the version is the contract at `kernel`, for ever; nothing is sent when it is so already.

        manifest  the version's files, `integer-model.json` among them
        raises    InvalidInput "manifest.name" when it is not; Rejected "directory: already recorded" when another
                  kernel is, and the directory's other reasons; Unavailable "outbox.waiting"
        """
        kernel = parse_address(kernel)
        if self.find(model_id, seq) == kernel:
            return
        entry = manifest.entry(INTEGER_MODEL_FILE)
        call = self.contract.record(
            self.registry.address, model_id, seq, kernel, entry.size, manifest.files.index(entry), manifest.count,
            manifest.inclusion_path(INTEGER_MODEL_FILE),
        )  # fmt: skip
        intent = f"record {self.registry.address} {model_id} {seq} {kernel}"
        outbox.send_and_wait(call, key=f"kernels {self.contract.address} {intent}")

    def verify(self, model_id: int, seq: int, manifest: Manifest, data: bytes, at: BlockId = "latest") -> Report:
        """Return what holds of the record of a version's kernel, read at one block.

        manifest  what the version's statement calls its files; that it is the recorded one is checked
        data      the bytes of `integer-model.json`
        raises    Unavailable when the chain does not answer
        """
        block = self.node.block(at).number
        return Report.of(self._checks(model_id, seq, manifest, data, block))

    def _checks(self, model_id: int, seq: int, manifest: Manifest, data: bytes, block: int) -> Iterator[Check]:
        # 1
        try:
            check_code(self.node, "KernelDirectory", self.contract.address)
            yield Check("directory", True, f"{self.contract.address} has the packaged code")
        except TallystickError as error:
            yield Check.failed("directory", error)
        # 2
        try:
            version = self.registry.version(model_id, seq, at=block)
            address = self.find(model_id, seq, at=block)
        except TallystickError as error:
            yield Check.failed("version", error)
            return
        yield Check("kernel", address is not None, f"of {model_id}@{seq}, read at block {block}", got=address or "none")
        # 3, 4
        yield Check.equal("manifest root", version.roots.manifest_root, manifest.root)
        yield from _check_file(manifest, data)
        try:
            model = document.from_bytes(data)
        except TallystickError as error:
            yield Check.failed("integer model", error)
            return
        yield Check("integer model", True, f"{len(model.steps)} steps, {len(model.input.fields)} fields")
        # 5, 6
        if address is not None:
            yield from self._check_kernel(address, model, Registration(self.registry.address, model_id), block)
        # 7
        yield Check("status", True, Status(version.status).name.lower())

    def _check_kernel(self, address: str, model: IntegerModel, link: Registration, block: int) -> Iterator[Check]:
        found = DeployedKernel(self.node, address, block)
        try:
            yield Check.equal("model digest", document.digest(model), found.digest)
            yield Check.equal("registration", link, found.registration)
            made = self._compiled(address, model, link, block)
        except TallystickError as error:
            yield Check.failed("kernel's word", error)
            return
        for name, where, code in (
            ("code", address, made.code),
            *((f"code of part {at}", part.address, part.code) for at, part in enumerate(made.parts)),
        ):
            there = self.node.code(where, block)
            yield Check.equal(name, keccak(code), keccak(there), f"{len(code)} bytes at {where}, by Keccak-256")

    def _compiled(self, address: str, model: IntegerModel, link: Registration, block: int) -> Kernel:
        """Return the kernel that this compiler makes of the model, dense or passing over zeros as the one there.

        Density says which of the two is cheaper for the one step that reads the input itself; there is no third code.
        """
        there = self.node.code(address, block)
        dense = compile_integer(model, registry=link, density_permille=DENSE)
        if dense.code == there:
            return dense
        sparse = compile_integer(model, registry=link, density_permille=0)
        return sparse if sparse.code == there else dense


def _check_file(manifest: Manifest, data: bytes) -> Iterator[Check]:
    try:
        entry = manifest.entry(INTEGER_MODEL_FILE)
    except TallystickError as error:
        yield Check.failed("file", error)
        return
    yield Check.equal("file", (entry.size, entry.sha256.hex()), (len(data), sha256(data).hex()), INTEGER_MODEL_FILE)
