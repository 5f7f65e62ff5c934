"""Checks that a validation is about what its document says, and that the chain knows all of that.

    1  the document is the one whose digest was requested
    2  the chain has the request, for this agent, in a registry that relies on the agent's identity registry
    3  its validator has answered
    4  the log's contract anchored the tree that is named
    5  the entry is in that tree; the path comes from the receipt
    6  the model version is registered and not revoked
    7  the entry was made by that version

Whether the validator is anybody whose word counts is for the caller to decide.
"""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.agents.validation.subject import LogEntry, ModelVersion, Subject, request_hash
from tallystick.chain.bindings.agent_validation import AgentValidation
from tallystick.chain.bindings.log_anchor import Anchored
from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.node import Node
from tallystick.contracts import Status
from tallystick.core import merkle
from tallystick.core.checks import Check, Report
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.receipt import Receipt
from tallystick.core.record import Record


def verify_validation(
    node: Node, validation: str, requested: bytes, document: bytes, receipt: Receipt | None = None
) -> Report:
    """Report what of a validation holds.

    validation  address of the AgentValidation contract
    requested   the request hash
    document    the bytes of the subject, from the request's URI
    receipt     of the log entry, where the subject names one; its checkpoint is not needed, the chain has the root
    raises      what a node raises
    """
    return Report.of(_checks(node, validation, requested, document, receipt))


def _checks(node: Node, validation: str, requested: bytes, document: bytes, receipt: Receipt | None) -> Iterator[Check]:
    # 1. the document is the one that was meant
    try:
        subject = Subject.from_bytes(document)
        yield Check.equal("document", requested, request_hash(subject.agent.agent_id, document))
    except InvalidInput as error:
        yield Check.failed("document", error)
        return
    # 2 and 3. the request and its answer
    yield from _request_checks(node, AgentValidation(node, validation), subject, requested)
    # 4 and 5. the receipt
    if subject.entry is not None:
        yield _anchor_check(node, subject.entry)
        yield _entry_check(subject.entry, receipt)
    # 6. the model
    if subject.model is not None:
        yield _model_check(node, subject.model)
    # 7. both belong together
    if subject.model is not None and receipt is not None:
        yield _version_check(subject.model, receipt)


def _request_checks(node: Node, contract: AgentValidation, subject: Subject, requested: bytes) -> Iterator[Check]:
    registry = subject.agent.registry
    relied_on = (node.chain_id, contract.get_identity_registry())
    yield Check.equal("registry", (registry.chain_id, registry.address), relied_on)
    try:
        validator, agent_id, response, _, tag, _ = contract.get_validation_status(requested)
    except Rejected as error:
        yield Check.failed("request", error)
        return
    yield Check.equal("request", subject.agent.agent_id, agent_id, f"asked of {validator}")
    answered = contract.has_response(requested)
    yield Check("answer", answered, f"{response} of 100 {tag!a}" if answered else "none yet")


def _anchor_check(node: Node, entry: LogEntry) -> Check:
    logs = node.logs([entry.anchor], [Anchored.topic, entry.log_id.to_bytes(32, "big")])
    trees = {(event.size, event.root) for event in map(Anchored.decode, logs)}
    is_there = (entry.size, entry.root) in trees
    return Check("anchor", is_there, f"log {entry.log_id} at {entry.anchor}, size {entry.size}", entry.root.hex())


def _entry_check(entry: LogEntry, receipt: Receipt | None) -> Check:
    if receipt is None:
        return Check("entry", False, "the receipt is not at hand", entry.leaf.hex())
    try:
        leaf = merkle.leaf_hash(receipt.entry)
        merkle.verify_inclusion(entry.index, entry.size, leaf, receipt.path, entry.root)
    except (InvalidInput, VerificationFailed) as error:
        return Check.failed("entry", error)
    return Check.equal("entry", entry.leaf, leaf, f"index {entry.index} of {entry.size}")


def _model_check(node: Node, model: ModelVersion) -> Check:
    registry = ModelRegistry(node, model.registry)
    try:
        model_id, seq = registry.version_of(model.statement)
        status = Status(registry.status_of(model_id, seq))
    except (Rejected, ValueError) as error:
        return Check("model", False, str(error)[:160], model.statement.hex())
    return Check("model", status is not Status.REVOKED, f"version {model_id}@{seq} is {status.name.lower()}")


def _version_check(model: ModelVersion, receipt: Receipt) -> Check:
    try:
        return Check.equal("version", model.statement, Record.from_bytes(receipt.entry).version, "named by the entry")
    except InvalidInput as error:
        return Check.failed("version", error)
