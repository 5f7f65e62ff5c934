"""What opens the commitments of an intent record: their salts, and the contents too where somebody asked for that.

They stay with the operator, in a folder that only its user can read, never in the record nor among blobs that others
may see. With a salt and the content anybody can compute the commitment; without the salt it is noise. So whoever wants
to forget what an agent was told deletes its opening: the record stands, and tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.agents.intents import Intent
from tallystick.core import canonical, documents
from tallystick.core.checks import Check
from tallystick.core.commitment import SALT_BYTES, Domain, commit
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import INTENT_BYTES_MAX, INTENT_TOOLS_MAX
from tallystick.store.files import read_bounded, write_atomic

FORMAT: Final = "tallystick-opening-1"
PROMPT: Final = "prompt"
_SALTS: Final = "salts.json"


@dataclass(frozen=True)
class Slot:
    """One commitment of a record: what it is called, "prompt" or "tool-1-given", and the domain it is made in."""

    name: str
    domain: Domain
    digest: bytes


def slots_of(intent: Intent) -> tuple[Slot, ...]:
    """Return the commitments of a record, in order."""
    slots = [Slot(PROMPT, Domain.IN, intent.prompt)]
    for number, tool in enumerate(intent.tools, 1):
        slots += [
            Slot(f"tool-{number}-given", Domain.IN, tool.given),
            Slot(f"tool-{number}-gave", Domain.OUT, tool.gave),
        ]
    return tuple(slots)


def slot_of(intent: Intent, name: str) -> Slot:
    """Return the commitment of that name; raises InvalidInput "intent.slot"."""
    found = next((one for one in slots_of(intent) if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in slots_of(intent))
        raise InvalidInput("intent.slot", "the record has no such commitment", expected=names, got=ascii(name)[:80])
    return found


@dataclass(frozen=True)
class Opening:
    """The salts of one record's commitments, by name; those that were made elsewhere are not here."""

    salts: Mapping[str, bytes]

    def to_bytes(self) -> bytes:
        """Return the salts as canonical JSON, which `from_bytes` reads back the same."""
        salts = {name: salt.hex() for name, salt in self.salts.items()}
        return canonical.encode({"format": FORMAT, "salts": salts})

    @classmethod
    def from_bytes(cls, data: bytes) -> Opening:
        """Read salts; raises InvalidInput "intent.format", "canonical.…", "document.…", "digest.…"."""
        found: dict[str, Any] = documents.members(canonical.decode(data, "opening"), "opening", ("format", "salts"))
        if found["format"] != FORMAT:
            raise InvalidInput("intent.format", "not an opening", expected=FORMAT, got=ascii(found["format"])[:80])
        salts = documents.typed(found["salts"], dict, "salts")
        if len(salts) > 2 * INTENT_TOOLS_MAX + 1:
            raise InvalidInput("intent.format", "an opening has too many salts", got=len(salts))
        return cls({name: documents.digest(salt, "salt") for name, salt in salts.items()})

    def check(self, slot: Slot, content: bytes) -> Check:
        """Return whether a commitment is to this content; it fails too where its salt is not here."""
        salt = self.salts.get(slot.name)
        if salt is None:
            return Check(slot.name, False, "its salt is not here", slot.digest.hex(), "no salt")
        return Check.equal(slot.name, slot.digest, commit(slot.domain, salt, content))


class OpeningStore:
    """The openings of a workspace: a folder for each record, named by its hash, that only this user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, intent_hash: bytes, opening: Opening, contents: Mapping[str, bytes]) -> None:
        """Keep a record's salts, and the contents that are given; raises as `store.files.write_atomic`."""
        folder = self._of(intent_hash)
        for name, content in contents.items():
            write_atomic(folder / name, content, mode=0o600)
        write_atomic(folder / _SALTS, opening.to_bytes(), mode=0o600)

    def find(self, intent_hash: bytes) -> Opening:
        """Return a record's salts.

        raises  Unavailable "intent.unopened" where they are not here; InvalidInput as `Opening.from_bytes`,
                "files.permissions" where others could read them
        """
        path = self._of(intent_hash) / _SALTS
        if not path.exists():
            raise Unavailable(
                "intent.unopened", "what opens this record's commitments is not here", got=intent_hash.hex(),
                hint="it stays in the workspace that wrote the record, unless it was deleted",
            )  # fmt: skip
        return Opening.from_bytes(read_bounded(path, INTENT_BYTES_MAX + SALT_BYTES, private=True))

    def kept(self, intent_hash: bytes) -> dict[str, Path]:
        """Return where the contents lie that were kept, by the name of their commitment."""
        folder = self._of(intent_hash)
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        return {path.name: path for path in paths if path.name != _SALTS}

    def _of(self, intent_hash: bytes) -> Path:
        return self._folder / check_digest(intent_hash, "intent hash").hex()
