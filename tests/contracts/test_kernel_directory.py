"""The directory of kernels: each rule once kept and once broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.bindings import kernel_directory as binding
from tallystick.chain.bindings.kernel_directory import KernelDirectory
from tallystick.chain.bindings.model_registry import Roots
from tallystick.contracts import Status, artifact
from tallystick.core import merkle
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import Rejected
from tallystick.core.manifest import FileEntry
from tests.contracts.kernels import DIGEST, DOCUMENT, GOOD, INTEGER_MODEL, manifest, model, proof_of

NOBODY = "0x" + "00" * 20
FILES = manifest()
ROOTS = Roots(FILES.root, b"a" * 32, b"p" * 32, b"d" * 32, 400, b"c" * 32)
FIRST, SECOND = b"1" * 32, b"2" * 32


@pytest.fixture
def directory(ledger):
    """A directory that nobody used yet."""
    return KernelDirectory(ledger, ledger.deploy(artifact("KernelDirectory").bytecode))


@pytest.fixture
def models(ledger, registry):
    """A registry with model 1 of the first account, two versions, and the second account its delegate."""
    alice, bob = ledger.accounts[:2]
    ledger.send(registry.register("one", ""), alice)
    ledger.send(registry.rotate_key(b"k" * 32), alice)
    ledger.send(registry.rotate_key(b"l" * 32), bob)
    ledger.send(registry.set_delegate(1, bob, True), alice)
    ledger.send(registry.add_version(1, 1, [], FIRST, ROOTS, 0), alice)
    ledger.send(registry.add_version(1, 2, [FIRST], SECOND, ROOTS, 0), bob)
    return registry


@pytest.fixture
def kernel(ledger, models):
    """A kernel that says it is of model 1."""
    return ledger.deploy(model(GOOD, models.address, 1))


def recording(directory, registry, kernel, seq=1, files=FILES, model_id=1):
    return directory.record(registry.address, model_id, seq, kernel, *proof_of(files))


def test_the_owner_records_the_kernel_of_a_version(ledger, directory, models, kernel, events):
    alice = ledger.accounts[0]
    assert directory.kernel_of(models.address, 1, 1) == NOBODY
    mined = ledger.send(recording(directory, models, kernel), alice)
    code_hash = keccak(ledger.node.code(kernel))
    expected = binding.KernelRecorded(models.address, 1, kernel, 1, DIGEST, code_hash, alice)
    assert events(mined, binding.EVENTS) == [expected]
    assert directory.kernel_of(models.address, 1, 1) == kernel
    assert directory.kernel_of(models.address, 1, 2) == NOBODY


def test_a_recorded_kernel_is_never_replaced(ledger, directory, models, kernel, refused):
    alice = ledger.accounts[0]
    ledger.send(recording(directory, models, kernel), alice)
    other = ledger.deploy(model(GOOD, models.address, 1))
    with refused("directory: already recorded"):
        ledger.send(recording(directory, models, other), alice)
    assert directory.kernel_of(models.address, 1, 1) == kernel


def test_a_delegate_records_for_versions_it_signed_and_for_no_others(ledger, directory, models, kernel, refused):
    alice, bob, carol = ledger.accounts[:3]
    for stranger in (bob, carol):
        with refused("directory: not allowed"):
            ledger.send(recording(directory, models, kernel), stranger)
    ledger.send(recording(directory, models, kernel, seq=2), bob)
    assert directory.kernel_of(models.address, 1, 2) == kernel
    ledger.send(recording(directory, models, kernel), alice)


def test_a_delegate_who_is_one_no_more_records_nothing(ledger, directory, models, kernel, refused):
    alice, bob = ledger.accounts[:2]
    ledger.send(models.set_delegate(1, bob, False), alice)
    with refused("directory: not allowed"):
        ledger.send(recording(directory, models, kernel, seq=2), bob)
    ledger.send(recording(directory, models, kernel, seq=2), alice)


def test_who_sold_the_model_records_nothing_and_the_buyer_does(ledger, directory, models, kernel, refused):
    alice, carol = ledger.accounts[0], ledger.accounts[2]
    ledger.send(models.transfer_from(alice, carol, 1), alice)
    with refused("directory: not allowed"):
        ledger.send(recording(directory, models, kernel), alice)
    ledger.send(recording(directory, models, kernel), carol)


def test_a_kernel_must_name_this_model_of_this_registry(ledger, directory, models, refused):
    alice = ledger.accounts[0]
    for registry, model_id in ((models.address, 2), (directory.address, 1), (NOBODY, 0)):
        other = ledger.deploy(model(GOOD, registry, model_id))
        with refused("directory: another model"):
            ledger.send(recording(directory, models, other), alice)


def test_the_integer_model_must_be_a_file_of_the_version(ledger, directory, models, kernel, refused):
    alice = ledger.accounts[0]
    another = ledger.deploy(model(GOOD, models.address, 1, digest=sha256(b"another")))
    with refused("directory: not of this version"):
        ledger.send(recording(directory, models, another), alice)
    for files in (manifest(others=5), manifest(size=23)):  # a true proof, of another version's files
        with refused("directory: not of this version"):
            ledger.send(recording(directory, models, kernel, files=files), alice)
    size, index, count, proof = proof_of(FILES)
    for bad in (
        (size + 1, index, count, proof),
        (size, index - 1, count, proof),
        (size, index, count + 4, proof),
        (size, count, count, proof),
        (size, index, count, proof[:-1]),
        (size, index, count, [*proof, proof[0]]),
        (size, index, 0, proof),
    ):
        with refused("directory: not of this version"):
            ledger.send(directory.record(models.address, 1, 1, kernel, *bad), alice)


def test_a_file_of_the_same_bytes_under_another_name_is_not_it(ledger, directory, registry, refused):
    alice = ledger.accounts[0]
    files = (FileEntry("model.onnx", 3, b"o" * 32), FileEntry("xinteger-model.json", len(DOCUMENT), DIGEST))
    leaves = merkle.leaf_hashes(file.leaf() for file in files)
    ledger.send(registry.register("one", ""), alice)
    ledger.send(registry.rotate_key(b"k" * 32), alice)
    ledger.send(registry.add_version(1, 1, [], FIRST, replace(ROOTS, manifest_root=merkle.root(leaves)), 0), alice)
    kernel = ledger.deploy(model(GOOD, registry.address, 1))
    with refused("directory: not of this version"):
        ledger.send(directory.record(registry.address, 1, 1, kernel, len(DOCUMENT), 1, 2, [leaves[0]]), alice)


def test_addresses_without_code_are_refused(ledger, directory, models, kernel, refused):
    alice, carol = ledger.accounts[0], ledger.accounts[2]
    with refused("directory: no kernel there"):
        ledger.send(recording(directory, models, carol), alice)
    with refused("directory: not a registry"):
        ledger.send(directory.record(carol, 1, 1, kernel, *proof_of(FILES)), alice)
    with refused("directory: not a registry"):
        directory.released(carol, 1, "production")


def test_an_unknown_version_is_refused_as_the_registry_does(ledger, directory, models, kernel, refused):
    with refused("versions: unknown version"):
        ledger.send(recording(directory, models, kernel, seq=3), ledger.accounts[0])


def test_a_registry_speaks_for_its_own_models_only(ledger, directory, models, kernel):
    alice = ledger.accounts[0]
    ledger.send(recording(directory, models, kernel), alice)
    assert directory.kernel_of(kernel, 1, 1) == NOBODY
    with pytest.raises(Rejected):  # a kernel is no registry, though it has code
        ledger.send(directory.record(kernel, 1, 1, kernel, *proof_of(FILES)), alice)


def test_a_revoked_version_gets_no_kernel_and_gives_none(ledger, directory, models, kernel, refused):
    alice = ledger.accounts[0]
    ledger.send(models.set_status(1, 2, Status.REVOKED, "leaks"), alice)
    with refused("directory: version is revoked"):
        ledger.send(recording(directory, models, kernel, seq=2), alice)
    ledger.send(recording(directory, models, kernel), alice)
    ledger.send(models.release(1, "production", 1), alice)
    assert directory.released(models.address, 1, "production") == kernel
    ledger.send(models.set_status(1, 1, Status.DEPRECATED, "old"), alice)
    assert directory.released(models.address, 1, "production") == kernel
    ledger.send(models.set_status(1, 1, Status.REVOKED, "wrong"), alice)
    with refused("directory: version is revoked"):
        directory.released(models.address, 1, "production")
    assert directory.kernel_of(models.address, 1, 1) == kernel  # history is whole


def test_the_released_kernel_is_the_one_the_channel_points_at_now(ledger, directory, models, kernel, refused):
    alice = ledger.accounts[0]
    second = ledger.deploy(model(GOOD, models.address, 1))
    with refused("directory: nothing released"):
        directory.released(models.address, 1, "production")
    ledger.send(models.release(1, "production", 1), alice)
    with refused("directory: no kernel"):
        directory.released(models.address, 1, "production")
    ledger.send(recording(directory, models, kernel), alice)
    ledger.send(recording(directory, models, second, seq=2), alice)
    assert directory.released(models.address, 1, "production") == kernel
    ledger.send(models.release(1, "production", 2), alice)
    assert directory.released(models.address, 1, "production") == second
    ledger.send(models.release(1, "production", 0), alice)
    with refused("directory: nothing released"):
        directory.released(models.address, 1, "production")


@pytest.fixture(scope="module")
def computes_leaf(ledger):
    """The leaf hash as the contract computes it."""
    return KernelDirectory(ledger, ledger.deploy(artifact("KernelDirectory").bytecode)).file_leaf


@settings(max_examples=60, deadline=None)
@given(digest=st.binary(min_size=32, max_size=32), size=st.one_of(st.integers(0, 2**53 - 1), st.integers(0, 20)))
def test_the_contract_spells_a_file_as_manifests_do(computes_leaf, digest, size):
    assert computes_leaf(digest, size) == merkle.leaf_hash(FileEntry(INTEGER_MODEL, size, digest).leaf())


def test_every_hex_digit_is_spelt_right(computes_leaf):
    for digest in (bytes(range(32)), bytes(range(224, 256)), bytes.fromhex("0123456789abcdef" * 4), b"\x9a" * 32):
        assert computes_leaf(digest, 2**53 - 1) == merkle.leaf_hash(FileEntry(INTEGER_MODEL, 2**53 - 1, digest).leaf())
