"""A publisher's desk on a real embedded chain, and a short life of a model told on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.chain.accounts import Account
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.checks import Report
from tallystick.models import dataset
from tallystick.models.dataset import Dataset
from tallystick.models.register import Added, Registrar, Training
from tallystick.models.rows import rows_of_array
from tallystick.models.verify import Auditor
from tallystick.store.blobs import BlobStore
from tests.models.makers import write_shards

ENVIRONMENT = {"python": "CPython 3.11.0"}


@dataclass(frozen=True)
class Desk:
    """Everything a publisher needs, and where the files are."""

    folder: Path
    node: Node
    outbox: Outbox
    registry: str
    blobs: BlobStore
    registrar: Registrar
    signer: Ed25519PrivateKey

    def other(self, number: int) -> Desk:
        """Return the desk of another funded account, with a key of its own that is not yet in charge."""
        outbox = Outbox(self.folder / f"outbox-{number}.db", self.node, _account(number))
        signer = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        return replace(self, outbox=outbox, registrar=Registrar(outbox, self.registry, self.blobs), signer=signer)

    def audit(self, model_id: int) -> Report:
        """Return what an auditor finds."""
        return Auditor(self.node, self.registry, self.blobs).audit_model(model_id)


@dataclass(frozen=True)
class Published:
    """A model on the chain with its versions, the folder each was made from, and its data log."""

    desk: Desk
    model_id: int
    versions: tuple[Added, ...]
    data: Dataset

    def with_blobs(self, folder: Path) -> Published:
        """Return the same with another copy of the blob store."""
        return replace(self, desk=replace(self.desk, blobs=BlobStore(str(folder)), folder=folder.parent))


class Crash(Exception):
    """The process died here."""


def crashing(desk: Desk, place: str) -> Registrar:
    """Return a registrar whose outbox dies at a place of its own choosing."""

    def die(reached: str) -> None:
        if reached == place:
            raise Crash

    outbox = Outbox(desk.folder / "outbox.db", desk.node, desk.outbox.account, faults=die)
    return Registrar(outbox, desk.registry, desk.blobs)


def _account(number: int) -> Account:
    return Account(bytes([number]) * 32)


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    """Make a chain in `folder` with the registry on it, and put a key in charge for account 1."""
    balances = {bytes.fromhex(_account(number).address[2:]): 10**24 for number in range(1, 4)}
    create(folder / "chain.db", Genesis(timestamp=1_700_000_000, balances=balances))
    with connect(folder / "chain.db") as node:
        outbox = Outbox(folder / "outbox.db", node, _account(1))
        registry = deploy(outbox, "ModelRegistry").address
        blobs = BlobStore(str(folder / "blobs"))
        registrar = Registrar(outbox, registry, blobs)
        signer = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
        registrar.rotate_key(signer.public_key().public_bytes_raw())
        yield Desk(folder, node, outbox, registry, blobs, registrar, signer)
        outbox.close()


def weights(seed: int, width: int = 4) -> dict[str, np.ndarray]:
    """Return a small network's weights."""
    random = np.random.default_rng(seed)
    return {
        "first.weight": random.normal(size=(width, 3)).astype(np.float32),
        "first.bias": random.normal(size=width).astype(np.float32),
        "last.weight": random.normal(size=(2, width)).astype(np.float64),
    }


def table(start: int, end: int) -> list[list[str]]:
    """Return rows [start, end) of a table that is the same in every run."""
    random = np.random.default_rng(0)
    return rows_of_array(random.normal(size=(64, 3)), random.integers(0, 2, size=64))[start:end]


def write_version(folder: Path, seed: int, width: int = 4) -> Path:
    """Write a model's folder: two shards, a configuration and a licence."""
    write_shards(folder, weights(seed, width), shards=2)
    (folder / "config.json").write_text(
        f'{{"hidden_size": {width}, "dropout": 0.1, "transformers_version": "4.{seed}"}}'
    )
    (folder / "LICENSE").write_text("Apache-2.0")
    return folder


def publish_story(desk: Desk) -> Published:
    """Publish four versions: first, data added, retuned, another architecture; release the last, retire the first."""
    model_id = desk.registrar.register("tumour")
    data = dataset.create(desk.folder / "data", ("a", "b", "c", "label")).append(table(0, 40))
    code = desk.folder / "train.py"
    code.write_text("print('trained')\n")
    versions: list[Added] = []
    for step, width in enumerate((4, 4, 4, 6), 1):
        if step == 2:
            data = data.append(table(40, 64))
        folder = write_version(desk.folder / f"version-{step}", step, width)
        training = Training(
            {"step": str(step)}, {"accuracy": f"0.9{step}"}, ENVIRONMENT, f"step {step}", data, code=code
        )
        versions.append(desk.registrar.add_version(model_id, folder, desk.signer, training))
    desk.registrar.release(model_id, "production", 4)
    desk.registrar.set_status(model_id, 1, "deprecated", "superseded")
    return Published(desk, model_id, tuple(versions), data)
