"""The desk of the room `inference` in an open workspace: its logs, their place on chain, their export and audit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tallystick.chain.bindings.log_anchor import LogAnchor, LogState
from tallystick.core.checks import Report
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ENTRY_BYTES_MAX, LOG_BATCH_BYTES_MAX
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import Receipt
from tallystick.core.ticket import ticket_domain
from tallystick.index import Projection
from tallystick.inference.anchoring import Anchorer, open_log, retire_log, rotate_key, rotate_ticket_signer
from tallystick.inference.anchoring.history import read_chain
from tallystick.inference.log.checking import fsck
from tallystick.inference.log.exporting import Exported, export
from tallystick.inference.log.reader import LogReader
from tallystick.inference.log.writer import Log
from tallystick.inference.projection import projection
from tallystick.inference.receipts import build_receipt
from tallystick.inference.runtime import Predictor
from tallystick.inference.serving import ReceiptedModel, Served
from tallystick.inference.tickets import TicketOffice
from tallystick.inference.verify import LogAudit, verify_log
from tallystick.store.files import safe_join

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

LOG = "main"  # the log that commands mean when none is named
LOG_KEY = "log"  # the Ed25519 key that signs checkpoints
TICKET_KEY = "tickets"  # the secp256k1 key that signs batch promises; never an account that holds money

_APPEND_ENTRIES = LOG_BATCH_BYTES_MAX // ENTRY_BYTES_MAX  # at a time: so many fit into a batch, however large they are


def open_desk(tally: Tally) -> Logs:
    """Return the desk of `inference` in this workspace."""
    return Logs(tally)


@dataclass(frozen=True)
class LogInfo:
    """A log of this workspace: its name here, its origin everywhere, its id on chain."""

    name: str
    origin: str
    log_id: int
    size: int


class Logs:
    """Make logs, write and anchor them, publish them, and check what anybody published."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._readers: dict[str, LogReader] = {}

    @cached_property
    def address(self) -> str:
        """The LogAnchor contract of this workspace's chain."""
        return self._tally.address("LogAnchor")

    @cached_property
    def contract(self) -> LogAnchor:
        """The LogAnchor contract, to read."""
        return LogAnchor(self._tally.node, self.address)

    @cached_property
    def first_block(self) -> int:
        """The block before which the contract has no event."""
        return self._tally.first_block("LogAnchor")

    def projection(self) -> Projection:
        """Return what the index makes of the contract's events."""
        return projection(self.address)

    def folder(self, name: str = LOG) -> Path:
        """Return where the log `name` is kept; raises InvalidInput "name.form"."""
        return safe_join(self._tally.workspace.logs_path, name)

    def list(self) -> list[LogInfo]:
        """Return the logs of this workspace, by name."""
        root = self._tally.workspace.logs_path
        names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        return [self.info(name) for name in names]

    def info(self, name: str = LOG) -> LogInfo:
        """Return what is known of the log `name`; raises InvalidInput "log.none"."""
        reader = self.reader(name)
        return LogInfo(name, reader.origin, self.log_id(name), reader.size)

    # --- a log's life

    def open(
        self, name: str = LOG, origin: str | None = None, *, bodies: bool = True, volatile: bool = False
    ) -> LogInfo:
        """Make the log `name` here and bind it to its keys on chain; doing so again changes and signs nothing.

        origin    the log's name for the world, a URL without its scheme; by default one that no other account has
        bodies    keep requests and answers beside the entries, so that predictions can be repeated
        volatile  accept a file system in memory
        """
        origin = origin or f"tallystick.local/{self._tally.account.address[2:].lower()}/{name}"
        if self._is_open(name, origin):
            return self.info(name)  # under whatever keys the chain names by now
        key = self._tally.signer(LOG_KEY)
        folder = self.folder(name)
        with Log.open(folder, origin, key=key, bodies=bodies, volatile=volatile) as log:
            log.checkpoint()
        public = key.public_key().public_bytes_raw()
        open_log(self._tally.outbox, self.address, origin, public, self._tally.secret(TICKET_KEY).address)
        return self.info(name)

    def log_id(self, name: str = LOG) -> int:
        """Return the id on chain of the log `name`; raises InvalidInput "log.unregistered"."""
        origin = self.reader(name).origin
        log_id = self.contract.log_of(self._tally.account.address, origin)
        if log_id == 0:
            raise InvalidInput(
                "log.unregistered", f"{origin} is not on this chain", hint="`tally log open` puts it there"
            )
        return log_id

    def state(self, name: str = LOG) -> LogState:
        """Return what the chain holds of the log `name`."""
        return self.contract.log_at(self.log_id(name))

    def verifier_key(self, name: str = LOG) -> VerifierKey:
        """Return the key that the chain says signs this log's checkpoints now."""
        state = self.state(name)
        return VerifierKey(state.origin, state.vkey)

    def rotate_key(self, key_name: str, name: str = LOG) -> int:
        """Let the signer `key_name` sign this log's checkpoints from here on, the first at once; return the key's index
        on chain.

        raises  Unavailable "log.locked" while another process writes, since that would go on with the old key
        """
        key = self._tally.signer(key_name)
        log_id = self.log_id(name)
        with Log.open(self.folder(name), key=key) as log:
            index = rotate_key(self._tally.outbox, self.address, log_id, key.public_key().public_bytes_raw())
            log.checkpoint()
        return index

    def rotate_ticket_signer(self, key_name: str, name: str = LOG) -> int:
        """Let the account `key_name` sign this log's tickets from here on; return the index of its term on chain."""
        signer = self._tally.secret(key_name).address
        return rotate_ticket_signer(self._tally.outbox, self.address, self.log_id(name), signer)

    def retire(self, name: str = LOG, successor: int = 0) -> None:
        """End the log on chain for good, naming the id of the log that goes on in its place, or none."""
        retire_log(self._tally.outbox, self.address, self.log_id(name), successor)

    # --- write and read

    def writer(self, name: str = LOG) -> Log:
        """Open the log `name` for writing, signing with the key that the chain names; close it when done.

        raises  InvalidInput "log.retired", "log.no_key"; Unavailable "log.locked" while another process writes
        """
        state = self.state(name)
        if state.retired:
            hint = f"write to its successor, log {state.successor}" if state.successor else "open another log"
            raise InvalidInput("log.retired", f"{state.origin} has ended on chain", hint=hint)
        key = self._tally.signer(self._key_name(state.vkey.hex(), "checkpoints"))
        return Log.open(self.folder(name), key=key)

    def append(self, entries: Sequence[bytes], name: str = LOG) -> range:
        """Append entries, sign a checkpoint, and return their indices.

        raises  InvalidInput "log.nothing", "log.entry_size"; as `writer`; Unavailable "log.full" when there is
                no room for all: those before stay in the log
        """
        if not entries:
            raise InvalidInput("log.nothing", "there is no entry to append")
        with self.writer(name) as log:
            first = log.size
            for start in range(0, len(entries), _APPEND_ENTRIES):
                log.append_many(entries[start : start + _APPEND_ENTRIES])[-1].result()
            log.checkpoint()
            return range(first, log.size)

    def reader(self, name: str = LOG) -> LogReader:
        """Return a reader of the log `name`, which another process may be writing; closed with the workspace."""
        if name not in self._readers:
            self._readers[name] = LogReader(self.folder(name))
        return self._readers[name]

    def receipt(self, index: int, name: str = LOG) -> Receipt:
        """Return the offline receipt of entry `index` under the latest signed checkpoint."""
        return build_receipt(self.reader(name), index)

    # --- on chain and in public

    def anchorer(self, name: str = LOG, *, settle: Literal["final", "mined"] | None = None) -> Anchorer:
        """Return what anchors this log; call its `anchor()`. By default it waits for finality where that exists."""
        chosen = settle or ("mined" if self._tally.workspace.is_embedded else "final")
        outbox, log_id = self._tally.outbox, self.log_id(name)
        return Anchorer(self.reader(name), outbox, self.address, log_id, settle=chosen, blobs=self._tally.blobs)

    def export(self, name: str = LOG, *, bodies: bool = False) -> Exported:
        """Publish the log and its anchors in the blob store, as files that any tlog reader understands."""
        exported = export(self.reader(name), self._tally.blobs, bodies=bodies)
        self.anchorer(name).publish(self._tally.blobs)
        return exported

    def fsck(self, name: str = LOG, *, is_offline: bool = False) -> Report:
        """Derive the log again from its own files, beside its writer or without; every fault is a failed check.

        is_offline  do not ask the chain which keys may have signed its checkpoints: signatures are not looked at
        """
        folder = self.folder(name)
        if is_offline:
            return fsck(folder)
        chain = read_chain(self._tally.node, self.address, self.log_id(name))
        return fsck(folder, [VerifierKey(chain.state.origin, key.vkey) for key in chain.keys])

    def verify(self, name: str = LOG) -> LogAudit:
        """Audit what is published of the log `name`, from chain and blob store alone."""
        return verify_log(self._tally.node, self.address, self.log_id(name), self._tally.blobs)

    # --- serve

    def receipted(self, log: Log, served: Served, model: bytes, name: str = LOG) -> ReceiptedModel:
        """Return the model that answers from the ONNX bytes `model` and records each answer in `log`.

        raises  InvalidInput "log.no_key" when the key that the chain names for tickets is not here
        """
        domain = ticket_domain(self._tally.node.chain_id, self.address)
        secret = self._tally.secret(self._key_name(self.state(name).ticket_signer, "tickets"))
        office = TicketOffice(secret.reveal(), domain, self.log_id(name), _now_ms)
        return ReceiptedModel(Predictor(model), served, log, office)

    def node_id(self, name: str = LOG) -> bytes:
        """Return 16 bytes that name this deployment in records: this account serving into this log."""
        return sha256(f"{self._tally.account.address} {self.reader(name).origin}".encode())[:16]

    def _is_open(self, name: str, origin: str) -> bool:
        """Return whether the log is here, under this origin, and on chain."""
        if not (self.folder(name) / "log.json").is_file() or self.reader(name).origin != origin:
            return False
        return self.contract.log_of(self._tally.account.address, origin) != 0

    def _key_name(self, public: str, what: str) -> str:
        """Return what this workspace calls the key that the chain names; raises InvalidInput "log.no_key"."""
        for info in self._tally.workspace.keyring.list():
            if info.public == public:
                return info.name
        raise InvalidInput(
            "log.no_key", f"the key that signs this log's {what} is not in this workspace", expected=public
        )

    def close(self) -> None:
        """Close what was opened to read."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
