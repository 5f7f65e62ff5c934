"""The committee among adversaries: random requests, liars, copiers, deserters and false accusers, and four promises.

Coins are conserved; a provider that acts in time, and honestly, never loses its bond; with an honest majority of stake
that answers, the answer is theirs; and no request is stuck after its deadline. Accounts 1 to 3 are honest: they commit
when a request is opened, if their bond reaches, and reveal as soon as they may. Accounts 4 and 5 do what they like.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from vyper import compile_code

from tallystick.chain.bindings import committee as binding
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import Rejected
from tallystick.lithic.committee.decision import Ballot, OutputKind, decide
from tallystick.lithic.committee.receipt import build_receipt, read_standings
from tallystick.lithic.committee.request import NOBODY
from tallystick.lithic.receipts.checking import check_receipt
from tests.contracts.committee_books import Books
from tests.contracts.committee_kit import FEE, INPUT, KERNEL, PURSE, Kit
from tests.contracts.token_kit import make_token

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
TRUTH = 4  # what the model says, and the kernel
CONSUMER, OUTSIDER = 0, 6
HONEST, LIARS = (1, 2, 3), (4, 5)
BONDS = {1: 9_000, 2: 12_000, 3: 6_000, 4: 14_000, 5: 8_000}

liars = st.sampled_from(LIARS)
which = st.integers(0, 30)
outputs = st.integers(0, 9)
amounts = st.sampled_from([1, 3_000, 9_000])


@dataclass
class Ghost:
    """What the machine knows of a request."""

    id: bytes
    terms: binding.Terms
    commit_until: int
    reveal_until: int
    committed: dict = field(default_factory=dict)  # account to its answer; None for rubbish
    revealed: dict = field(default_factory=dict)
    slashed: set = field(default_factory=set)
    is_over: bool = False


class CommitteeMachine(RuleBasedStateMachine):
    def __init__(self, ledger, coin):
        super().__init__()
        self.ledger = ledger
        self.kit = Kit(ledger, None if coin == "native" else make_token(ledger, coin))
        self.kit.send = self.send
        self.books = Books()
        self.requests = []
        self.reasons = set()

    @initialize()
    def everybody_registers(self):
        code = compile_code(KERNEL, output_formats=["bytecode"])["bytecode"]
        self.kernel = self.ledger.deploy(bytes.fromhex(code[2:]))
        teach = keccak(b"set(int256)")[:4] + TRUTH.to_bytes(32, "big")
        self.ledger.send(Call(self.kernel, teach), self.ledger.accounts[0])
        for number, bond in BONDS.items():
            self.kit.register(self.who(number), bond)
            self.books.bond(number, number, bond)
            self.kit.offer(self.who(number), kernel=self.kernel)

    def send(self, call, who):
        """Mine a call at the time of the newest block, at which it was tried: only `wait_until` moves time."""
        self.ledger.time = self.now()
        return self.ledger.send(call, who)

    def now(self):
        return self.ledger.node.block().timestamp

    def wait_until(self, time):
        self.ledger.time = max(self.now(), time)
        self.ledger.send(Call(self.who(7), b""), self.who(7))

    def who(self, number):
        return self.ledger.accounts[number]

    def number(self, address):
        return self.ledger.accounts.index(address)

    def request(self, index):
        return self.requests[index % len(self.requests)] if self.requests else None

    def act(self, call, number):
        """Let an account try; note what came of it. Whatever is refused is refused for a reason."""
        try:
            mined = self.send(call, self.who(number))
        except Rejected as error:
            self.reasons.add(error.code)
            return None
        for log in (one for one in mined.logs if one.address == self.kit.contract.address):
            event = binding.EVENTS[log.topics[0]].decode(log)
            if isinstance(event, binding.Slashed):
                self.judge(event, number)
        return mined

    def judge(self, event, sender):
        """A slash is right only with its proof."""
        ghost = next(one for one in self.requests if one.id == event.request_id)
        number = self.number(event.provider)
        assert number in LIARS, "an honest provider lost its bond"
        assert number in ghost.committed
        assert number not in ghost.slashed
        if event.cause == 1:
            assert number not in ghost.revealed
            assert self.now() > ghost.reveal_until
            assert len(ghost.committed) >= ghost.terms.threshold
        if event.cause == 3:
            assert ghost.revealed[number] != TRUTH
            assert ghost.terms.kernel != NOBODY
        beneficiary = CONSUMER if event.cause == 1 else sender
        assert event.beneficiary == self.who(beneficiary)
        assert (event.amount, event.awarded) == self.books.slash(number, beneficiary, ghost.terms.stake)
        ghost.slashed.add(number)

    # --- the honest

    def work(self):
        """Every honest member does what is due, at once."""
        for ghost in self.requests:
            if ghost.is_over:
                continue
            members = [self.number(member) for member in ghost.terms.members]
            for number in (one for one in HONEST if one in members):
                self.commit_honestly(ghost, number)
            is_revealing = self.now() > ghost.commit_until or len(ghost.committed) == len(members)
            for number in (one for one in HONEST if one in ghost.committed and one not in ghost.revealed):
                if is_revealing:
                    assert self.kit.reveal(ghost.id, ghost.committed[number])
                    ghost.revealed[number] = ghost.committed[number].output

    def commit_honestly(self, ghost, number):
        state = self.kit.contract.provider_at(self.who(number))
        free = state.bond - state.locked - state.leaving
        if number in ghost.committed or self.now() > ghost.commit_until or free < ghost.terms.stake:
            return
        noise = number - 2 if ghost.terms.kind == OutputKind.NUMBER and ghost.terms.kernel == NOBODY else 0
        salt = sha256(ghost.id + bytes([number]))
        answered = self.kit.answer(ghost.id, self.who(number), TRUTH + noise, FEE // 2, salt)
        self.kit.commit(ghost.id, answered)
        ghost.committed[number] = answered

    @rule(
        members=st.lists(st.integers(1, 5), min_size=1, max_size=5, unique=True),
        kind=st.sampled_from(OutputKind),
        threshold=st.integers(1, 5),
        stake=st.sampled_from([0, 1_000, 5_000]),
        is_judged=st.booleans(),
    )
    def open(self, members, kind, threshold, stake, is_judged):
        terms = self.kit.terms(
            [self.who(number) for number in members], kind=int(kind), threshold=min(threshold, len(members)),
            stake=stake, tolerance=1, kernel=self.kernel if is_judged else NOBODY,
            commit_s=1_500, reveal_s=3_000,
        )  # fmt: skip
        if self.act(self.kit.opening(terms, len(self.requests)), CONSUMER):
            nonce, consumer = len(self.requests), self.who(CONSUMER)
            request = self.kit.contract.request_id_of(consumer, nonce, terms)
            state = self.kit.contract.request_at(request)
            self.requests.append(Ghost(request, terms, state.commit_until, state.reveal_until))
            self.books.open(CONSUMER, self.requests[-1])
            self.work()

    @rule(seconds=st.sampled_from([60, 500, 1_500]))
    def wait(self, seconds):
        self.wait_until(self.now() + seconds)
        self.work()

    # --- the others

    @rule(index=which, liar=liars, output=outputs)
    def lie(self, index, liar, output):
        """Commit to an answer that suits the liar; it may be the truth."""
        if ghost := self.request(index):
            answered = self.kit.answer(ghost.id, self.who(liar), output)
            if self.act(self.kit.contract.commit(ghost.id, answered.commitment), liar):
                ghost.committed[liar] = answered
                self.work()

    @rule(index=which, liar=liars, victim=st.sampled_from(HONEST))
    def copy(self, index, liar, victim):
        """Commit to what an honest member committed to."""
        ghost = self.request(index)
        if ghost is None or victim not in ghost.committed:
            return
        if self.act(self.kit.contract.commit(ghost.id, ghost.committed[victim].commitment), liar):
            ghost.committed[liar] = None
            self.work()

    @rule(index=which, liar=liars)
    def reveal(self, index, liar):
        ghost = self.request(index)
        if ghost and ghost.committed.get(liar):
            answered = ghost.committed[liar]
            if self.act(self.kit.revealing(ghost.id, answered), OUTSIDER):
                assert liar not in ghost.slashed
                ghost.revealed[liar] = answered.output

    @rule(index=which, liar=liars, victim=st.sampled_from(HONEST))
    def reveal_a_copy(self, index, liar, victim):
        """Reveal, as one's own, what an honest member revealed."""
        ghost = self.request(index)
        if ghost and victim in ghost.revealed and ghost.committed.get(liar, 0) is None:
            theirs = ghost.committed[victim]
            mine = self.kit.answer(ghost.id, self.who(liar), theirs.output, theirs.cost, theirs.salt)
            assert self.act(self.kit.revealing(ghost.id, mine), liar) is None

    @rule(index=which, liar=liars, output=outputs)
    def equivocate(self, index, liar, output):
        """Somebody shows a second signature of a liar."""
        ghost = self.request(index)
        if ghost and ghost.committed.get(liar):
            one, two = ghost.committed[liar], self.kit.answer(ghost.id, self.who(liar), output)
            self.act(
                self.kit.contract.prove_equivocation(
                    ghost.id, one.provider, one.output, one.cost, one.signature, two.output, two.cost, two.signature
                ),
                OUTSIDER,
            )

    @rule(index=which, accused=st.integers(1, 5), forger=liars, output=outputs)
    def accuse(self, index, accused, forger, output):
        """Accuse anybody of anything: with a forged signature, with the kernel."""
        ghost = self.request(index)
        if ghost is None:
            return
        answered = ghost.committed.get(accused)
        if answered and accused in HONEST:
            forged = self.kit.answer(ghost.id, answered.provider, output, secret=self.kit.keys[self.who(forger)])
            call = self.kit.contract.prove_equivocation(
                ghost.id, answered.provider, answered.output, answered.cost, answered.signature,
                forged.output, forged.cost, forged.signature,
            )  # fmt: skip
            assert self.act(call, forger) is None
        self.act(self.kit.contract.prove_contradiction(ghost.id, self.who(accused), INPUT), forger)

    @rule(deed=st.sampled_from(["announce", "withdraw", "collect"]), number=st.integers(1, 5), amount=amounts)
    def see_to_money(self, deed, number, amount):
        if deed == "announce":
            self.announce(number, amount)
        elif deed == "withdraw":
            self.withdraw(number, amount == 1)
        else:
            account = (0, number)[amount == 1]
            if self.act(self.kit.contract.collect(), account):
                self.books.collect(account)

    def announce(self, number, amount):
        if self.act(self.kit.contract.announce_withdrawal(amount), number):
            self.books.announce(number, amount)

    def withdraw(self, number, is_late):
        if is_late and all(ghost.is_over for ghost in self.requests):
            self.wait_until(self.kit.contract.provider_at(self.who(number)).leaves_at)
        locked = sum(one.terms.stake for one in self.requests if number in one.committed and not one.is_over)
        if self.act(self.kit.contract.withdraw_bond(), number):
            self.books.withdraw(number, locked)

    @rule(payer=st.sampled_from([CONSUMER, 1, 4, OUTSIDER]), provider=st.integers(1, 5), amount=amounts)
    def add_to_a_bond(self, payer, provider, amount):
        """Anybody adds; a payment in the other coin, or of another amount, is refused."""
        for value in {0, 1, amount} - {self.kit.value(amount)}:
            assert self.act(self.kit.contract.top_up(self.who(provider), amount, value=value), payer) is None
        if self.act(self.kit.contract.top_up(self.who(provider), amount, value=self.kit.value(amount)), payer):
            self.books.bond(payer, provider, amount)

    @rule(index=which, number=st.sampled_from([0, 4, 6]))
    def settle(self, index, number):
        ghost = self.request(index)
        if ghost is None or ghost.is_over:
            return
        if self.act(self.kit.contract.settle(ghost.id), number):
            self.check_settled(ghost)

    def check_settled(self, ghost):
        ghost.is_over = True
        state = self.kit.contract.request_at(ghost.id)
        standings = read_standings(self.kit.contract, ghost.id)
        total = sum(standing.weight for standing in standings.values())
        if len(ghost.committed) >= ghost.terms.threshold:
            assert set(ghost.committed) - set(ghost.revealed) <= ghost.slashed, "a missed reveal went free"
        counted = {number: output for number, output in ghost.revealed.items() if number not in ghost.slashed}
        ballots = [Ballot(output, standings[self.who(number)].weight) for number, output in counted.items()]
        decided = decide(OutputKind(ghost.terms.kind), ballots, ghost.terms.threshold, total)
        assert (state.state, state.output) == ((2, decided) if decided is not None else (3, 0))
        self.books.settle(CONSUMER, ghost, decided, {number: ghost.committed[number] for number in counted})
        honest = {number: output for number, output in counted.items() if number in HONEST}
        strength = sum(standings[self.who(number)].weight for number in honest)
        if 2 * strength > total and len(counted) >= ghost.terms.threshold:
            assert min(honest.values()) <= state.output <= max(honest.values())
            assert state.state == 2
        if state.state == 2:
            logs = self.ledger.node.logs(self.kit.contract.address, [None, ghost.id], from_block=0)
            receipt = build_receipt(self.kit.contract, self.ledger.chain_id, ghost.id, logs)
            assert check_receipt(receipt, standings=standings).ok
            assert receipt.answer.output == (state.output,)

    # --- the promises

    @invariant()
    def coins_are_conserved(self):
        """Which says of the honest, whom `judge` lets nobody slash, that their bonds are theirs."""
        self.books.check(self.kit, PURSE)

    def teardown(self):
        """No request is stuck after its deadline."""
        for ghost in self.requests:
            if not ghost.is_over:
                self.wait_until(ghost.commit_until + 1)
                self.work()
                self.wait_until(ghost.reveal_until + 1)
                assert self.act(self.kit.contract.settle(ghost.id), OUTSIDER)
                self.check_settled(ghost)
        assert all(": " in reason for reason in self.reasons), self.reasons
        if self.requests:
            self.coins_are_conserved()
            assert all(self.kit.contract.provider_at(self.who(number)).locked == 0 for number in BONDS)


@pytest.mark.parametrize("coin", ["native", "ordinary", "no_return"] if LONG else ["native", "ordinary"])
def test_a_committee_keeps_its_promises_among_adversaries(ledger, coin):
    run_state_machine_as_test(
        lambda: CommitteeMachine(ledger, coin),
        settings=settings(
            max_examples=100 if LONG else 3,
            stateful_step_count=60 if LONG else 30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
