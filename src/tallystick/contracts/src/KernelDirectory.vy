# pragma version 0.4.3
"""
@title   KernelDirectory
@license Apache-2.0
@notice  Which contract is the kernel of which version of which model. The interface IKernelDirectory.vyi teaches the
         contract; kernels/follow.vy is how another contract relies on it.
@custom:invariant A version has at most one kernel, recorded by the model's owner or the version's own signer, and the
                  integer model that the kernel named then is a file under the version's manifest root.
@custom:kill      There is none: no administrator, no pause, no upgrade. An owner stops a kernel by revoking its version
                  in the registry, which is for ever, or by moving the channel.
@custom:security  A kernel's views are its maker's word, and code that calls other code may change its mind: recompile
                  the model and compare before relying on a stranger's. A false registry speaks for its own models only.
                  A version released before its kernel is recorded gets it from its owner or its signer later: record
                  first, then release.
"""

from ..interfaces import IKernelDirectory
from ..interfaces import IModel
from ..interfaces import IModelRegistry
from . import merkle
from .kernels import files

implements: IKernelDirectory

_REVOKED: constant(uint8) = 3

_kernels: HashMap[address, HashMap[uint256, HashMap[uint32, address]]]  # registry, model, seq


@external
def record(
    registry: address,
    model_id: uint256,
    seq: uint32,
    kernel: address,
    size: uint64,
    index: uint64,
    count: uint64,
    proof: DynArray[bytes32, 63],
):
    assert registry.is_contract, "directory: not a registry"
    assert kernel.is_contract, "directory: no kernel there"
    assert self._kernels[registry][model_id][seq] == empty(address), "directory: already recorded"
    version: IModelRegistry.Version = staticcall IModelRegistry(registry).version(model_id, seq)
    self._check_sender(registry, model_id, version.signer)
    assert version.status != _REVOKED, "directory: version is revoked"
    digest: bytes32 = self._digest_of(kernel, registry, model_id)
    assert merkle._included(
        convert(index, uint256),
        convert(count, uint256),
        version.roots.manifest_root,
        files._leaf(digest, size),
        proof,
    ), "directory: not of this version"

    self._kernels[registry][model_id][seq] = kernel
    log IKernelDirectory.KernelRecorded(
        registry=registry,
        model_id=model_id,
        kernel=kernel,
        seq=seq,
        model_digest=digest,
        code_hash=kernel.codehash,
        sender=msg.sender,
    )


@view
@external
def kernel_of(registry: address, model_id: uint256, seq: uint32) -> address:
    return self._kernels[registry][model_id][seq]


@view
@external
def released(registry: address, model_id: uint256, channel: String[32]) -> address:
    assert registry.is_contract, "directory: not a registry"
    seq: uint32 = staticcall IModelRegistry(registry).released(model_id, channel)
    assert seq != 0, "directory: nothing released"
    status: uint8 = staticcall IModelRegistry(registry).status_of(model_id, seq)
    assert status != _REVOKED, "directory: version is revoked"
    kernel: address = self._kernels[registry][model_id][seq]
    assert kernel != empty(address), "directory: no kernel"
    return kernel


@view
@external
def file_leaf(digest: bytes32, size: uint64) -> bytes32:
    return files._leaf(digest, size)


@view
@internal
def _check_sender(registry: address, model_id: uint256, signer: address):
    owner: address = staticcall IModelRegistry(registry).ownerOf(model_id)
    if owner != msg.sender:
        is_delegate: bool = staticcall IModelRegistry(registry).is_delegate(model_id, msg.sender)
        assert is_delegate and signer == msg.sender, "directory: not allowed"


@view
@internal
def _digest_of(kernel: address, registry: address, model_id: uint256) -> bytes32:
    said_registry: address = empty(address)
    said_model: uint256 = 0
    said_registry, said_model = staticcall IModel(kernel).registry()
    assert said_registry == registry and said_model == model_id, "directory: another model"
    return staticcall IModel(kernel).model_digest()
