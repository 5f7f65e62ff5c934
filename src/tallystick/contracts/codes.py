"""The numbers that `ModelRegistry` uses, by name. The contract is the source; tests hold the two together."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Kind(IntFlag):
    """What changed between a version and its first parent."""

    DATA = 1
    PARAMETERS = 2
    ARCHITECTURE = 4
    CODE = 8
    METADATA = 16

    @property
    def names(self) -> list[str]:
        """The kinds in lower case, in the order of the flags."""
        return [str(kind.name).lower() for kind in type(self) if kind in self]


class Status(IntEnum):
    """What the owner says of a version; zero is no status, so that nothing missing reads as good."""

    ACTIVE = 1
    DEPRECATED = 2
    REVOKED = 3
