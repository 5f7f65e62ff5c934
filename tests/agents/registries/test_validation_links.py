"""A validation is about what its document says: a receipt in an anchored log, a registered version, both together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.validation.subject import LogEntry, ModelVersion, Subject, request_hash
from tallystick.agents.validation.verify import verify_validation
from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.bindings.model_registry import ModelRegistry, Roots
from tallystick.contracts import artifact
from tallystick.core import merkle
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.receipt import Receipt
from tallystick.core.record import Record, RecordKind

STATEMENT, OTHER = b"\x51" * 32, b"\x52" * 32
SALT = b"s" * 32
SIZE, INDEX = 11, 4


def entry_of(number):
    version = STATEMENT if number != 7 else OTHER
    return Record(
        RecordKind.PREDICTION, number, version, b"n" * 16, b"r" * 16, b"i" * 32, b"o" * 32, b"p" * 32
    ).to_bytes()


LEAVES = [merkle.leaf_hash(entry_of(number)) for number in range(SIZE)]
ROOT = merkle.root(LEAVES)


def receipt_of(index):
    return Receipt(entry_of(index), index, tuple(merkle.inclusion_path(LEAVES, index)), b"")


@dataclass(frozen=True)
class World:
    """A log with an anchored tree of eleven entries, and a model with one version."""

    anchor: LogAnchor
    log_id: int
    registry: ModelRegistry

    def entry(self, index=INDEX, **changes):
        return replace(LogEntry(self.anchor.address, self.log_id, SIZE, ROOT, index, LEAVES[index]), **changes)

    def model(self, statement=STATEMENT):
        return ModelVersion(self.registry.address, statement)


@pytest.fixture(scope="module")
def world(ledger):
    alice = ledger.accounts[0]
    anchor = LogAnchor(ledger, ledger.deploy(artifact("LogAnchor").bytecode))
    ledger.send(anchor.open_log("example.com/log", b"v" * 32, alice, alice), alice)
    ledger.send(anchor.anchor(1, SIZE, ROOT, []), alice)
    registry = ModelRegistry(ledger, ledger.deploy(artifact("ModelRegistry").bytecode))
    ledger.send(registry.register("m", ""), alice)
    ledger.send(registry.rotate_key(b"k" * 32), alice)
    ledger.send(registry.add_version(1, 1, [], STATEMENT, Roots(b"m" * 32, *[bytes(32)] * 3, 0, bytes(32)), 0), alice)
    return World(anchor, 1, registry)


@pytest.fixture
def ask(ledger, registries, agent):
    """Request a validation of a subject's parts and have it answered; returns (request hash, document)."""

    def make(answer=100, **parts):
        subject = Subject(agent, SALT, **parts)
        validator = ledger.accounts[1]
        request = registries.validation.validation_request(validator, agent.agent_id, "x", subject.request_hash)
        ledger.send(request, ledger.accounts[0])
        if answer is not None:
            ledger.send(
                registries.validation.validation_response(subject.request_hash, answer, "", bytes(32), "re-run"),
                validator,
            )
        return subject.request_hash, subject.to_bytes()

    return make


@pytest.fixture
def failures(ledger, registries):
    def names(requested, document, receipt=None):
        report = verify_validation(ledger.node, registries.validation.address, requested, document, receipt)
        return [check.name for check in report.failures]

    return names


def test_a_validation_of_an_answer_by_a_version_holds_in_every_part(ledger, registries, world, ask):
    requested, document = ask(entry=world.entry(), model=world.model())
    report = verify_validation(ledger.node, registries.validation.address, requested, document, receipt_of(INDEX))
    assert report.ok
    assert [check.name for check in report.checks] == [
        "document", "registry", "request", "answer", "anchor", "entry", "model", "version",
    ]  # fmt: skip


