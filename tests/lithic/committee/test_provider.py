"""A provider that is killed anywhere goes on with what it wrote, signs one answer, and is paid."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import SystemClock
from tallystick.core.errors import Broken, InvalidInput, Rejected, Unavailable
from tallystick.lithic.committee import joining
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.journal import Job, Journal
from tallystick.lithic.committee.provider import Provider, Service, first_block_since
from tallystick.lithic.committee.request import NOBODY
from tallystick.services.lithic_node import run_node
from tests.contracts.committee_kit import BOND, COMMIT_S, FEE, INPUT, MODEL, PURSE, REVEAL_S, STAKE, Kit
from tests.contracts.token_kit import make_token


class Says:
    """Answers what it is told to, and counts how often it was asked."""

    def __init__(self, *outputs):
        self.outputs = list(outputs)
        self.asked = 0

    def answer(self, terms, data):
        assert data == INPUT
        self.asked += 1
        said = self.outputs[min(self.asked, len(self.outputs)) - 1]
        if isinstance(said, Exception):
            raise said
        return said


@dataclass
class Bench:
    """Providers of one ledger, each with folders that outlive it."""

    kit: object
    folder: object
    stack: contextlib.ExitStack

    def __post_init__(self):
        self.ledger = self.kit.ledger

    def signer(self, number):
        return Account(self.kit.key(self.ledger.accounts[number]))

    def outbox(self, number):
        account = Account(self.ledger.secrets[self.ledger.accounts[number]])
        box = Outbox(self.folder / f"outbox-{number}.db", self.ledger.node, account, clock=SystemClock())
        return self.stack.enter_context(box)

    def start(self, number, answerer, **terms):
        """Start provider `number`; started again it finds its journal and its outbox."""
        outbox, contract = self.outbox(number), self.kit.contract
        services = {MODEL: Service(answerer, **({"cost": FEE} | terms))}
        joining.register(contract, outbox, self.signer(number), BOND)
        joining.offer(contract, outbox, services)
        journal = Journal(self.folder / f"journal-{number}")
        stack = contextlib.ExitStack()
        stack.enter_context(journal)
        self.stack.push(stack)
        provider = Provider(contract, outbox, self.signer(number), journal, services, clock=lambda: self.ledger.time)
        provider.kill = stack.close  # the kernel lets go of a dead process's lock
        return provider

    def members(self, *numbers):
        return [self.ledger.accounts[number] for number in numbers]

    def open(self, members, nonce=0, **changes):
        return self.kit.open(self.kit.terms(members, **changes), nonce)

    def state(self, request):
        return self.kit.contract.request_at(request)


@pytest.fixture
def bench(kit, tmp_path):
    with contextlib.ExitStack() as stack:
        yield Bench(kit, tmp_path, stack)


def deeds(done):
    return [one.deed for one in done]


def test_three_providers_answer_are_paid_and_the_outlier_is_not(bench):
    providers = [bench.start(number, Says(output)) for number, output in ((1, 5), (2, 6), (3, 90))]
    members = bench.members(1, 2, 3)
    request = bench.open(members, kind=int(OutputKind.NUMBER), high=100, tolerance=1, threshold=2)
    for _ in range(5):
        for provider in providers:
            provider.step()
        bench.ledger.time += 60
    state = bench.state(request)
    assert (state.state, state.output, state.cost) == (2, 6, 2 * FEE)
    contract = bench.kit.contract
    assert [contract.credit_of(member) for member in members] == [FEE, FEE, 0]
    assert [contract.provider_at(member).bond for member in members] == [BOND] * 3
    assert providers[0].collect() == FEE
    assert contract.credit_of(members[0]) == 0
    assert providers[2].collect() == 0


def test_a_node_killed_between_commitment_and_reveal_reveals_what_it_committed_to(bench):
    first = bench.start(1, Says(3))
    request = bench.open(bench.members(1))
    assert "commit" in deeds(first.step())
    first.kill()
    changed = Says(4)  # its model says something else now
    second = bench.start(1, changed)
    for _ in range(3):
        second.step()
    assert (bench.state(request).state, bench.state(request).output) == (2, 3)
    assert changed.asked == 0
    assert bench.kit.contract.provider_at(bench.members(1)[0]).bond == BOND


def test_a_node_killed_before_its_commitment_left_commits_to_the_same(bench, monkeypatch):
    first = bench.start(1, Says(3))
    request = bench.open(bench.members(1))
    with monkeypatch.context() as patched:
        patched.setattr(first, "_send", _killed)
        with pytest.raises(KeyboardInterrupt):
            first.step()
    assert bench.state(request).commits == 0
    first.kill()
    second = bench.start(1, Says(4))
    for _ in range(3):
        second.step()
    assert bench.state(request).output == 3


def _killed(key, call):
    raise KeyboardInterrupt


def test_two_nodes_cannot_hold_one_journal(bench):
    bench.start(1, Says(3))
    with pytest.raises(Unavailable) as caught:
        bench.start(1, Says(4))
    assert caught.value.code == "lock.held"


@pytest.mark.parametrize(
    ("service", "changes", "why"),
    [
        ({"stake_max": STAKE - 1}, {}, "the stake is too high"),
        ({}, {"stake": BOND + 1}, "the bond is in use"),
        ({}, {"commit_s": 20}, "too late"),
        ({}, {"low": 4}, "the answer is out of bounds: expected 4 to 9, got 3"),
    ],
)
def test_a_request_that_is_not_for_us_is_declined_once_and_costs_nothing(bench, service, changes, why):
    provider = bench.start(1, Says(3), **service)
    request = bench.open(bench.members(1), **changes)
    done = provider.step()
    assert [one.detail for one in done if one.deed == "declined"] == [why]
    assert "declined" not in deeds(provider.step())
    assert bench.state(request).commits == 0


def test_a_model_that_fails_is_declined_and_one_that_is_busy_is_asked_again(bench):
    broken = bench.start(1, Says(InvalidInput("node.function", "it broke")))
    busy = bench.start(2, Says(Unavailable("node.busy", "later"), 3))
    request = bench.open(bench.members(1, 2), threshold=1)
    assert "declined" in deeds(broken.step())
    assert "waiting" in deeds(busy.step())
    assert "commit" in deeds(busy.step())
    assert bench.state(request).commits == 1


def test_where_the_chain_stands_still_time_is_let_pass(bench):
    alice, bob = bench.start(1, Says(3)), bench.start(2, Says(Unavailable("node.busy", "never")))
    request = bench.open(bench.members(1, 2), threshold=1, stake=0)
    for provider in (alice, bob):
        provider.step()
    bench.ledger.time += COMMIT_S + 1
    for _ in range(4):
        alice.step()
    assert bench.kit.contract.seat_of(request, bench.members(1)[0]).revealed
    bench.ledger.time += REVEAL_S + 100
    for _ in range(4):
        alice.step()
    assert bench.state(request).state == 3  # half of the stake is no majority


def test_a_key_is_rotated_by_registering_anew_and_an_offer_is_renewed(bench):
    bench.start(1, Says(3)).kill()
    outbox, contract, account = bench.outbox(1), bench.kit.contract, bench.members(1)[0]
    head = bench.ledger.node.block_number()
    joining.register(contract, outbox, bench.signer(1), BOND)
    joining.offer(contract, outbox, {MODEL: Service(Says(3), FEE)})
    assert bench.ledger.node.block_number() == head  # nothing was sent
    new = Account(bench.kit.key(account, 1))
    joining.register(contract, outbox, new, BOND)
    joining.offer(contract, outbox, {MODEL: Service(Says(3), FEE + 1)})
    assert contract.provider_at(account).signer == new.address
    assert contract.offer_of(account, MODEL).fee_min == FEE + 1


def test_a_provider_bonds_in_a_token_and_lets_the_committee_take_exactly_that(ledger, tmp_path, monkeypatch):
    with contextlib.ExitStack() as stack:
        bench = Bench(Kit(ledger, make_token(ledger, "no_return")), tmp_path, stack)
        kit, (account,) = bench.kit, bench.members(1)

        def allowed():
            return kit.token.allowance(account, kit.contract.address)

        ledger.send(kit.token.approve(kit.contract.address, 0), account)
        with monkeypatch.context() as patched:  # killed between the two transactions
            patched.setattr(type(kit.contract), "register", _killed_registering)
            with pytest.raises(KeyboardInterrupt):
                bench.start(1, Says(3))
        assert allowed() == BOND
        provider = bench.start(1, Says(3))
        assert allowed() == 0  # nothing was approved twice, and nothing is left over
        assert (kit.contract.provider_at(account).bond, kit.held()) == (BOND, BOND)
        request = bench.open([account])
        for _ in range(4):
            provider.step()
        assert bench.state(request).output == 3
        assert provider.collect() == FEE
        assert kit.held(account) == PURSE - BOND + FEE


def _killed_registering(*_, **__):
    raise KeyboardInterrupt


def test_a_bond_that_could_not_be_paid_is_tried_again_with_less(bench):
    contract, outbox, (account,) = bench.kit.contract, bench.outbox(1), bench.members(1)
    with pytest.raises(Rejected) as caught:
        joining.register(contract, outbox, bench.signer(1), 10**30)
    assert caught.value.code == "chain.insufficient_funds"
    joining.register(contract, outbox, bench.signer(1), BOND)
    assert contract.provider_at(account).bond == BOND


def test_a_token_that_does_not_pay_costs_a_provider_no_deadline(ledger, tmp_path):
    with contextlib.ExitStack() as stack:
        bench = Bench(Kit(ledger, make_token(ledger, "blocklisting")), tmp_path, stack)
        kit, (account,) = bench.kit, bench.members(1)
        block = [kit.token.call("block(address,bool)", account, on) for on in (True, False)]
        provider = bench.start(1, Says(3))
        requests, told, stop = [bench.open([account], nonce) for nonce in range(2)], [], threading.Event()
        for _ in range(4):
            provider.step()
        ledger.send(block[0], ledger.accounts[0])
        with pytest.raises(Rejected) as caught:
            provider.collect()
        assert caught.value.code == "coins: transfer refused"
        requests.append(bench.open([account], nonce=2))

        def report(done):
            told.append((done.deed, done.request_id))
            if done.deed == "over" and done.request_id == requests[2]:
                stop.set()

        run_node(provider, report=report, clock=lambda: ledger.time, stop=stop, poll_s=0)
        assert told.count(("not collected", b"")) == 1
        assert [bench.state(request).output for request in requests] == [3, 3, 3]
        ledger.send(block[1], ledger.accounts[0])
        assert provider.collect() == 3 * FEE
        assert kit.held(account) == PURSE - BOND + 3 * FEE


def test_a_plan_in_another_coin_than_the_committees_is_refused(kit, ledger):
    token = make_token(ledger)
    other = Kit(ledger, token)
    joining.check_coin(kit.contract, NOBODY)
    joining.check_coin(other.contract, token.address)
    for contract, coin in ((kit.contract, token.address), (other.contract, NOBODY)):
        with pytest.raises(InvalidInput) as caught:
            joining.check_coin(contract, coin)
        assert caught.value.code == "node.coin"


def test_a_node_that_starts_late_reads_no_more_than_what_can_be_open(bench):
    node, kit = bench.ledger.node, bench.kit
    before = node.block_number()
    kit.wait_until(bench.ledger.time + 4 * 86_400)
    now_s = node.block().timestamp
    kit.wait_until(bench.ledger.time + 60)
    head = node.block_number()
    assert first_block_since(node, 0, head, now_s - 3 * 86_400) == before + 1
    assert first_block_since(node, 0, head, 0) == 0
    assert first_block_since(node, before, head, 0) == before
    assert first_block_since(node, 0, head, now_s + 3_600) == head


# --- the journal

JOB = Job(b"r" * 32, 1_700_000_000, "0x" + "11" * 20, -3, FEE, b"s" * 32, b"d" * 32, b"g" * 65)


def test_a_journal_keeps_what_it_is_given_and_refuses_a_second_answer(tmp_path):
    with Journal(tmp_path / "journal") as journal:
        journal.write(JOB)
        journal.write(JOB)
        with pytest.raises(Broken) as caught:
            journal.write(replace(JOB, output=4))
        assert caught.value.code == "journal.second"
        later = replace(JOB, deadline=JOB.deadline + 1)  # the same request on the other side of a reorganisation
        journal.write(later)
    with Journal(tmp_path / "journal") as journal:
        assert journal.find(JOB.request_id, JOB.deadline) == JOB
        assert list(journal.jobs()) == [JOB, later]
        journal.forget(JOB)
        assert journal.find(JOB.request_id, JOB.deadline) is None
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "journal").iterdir()}
    assert modes == {0}


@pytest.mark.parametrize("data", [b"", b"{}", JOB.to_bytes()[:-1], JOB.to_bytes().replace(b"-3", b"3.0")])
def test_a_damaged_job_is_refused(data):
    with pytest.raises(InvalidInput):
        Job.from_bytes(data)
