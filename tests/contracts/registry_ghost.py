"""What a registry should hold, in plain Python, and how events alone rebuild it; for the rule machine beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.bindings.model_registry import Key, Model, Roots, Version

ZERO, NOBODY = bytes(32), "0x" + "00" * 20


@dataclass
class Ghost:
    """What the registry should hold."""

    models: list[Model] = field(default_factory=list)
    approved: dict[int, str] = field(default_factory=dict)
    operators: set[tuple[str, str]] = field(default_factory=set)
    delegates: set[tuple[int, int, str]] = field(default_factory=set)
    keys: dict[str, list[Key]] = field(default_factory=dict)
    versions: dict[bytes, Version] = field(default_factory=dict)
    places: dict[tuple[int, int], bytes] = field(default_factory=dict)
    channels: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)

    def model(self, model_id: int) -> Model | None:
        return self.models[model_id - 1] if 0 < model_id <= len(self.models) else None

    def amend(self, model_id: int, **changes) -> None:
        self.models[model_id - 1] = replace(self.models[model_id - 1], **changes)

    def set_member(self, members: set, member: tuple, is_in: bool) -> None:
        (members.add if is_in else members.discard)(member)

    def owns(self, model_id: int, account: str) -> bool:
        model = self.model(model_id)
        return model is not None and model.owner == account

    def is_delegate(self, model_id: int, account: str) -> bool:
        model = self.model(model_id)
        return model is not None and (model_id, model.transfers, account) in self.delegates

    def active_key(self, account: str) -> bytes:
        keys = self.keys.get(account, [])
        return keys[-1].key if keys and not keys[-1].until else ZERO


ROOTS = Roots(b"m" * 32, b"a" * 32, b"p" * 32, b"d" * 32, 400, b"c" * 32)


def bumped(value):
    return bytes([value[0] ^ 1]) + value[1:]


CHANGES = {
    "": lambda roots: roots,
    "data": lambda roots: replace(roots, data_root=bumped(roots.data_root)),
    "size": lambda roots: replace(roots, data_size=roots.data_size + 1),
    "parameters": lambda roots: replace(roots, parameter_root=bumped(roots.parameter_root)),
    "architecture": lambda roots: replace(roots, architecture_root=ZERO, parameter_root=ZERO),
    "code": lambda roots: replace(roots, code_digest=bumped(roots.code_digest)),
    "manifest": lambda roots: replace(roots, manifest_root=ZERO),
}


def kinds_of(parent, roots):
    kinds = 1 if (roots.data_root, roots.data_size) != (parent.data_root, parent.data_size) else 0
    kinds |= 2 if roots.parameter_root != parent.parameter_root else 0
    kinds |= 4 if roots.architecture_root != parent.architecture_root else 0
    return kinds | (8 if roots.code_digest != parent.code_digest else 0)


def live(ghost):
    """What an index would show beside models and versions: keys, channels, delegates, approvals."""
    keys = {(account, i): key for account, keys in ghost.keys.items() for i, key in enumerate(keys)}
    return keys, ghost.channels, ghost.delegates, ghost.approved, ghost.operators


def indexed(events):
    """Rebuild the registry from its events and the times of their blocks, and nothing else."""
    copy, keys = Ghost(), {}
    for event, time in events:
        match event:
            case binding.ModelRegistered():
                copy.models[event.model_id - 1] = replace(
                    copy.models[event.model_id - 1], name=event.name, uri=event.uri
                )
            case binding.Transfer(sender=sender) if sender == NOBODY:
                copy.models.append(Model(event.receiver, "", "", 0, 0))
            case binding.Transfer():
                transfers = copy.models[event.token_id - 1].transfers + 1
                copy.amend(event.token_id, owner=event.receiver, transfers=transfers)
                copy.approved.pop(event.token_id, None)
            case binding.UriSet():
                copy.amend(event.model_id, uri=event.uri)
            case binding.Approval():
                copy.approved[event.token_id] = event.approved
            case binding.ApprovalForAll():
                copy.set_member(copy.operators, (event.owner, event.operator), event.approved)
            case binding.DelegateSet():
                copy.set_member(copy.delegates, (event.model_id, event.transfers, event.account), event.allowed)
            case binding.KeyRotated():
                before = (event.account, event.index - 1)
                if before in keys and not keys[before].until:
                    keys[before] = replace(keys[before], until=time)
                keys[event.account, event.index] = Key(event.key, time, 0, 0)
            case binding.KeyRevoked():
                key = keys[event.account, event.index]
                keys[event.account, event.index] = replace(key, revoked=time, until=key.until or time)
            case binding.VersionAdded() as e:
                made = Version(
                    e.model_id, e.seq, e.statement, e.roots, e.parents, e.signer, e.key_index, time, e.kinds, 1
                )
                copy.versions[e.statement] = made
                copy.amend(event.model_id, version_count=event.seq)
            case binding.StatusSet():
                version = copy.versions[event.statement]
                assert version.status == event.previous
                copy.versions[event.statement] = replace(version, status=event.status)
            case binding.Released():
                assert copy.channels.get((event.model_id, event.channel), (0, 0)) == (event.previous, event.count - 1)
                copy.channels[event.model_id, event.channel] = (event.seq, event.count)
            case _:
                raise AssertionError(f"an event that no index would understand: {event}")
    return copy.models, copy.versions, (keys, *live(copy)[1:])
