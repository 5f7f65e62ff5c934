"""Names within a policy file: each stands for one address, wherever an address may be written."""

from __future__ import annotations

import re

from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z", re.ASCII)


class NameBook:
    """The names of one file."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def add(self, name: str, address: str, what: str) -> None:
        """Let `name` stand for `address`.

        raises  InvalidInput "policy.name" for a malformed name or one that stands for another address
        """
        if not _NAME.match(name):
            raise InvalidInput(
                "policy.name", f"{what}: not a name", got=ascii(name)[:80],
                expected="a letter, then letters, digits, dashes and underscores; at most 40",
            )  # fmt: skip
        if self._known.setdefault(name, address) != address:
            raise InvalidInput("policy.name", f"{what}: the name stands for two addresses", got=name)

    def find(self, value: object, what: str) -> str:
        """Return the address that is written or named; raises InvalidInput "policy.name", "address.…"."""
        if isinstance(value, str) and value in self._known:
            return self._known[value]
        if isinstance(value, str) and _NAME.match(value):
            raise InvalidInput(
                "policy.name", f"{what}: nothing in the file has this name", got=value,
                hint="name it under [addresses], [tokens], [counterparties] or [sessions]",
            )  # fmt: skip
        try:
            return parse_address(value)
        except InvalidInput as error:
            error.message = f"{what}: {error.message}"
            raise