def test_another_document_is_not_what_was_requested(world, ask, failures):
    requested, document = ask(entry=world.entry())
    assert failures(requested, document.replace(b'"index":4', b'"index":5'), receipt_of(INDEX)) == ["document", "entry"]
    for data in (b"", document + b" ", b"{}", b"[]"):
        assert failures(requested, data) == ["document"]


def test_a_request_without_an_answer_or_never_made_is_named(agent, world, ask, failures):
    requested, document = ask(answer=None, model=world.model())
    assert failures(requested, document) == ["answer"]
    unasked = Subject(agent, b"u" * 32, model=world.model())
    assert failures(unasked.request_hash, unasked.to_bytes()) == ["request"]


def test_an_answer_of_nought_is_an_answer(world, ask, failures):
    assert failures(*ask(answer=0, model=world.model())) == []


def test_a_document_about_an_agent_elsewhere_is_refused(agent, world, failures):
    elsewhere = AgentRef(replace(agent.registry, chain_id=1), agent.agent_id)
    subject = Subject(elsewhere, SALT, model=world.model())
    assert failures(subject.request_hash, subject.to_bytes()) == ["registry", "request"]


def test_a_tree_that_was_never_anchored_is_refused(world, ask, failures):
    for wrong in ({"root": b"r" * 32}, {"size": SIZE + 1}, {"log_id": 2}, {"anchor": world.registry.address}):
        assert "anchor" in failures(*ask(entry=world.entry(**wrong)), receipt_of(INDEX))


def test_a_receipt_of_another_entry_or_none_is_refused(world, ask, failures):
    requested, document = ask(entry=world.entry())
    assert failures(requested, document) == ["entry"]
    assert failures(requested, document, receipt_of(5)) == ["entry"]
    forged = replace(receipt_of(INDEX), entry=entry_of(5))
    assert failures(requested, document, forged) == ["entry"]
    assert failures(*ask(entry=world.entry(leaf=LEAVES[5])), receipt_of(INDEX)) == ["entry"]


def test_an_entry_by_another_version_is_refused(world, ask, failures):
    assert failures(*ask(entry=world.entry(7), model=world.model()), receipt_of(7)) == ["version"]


def test_a_version_that_is_unknown_or_revoked_is_refused(ledger, world, ask, failures):
    assert failures(*ask(model=world.model(b"?" * 32))) == ["model"]
    requested, document = ask(model=world.model())
    assert failures(requested, document) == []
    snapshot = ledger.node.block_number()
    ledger.send(world.registry.set_status(1, 1, 3, "leaked"), ledger.accounts[0])
    assert failures(requested, document) == ["model"]
    assert ledger.node.block_number() == snapshot + 1


# --- the document

AGENT = AgentRef.parse("eip155:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432/22")
ENTRY = LogEntry(AGENT.registry.address, 2**200, SIZE, ROOT, INDEX, LEAVES[INDEX])
SUBJECT = Subject(AGENT, SALT, ENTRY, ModelVersion(AGENT.registry.address, STATEMENT), b"a" * 32)


def test_a_subject_reads_back_and_its_hash_names_the_agent():
    for one in (SUBJECT, replace(SUBJECT, entry=None), replace(SUBJECT, model=None, artifact=None)):
        assert Subject.from_bytes(one.to_bytes()) == one
    assert SUBJECT.request_hash == (22).to_bytes(8, "big") + keccak(SUBJECT.to_bytes())[8:]
    assert replace(SUBJECT, salt=b"t" * 32).request_hash != SUBJECT.request_hash


def test_a_subject_without_a_part_and_an_id_beyond_a_hash_are_refused():
    with pytest.raises(InvalidInput) as caught:
        Subject(AGENT, SALT)
    assert caught.value.code == "validation.empty"
    with pytest.raises(InvalidInput) as caught:
        request_hash(2**64, b"")
    assert caught.value.code == "validation.agent"
    with pytest.raises(InvalidInput) as caught:
        Subject.from_bytes(SUBJECT.to_bytes().replace(b"validation/v1", b"validation/v2"))
    assert caught.value.code == "validation.kind"
