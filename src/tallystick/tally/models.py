"""The desk of the room `models` in an open workspace: its verbs with this workspace's chain, keys and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.core.checks import Report
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import ModelRef
from tallystick.index import Projection
from tallystick.models.diff import VersionDiff, diff_versions
from tallystick.models.history import History, load_history
from tallystick.models.projection import projection
from tallystick.models.register import Added, Registrar, Training
from tallystick.models.serving import load_onnx
from tallystick.models.verify import Auditor

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


def open_desk(tally: Tally) -> Models:
    """Return the desk of `models` in this workspace."""
    return Models(tally)


class Models:
    """Register models, add versions to them, release them, and check what others registered."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    @cached_property
    def registrar(self) -> Registrar:
        """Every verb of a publisher, in the name of this workspace's account."""
        return Registrar(self._tally.outbox, self.address, self._tally.blobs, first_block=self.first_block)

    @cached_property
    def registry(self) -> ModelRegistry:
        """The registry, for reading: whoever only looks and checks needs no account."""
        return ModelRegistry(self._tally.node, self.address)

    @cached_property
    def first_block(self) -> int:
        """The block before which the registry has no event."""
        return self._tally.first_block("ModelRegistry")

    @cached_property
    def address(self) -> str:
        """The registry of this workspace's chain."""
        return self._tally.address("ModelRegistry")

    def projection(self) -> Projection:
        """Return what the index makes of the registry's events."""
        return projection(self.address)

    def register(self, name: str, uri: str = "", *, key: str = "") -> int:
        """Return the id of a new model called `name`; the same call again returns the same model."""
        return self.registrar.register(name, uri, key=key)

    def add_version(
        self,
        model_id: int,
        folder: Path,
        training: Training | None = None,
        *,
        parents: Sequence[bytes] | None = None,
        is_metadata: bool = False,
    ) -> Added:
        """Record what is in `folder` as the model's next version, signed with this workspace's signer.

        The signer becomes the account's active key if the account has none yet. Errors as `Registrar.add_version`.
        """
        signer = self._tally.signer()
        registrar = self.registrar
        if registrar.registry.active_key(registrar.account) == bytes(32):
            registrar.rotate_key(signer.public_key().public_bytes_raw())
        return registrar.add_version(
            model_id, folder, signer, training or Training(), parents=parents, is_metadata=is_metadata
        )

    def resolve(self, reference: ModelRef) -> tuple[int, int]:
        """Return (model id, sequence number) of the version that `7@3`, `7@production` or `7` (the newest) means.

        raises  InvalidInput "model.version" when there is none; Rejected when the model does not exist
        """
        registry = self.registry
        if reference.seq is not None:
            seq = reference.seq
        elif reference.channel is not None:
            seq = registry.released(reference.model_id, reference.channel)
        else:
            seq = registry.model(reference.model_id).version_count
        if seq == 0:
            raise InvalidInput("model.version", f"{reference} means no version", hint="add or release one first")
        return reference.model_id, seq

    def load_onnx(self, model_id: int, seq: int) -> tuple[bytes, bytes]:
        """Return (statement digest, ONNX bytes) of a version, the bytes checked against the signed manifest."""
        statement = self.registry.version(model_id, seq).statement
        return statement, load_onnx(self._tally.blobs, statement)

    def history(self, model_id: int) -> History:
        """Return everything that the chain says happened to the model."""
        return load_history(self._tally.node, self.address, self._tally.blobs, model_id, first_block=self.first_block)

    def diff(self, old: ModelRef, new: ModelRef) -> VersionDiff:
        """Return what is different between two versions, of one model or of two."""
        statements = [self.registry.version(*self.resolve(one)).statement for one in (old, new)]
        return diff_versions(self._tally.blobs, *statements)

    def verify(self, reference: ModelRef) -> Report:
        """Recheck one version, or with a bare id every version of the model, from chain and evidence alone."""
        auditor = Auditor(self._tally.node, self.address, self._tally.blobs, first_block=self.first_block)
        if reference.seq is None and reference.channel is None:
            return auditor.audit_model(reference.model_id)
        return auditor.audit_version(*self.resolve(reference))
