"""Where the lifecycle story happens: a private half, and the public half that is all an auditor gets.

private/.tally/   the publisher's workspace: keys, outbox, write-ahead log
public/evidence/  the blob store
public/chain.db   a copy of the embedded chain's file; elsewhere the node's URL stands for it
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tallystick.core.errors import InvalidInput

_ATTEMPTS_MAX = 10_000  # demos kept in one folder


@dataclass(frozen=True)
class Places:
    """The folders of one telling of the story."""

    root: Path

    @classmethod
    def make(cls, base: Path) -> Places:
        """Make the folders in `base`, or beside it as `base-2`, `base-3` …; nothing that is there is touched."""
        for number in range(1, _ATTEMPTS_MAX):
            root = base if number == 1 else base.with_name(f"{base.name}-{number}")
            try:
                root.mkdir(parents=True)
            except FileExistsError:
                continue
            places = cls(root.resolve())
            for folder in (places.private, places.public, places.models):
                folder.mkdir()
            return places
        raise InvalidInput("demo.folder", f"{base} has been used too often", hint="remove old demos")

    @property
    def private(self) -> Path:
        """The publisher's side."""
        return self.root / "private"

    @property
    def workspace(self) -> Path:
        """The publisher's workspace."""
        return self.private / ".tally"

    @property
    def models(self) -> Path:
        """Model files on their way to being versions."""
        return self.private / "models"

    @property
    def public(self) -> Path:
        """What the auditor gets."""
        return self.root / "public"

    @property
    def evidence(self) -> Path:
        """The blob store."""
        return self.public / "evidence"

    @property
    def chain(self) -> Path:
        """The copy of the embedded chain's file."""
        return self.public / "chain.db"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.root / "report.html"

    @contextmanager
    def out_of_reach(self) -> Iterator[None]:
        """Move the private side away while the block runs, so that an audit cannot have used it."""
        away = self.root / "private.away"
        self.private.rename(away)
        try:
            yield
        finally:
            away.rename(self.private)

    def copy_public(self, name: str) -> Path:
        """Return a fresh copy of the public half, to be damaged."""
        copied = self.root / "tampered" / name
        shutil.copytree(self.public, copied)
        return copied
