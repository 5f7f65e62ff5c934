"""Checks of an agent's work: asked of a validator, answered, and rechecked down to the receipt and the model version.

What is to be validated is a document of its own; the request hash is its digest. Whoever has document and receipt
rechecks all of it against the chain.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.agents.directory import Directory
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import embed, embedded_file
from tallystick.agents.validation.subject import LogEntry, ModelVersion, Subject
from tallystick.agents.validation.verify import verify_validation
from tallystick.chain.bindings.agent_validation import ValidationRequest
from tallystick.chain.bindings.log_anchor import Anchored
from tallystick.core import merkle
from tallystick.core.checks import Report
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import ModelRef
from tallystick.core.receipt import Receipt
from tallystick.tally.agents import senders

if TYPE_CHECKING:
    from tallystick.chain.facts import TxReceipt
    from tallystick.tally.agents.registries import Registries
    from tallystick.tally.workspace import Tally

NO_HASH: Final = bytes(32)


@dataclass(frozen=True)
class Request:
    """A validation that was asked for: its hash, and the document that it is about."""

    hash: bytes
    validator: str
    uri: str
    document: bytes


@dataclass(frozen=True)
class Standing:
    """How a request stands; `response` is None while there is no answer. Times are seconds since 1970."""

    hash: bytes
    validator: str
    agent: AgentRef
    response: int | None
    tag: str
    response_hash: bytes
    changed_at: int

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON members."""
        return {
            "request": self.hash.hex(), "validator": self.validator, "agent": str(self.agent),
            "response": self.response, "tag": self.tag, "response_hash": self.response_hash.hex(),
            "changed_at": self.changed_at,
        }  # fmt: skip


class Validations:
    """The validations of the agents of this workspace's registry."""

    def __init__(self, tally: Tally, registries: Registries) -> None:
        self._tally = tally
        self._registries = registries

    # --- what is to be validated

    def subject(
        self, agent: AgentRef, *, receipt: Receipt | None = None, model: ModelRef | None = None,
        artifact: bytes | None = None,
    ) -> Subject:  # fmt: skip
        """Return the subject of a validation: an entry of an anchored log, a version of a model, any artifact's digest.

        receipt  of the entry, under a checkpoint that the log's owner has anchored
        model    a version of the workspace's model registry
        raises   InvalidInput "validation.unanchored", "validation.empty"; those of the log and of the registry
        """
        entry = None if receipt is None else self._entry(receipt)
        version = None if model is None else self._version(model)
        return Subject(agent, secrets.token_bytes(32), entry, version, artifact)

    def _entry(self, receipt: Receipt) -> LogEntry:
        """Return where the receipt's entry is in a tree that a log of this workspace's anchor contract has on chain."""
        logs = self._tally.inference
        leaf = merkle.leaf_hash(receipt.entry)
        for log in reversed(self._tally.node.logs(logs.address, (Anchored.topic,), from_block=logs.first_block)):
            tree = Anchored.decode(log)
            try:
                merkle.verify_inclusion(receipt.index, tree.size, leaf, receipt.path, tree.root)
            except (InvalidInput, VerificationFailed):
                continue
            return LogEntry(logs.address, tree.log_id, tree.size, tree.root, receipt.index, leaf)
        raise InvalidInput(
            "validation.unanchored", "the receipt is of no tree that is on chain",
            hint="`tally log anchor` first, then a new receipt of the entry by `tally log prove`",
        )  # fmt: skip

    def _version(self, model: ModelRef) -> ModelVersion:
        models = self._tally.models
        return ModelVersion(models.address, models.registry.version(*models.resolve(model)).statement)

    # --- asking and answering

    def request(
        self, subject: Subject, validator: str, *, uri: str | None = None, by: str = senders.OWN
    ) -> Request:  # fmt: skip
        """Return the request, which a validator has been asked now.

        uri     where the document will be served; in the URI itself if left out, "" for nowhere
        raises  Rejected "validation: own agent", "validation: not authorized"; InvalidInput "agent_file.embedded"
        """
        document, digest = subject.to_bytes(), subject.request_hash
        found = embed(document) if uri is None else uri
        call = self._registries.validation.validation_request(validator, subject.agent.agent_id, found, digest)
        self._registries.send(call, by, f"ask {validator} to validate {digest.hex()}")
        return Request(digest, validator, found, document)

    def respond(
        self, request: bytes, response: int, *, uri: str = "", digest: bytes = NO_HASH, tag: str = "",
        by: str = senders.OWN,
    ) -> TxReceipt:  # fmt: skip
        """Answer a request, 0 (failed) to 100 (passed), with the evidence at a URI; a later answer replaces it.

        raises  Rejected "validation: not the validator", "validation: own agent", "validation: response too large"
        """
        call = self._registries.validation.validation_response(request, response, uri, digest, tag)
        return self._registries.send(call, by, f"answer {request.hex()} with {response}")

    # --- reading

    def standing(self, request: bytes) -> Standing:
        """Return how a request stands on chain; raises Rejected "validation: unknown request"."""
        contract = self._registries.validation
        validator, agent_id, response, digest, tag, at = contract.get_validation_status(request)
        answer = response if contract.has_response(request) else None
        return Standing(request, validator, self._registries.agent(agent_id), answer, tag, digest, at)

    def of(self, agent: AgentRef) -> list[dict[str, object]]:
        """Return all that was asked about an agent, from the index, the oldest first, as JSON members."""
        return [
            {
                "request": bytes(row["request_hash"]).hex() if isinstance(row["request_hash"], bytes) else "",
                "validator": row["validator"], "response": row["response"], "tag": row["tag"] or "", "uri": row["uri"],
            }
            for row in Directory(self._tally.index).validations(agent.agent_id)
        ]  # fmt: skip

    def verify(self, request: bytes, document: bytes | None = None, receipt: Receipt | None = None) -> Report:
        """Recheck a validation down to what it is about: request and answer, anchor and entry, model version.

        document  what was requested; from the request's URI if left out
        receipt   of the entry that it names
        raises    InvalidInput "validation.document" where neither has it
        """
        found = document or self._requested(request)
        if found is None:
            raise InvalidInput(
                "validation.document", "the document is not in the request's URI", hint="name it with --document"
            )
        return verify_validation(self._tally.node, self._registries.validation.address, request, found, receipt)

    def _requested(self, request: bytes) -> bytes | None:
        topics = (ValidationRequest.topic, None, None, request)
        logs = self._tally.node.logs(
            self._registries.validation.address, topics, from_block=self._registries.first_block
        )
        try:
            return embedded_file(ValidationRequest.decode(logs[0]).request_uri) if logs else None
        except InvalidInput:
            return None
