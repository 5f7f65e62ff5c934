"""Directory and consumers against a ghost: an owner who adds, records, releases and revokes as it likes, strangers who
propose at any time, and three consumers, one of each policy, of which the ghost says what each must ask at each moment.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tallystick.chain.bindings.model_registry import ModelRegistry, Roots
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.errors import Rejected
from tests.contracts.follow_kit import DAY, FILES, FOLLOW, NO, NOBODY, PIN, TIME_LOCK, YES, world_on
from tests.contracts.kernels import DIGEST, GOOD, model, proof_of, selector

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
seqs = st.integers(0, 5)


class Ghost:
    """What follows from what was done, in plain Python."""

    def __init__(self, first):
        self.kernels = {1: first}
        self.revoked = set()
        self.count = 1
        self.channel = 1
        self.lock = (1, 0, 0)  # in force, announced, when

    def locked(self, time):
        _, announced, ready_at = self.lock
        return (announced, 0, 0) if announced and time >= ready_at else self.lock

    def kernel(self, policy, time):
        if policy == PIN:
            return self.kernels[1]
        seq = self.channel if policy == FOLLOW else self.locked(time)[0]
        return NOBODY if seq in self.revoked else self.kernels.get(seq, NOBODY)

    def following(self, policy, time):
        seq, announced, ready_at = (
            self.locked(time) if policy == TIME_LOCK else ({PIN: 1, FOLLOW: self.channel}[policy], 0, 0)
        )
        return seq, self.kernel(policy, time), announced, ready_at

    def proposed(self, time):
        """Return (reason, lock): why a proposal is refused, or what it leads to."""
        current, announced, _ = self.locked(time)
        wanted = current if not self.channel or self.channel in self.revoked else self.channel
        if wanted == current and not announced:
            return "follow: nothing new", None
        if wanted == announced:
            return "follow: already proposed", None
        if wanted == current:
            return None, (current, 0, 0)
        if wanted not in self.kernels:
            return "follow: no kernel", None
        return None, (current, wanted, time + DAY)


class FollowMachine(RuleBasedStateMachine):
    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.world = world_on(ledger, ModelRegistry(ledger, ledger.deploy(artifact("ModelRegistry").bytecode)))
        seq, kernel = self.world.add()
        self.world.release(seq)
        self.ghost = Ghost(kernel)
        self.spare = ledger.deploy(model(GOOD, self.world.registry.address, 1)).lower()
        pinned = self.world.terms(PIN, seq=1, model_digest=DIGEST)
        terms = {PIN: pinned, FOLLOW: self.world.terms(FOLLOW), TIME_LOCK: self.world.terms(TIME_LOCK, delay=DAY)}
        self.consumers = {policy: self.world.make(one) for policy, one in terms.items()}

    def act(self, call, reason=None, who=0):
        """Let somebody try; return whether it was allowed, which must be unless there is a reason."""
        refusal = None
        try:
            self.ledger.send(call, self.ledger.accounts[who])
        except Rejected as error:
            refusal = error.code
        assert refusal == reason
        return refusal is None

    @rule()
    def add(self):
        if self.ghost.count < 5:
            self.ghost.count += 1
            roots = Roots(FILES.root, bytes(32), bytes(32), bytes(32), 0, bytes(32))
            statement = bytes([self.ghost.count]) * 32
            self.act(self.world.registry.add_version(1, self.ghost.count, [], statement, roots, 0))

    @rule(seq=seqs, who=st.sampled_from([0, 0, 0, 3]))
    def record(self, seq, who):
        ghost, registry = self.ghost, self.world.registry.address
        kernel = self.ledger.deploy(model(GOOD, registry, 1)) if seq % 2 else self.spare
        reason = None
        if seq in ghost.kernels:
            reason = "directory: already recorded"
        elif not 1 <= seq <= ghost.count:
            reason = "versions: unknown version"
        elif who:
            reason = "directory: not allowed"
        elif seq in ghost.revoked:
            reason = "directory: version is revoked"
        if self.act(self.world.directory.record(registry, 1, seq, kernel, *proof_of(FILES)), reason, who):
            ghost.kernels[seq] = kernel.lower()

    @rule(seq=seqs)
    def release(self, seq):
        ghost = self.ghost
        if seq != ghost.channel and seq <= ghost.count and seq not in ghost.revoked:
            self.act(self.world.registry.release(1, "production", seq))
            ghost.channel = seq

    @rule(seq=seqs)
    def revoke(self, seq):
        ghost = self.ghost
        if 1 <= seq <= ghost.count and seq not in ghost.revoked:
            self.world.revoke(seq)
            ghost.revoked.add(seq)

    @rule(hours=st.sampled_from([1, 23, 24, 25]))
    def wait(self, hours):
        self.world.wait_until(self.ledger.time + hours * 3_600)

    @rule(who=st.integers(0, 4))
    def propose(self, who):
        self.world.wait_until(self.ledger.time)  # a simulation sees the last block's time
        now = self.ledger.node.block().timestamp
        self.ledger.time = now
        reason, lock = self.ghost.proposed(now)
        call = Call(self.consumers[TIME_LOCK].address, selector("propose()"))
        if self.act(call, reason, who):
            self.ghost.lock = lock

    @rule(policy=st.sampled_from([PIN, FOLLOW, TIME_LOCK]), first=st.integers(0, 255))
    def decide(self, policy, first):
        time, consumer = self.ledger.time, self.consumers[policy]
        expected = (NO, []) if self.ghost.kernel(policy, time) == NOBODY else (YES, [1, first])
        assert consumer.decides(bytes([first])) == expected
        (log,) = consumer.made
        assert "0x" + log.topics[1][12:].hex() == self.ghost.kernel(policy, time)

    @invariant()
    def each_consumer_says_what_it_follows(self):
        now = self.ledger.node.block().timestamp
        for policy, consumer in self.consumers.items():
            assert consumer.following == self.ghost.following(policy, now)

    def teardown(self):
        registry = self.world.registry.address
        for seq in range(1, self.ghost.count + 1):
            kernel = self.world.directory.kernel_of(registry, 1, seq).lower()
            assert kernel == self.ghost.kernels.get(seq, NOBODY)


def test_directory_and_consumers_do_what_their_ghost_does(ledger):
    run_state_machine_as_test(
        lambda: FollowMachine(ledger),
        settings=settings(
            max_examples=40 if LONG else 8,
            stateful_step_count=60 if LONG else 30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
