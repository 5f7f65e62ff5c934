"""What opens a credential: its document and the salt that sealed it, as one file. Whoever has it can show who operates
the agent; whoever has not learns nothing from the chain."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tallystick.core import canonical, documents
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import REGISTRATION_BYTES_MAX

KIND = "tallystick/opening/v1"


@dataclass(frozen=True)
class Opening:
    """The bytes of an operator's document, and 32 bytes of salt."""

    document: bytes
    salt: bytes

    def __post_init__(self) -> None:
        check_digest(self.salt, "salt")

    def to_bytes(self) -> bytes:
        """Return the canonical file."""
        document = base64.b64encode(self.document).decode()
        return canonical.encode({"document": document, "kind": KIND, "salt": self.salt.hex()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Opening:
        """Read a file, which has one spelling; raises InvalidInput "credential.opening" and those of its members."""
        found = documents.members(canonical.decode(data, "opening"), "opening", ("document", "kind", "salt"))
        if found["kind"] != KIND:
            raise InvalidInput(
                "credential.opening", "not what opens a credential", expected=KIND, got=ascii(found["kind"])[:80]
            )
        return cls(
            documents.unbase64(found["document"], "document", REGISTRATION_BYTES_MAX),
            documents.digest(found["salt"], "salt"),
        )
