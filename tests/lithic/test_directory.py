"""A kernel's record in the directory: made once, found by version and channel, rechecked from chain and one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_abi.abi import encode

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.model_registry import ModelRegistry, Roots
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.contracts import Status
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.manifest import FileEntry, Manifest
from tallystick.lithic.directory import INTEGER_MODEL_FILE, Directory
from tallystick.lithic.integer import document, reference
from tallystick.lithic.kernel import Kernel, compile_integer
from tests.contracts.follow_kit import Terms
from tests.contracts.kernels import FALLS_BACK, compiled, selector
from tests.lithic import kernel_models

ACCOUNT = Account(b"\x01" * 32)
MODEL = kernel_models.mlp()
DATA = document.to_bytes(MODEL)
FILES = Manifest.of(
    [
        FileEntry(INTEGER_MODEL_FILE, len(DATA), sha256(DATA)),
        FileEntry("model.onnx", 7, sha256(b"trained")),
        FileEntry("README.md", 2, sha256(b"hi")),
    ]
)


@dataclass
class Desk:
    """A registry with model 1 and its version 1, and a directory that is empty."""

    outbox: Outbox
    registry: ModelRegistry
    directory: Directory
    sent: int = 0

    def send(self, call):
        self.sent += 1
        return self.outbox.send_and_wait(call, key=f"test {self.sent}")

    def add(self, seq, manifest=FILES):
        roots = Roots(manifest.root, bytes(32), bytes(32), bytes(32), 0, bytes(32))
        self.send(self.registry.add_version(1, seq, [], bytes([seq]) * 32, roots, 0))

    def kernel(self, model=MODEL, density_permille=1_000) -> Kernel:
        made = compile_integer(model, registry=(self.registry.address, 1), density_permille=density_permille)
        made.deploy(self.outbox)
        return made

    def record(self, kernel, seq=1):
        self.directory.record(self.outbox, 1, seq, kernel.address, FILES)

    def verify(self, seq=1, manifest=FILES, data=DATA):
        return self.directory.verify(1, seq, manifest, data)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    create(
        tmp_path / "chain.db", Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**24})
    )
    with connect(tmp_path / "chain.db") as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as outbox:
        registry = ModelRegistry(node, deploy(outbox, "ModelRegistry").address)
        directory = Directory(node, deploy(outbox, "KernelDirectory").address, registry.address)
        made = Desk(outbox, registry, directory)
        made.send(registry.register("tumour", ""))
        made.send(registry.rotate_key(b"k" * 32))
        made.add(1)
        yield made


def failed(report):
    return [check.name for check in report.failures]


def test_a_recorded_kernel_is_found_and_everything_about_it_rechecked(desk):
    kernel = desk.kernel()
    assert desk.directory.find(1, 1) is None
    desk.record(kernel)
    assert desk.directory.find(1, 1) == kernel.address
    desk.send(desk.registry.release(1, "production", 1))
    assert desk.directory.released(1, "production") == kernel.address
    report = desk.verify()
    assert report.ok, report.failures
    names = ["directory", "kernel", "manifest root", "file", "integer model", "model digest", "registration", "code"]
    assert [check.name for check in report.checks] == [*names, "status"]


def test_recording_again_sends_nothing_and_recording_another_is_refused(desk):
    kernel = desk.kernel()
    desk.record(kernel)
    block = desk.outbox.node.block_number()
    desk.record(kernel)
    assert desk.outbox.node.block_number() == block
    with pytest.raises(Rejected) as caught:
        desk.directory.record(desk.outbox, 1, 1, desk.registry.address, FILES)
    assert caught.value.code == "directory: already recorded"


def test_a_kernel_that_passes_over_zeros_and_one_with_parts_are_recognised(desk):
    large = kernel_models.large()
    data = document.to_bytes(large)
    files = Manifest.of([FileEntry(INTEGER_MODEL_FILE, len(data), sha256(data))])
    dense, sparse = (desk.kernel(large, density) for density in (1_000, 100))
    assert dense.code != sparse.code
    for seq, kernel in ((2, dense), (3, sparse)):
        desk.add(seq, files)
        desk.directory.record(desk.outbox, 1, seq, kernel.address, files)
        report = desk.directory.verify(1, seq, files, data)
        assert report.ok, report.failures
        assert f"code of part {len(kernel.parts) - 1}" in [check.name for check in report.checks]


def test_a_version_without_the_file_gets_no_kernel(desk):
    files = Manifest.of([FileEntry("model.onnx", 7, sha256(b"trained"))])
    with pytest.raises(InvalidInput) as caught:
        desk.directory.record(desk.outbox, 1, 1, desk.kernel().address, files)
    assert caught.value.code == "manifest.name"
    assert "file" in failed(desk.verify(manifest=files))


def test_a_version_without_a_kernel_is_told(desk):
    assert failed(desk.verify()) == ["kernel"]
    assert failed(desk.verify(seq=2)) == ["version"]


def test_code_that_only_says_it_is_the_model_is_caught(desk):
    """The chain cannot see it: a contract that names the true model and has other weights."""
    true = desk.kernel()
    first, *others = MODEL.steps
    weights = ((first.weights[0][0] + 1, *first.weights[0][1:]), *first.weights[1:])
    changed = replace(MODEL, steps=(replace(first, weights=weights), *others))
    false = compile_integer(changed, registry=true.registry)
    code = false.code.replace(false.digest, true.digest)
    assert code.count(true.digest) == 1
    liar = replace(false, code=code)
    liar.deploy(desk.outbox)
    desk.record(liar)
    report = desk.verify()
    assert failed(report) == ["code"]
    assert "model digest" in [check.name for check in report.checks if check.ok]


def test_another_file_or_another_manifest_is_caught(desk):
    desk.record(desk.kernel())
    other = document.to_bytes(replace(MODEL, name="another"))
    assert failed(desk.verify(data=other)) == ["file", "model digest", "code"]
    assert failed(desk.verify(data=b"{}")) == ["file", "integer model"]
    more = Manifest.of([*FILES.files, FileEntry("extra.txt", 1, sha256(b"x"))])
    assert failed(desk.verify(manifest=more)) == ["manifest root"]


def test_a_false_directory_is_caught(desk):
    kernel = desk.kernel()
    desk.record(kernel)
    false = Directory(desk.outbox.node, desk.registry.address, desk.registry.address)
    assert failed(false.verify(1, 1, FILES, DATA))[0] == "directory"


def test_a_revoked_version_is_told_and_its_record_stands(desk):
    desk.record(desk.kernel())
    desk.send(desk.registry.release(1, "production", 1))
    desk.send(desk.registry.set_status(1, 1, Status.REVOKED, "leaks"))
    report = desk.verify()
    assert report.ok
    assert report.checks[-1].detail == "revoked"
    with pytest.raises(Rejected) as caught:
        desk.directory.released(1, "production")
    assert caught.value.code == "directory: version is revoked"


def test_a_contract_decides_by_the_kernel_of_the_released_version(desk):
    kernel = desk.kernel()
    desk.record(kernel)
    desk.send(desk.registry.release(1, "production", 1))
    terms = Terms(
        2, desk.directory.contract.address, desk.registry.address, gas_limit=kernel.worst_gas, outputs=MODEL.outputs
    )
    consumer = desk.send(Call(None, compiled(FALLS_BACK) + terms.encoded())).contract_address
    assert consumer is not None
    for edge in ("low", "high"):
        x = tuple(getattr(field, edge) for field in MODEL.input.fields)
        desk.send(Call(consumer, selector("decide(bytes)") + encode(["bytes"], [reference.pack(MODEL.input, x)])))
        decided = desk.outbox.node.call(consumer, selector("decided()"))
        first = desk.outbox.node.call(consumer, selector("values(uint256)") + bytes(32))
        assert int.from_bytes(decided) == 1
        assert int.from_bytes(first, signed=True) == reference.predict(MODEL, x)[0]
