"""A version's statement: everything its signer binds, as one in-toto statement in a DSSE envelope.

The subject is the manifest root; the predicate names the place on chain, all roots with their sizes, the documents by
digest, the parents and what the signer says of training. The event id is the SHA-256 of the exact payload, which the
registry records. Sizes and counts travel as decimal strings, so that no other tool rounds them. The form is
docs/spec/version-statement.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.contracts import Kind
from tallystick.core import canonical, documents, dsse
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import (
    DATA_REASON_CHARS_MAX,
    MANIFEST_FILES_MAX,
    PARENTS_MAX,
    PREDICATE_ENTRIES_MAX,
    PREDICATE_TEXT_MAX,
    PROOF_NODES_MAX,
    TENSORS_MAX,
)
from tallystick.core.names import check_name
from tallystick.core.statement import IN_TOTO, Statement, Subject
from tallystick.models.roots import UNCHANGED, Roots, read_kinds

PREDICATE_TYPE: Final = "https://tallystick.dev/model-change/v1"  # a name; nothing is fetched from it

RELATIONS: Final = ("first", "same", "grown", "restarted", "replaced")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?\Z", re.ASCII)
_NAME_CHARS_MAX = 256  # the registry's 64 bytes, each of which may be spelt `\\xff` when it is no UTF-8
_SALT_BYTES_MAX = 32
_U64, _U256 = 2**64 - 1, 2**256 - 1


@dataclass(frozen=True)
class Place:
    """Where a version stands: which chain and registry, which model, which number, under whose name."""

    chain_id: int
    registry: str
    model_id: int
    seq: int
    signer: str

    def __str__(self) -> str:
        return f"chain {self.chain_id}, registry {self.registry}, {self.model_id}@{self.seq} by {self.signer}"


@dataclass(frozen=True)
class Listing:
    """A list behind a root: how many entries, and the SHA-256 of the document that lists them."""

    count: int
    document: bytes


@dataclass(frozen=True)
class DataClaim:
    """The data log that the version was trained on, and how it follows from the first parent's.

    relation   first (the parent has none), same, grown (`path` proves it), restarted or replaced (`reason` says why)
    published  whether rows and salts are in the blob store, or kept by their owner
    """

    root: bytes
    size: int
    document: bytes
    published: bool
    relation: str
    path: tuple[bytes, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        reasoned = self.relation in ("restarted", "replaced")
        if self.relation not in RELATIONS or (self.path and self.relation != "grown") or reasoned != bool(self.reason):
            raise InvalidInput(
                "statement.data", "data claim contradicts itself", expected=", ".join(RELATIONS), got=self.relation
            )


@dataclass(frozen=True)
class CodeClaim:
    """The code that made the version: one file, or the manifest of a folder, by SHA-256."""

    digest: bytes
    form: str

    def __post_init__(self) -> None:
        if self.form not in ("file", "manifest"):
            raise InvalidInput("statement.code", "unknown form of code", expected="file or manifest", got=self.form)


@dataclass(frozen=True)
class VersionStatement:
    """What the signer of a version binds.

    opaque           files that may hold weights but that nobody looked into
    hyperparameters  texts; metrics are decimal numbers as text
    salt             hex digits that make this another payload, where a stranger registered the digest of the plain one
    """

    name: str
    place: Place
    manifest_root: bytes
    manifest: Listing
    architecture_root: bytes | None = None
    parameter_root: bytes | None = None
    tensors: Listing | None = None
    data: DataClaim | None = None
    code: CodeClaim | None = None
    opaque: tuple[str, ...] = ()
    kinds: Kind = UNCHANGED
    parents: tuple[bytes, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    salt: str = ""

    def __post_init__(self) -> None:
        if (self.parameter_root is None) != (self.tensors is None):
            raise InvalidInput("statement.parameters", "a parameter root comes with its list of tensors")
        for name, value in self.metrics.items():
            if not isinstance(value, str) or not _DECIMAL.match(value):
                raise InvalidInput(
                    "statement.metric", f"metric {name!a} is not a decimal number", got=ascii(value)[:80]
                )

    @property
    def roots(self) -> Roots:
        """What the registry records of the content."""
        return Roots(
            self.manifest_root,
            self.architecture_root,
            self.parameter_root,
            self.data.root if self.data else None,
            self.data.size if self.data else 0,
            self.code.digest if self.code else None,
        )

    @property
    def content(self) -> bytes:
        """A digest of all that the version is, apart from where it stands: equal for a version sent twice."""
        predicate = self._predicate()
        for member in ("kinds", "parents", "place", "salt"):
            predicate.pop(member, None)
        if predicate["data"] is not None:
            predicate["data"] = {
                member: predicate["data"][member] for member in ("document", "published", "root", "size")
            }
        return sha256(canonical.encode(predicate))

    def to_bytes(self) -> bytes:
        """Return the payload: canonical JSON of the in-toto statement; the same statement, the same bytes."""
        return Statement((Subject(self.name, self.manifest_root),), PREDICATE_TYPE, self._predicate()).to_bytes()

    def sign(self, key: Ed25519PrivateKey) -> dsse.Envelope:
        """Return the statement in an envelope signed by `key`; the key id is the public key in hex, a hint."""
        return dsse.sign(IN_TOTO, self.to_bytes(), key, key.public_key().public_bytes_raw().hex())

    @classmethod
    def from_bytes(cls, payload: bytes) -> VersionStatement:
        """Read a payload.

        raises  InvalidInput for anything but an in-toto statement with this predicate, complete, within bounds, and
                spelt as `to_bytes` spells it: what is signed can then mean nothing else to another reader
        """
        statement = Statement.from_bytes(payload)
        if statement.predicate_type != PREDICATE_TYPE or len(statement.subjects) != 1:
            raise InvalidInput(
                "statement.predicate", "not a model-change statement", expected=PREDICATE_TYPE,
                got=ascii(statement.predicate_type)[:120],
            )  # fmt: skip
        found = _read(statement.predicate)
        subject = statement.subjects[0]
        if (subject.name, subject.sha256) != (found.name, found.manifest_root):
            raise InvalidInput(
                "statement.subject", "subject and predicate disagree", expected=found.manifest_root.hex(),
                got=subject.sha256.hex(),
            )  # fmt: skip
        if found.to_bytes() != payload:
            raise InvalidInput(
                "statement.form", "the statement is spelt otherwise or says more than we read",
                expected="canonical JSON, a subject with a name and a sha256 alone",
            )  # fmt: skip
        return found

    def _predicate(self) -> dict[str, Any]:
        place = self.place
        return {
            "architecture": self.architecture_root and {"root": self.architecture_root.hex()},
            "code": self.code and {"digest": self.code.digest.hex(), "form": self.code.form},
            "data": self.data and _write_data(self.data),
            "environment": dict(self.environment),
            "hyperparameters": dict(self.hyperparameters),
            "kinds": self.kinds.names,
            "manifest": _write_listing(self.manifest_root, self.manifest),
            "metrics": dict(self.metrics),
            "name": self.name,
            "note": self.note,
            "opaque": list(self.opaque),
            "parameters": self.tensors and _write_listing(self.parameter_root or b"", self.tensors),
            "parents": [parent.hex() for parent in self.parents],
            "place": {
                "chainId": str(place.chain_id), "model": str(place.model_id), "registry": place.registry,
                "seq": str(place.seq), "signer": place.signer,
            },
            **({"salt": self.salt} if self.salt else {}),
        }  # fmt: skip


_MEMBERS: Final = (
    "architecture", "code", "data", "environment", "hyperparameters", "kinds", "manifest", "metrics", "name", "note",
    "opaque", "parameters", "parents", "place",
)  # fmt: skip


def _read(predicate: object) -> VersionStatement:
    found = documents.members(predicate, "predicate", _MEMBERS, ("salt",))
    manifest_root, manifest = _read_listing(found["manifest"], "manifest", MANIFEST_FILES_MAX)
    parameter_root, tensors = None, None
    if found["parameters"] is not None:
        parameter_root, tensors = _read_listing(found["parameters"], "parameters", TENSORS_MAX)
    kinds = [documents.text(kind, "kind", 40) for kind in documents.listed(found["kinds"], "kinds", len(Kind))]
    return VersionStatement(
        name=documents.text(found["name"], "name", _NAME_CHARS_MAX),
        place=_read_place(found["place"]),
        manifest_root=manifest_root,
        manifest=manifest,
        architecture_root=None if found["architecture"] is None else _read_root(found["architecture"]),
        parameter_root=parameter_root,
        tensors=tensors,
        data=None if found["data"] is None else _read_data(found["data"]),
        code=None if found["code"] is None else _read_code(found["code"]),
        opaque=tuple(check_name(name) for name in documents.listed(found["opaque"], "opaque", MANIFEST_FILES_MAX)),
        kinds=read_kinds(kinds),
        parents=tuple(
            documents.digest(item, "parent") for item in documents.listed(found["parents"], "parents", PARENTS_MAX)
        ),
        environment=_read_texts(found["environment"], "environment"),
        hyperparameters=_read_texts(found["hyperparameters"], "hyperparameters"),
        metrics=_read_texts(found["metrics"], "metrics"),
        note=documents.text(found["note"], "note", PREDICATE_TEXT_MAX),
        salt=documents.hexed(found.get("salt", ""), "salt", _SALT_BYTES_MAX).hex(),
    )


def _read_place(value: object) -> Place:
    found = documents.members(value, "place", ("chainId", "model", "registry", "seq", "signer"))
    return Place(
        documents.decimal(found["chainId"], "chainId", _U256),
        _read_address(found["registry"], "registry"),
        documents.decimal(found["model"], "model", _U64),
        documents.decimal(found["seq"], "seq", 2**32 - 1),
        _read_address(found["signer"], "signer"),
    )


def _read_address(value: object, what: str) -> str:
    address = parse_address(value)
    if value != address:
        raise InvalidInput("address.checksum", f"{what} lacks its checksum", expected=address, got=str(value))
    return address


def _write_listing(root: bytes, listing: Listing) -> dict[str, str]:
    return {"count": str(listing.count), "document": listing.document.hex(), "root": root.hex()}


def _read_listing(value: object, what: str, most: int) -> tuple[bytes, Listing]:
    found = documents.members(value, what, ("count", "document", "root"))
    listing = Listing(
        documents.decimal(found["count"], f"{what} count", most),
        documents.digest(found["document"], f"{what} document"),
    )
    return documents.digest(found["root"], f"{what} root"), listing


def _read_root(value: object) -> bytes:
    return documents.digest(documents.members(value, "architecture", ("root",))["root"], "architecture root")


def _write_data(data: DataClaim) -> dict[str, Any]:
    return {
        "document": data.document.hex(), "path": [node.hex() for node in data.path], "published": data.published,
        "reason": data.reason, "relation": data.relation, "root": data.root.hex(), "size": str(data.size),
    }  # fmt: skip


def _read_data(value: object) -> DataClaim:
    found = documents.members(value, "data", ("document", "path", "published", "reason", "relation", "root", "size"))
    return DataClaim(
        root=documents.digest(found["root"], "data root"),
        size=documents.decimal(found["size"], "data size", _U64),
        document=documents.digest(found["document"], "data document"),
        published=documents.typed(found["published"], bool, "published"),
        relation=documents.text(found["relation"], "relation", 40),
        path=tuple(documents.digest(node, "path") for node in documents.listed(found["path"], "path", PROOF_NODES_MAX)),
        reason=documents.text(found["reason"], "reason", DATA_REASON_CHARS_MAX),
    )


def _read_code(value: object) -> CodeClaim:
    found = documents.members(value, "code", ("digest", "form"))
    return CodeClaim(documents.digest(found["digest"], "code digest"), documents.text(found["form"], "form", 40))


def _read_texts(value: object, what: str) -> dict[str, str]:
    found = documents.typed(value, dict, what)
    if len(found) > PREDICATE_ENTRIES_MAX:
        raise InvalidInput(
            "document.length", f"{what} has too many entries", expected=f"≤ {PREDICATE_ENTRIES_MAX}", got=len(found)
        )
    return {
        documents.text(key, what, PREDICATE_TEXT_MAX): documents.text(item, f"{what} {key!a}", PREDICATE_TEXT_MAX)
        for key, item in found.items()
    }
