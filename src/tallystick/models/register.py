"""The verbs of a publisher: register a model, add its versions, release them, say what became of them.

Each verb can be repeated: evidence is written before the chain is asked, a transaction leaves under a key that follows
from what it does, and what the chain says already is not said again. So a crash at any point is mended by making the
same call once more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.chain.outbox import Outbox
from tallystick.contracts import Kind, Status
from tallystick.core import canonical
from tallystick.core.digest import sha256
from tallystick.core.ed25519 import check_public_key
from tallystick.core.errors import Broken, InvalidInput, Rejected, TallystickError
from tallystick.core.ids import check_channel, parse_address
from tallystick.models.dataset import Dataset
from tallystick.models.environment import describe_environment
from tallystick.models.evidence import Evidence, from_recorded, to_recorded
from tallystick.models.formats.folder import ModelContent, inspect
from tallystick.models.keeping import keep_code, keep_content, keep_data, keep_envelope, listing_of
from tallystick.models.roots import UNCHANGED, Roots
from tallystick.models.statement import DataClaim, Place, VersionStatement
from tallystick.store.blobs import BlobStore

STATUSES = {str(status.name).lower(): status for status in Status}


@dataclass(frozen=True)
class Training:
    """What the publisher says of how a version came to be; all of it is signed, little of it can be recomputed.

    hyperparameters   texts
    metrics           decimal numbers as text
    environment       texts; None describes this process
    dataset           the data log it was trained on; extends or restarts the first parent's, or says why not:
    replaced_because  the reason when it does neither
    publish_rows      False keeps rows and salts out of the blob store; the commitments still show that the log grew
    code              the file or folder that made it
    """

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] | None = None
    note: str = ""
    dataset: Dataset | None = None
    replaced_because: str = ""
    publish_rows: bool = True
    code: Path | None = None


@dataclass(frozen=True)
class Added:
    """A version on the chain. `is_new` is False when it stood there before the call."""

    model_id: int
    seq: int
    statement: bytes
    roots: Roots
    kinds: Kind
    is_new: bool


class Registrar:
    """Speaks to one registry in the name of the outbox's account, keeping evidence in one blob store.

    registry     address of the ModelRegistry
    first_block  where to begin looking for its events; the block of its deployment saves time on a long chain
    """

    def __init__(self, outbox: Outbox, registry: str, blobs: BlobStore, *, first_block: int = 0) -> None:
        self.registry = binding.ModelRegistry(outbox.node, parse_address(registry))
        self._outbox = outbox
        self._blobs = blobs
        self._first_block = first_block

    @property
    def account(self) -> str:
        """The address in whose name it speaks."""
        return self._outbox.account.address

    # --- models and keys

    def register(self, name: str, uri: str = "", *, key: str = "") -> int:
        """Return the id of a model called `name` that this account registered, now or by the same call before.

        key     tells two models of one name apart: the same name and key are the same model
        raises  Rejected with the contract's reason; Unavailable "outbox.waiting"
        """
        intent = sha256(canonical.encode([name, key])).hex()
        receipt = self._send(self.registry.register(name, uri), f"register {intent}")
        for log in receipt.logs:
            if log.address == self.registry.address and log.topics[:1] == (binding.ModelRegistered.topic,):
                return binding.ModelRegistered.decode(log).model_id
        raise Broken("register.event", "a registration left no event", expected="ModelRegistered")

    def rotate_key(self, public_key: bytes) -> int:
        """Return the index of `public_key`, which signs for this account from now on.

        raises  Rejected "keys: already used" when it did so before and was replaced; InvalidInput "ed25519.weak"
        """
        check_public_key(public_key)
        if self.registry.active_key(self.account) != public_key:
            times = self.registry.key_count(self.account)
            self._send(self.registry.rotate_key(public_key), f"rotate-key {public_key.hex()} {times}")
        return self.registry.key_index(self.account, public_key)

    def revoke_key(self, index: int, reason: str) -> None:
        """This account disowns its key `index`; nothing is sent when it did already."""
        if self.registry.key_at(self.account, index).revoked == 0:
            self._send(self.registry.revoke_key(index, reason), f"revoke-key {index}")

    # --- versions

    def add_version(
        self,
        model_id: int,
        folder: Path,
        signer: Ed25519PrivateKey,
        training: Training,
        *,
        parents: Sequence[bytes] | None = None,
        is_metadata: bool = False,
    ) -> Added:
        """Return the version that `folder` is, recorded on the chain with all its evidence in the blob store.

        signer       must be the account's active key in the registry; see `rotate_key`
        parents      statements, the main one first; None is the model's last version
        is_metadata  flags a change of metadata; set anyway when files changed but neither tensors nor configuration
        raises       InvalidInput "register.key", "register.data", "keeping.changed" and those of `inspect`;
                     Rejected with the contract's reason; Unavailable "outbox.waiting"

        A version with the content, and the parents if they are given, of the model's last one is that one.
        """
        content = inspect(folder)
        model = self.registry.model(model_id)
        last = self.registry.version(model_id, model.version_count) if model.version_count else None
        default = [] if last is None else [last.statement]
        chosen = tuple(default if parents is None else parents)
        place = Place(self._chain_id, self.registry.address, model_id, model.version_count + 1, self.account)
        statement = self._describe(model.name, place, content, training, chosen, is_metadata=is_metadata)
        if last is not None and self._is_same(last, statement, parents):
            return _added(last, is_new=False)
        self._check_key(signer)
        keep_content(self._blobs, folder, content)
        if training.dataset is not None:
            keep_data(self._blobs, training.dataset, publish_rows=training.publish_rows)
        envelope = self._unclaimed(statement).sign(signer)
        keep_envelope(self._blobs, envelope)
        call = self.registry.add_version(
            model_id, place.seq, chosen, envelope.digest, to_recorded(statement.roots), statement.kinds
        )
        self._send(call, f"add-version {model_id} {place.seq} {envelope.digest.hex()}")
        return _added(self.registry.version(*self.registry.version_of(envelope.digest)), is_new=True)

    def set_status(self, model_id: int, seq: int, status: str, reason: str) -> None:
        """The version has this status; nothing is sent when it has it already. Revoked is for ever.

        status  active, deprecated or revoked
        raises  InvalidInput "register.status"; Rejected "versions: revoked is final", …
        """
        if status not in STATUSES:
            raise InvalidInput(
                "register.status", "no such status", expected=", ".join(STATUSES), got=ascii(status)[:40]
            )
        version = self.registry.version(model_id, seq)
        if version.status != STATUSES[status]:
            times = self._count(binding.StatusSet.topic, _word(model_id), version.statement)
            call = self.registry.set_status(model_id, seq, STATUSES[status], reason)
            self._send(call, f"set-status {model_id} {seq} {status} {times}")

    def release(self, model_id: int, channel: str, seq: int) -> None:
        """The channel points at the version `seq`, or with 0 at none; nothing is sent when it does already.

        raises  InvalidInput "model.channel"; Rejected "releases: version is revoked", …
        """
        if seq:  # from any other channel, versions can be withdrawn
            check_channel(channel)
        if self.registry.released(model_id, channel) != seq:
            times = self.registry.release_count(model_id, channel)
            self._send(self.registry.release(model_id, channel, seq), f"release {model_id} {channel} {seq} {times}")

    def transfer(self, model_id: int, receiver: str) -> None:
        """The model belongs to `receiver`, and its delegates have ended; nothing is sent when it does already.

        raises  Rejected "erc721: not owner or approved", "erc721: receiver refused", …
        """
        receiver = parse_address(receiver)
        model = self.registry.model(model_id)
        if model.owner != receiver:
            call = self.registry.safe_transfer_from(self.account, receiver, model_id)
            self._send(call, f"transfer {model_id} {receiver} {model.transfers}")

    def set_delegate(self, model_id: int, account: str, *, allowed: bool) -> None:
        """`account` may, or may no longer, add versions; nothing is sent when it is so already."""
        account = parse_address(account)
        if self.registry.is_delegate(model_id, account) != allowed:
            times = self._count(binding.DelegateSet.topic, _word(model_id), bytes(12) + bytes.fromhex(account[2:]))
            call = self.registry.set_delegate(model_id, account, allowed)
            self._send(call, f"set-delegate {model_id} {account} {allowed} {times}")

    # --- parts of the verbs

    @property
    def _chain_id(self) -> int:
        return self._outbox.node.chain_id

    def _describe(
        self,
        name: str,
        place: Place,
        content: ModelContent,
        training: Training,
        parents: tuple[bytes, ...],
        *,
        is_metadata: bool,
    ) -> VersionStatement:
        manifest, tensors = listing_of(content)
        parent = None
        if parents:
            parent = from_recorded(self.registry.version(*self.registry.version_of(parents[0])).roots)
        statement = VersionStatement(
            name=name,
            place=place,
            manifest_root=content.manifest.root,
            manifest=manifest,
            architecture_root=content.architecture.root,
            parameter_root=content.tensors.root,
            tensors=tensors,
            data=None if training.dataset is None else _claim(training.dataset, training, parent),
            code=None if training.code is None else keep_code(self._blobs, training.code),
            opaque=content.opaque,
            parents=parents,
            environment=describe_environment() if training.environment is None else training.environment,
            hyperparameters=training.hyperparameters,
            metrics=training.metrics,
            note=training.note,
        )
        return replace(statement, kinds=_kinds(statement.roots, parent, is_metadata=is_metadata))

    def _is_same(self, last: binding.Version, statement: VersionStatement, parents: Sequence[bytes] | None) -> bool:
        """Return whether the last version is this one, added by the same call before."""
        if last.roots != to_recorded(statement.roots) or (parents is not None and tuple(parents) != last.parents):
            return False
        try:
            return Evidence(self._blobs, last.statement).statement.content == statement.content
        except TallystickError:
            return False  # made elsewhere, its evidence is not in this store

    def _unclaimed(self, statement: VersionStatement) -> VersionStatement:
        """Return the statement, salted if a stranger registered its digest under a model of his own.

        Evidence is public before the chain hears of it, and the registry takes a digest once, from whoever comes first.
        """
        try:
            taken = self.registry.version_of(sha256(statement.to_bytes()))
        except Rejected:
            return statement
        place = statement.place
        is_ours = taken == (place.model_id, place.seq)  # sent by an earlier call, and mined just now
        return statement if is_ours else replace(statement, salt=secrets.token_hex(16))

    def _check_key(self, signer: Ed25519PrivateKey) -> None:
        active, own = self.registry.active_key(self.account), signer.public_key().public_bytes_raw()
        if active != own:
            raise InvalidInput(
                "register.key", "the signer is not this account's active key in the registry", expected=active.hex(),
                got=own.hex(), hint="put the key in charge with rotate_key first",
            )  # fmt: skip

    def _send(self, call: Call, intent: str) -> TxReceipt:
        return self._outbox.send_and_wait(call, key=f"models {self.registry.address} {intent}")

    def _count(self, *topics: bytes) -> int:
        """Return how many such events there were, so that a change made again has a key of its own."""
        return len(self._outbox.node.logs(self.registry.address, topics, from_block=self._first_block))


def _added(version: binding.Version, *, is_new: bool) -> Added:
    roots, kinds = from_recorded(version.roots), Kind(version.kinds)
    return Added(version.model_id, version.seq, version.statement, roots, kinds, is_new)


def _kinds(roots: Roots, parent: Roots | None, *, is_metadata: bool) -> Kind:
    if parent is None:
        return UNCHANGED
    kinds = roots.changed_from(parent)
    only_files = roots.manifest != parent.manifest and not kinds & (Kind.PARAMETERS | Kind.ARCHITECTURE)
    return kinds | Kind.METADATA if is_metadata or only_files else kinds


def _claim(log: Dataset, training: Training, parent: Roots | None) -> DataClaim:
    """Return what the statement says of the data, in relation to the first parent's."""
    origin = log.document.origin
    relation, reason = "first", ""
    path: tuple[bytes, ...] = ()
    if parent is not None and parent.data is not None:
        if (parent.data, parent.data_size) == (log.root, log.size):
            relation = "same"
        elif parent.data_size < log.size and log.root_at(parent.data_size) == parent.data:
            relation, path = "grown", tuple(log.consistency_path(parent.data_size))
        elif origin is not None and (origin.root, origin.size) == (parent.data, parent.data_size):
            relation, reason = "restarted", origin.reason
        elif training.replaced_because:
            relation, reason = "replaced", training.replaced_because
        else:
            raise InvalidInput(
                "register.data",
                "the data does not follow from the parent's",
                expected=f"a log that grew from {parent.data_size} rows under {parent.data.hex()}",
                got=f"{log.size} rows under {log.root.hex()}",
                hint="append to the parent's data set, restart it, or say why it was replaced",
            )
    document = sha256(log.document.to_bytes())
    return DataClaim(log.root, log.size, document, training.publish_rows, relation, path, reason)


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")
