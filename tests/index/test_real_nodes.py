"""The same index over real nodes: the embedded ledger, and an anvil that reorganises."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from anvil_node import KEYS, Anvil, running_anvil

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.calls import Call, Log
from tallystick.chain.connect import connect
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.fees import Fees
from tallystick.chain.node import Node
from tallystick.contracts import artifact
from tallystick.core.errors import VerificationFailed
from tallystick.index import Emitted, Index, Projection, Row

SECRET = bytes.fromhex(KEYS[0][2:])

SCHEMA = """
CREATE TABLE models_named (
    block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    model_id BLOB NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (block_number, log_index)
) STRICT
"""


def reduce(emitted: Emitted) -> list[Row]:
    event = emitted.event
    values = {"model_id": event.model_id.to_bytes(32, "big"), "name": event.name, "owner": event.owner}
    return [Row("models_named", {**values, "time": emitted.block_time})]


def models(address: str) -> Projection:
    decoders = {binding.ModelRegistered.topic: binding.ModelRegistered.decode}
    return Projection("models", 1, SCHEMA, {address: decoders}, reduce)


class User:
    """One account with one registry on one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._account = Account(SECRET)
        address = self.send(Call(None, artifact("ModelRegistry").bytecode))
        assert address is not None
        self.registry = ModelRegistry(node, address)

    def send(self, call: Call) -> str | None:
        """Mine the call, and return the address of what it created."""
        fields = TransactionFields(
            chain_id=self.node.chain_id,
            nonce=self.node.nonce(self._account.address),
            to=call.to,
            data=call.data,
            value=0,
            gas=12_000_000,
            fees=Fees(cap=10**11, tip=0),
        )
        sent = self.node.send_raw(self._account.sign_transaction(fields).raw)
        for _ in range(2_000):  # anvil takes a transaction before it has mined it
            receipt = self.node.receipt(sent)
            if receipt is not None:
                break
            time.sleep(0.01)
        assert receipt is not None
        assert receipt.succeeded
        return receipt.contract_address

    def register(self, *names: str) -> None:
        """Register a model under each name, a block for each."""
        for name in names:
            self.send(self.registry.register(name, ""))


def names_in(index: Index) -> list[str]:
    return [row["name"] for row in index.query("SELECT name FROM models_named ORDER BY block_number, log_index")]


@pytest.fixture
def embedded(tmp_path) -> Iterator[User]:
    path = tmp_path / "chain.db"
    create(path, Genesis(1_700_000_000, balances={bytes.fromhex(Account(SECRET).address[2:]): 10**24}))
    with Node(EmbeddedProvider(path)) as node:
        yield User(node)


@pytest.fixture(scope="module")
def anvil_node() -> Iterator[tuple[Anvil, Node]]:
    with running_anvil() as anvil, connect(anvil.url) as node:
        yield anvil, node


def test_the_embedded_ledger_is_followed(embedded, tmp_path):
    index = Index(tmp_path / "index.db", embedded.node, [models(embedded.registry.address)])
    assert names_in(index) == []
    embedded.register("a", "b")
    assert index.sync().logs == 2
    embedded.register("c")
    report = index.sync()
    assert (report.logs, report.reorgs) == (1, 0)
    assert names_in(index) == ["a", "b", "c"]
    row = index.query("SELECT * FROM models_named WHERE name = 'c'")[0]
    block = embedded.node.block("latest")
    assert (row["block_hash"], row["time"], row["owner"]) == (block.hash, block.timestamp, Account(SECRET).address)
    assert int.from_bytes(row["model_id"], "big") == 3
    index.verify().require()
    assert index.status().finality.number == block.number


FOLLOW = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(":")
from test_real_nodes import models
from tallystick.chain.connect import connect
from tallystick.index import Index
with connect(sys.argv[1], read_only=True) as node:
    index = Index(Path(sys.argv[2]), node, [models(sys.argv[4])])
    for _ in range(10):
        index.sync()
