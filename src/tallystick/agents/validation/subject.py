"""What a validation request is about: a canonical document whose digest is the request hash.

It may name an entry of an anchored log (the receipt of an inference), the version of the model that answered, and any
artifact by digest. The salt keeps whoever sees the hash from guessing the document.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.agents.identity.reference import AgentRef
from tallystick.core import canonical, documents
from tallystick.core.digest import check_digest, keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import TREE_SIZE_MAX

KIND = "tallystick/validation/v1"


@dataclass(frozen=True)
class LogEntry:
    """The entry `leaf` at `index` in the tree (size, root) that a LogAnchor contract has anchored for a log."""

    anchor: str
    log_id: int
    size: int
    root: bytes
    index: int
    leaf: bytes

    def to_dict(self) -> dict[str, object]:
        """Return the members of the document."""
        return {
            "anchor": self.anchor, "index": self.index, "leaf": self.leaf.hex(), "log_id": str(self.log_id),
            "root": self.root.hex(), "size": self.size,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, value: object) -> LogEntry:
        """Read the members; raises InvalidInput "document.…", "digest.hex", "address.…"."""
        found = documents.members(value, "entry", ("anchor", "index", "leaf", "log_id", "root", "size"))
        return cls(
            parse_address(found["anchor"]),
            documents.decimal(found["log_id"], "log_id"),
            documents.integer(found["size"], "size", 1),
            documents.digest(found["root"], "root"),
            documents.integer(found["index"], "index", 0, min(TREE_SIZE_MAX, found["size"] - 1)),
            documents.digest(found["leaf"], "leaf"),
        )


@dataclass(frozen=True)
class ModelVersion:
    """The version of a model in a ModelRegistry, by the statement that describes it."""

    registry: str
    statement: bytes

    def to_dict(self) -> dict[str, object]:
        """Return the members of the document."""
        return {"registry": self.registry, "statement": self.statement.hex()}

    @classmethod
    def from_dict(cls, value: object) -> ModelVersion:
        """Read the members; raises InvalidInput "document.…", "digest.hex", "address.…"."""
        found = documents.members(value, "model", ("registry", "statement"))
        return cls(parse_address(found["registry"]), documents.digest(found["statement"], "statement"))


@dataclass(frozen=True)
class Subject:
    """What is to be validated; at least one of its parts is named."""

    agent: AgentRef
    salt: bytes
    entry: LogEntry | None = None
    model: ModelVersion | None = None
    artifact: bytes | None = None

    def __post_init__(self) -> None:
        check_digest(self.salt, "salt")
        if self.entry is None and self.model is None and self.artifact is None:
            raise InvalidInput("validation.empty", "there is nothing to validate", expected="entry, model or artifact")

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        made: dict[str, object] = {"agent": str(self.agent), "kind": KIND, "salt": self.salt.hex()}
        made |= {"entry": self.entry.to_dict()} if self.entry else {}
        made |= {"model": self.model.to_dict()} if self.model else {}
        return canonical.encode(made | ({"artifact": self.artifact.hex()} if self.artifact else {}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Subject:
        """Read a document, which has one spelling.

        raises  InvalidInput "validation.kind", "validation.empty" and those of its members
        """
        found = documents.members(
            canonical.decode(data, "validation subject"), "validation subject", ("agent", "kind", "salt"),
            ("entry", "model", "artifact"),
        )  # fmt: skip
        if found["kind"] != KIND:
            raise InvalidInput(
                "validation.kind", "not a validation subject", expected=KIND, got=ascii(found["kind"])[:80]
            )
        return cls(
            AgentRef.parse(documents.text(found["agent"], "agent", 256)),
            documents.digest(found["salt"], "salt"),
            LogEntry.from_dict(found["entry"]) if "entry" in found else None,
            ModelVersion.from_dict(found["model"]) if "model" in found else None,
            documents.digest(found["artifact"], "artifact") if "artifact" in found else None,
        )

    @property
    def request_hash(self) -> bytes:
        """The hash under which AgentValidation keeps the request: 8 bytes of the agent's id, 24 of the digest."""
        return request_hash(self.agent.agent_id, self.to_bytes())


def request_hash(agent_id: int, document: bytes) -> bytes:
    """Return the request hash of any document: nobody but the agent's own people can take it.

    raises  InvalidInput "validation.agent" for an id beyond 64 bits, which no registry reaches by counting
    """
    if not 0 <= agent_id < 2**64:
        raise InvalidInput("validation.agent", "the agent's id is too large", expected="< 2**64", got=agent_id)
    return agent_id.to_bytes(8, "big") + keccak(document)[8:]
