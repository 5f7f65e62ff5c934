"""The log anchor against a ghost log: random growth, forks and meddling, each judged twice.

The ghost keeps every leaf of every log and each root that was anchored. A step is allowed exactly when the ghost says
so; an anchor passes exactly when its root is that of an extension of what is anchored and its proof the honest one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tallystick.chain.bindings import log_anchor as binding
from tallystick.chain.bindings.log_anchor import LogAnchor, LogKey, TicketSigner
from tallystick.contracts import artifact
from tallystick.core import merkle
from tallystick.core.errors import Rejected, VerificationFailed

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
NOBODY = "0x" + "00" * 20
ORIGINS = ["", "example.com/a", "example.com/b"]
TRICKS = ["fork", "size", "short", "long", "swap", "old", "empty"]

people = st.integers(0, 3)
actors = st.sampled_from([None, None, None, 0, 1, 2, 3])  # None: the one who may
log_ids = st.sampled_from([1, 1, 1, 2, 2, 3, 0])  # 1 and 2 exist from the start
accounts = st.integers(-1, 3)  # -1: the zero address
vkeys = st.integers(0, 4).map(lambda n: bytes([n]) * 32)


@dataclass
class GhostLog:
    owner: str
    origin: str
    anchorer: str
    keys: list[LogKey]
    signers: list[TicketSigner]
    leaves: list[bytes] = field(default_factory=list)  # the truth of the log, beyond what is anchored
    size: int = 0
    root: bytes = merkle.EMPTY_ROOT
    anchored_at: int = 0
    pending: str = NOBODY
    retired: bool = False
    successor: int = 0

    def is_true(self) -> bool:
        """Tell whether what is anchored is this log at that size, and not its root under another size."""
        return self.size <= len(self.leaves) and self.root == merkle.root(self.leaves[: self.size])


class AnchorMachine(RuleBasedStateMachine):
    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.anchor = LogAnchor(ledger, ledger.deploy(artifact("LogAnchor").bytecode))
        self.logs = []
        self.openers = {}
        self.events = []

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

    def log(self, log_id):
        return self.logs[log_id - 1] if 0 < log_id <= len(self.logs) else None

    def owner_or(self, who, log_id):
        log = self.log(log_id)
        return who if who is not None else self.ledger.accounts.index(log.owner) if log else 0

    def account(self, index):
        return NOBODY if index < 0 else self.ledger.accounts[index]

    def unless_owner(self, log_id, who):
        log = self.log(log_id)
        if log and log.retired:
            return "logs: retired"
        return None if log and log.owner == self.ledger.accounts[who] else "logs: not the owner"

    @initialize()
    def two_logs_exist(self):
        self.open_log(0, "start", b"s" * 32, 1, 2)
        self.open_log(1, "start", b"s" * 32, -1, -1)

    @rule(who=people, origin=st.sampled_from(ORIGINS), vkey=vkeys, signer=accounts, anchorer=accounts)
    def open_log(self, who, origin, vkey, signer, anchorer):
        me, signer, anchorer = self.account(who), self.account(signer), self.account(anchorer)
        reason = None
        if not origin:
            reason = "logs: empty origin"
        elif (me, origin) in self.openers:
            reason = "logs: already open"
        elif vkey == bytes(32):
            reason = "vkeys: empty key"
        if time := self.act(self.anchor.open_log(origin, vkey, signer, anchorer), who, reason):
            keys, signers = [LogKey(vkey, 0, 0, time, 0)], [TicketSigner(signer, time, 0)]
            self.logs.append(GhostLog(me, origin, anchorer, keys, signers))
            self.openers[me, origin] = len(self.logs)

    @rule(log_id=log_ids, count=st.integers(1, 9), seed=st.integers(0, 255))
    def append(self, log_id, count, seed):
        """Leaves arrive off chain."""
        if log := self.log(log_id):
            log.leaves += [merkle.leaf_hash(bytes([seed, len(log.leaves) % 256, i])) for i in range(count)]

    @rule(log_id=st.integers(1, 2), count=st.integers(1, 9), seed=st.integers(0, 255))
    def grow(self, log_id, count, seed):
        """The plain life of a log: leaves arrive and are anchored."""
        self.append(log_id, count, seed)
        self.anchor_log(log_id, None, 0, "honest")

    @rule(log_id=st.integers(1, 2), trick=st.sampled_from(TRICKS), count=st.integers(1, 9))
    def cheat(self, log_id, trick, count):
        """An owner tries to rewrite or misstate its own log."""
        self.append(log_id, count, 0)
        self.anchor_log(log_id, None, 0, trick)

    @rule(
        log_id=log_ids,
        who=actors,
        skip=st.integers(0, 3),
        trick=st.sampled_from(["honest"] * 8 + TRICKS),
    )
    def anchor_log(self, log_id, who, skip, trick):
        log = self.log(log_id)
        if log is None:
            self.act(self.anchor.anchor(log_id, 1, b"r" * 32, []), who or 0, "anchors: not anchorer or owner")
            return
        helper = self.ledger.accounts.index(log.anchorer) if log.anchorer != NOBODY and skip % 2 else None
        who = self.owner_or(who if who is not None else helper, log_id)
        size, root, proof = self.offer(log, max(len(log.leaves) - skip, 0), trick)
        reason = self.why_not_anchor(log, who, size, root, proof)
        if time := self.act(self.anchor.anchor(log_id, size, root, proof), who, reason):
            log.size, log.root, log.anchored_at = size, root, time
            # An honest log only: a first anchor may be any claim, so make the ghost's truth follow what was claimed.
            assert merkle.root(log.leaves[:size]) == root or trick != "honest"

    def offer(self, log, size, trick):
        leaves = list(log.leaves[:size])
        if trick == "fork" and log.size > 0 and leaves:
            leaves[min(log.size, len(leaves)) - 1] = merkle.leaf_hash(b"another past")
        root = merkle.root(leaves)
        proof = merkle.consistency_path(leaves, log.size) if log.size <= size else []
        if log.size == 0:
            return (size, root, [root]) if trick == "long" else (size, root, proof)
        if trick == "size":
            size += 1
        elif trick == "short":
            proof = proof[:-1]
        elif trick == "long":
            proof = [*proof, root]
        elif trick == "swap":
            proof = proof[::-1]
        elif trick == "old":
            size = log.size
        elif trick == "empty":
            root = bytes(32)
        return size, root, proof

    def why_not_anchor(self, log, who, size, root, proof):
        me = self.ledger.accounts[who]
        if me != log.anchorer or log.retired:
            if log.retired:
                return "logs: retired"
            if me != log.owner:
                return "anchors: not anchorer or owner"
        if size <= log.size:
            return "anchors: size must grow"
        if root == bytes(32):
            return "anchors: empty root"
        if log.size == 0:
            return "anchors: not consistent" if proof else None
        if log.is_true() and size <= len(log.leaves) and root == merkle.root(log.leaves[:size]):
            honest = merkle.consistency_path(log.leaves[:size], log.size)
            return None if proof == honest else "anchors: not consistent"
        # A root does not bind its size: an honest root under a wrong size may pass any strict verifier, and a log that
        # once got away with it has nothing to prove from.
        return None if self.python_accepts(log, size, root, proof) else "anchors: not consistent"

    def python_accepts(self, log, size, root, proof):
        try:
            merkle.verify_consistency(log.size, size, log.root, root, proof)
        except VerificationFailed:
            return False
        # Whatever passes, its root is that of a prefix of the one true log: no fork ever does.
        assert any(root == merkle.root(log.leaves[:n]) for n in range(len(log.leaves) + 1))
        return True

    @rule(log_id=log_ids, data=st.data())
    def prove_inclusion(self, log_id, data):
        log = self.log(log_id)
        if log is None or not log.size or not log.is_true():
            return
        leaves = log.leaves[: log.size]
        index = data.draw(st.integers(0, log.size - 1))
        path = merkle.inclusion_path(leaves, index)
        assert self.anchor.verify_inclusion(log_id, index, leaves[index], path)
        other = data.draw(st.integers(0, log.size + 1))
        if other >= log.size or leaves[other] != leaves[index]:
            assert not self.anchor.verify_inclusion(log_id, other, leaves[index], path)
        assert not self.anchor.verify_inclusion(log_id, index, merkle.leaf_hash(b"never logged"), path)

    @rule(log_id=log_ids, who=actors, vkey=vkeys)
    def rotate_key(self, log_id, who, vkey):
        who, log = self.owner_or(who, log_id), self.log(log_id)
        reason = self.unless_owner(log_id, who)
        if reason is None and vkey == log.keys[-1].vkey:
            reason = "vkeys: unchanged"
        elif reason is None and vkey == bytes(32):
            reason = "vkeys: empty key"
        if time := self.act(self.anchor.rotate_key(log_id, vkey), who, reason):
            log.keys[-1] = replace(log.keys[-1], until=time, until_size=log.size)
            log.keys.append(LogKey(vkey, log.size, 0, time, 0))

    @rule(log_id=log_ids, who=actors, anchorer=accounts)
    def set_anchorer(self, log_id, who, anchorer):
        who = self.owner_or(who, log_id)
        if self.act(self.anchor.set_anchorer(log_id, self.account(anchorer)), who, self.unless_owner(log_id, who)):
            self.log(log_id).anchorer = self.account(anchorer)

    @rule(log_id=log_ids, who=actors, signer=accounts)
    def set_ticket_signer(self, log_id, who, signer):
        who, log, signer = self.owner_or(who, log_id), self.log(log_id), self.account(signer)
        reason = self.unless_owner(log_id, who)
        if reason is None and signer == log.signers[-1].signer:
            reason = "tickets: unchanged"
        elif reason is None and signer != NOBODY and any(term.signer == signer for term in log.signers):
            reason = "tickets: signer already used"
        if time := self.act(self.anchor.set_ticket_signer(log_id, signer), who, reason):
            log.signers[-1] = replace(log.signers[-1], until=time)
            log.signers.append(TicketSigner(signer, time, 0))

    @rule(log_id=log_ids, who=actors, to=accounts)
    def offer_log(self, log_id, who, to):
        who = self.owner_or(who, log_id)
        if self.act(self.anchor.offer_log(log_id, self.account(to)), who, self.unless_owner(log_id, who)):
            self.log(log_id).pending = self.account(to)

    @rule(log_id=log_ids, who=people)
    def accept_log(self, log_id, who):
        log, me = self.log(log_id), self.ledger.accounts[who]
        reason = None if log and log.pending == me else "logs: not offered"
        if log and log.retired:
            reason = "logs: retired"
        if self.act(self.anchor.accept_log(log_id), who, reason):
            log.owner, log.pending = me, NOBODY

    @rule(log_id=log_ids, who=actors, successor=st.integers(0, 4), really=st.integers(0, 3))
    def retire(self, log_id, who, successor, really):
        if really:  # or every log would soon be dead
            return
        who, log, next_log = self.owner_or(who, log_id), self.log(log_id), self.log(successor)
        reason = self.unless_owner(log_id, who)
        if reason is None and successor and (successor == log_id or next_log is None or next_log.retired):
            reason = "logs: bad successor"
        if time := self.act(self.anchor.retire(log_id, successor), who, reason):
            log.retired, log.successor, log.anchorer, log.pending = True, successor, NOBODY, NOBODY
            if log.signers[-1].signer != NOBODY:
                log.signers[-1] = replace(log.signers[-1], until=time)
                log.signers.append(TicketSigner(NOBODY, time, 0))

    def teardown(self):
        anchor = self.anchor
        assert anchor.log_count() == len(self.logs)
        for (opener, origin), log_id in self.openers.items():
            assert anchor.log_of(opener, origin) == log_id
        for log_id, log in enumerate(self.logs, 1):
            assert anchor.log_at(log_id) == state_of(log)
            assert anchor.latest(log_id) == (log.size, log.root, log.anchored_at)
            assert [anchor.key_at(log_id, i) for i in range(len(log.keys))] == log.keys
            assert [anchor.ticket_signer_at(log_id, i) for i in range(len(log.signers))] == log.signers
        assert indexed(self.events) == [(state_of(log), log.keys, log.signers) for log in self.logs]


def state_of(log):
    return binding.LogState(
        owner=log.owner,
        pending_owner=log.pending,
        anchorer=log.anchorer,
        ticket_signer=log.signers[-1].signer,
        origin=log.origin,
        vkey=log.keys[-1].vkey,
        key_count=len(log.keys),
        signer_count=len(log.signers),
        size=log.size,
        root=log.root,
        anchored_at=log.anchored_at,
        retired=log.retired,
        successor=log.successor,
    )


def indexed(events):
    """Rebuild every log from its events and the times of their blocks, and nothing else."""
    logs = []
    for event, time in events:
        log = logs[event.log_id - 1] if event.log_id <= len(logs) else None
        match event:
            case binding.LogOpened():
                keys, signers = [LogKey(event.vkey, 0, 0, time, 0)], [TicketSigner(event.ticket_signer, time, 0)]
                logs.append(GhostLog(event.owner, event.origin, event.anchorer, keys, signers))
            case binding.Anchored():
                assert event.old_size == log.size
                log.size, log.root, log.anchored_at = event.size, event.root, time
            case binding.LogKeyRotated():
                assert event.index == len(log.keys)
                log.keys[-1] = replace(log.keys[-1], until=time, until_size=event.since_size)
                log.keys.append(LogKey(event.vkey, event.since_size, 0, time, 0))
            case binding.AnchorerSet():
                log.anchorer = event.anchorer
            case binding.TicketSignerSet():
                assert event.index == len(log.signers)
                log.signers[-1] = replace(log.signers[-1], until=time)
                log.signers.append(TicketSigner(event.signer, time, 0))
            case binding.LogOffered():
                log.pending = event.receiver
            case binding.LogTransferred():
                assert log.owner == event.sender
                log.owner, log.pending = event.receiver, NOBODY
            case binding.LogRetired():
                assert event.size == log.size
                log.retired, log.successor, log.anchorer, log.pending = True, event.successor, NOBODY, NOBODY
            case _:
                raise AssertionError(f"an event that no index would understand: {event}")
    return [(state_of(log), log.keys, log.signers) for log in logs]


def test_the_log_anchor_does_what_its_ghost_does(ledger):
    run_state_machine_as_test(
        lambda: AnchorMachine(ledger),
        settings=settings(
            max_examples=40 if LONG else 10,
            stateful_step_count=80 if LONG else 60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