"""


def test_two_processes_follow_an_embedded_ledger_while_it_grows(embedded, tmp_path):
    index = Index(tmp_path / "index.db", embedded.node, [models(embedded.registry.address)])
    here = Path(__file__).parent
    arguments = [tmp_path / "chain.db", index.path, f"{here}:{here.parent}", embedded.registry.address]
    command = [sys.executable, "-c", FOLLOW, *map(str, arguments)]
    process = subprocess.Popen(command)
    names = [f"model {n}" for n in range(12)]
    for name in names:
        embedded.register(name)
        index.sync()
    assert process.wait() == 0
    index.sync()
    assert names_in(index) == names
    index.verify().require()


@pytest.mark.anvil
def test_a_reorganisation_of_anvil_is_followed(anvil_node, tmp_path):
    anvil, node = anvil_node
    user = User(node)
    index = Index(tmp_path / "index.db", node, [models(user.registry.address)])
    user.register("a", "b", "c")
    index.sync()
    assert names_in(index) == ["a", "b", "c"]
    anvil.rpc("anvil_reorg", 2, [])  # the blocks of b and c are replaced by empty ones
    report = index.sync()
    assert (report.reorgs, report.undone) == (1, 2)
    assert names_in(index) == ["a"]
    user.register("d")
    index.sync()
    assert names_in(index) == ["a", "d"]
    index.verify().require()


@pytest.mark.anvil
def test_a_chain_that_goes_back_and_grows_another_way_is_followed(anvil_node, tmp_path):
    anvil, node = anvil_node
    user = User(node)
    index = Index(tmp_path / "index.db", node, [models(user.registry.address)])
    user.register("a")
    snapshot = anvil.rpc("evm_snapshot")
    user.register("b", "c", "d")
    index.sync()
    assert anvil.rpc("evm_revert", snapshot) is True
    assert index.sync().undone == 3  # the chain is shorter now
    assert names_in(index) == ["a"]
    user.register("e", "f")
    index.sync()
    assert names_in(index) == ["a", "e", "f"]
    index.verify().require()


@pytest.mark.anvil
def test_a_reorganisation_below_what_anvil_called_final_is_refused(tmp_path):
    with running_anvil("--slots-in-an-epoch", "1") as anvil, connect(anvil.url) as node:
        user = User(node)
        index = Index(tmp_path / "index.db", node, [models(user.registry.address)])
        user.register("a")
        snapshot = anvil.rpc("evm_snapshot")
        user.register("b", "c", "d", "e")
        index.sync()
        finality, cursor = index.status().finality, index.status().cursor
        assert finality.number == node.block_number() - 2
        anvil.rpc("evm_revert", snapshot)
        user.register("v", "w", "x", "y", "z")
        with pytest.raises(VerificationFailed) as refused:
            index.sync()
        assert refused.value.code == "index.finalized"
        assert (index.status().cursor, names_in(index)) == (cursor, ["a", "b", "c", "d", "e"])


@pytest.mark.anvil
def test_long_stretches_of_blocks_are_read_in_ranges_and_cost_no_rows(anvil_node, tmp_path):
    anvil, node = anvil_node
    user = User(node)
    user.register("a")
    anvil.rpc("anvil_mine", hex(500))
    user.register("b")
    counted = Counted(node)
    index = Index(tmp_path / "index.db", counted, [models(user.registry.address)])
    report = index.sync()
    assert report.blocks == node.block_number() + 1
    assert counted.questions < 250  # two for each of the 64 newest, a few for all the others
    assert names_in(index) == ["a", "b"]
    rows = "SELECT (SELECT count(*) FROM chain_blocks) AS blocks, (SELECT count(*) FROM index_trail) AS trail"
    found = index.query(rows)[0]
    assert found["blocks"] == 2
    assert found["trail"] < 80
    index.verify().require()


class Counted:
    """A node whose questions are counted."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.questions = 0

    def __getattr__(self, name: str) -> object:
        self.questions += 1
        return getattr(self._node, name)


@pytest.mark.anvil
def test_what_an_index_relies_on_is_how_anvil_answers(anvil_node):
    """The forking chain of the other tests behaves as this node does, where an index depends on it."""
    anvil, node = anvil_node
    user = User(node)
    user.register("a", "b")
    head = node.block()
    numbers = range(head.number - 2, head.number + 1)
    blocks = [node.find_block(number) for number in numbers]
    assert all(child.parent_hash == parent.hash for parent, child in pairwise(blocks))
    topic = binding.ModelRegistered.topic

    def logs(**where: object) -> list[Log]:
        return node.logs([user.registry.address], [[topic]], **where)

    assert logs(from_block=numbers[0], to_block=head.number) == [
        log for block in blocks for log in logs(block_hash=block.hash)
    ]
    assert [log.block_hash for log in logs(block_hash=head.hash)] == [head.hash]
    anvil.rpc("anvil_reorg", 1, [])
    replaced = node.find_block(head.number)
    assert replaced.hash != head.hash
    assert replaced.parent_hash == head.parent_hash
    assert logs(from_block=head.number, to_block=head.number) == []
    assert node.find_block(head.number + 1) is None
