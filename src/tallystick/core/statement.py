"""in-toto Statement v1: what is claimed about which artifacts.

The bytes are canonical JSON written by us, because the protobuf route turns integers into doubles. What is signed,
hashed, stored and shipped is always the exact bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tallystick.core import canonical, documents
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SUBJECTS_MAX

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True)
class Subject:
    """An artifact that a statement is about, named and identified by SHA-256."""

    name: str
    sha256: bytes

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInput("statement.subject", "subject has no name")
        check_digest(self.sha256, "subject digest")


@dataclass(frozen=True)
class Statement:
    """Subjects, and a predicate of a declared type about them.

    source  in-toto attestation framework, Statement v1
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.subjects) <= SUBJECTS_MAX:
            raise InvalidInput(
                "statement.subject", "wrong number of subjects", expected=f"1 to {SUBJECTS_MAX}", got=len(self.subjects)
            )
        if ":" not in self.predicate_type:
            raise InvalidInput("statement.predicate_type", "predicate type is not a URI", got=self.predicate_type[:120])

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(
            {
                "_type": STATEMENT_TYPE,
                "predicate": self.predicate,
                "predicateType": self.predicate_type,
                "subject": [{"digest": {"sha256": item.sha256.hex()}, "name": item.name} for item in self.subjects],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """Read a statement in any JSON spelling; keep the bytes if their digest matters.

        raises  InvalidInput when it is not a Statement v1 whose every subject has a name and a well-formed sha256
        """
        found = documents.members(
            canonical.parse(data, "statement"), "statement", ("_type", "subject", "predicateType", "predicate")
        )
        if found["_type"] != STATEMENT_TYPE:
            raise InvalidInput(
                "statement.type", "not a v1 statement", expected=STATEMENT_TYPE, got=str(found["_type"])[:80]
            )
        subjects = tuple(_read_subject(item) for item in documents.listed(found["subject"], "subject", SUBJECTS_MAX))
        predicate = documents.typed(found["predicate"], dict, "predicate")
        return cls(subjects, documents.text(found["predicateType"], "predicateType"), predicate)


def _read_subject(item: object) -> Subject:
    found = documents.members(item, "subject", ("name", "digest"), ("uri", "annotations", "mediaType"))
    digests = documents.typed(found["digest"], dict, "subject digest")
    return Subject(documents.text(found["name"], "subject name"), documents.digest(digests.get("sha256"), "sha256"))
