"""Whether the account is what it should be: this release's code, which leans on this release's code.

An account asks its rules, its queue and its relay. Were one of these another contract, it could let anything pass and
log whatever looks well, and nothing that the account's events say would mean anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.agents.audit.evidence import Evidence
from tallystick.agents.audit.findings import Area, Finding
from tallystick.contracts import artifact


def check_code(evidence: Evidence) -> Iterator[Finding]:
    """Yield which of an account's contracts are not this release's, or are not those that its code names."""
    runtime = artifact("PolicyAccount").runtime_bytecode
    if not evidence.implementation.startswith(runtime):
        words = f"{evidence.account} is no clone of this release's PolicyAccount: its events may mean anything"
        yield Finding(Area.CODE, "code.other", words)
        return
    addresses = {name: address for name, (address, _) in evidence.others.items()}
    own = (evidence.entry_point, *addresses.values())
    if evidence.implementation[len(runtime) :] != _words(*own):
        yield Finding(Area.CODE, "code.other", "the account's code names other contracts than the account says")
    kept = {"PolicyChanges": _words(addresses["PolicyRules"], addresses["PolicyQueue"])}
    for name, (address, code) in evidence.others.items():
        if code != artifact(name).runtime_bytecode + kept.get(name, b""):
            words = f"the account leans on {address}, which is not this release's {name}: it may let anything pass"
            yield Finding(Area.CODE, "code.companion", words)


def _words(*addresses: str) -> bytes:
    return b"".join(bytes(12) + bytes.fromhex(one[2:]) for one in addresses)
