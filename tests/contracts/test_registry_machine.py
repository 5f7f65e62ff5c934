"""The registry against a ghost copy of itself: random people do random things, most of them not allowed.

Every step is judged twice. The ghost says from its own state alone whether the step is allowed, or the exact reason why
not; the contract must say the same. In the end every view equals the ghost, and so does a third copy that was built
from events alone, as an index would build it.
"""

from __future__ import annotations

import os
from dataclasses import replace

from contracts.registry_ghost import CHANGES, NOBODY, ROOTS, ZERO, Ghost, indexed, kinds_of, live
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.bindings.model_registry import Key, Model, ModelRegistry, Version
from tallystick.contracts import artifact
from tallystick.core.errors import Rejected

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
CHANNELS = ["", "production", "staging"]

people = st.integers(0, 3)
actors = st.sampled_from([None, None, None, None, 0, 1, 2, 3])  # None: the one who may
digests = st.integers(0, 40).map(lambda n: bytes([n]) * 32)  # few, so that they collide; 0 is the empty one
model_ids = st.sampled_from([1, 1, 1, 2, 2, 3, 0])  # 1 and 2 exist from the start
texts = st.sampled_from(["", "a", "β" * 20])


class RegistryMachine(RuleBasedStateMachine):
    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.registry = ModelRegistry(ledger, ledger.deploy(artifact("ModelRegistry").bytecode))
        self.ghost = Ghost()
        self.events = []
        for who in (0, 1):
            self.register(who, "start", "")
            self.rotate_key(who, bytes([200 + who]) * 32)

    def act(self, call, who, reason):
        """Let `who` try; return the block's time if it was allowed, None if refused for exactly `reason`."""
        refusal = None
        try:
            mined = self.ledger.send(call, self.ledger.accounts[who])
        except Rejected as error:
            refusal = error.code
        assert refusal == reason, f"{call.function}{dict(call.arguments)}"
        if refusal is not None:
            return None
        self.events += [(binding.EVENTS[log.topics[0]].decode(log), mined.time) for log in mined.logs]
        return mined.time

    @rule(who=people, name=texts, uri=texts)
    def register(self, who, name, uri):
        if self.act(self.registry.register(name, uri), who, None if name else "registry: empty name"):
            self.ghost.models.append(Model(self.ledger.accounts[who], name, uri, 0, 0))

    def owner_or(self, who, model_id):
        """Return the index of the account that acts: the model's owner unless another is named."""
        model = self.ghost.model(model_id)
        return who if who is not None else self.ledger.accounts.index(model.owner) if model else 0

    def places(self):
        """Models and sequence numbers that mostly exist."""
        return st.sampled_from([*self.ghost.places, *self.ghost.places, (1, 0), (2, 9), (9, 1)])

    @rule(who=actors, model_id=model_ids, uri=texts)
    def set_uri(self, who, model_id, uri):
        who = self.owner_or(who, model_id)
        if self.act(self.registry.set_uri(model_id, uri), who, self.unless_owner(model_id, who)):
            self.ghost.amend(model_id, uri=uri)

    @rule(who=actors, model_id=model_ids, to=people)
    def approve(self, who, model_id, to):
        who = self.owner_or(who, model_id)
        model, me, receiver = self.ghost.model(model_id), self.ledger.accounts[who], self.ledger.accounts[to]
        reason = None
        if model is None:
            reason = "erc721: no such token"
        elif me != model.owner and (model.owner, me) not in self.ghost.operators:
            reason = "erc721: not owner or operator"
        if self.act(self.registry.approve(receiver, model_id), who, reason):
            self.ghost.approved[model_id] = receiver

    @rule(who=people, to=people, allowed=st.booleans())
    def set_approval_for_all(self, who, to, allowed):
        pair = (self.ledger.accounts[who], self.ledger.accounts[to])
        self.act(self.registry.set_approval_for_all(pair[1], allowed), who, None)
        self.ghost.set_member(self.ghost.operators, pair, allowed)

    @rule(who=actors, claimed=actors, to=people, model_id=model_ids, safe=st.booleans())
    def transfer(self, who, claimed, to, model_id, safe):
        who, claimed = self.owner_or(who, model_id), self.owner_or(claimed, model_id)
        accounts, ghost, model = self.ledger.accounts, self.ghost, self.ghost.model(model_id)
        movers = {model.owner, ghost.approved.get(model_id)} if model else set()
        reason = None
        if model is None:
            reason = "erc721: no such token"
        elif accounts[who] not in movers and (model.owner, accounts[who]) not in ghost.operators:
            reason = "erc721: not owner or approved"
        elif accounts[claimed] != model.owner:
            reason = "erc721: wrong owner"
        send = self.registry.safe_transfer_from if safe else self.registry.transfer_from
        if self.act(send(accounts[claimed], accounts[to], model_id), who, reason):
            ghost.amend(model_id, owner=accounts[to], transfers=model.transfers + 1)
            ghost.approved.pop(model_id, None)

    @rule(who=actors, model_id=model_ids, to=people, allowed=st.booleans())
    def set_delegate(self, who, model_id, to, allowed):
        who = self.owner_or(who, model_id)
        account = self.ledger.accounts[to]
        if self.act(self.registry.set_delegate(model_id, account, allowed), who, self.unless_owner(model_id, who)):
            place = (model_id, self.ghost.model(model_id).transfers, account)
            self.ghost.set_member(self.ghost.delegates, place, allowed)

    @rule(who=people, key=digests)
    def rotate_key(self, who, key):
        keys = self.ghost.keys.setdefault(self.ledger.accounts[who], [])
        reason = None
        if key == ZERO:
            reason = "keys: empty key"
        elif any(key == old.key for old in keys):
            reason = "keys: already used"
        if time := self.act(self.registry.rotate_key(key), who, reason):
            if keys and not keys[-1].until:
                keys[-1] = replace(keys[-1], until=time)
            keys.append(Key(key, time, 0, 0))

    @rule(who=people, index=st.sampled_from([0, 1, 0, 1, 2, 9]))
    def revoke_key(self, who, index):
        keys = self.ghost.keys.setdefault(self.ledger.accounts[who], [])
        reason = None
        if index >= len(keys):
            reason = "keys: unknown key"
        elif keys[index].revoked:
            reason = "keys: already revoked"
        if time := self.act(self.registry.revoke_key(index, "lost"), who, reason):
            keys[index] = replace(keys[index], revoked=time, until=keys[index].until or time)

    @rule(
        data=st.data(),
        who=actors,
        model_id=model_ids,
        skip=st.sampled_from([1, 1, 1, 1, 1, 1, 0, 2]),
        strange_parents=st.one_of(st.just([]), st.just([]), st.just([]), st.lists(digests, max_size=2)),
        change=st.sampled_from(
            ["", "", "", "data", "data", "parameters", "size", "parameters", "architecture", "code", "manifest"]
        ),
        wrong_kinds=st.sampled_from([None, None, None, None, None, 0, 7, 255]),
        statement=digests,
    )
    def add_version(self, data, who, model_id, skip, strange_parents, change, wrong_kinds, statement):
        who, ghost, model = self.owner_or(who, model_id), self.ghost, self.ghost.model(model_id)
        known = sorted(ghost.versions)
        parents = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=not strange_parents)) if known else []
        parents += strange_parents
        base = ghost.versions[parents[0]].roots if parents and parents[0] in ghost.versions else ROOTS
        roots = CHANGES[change](base)
        right = kinds_of(base, roots) | data.draw(st.sampled_from([0, 16])) if parents else 0
        kinds = right if wrong_kinds is None else wrong_kinds
        seq = (model.version_count if model else 0) + skip
        self.add(who, model_id, seq, parents, statement, roots, kinds)

    def add(self, who, model_id, seq, parents, statement, roots, kinds):
        ghost = self.ghost
        call = self.registry.add_version(model_id, seq, parents, statement, roots, kinds)
        reason = self.why_not_add(who, model_id, seq, parents, statement, roots, kinds)
        if time := self.act(call, who, reason):
            me = self.ledger.accounts[who]
            index = len(ghost.keys[me]) - 1
            version = Version(model_id, seq, statement, roots, tuple(parents), me, index, time, kinds, 1)
            ghost.versions[statement] = version
            ghost.places[model_id, seq] = statement
            ghost.amend(model_id, version_count=seq)

    @rule(model_id=st.integers(1, 2), change=st.sampled_from(["", "data", "parameters", "code"]))
    def grow(self, model_id, change):
        """Add the plain next version, as most people do most of the time."""
        ghost, model = self.ghost, self.ghost.model(model_id)
        parents = [ghost.places[model_id, model.version_count]] if model.version_count else []
        base = ghost.versions[parents[0]].roots if parents else ROOTS
        roots = CHANGES[change](base)
        statement = bytes([100 + len(ghost.versions)]) * 32
        self.add(
            self.owner_or(None, model_id),
            model_id,
            model.version_count + 1,
            parents,
            statement,
            roots,
            kinds_of(base, roots),
        )

    def why_not_add(self, who, model_id, seq, parents, statement, roots, kinds):
        ghost, me, model = self.ghost, self.ledger.accounts[who], self.ghost.model(model_id)
        if not ghost.owns(model_id, me) and not ghost.is_delegate(model_id, me):
            return "roles: not owner or delegate"
        if ghost.active_key(me) == ZERO:
            return "keys: no active key"
        if seq != model.version_count + 1:
            return "versions: out of sequence"
        if statement == ZERO:
            return "versions: empty statement"
        if statement in ghost.versions:
            return "versions: already registered"
        if roots.manifest_root == ZERO:
            return "versions: empty manifest root"
        for i, parent in enumerate(parents):
            if parent not in ghost.versions:
                return "versions: unknown parent"
            if parent in parents[:i]:
                return "versions: duplicate parent"
        right = kinds_of(ghost.versions[parents[0]].roots, roots) | (kinds & 16) if parents else 0
        return None if kinds == right else "versions: wrong kinds"

    @rule(who=actors, data=st.data(), status=st.sampled_from([1, 2, 1, 2, 3, 0, 4]))
    def set_status(self, who, data, status):
        model_id, seq = data.draw(self.places())
        who = self.owner_or(who, model_id)
        statement = self.ghost.places.get((model_id, seq))
        reason = self.unless_owner(model_id, who)
        if reason is None:
            if statement is None:
                reason = "versions: unknown version"
            elif not 1 <= status <= 3:
                reason = "versions: unknown status"
            elif self.ghost.versions[statement].status == status:
                reason = "versions: status unchanged"
            elif self.ghost.versions[statement].status == 3:
                reason = "versions: revoked is final"
        if self.act(self.registry.set_status(model_id, seq, status, "because"), who, reason):
            self.ghost.versions[statement] = replace(self.ghost.versions[statement], status=status)

    @rule(who=actors, data=st.data(), channel=st.sampled_from([*CHANNELS, *CHANNELS[1:]]))
    def release(self, who, data, channel):
        model_id, seq = data.draw(self.places())
        who = self.owner_or(who, model_id)
        now, count = self.ghost.channels.get((model_id, channel), (0, 0))
        reason = self.unless_owner(model_id, who)
        if reason is None:
            if not channel:
                reason = "releases: empty channel"
            elif seq == now:
                reason = "releases: unchanged"
            elif seq and (model_id, seq) not in self.ghost.places:
                reason = "versions: unknown version"
            elif seq and self.ghost.versions[self.ghost.places[model_id, seq]].status == 3:
                reason = "releases: version is revoked"
        if self.act(self.registry.release(model_id, channel, seq), who, reason):
            self.ghost.channels[model_id, channel] = (seq, count + 1)

    def unless_owner(self, model_id, who):
        return None if self.ghost.owns(model_id, self.ledger.accounts[who]) else "roles: not the owner"

    def teardown(self):
        self.check_models()
        self.check_versions()
        self.check_people()
        assert indexed(self.events) == (self.ghost.models, self.ghost.versions, live(self.ghost))

    def check_models(self):
        ghost, registry = self.ghost, self.registry
        assert registry.model_count() == len(ghost.models)
        for model_id, model in enumerate(ghost.models, 1):
            assert registry.model(model_id) == model
            assert registry.owner_of(model_id) == model.owner
            assert registry.token_uri(model_id) == model.uri
            assert registry.version_count(model_id) == model.version_count
            assert registry.get_approved(model_id) == ghost.approved.get(model_id, NOBODY)
            for account in self.ledger.accounts[:4]:
                assert registry.is_delegate(model_id, account) == ghost.is_delegate(model_id, account)
            for channel in CHANNELS:
                now = ghost.channels.get((model_id, channel), (0, 0))
                assert (registry.released(model_id, channel), registry.release_count(model_id, channel)) == now
                if now[0]:
                    version = ghost.versions[ghost.places[model_id, now[0]]]
                    expected = (version.statement, version.roots.manifest_root, version.status)
                    assert registry.released_version(model_id, channel) == expected

    def check_versions(self):
        for (model_id, seq), statement in self.ghost.places.items():
            assert self.registry.version(model_id, seq) == self.ghost.versions[statement]
            assert self.registry.version_of(statement) == (model_id, seq)
            assert self.registry.statement_at(model_id, seq) == statement
            assert self.registry.status_of(model_id, seq) == self.ghost.versions[statement].status

    def check_people(self):
        ghost, registry, accounts = self.ghost, self.registry, self.ledger.accounts[:4]
        assert sum(registry.balance_of(account) for account in accounts) == len(ghost.models)
        for account in accounts:
            assert registry.balance_of(account) == sum(model.owner == account for model in ghost.models)
            keys = ghost.keys.get(account, [])
            assert [registry.key_at(account, index) for index in range(registry.key_count(account))] == keys
            assert [registry.key_index(account, key.key) for key in keys] == list(range(len(keys)))
            assert registry.active_key(account) == ghost.active_key(account)
            assert sum(not key.until for key in keys) <= 1
            for other in accounts:
                assert registry.is_approved_for_all(account, other) == ((account, other) in ghost.operators)


def test_the_registry_does_what_its_ghost_does(ledger):
    run_state_machine_as_test(
        lambda: RegistryMachine(ledger),
        settings=settings(
            max_examples=40 if LONG else 10,
            stateful_step_count=100 if LONG else 70,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
