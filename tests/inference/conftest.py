"""A log, a blob store, and an embedded chain with LogAnchor on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.chain.accounts import Account
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.note import VerifierKey
from tallystick.inference.log import Files, Log
from tallystick.store.blobs import BlobStore

ORIGIN = "example.com/tallystick/test"
LOG_SEED = b"\x01" * 32
TICKET_SECRET = b"\x07" * 32

KEY = Ed25519PrivateKey.from_private_bytes(LOG_SEED)
VKEY = VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())
TICKET_SIGNER = Account(TICKET_SECRET).address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


OpenLog = Callable[..., Log]


@pytest.fixture
def open_log(folder: Path) -> OpenLog:
    """Open the log in `folder`; the caller closes it."""

    def opened(*, files: Files | None = None, **options: object) -> Log:
        return Log.open(folder, ORIGIN, key=KEY, volatile=True, files=files, **options)  # type: ignore[arg-type]

    return opened


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    (tmp_path / "blobs").mkdir()
    return BlobStore(str(tmp_path / "blobs"))


@dataclass
class Chain:
    """An embedded chain, an outbox on it, and where LogAnchor is."""

    path: Path
    node: Node
    outbox: Outbox
    contract: str


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    account = Account(b"\x02" * 32)
    path = tmp_path / "chain.db"
    create(path, Genesis(1_700_000_000, balances={bytes.fromhex(account.address[2:]): 10**24}))
    with Node(EmbeddedProvider(path)) as node, Outbox(tmp_path / "outbox.db", node, account) as outbox:
        yield Chain(path, node, outbox, deploy(outbox, "LogAnchor").address)
