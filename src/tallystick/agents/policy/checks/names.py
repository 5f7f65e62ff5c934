"""Findings about names: two of them that a person takes for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.findings import Finding, warning

_LOOKS: Final = str.maketrans({"1": "l", "i": "l", "0": "o", "5": "s", "-": "", "_": ""})


def name_findings(policy: Policy) -> Iterator[Finding]:
    """Yield names that look alike and stand for two addresses; a name holds nothing but ASCII."""
    first: dict[str, tuple[str, str]] = {}
    for kind, name, address in _named(policy):
        other, held = first.setdefault(name.lower().translate(_LOOKS), (name, address))
        if held != address:
            yield warning(
                "names.alike", f"{kind}.{name}", f"{name} is easily taken for {other}, which is another address",
                "give one of them another name",
            )  # fmt: skip


def _named(policy: Policy) -> Iterator[tuple[str, str, str]]:
    yield from (("addresses", name, address) for name, address in policy.addresses.items())
    yield from (("tokens", one.name, one.address) for one in policy.tokens)
    yield from (("payees", one.name, one.address) for one in policy.payees)
    yield from (("sessions", one.name, one.key) for one in policy.sessions)
