"""What a session may not do alone it asks for: exact calldata, once, in time, with approvals or after a veto's time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings.policy_account import ActionLogged
from tallystick.chain.bindings.policy_queue import Approved, ItemRun, Proposed, QueueTerms, QueueTermsSet, Vetoed
from tallystick.chain.bindings.policy_rules import Introduced, NewcomersSet
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import (
    ACCOUNT,
    DAY,
    DENIED,
    HOUR,
    INTENT,
    NEWCOMERS,
    NOBODY,
    TRANSFER,
    Wallet,
    World,
    pay_rule,
    transfer_data,
)

IDENTITY = """
# pragma version 0.4.3
wallet: HashMap[uint256, address]
@external
def set(agent_id: uint256, wallet: address):
    self.wallet[agent_id] = wallet
@external
@view
def getAgentWallet(agent_id: uint256) -> address:
    return self.wallet[agent_id]
"""


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


def test_an_item_runs_when_enough_approved_and_its_delay_is_over(wallet, refused):
    item, id_ = wallet.propose(50_000, wallet.stranger)  # beyond the cap of a call, all buckets and the payees
    assert wallet.world.queue.item_id(wallet.address, 0, item) == id_
    with refused("queue: not approved"):
        wallet.run(item)
    (approved,) = wallet.events(wallet.send(wallet.world.queue.approve(id_), wallet.approvers[0]))
    assert approved == Approved(id_, wallet.approvers[0], 1)
    assert wallet.world.queue.has_approved(id_, wallet.approvers[0])
    with refused("queue: already approved"):
        wallet.send(wallet.world.queue.approve(id_), wallet.approvers[0])
    wallet.wait(2 * HOUR)
    with refused("queue: not approved"):
        wallet.run(item)
    wallet.send(wallet.world.queue.approve(id_), wallet.approvers[1])
    ran, link = wallet.events(wallet.run(item))
    assert ran == ItemRun(id_, True)
    assert isinstance(link, ActionLogged)
    assert (link.kind, link.session, link.amount, link.result) == (5, wallet.session, 50_000, True)
    assert wallet.token.balance_of(wallet.stranger) == 50_000
    assert wallet.available() == 1_000
    with refused("queue: not open"):
        wallet.run(item)


def test_an_approved_item_waits_for_its_delay(wallet, refused):
    item, id_ = wallet.propose(50_000)
    wallet.approve(id_)
    with refused("queue: too early"):
        wallet.run(item)
    wallet.wait(2 * HOUR)
    wallet.run(item)


def test_only_the_exact_item_runs(wallet, refused):
    item, id_ = wallet.propose(50)
    wallet.approve(id_)
    wallet.wait(2 * HOUR)
    for changed in (
        replace(item, data=transfer_data(wallet.payee, 51)), replace(item, data=transfer_data(wallet.stranger, 50)),
        replace(item, max_debit=51), replace(item, amount=1), replace(item, nonce=1), replace(item, token=NOBODY),
        replace(item, target=wallet.payee), replace(item, intent_hash=bytes(32)), replace(item, session=wallet.payee),
        replace(item, proposed_at=item.proposed_at - 1), replace(item, expires=item.expires + 1),
    ):  # fmt: skip
        with refused("queue: not open"):
            wallet.run(changed)
    with refused("queue: not open"):
        wallet.send(wallet.world.queue.run(Wallet(wallet.world).address, item), wallet.stranger)
    wallet.run(item)


def test_an_item_is_void_after_its_time(wallet, refused):
    item, id_ = wallet.propose(50, valid_s=3 * HOUR)
    wallet.approve(id_)
    wallet.wait(3 * HOUR + 1)
    with refused("queue: expired"):
        wallet.run(item)
    assert wallet.world.queue.open_items_of(wallet.address, wallet.session) == 1
    wallet.send(wallet.world.queue.veto(id_), wallet.stranger)  # anybody clears it away
    assert wallet.world.queue.open_items_of(wallet.address, wallet.session) == 0
    with refused("queue: valid too long"):
        wallet.propose(50, valid_s=60 * DAY + 1)


def test_approvals_of_who_is_no_approver_any_more_do_not_count(wallet, refused):
    item, id_ = wallet.propose(50_000, wallet.stranger)
    wallet.approve(id_)
    first = wallet.approvers[0]
    wallet.change(wallet.account.set_role(first, 2, False))
    wallet.wait(HOUR)
    assert not wallet.world.queue.has_approved(id_, first)
    assert wallet.world.queue.item_of(id_).approvals == 1
    with refused("queue: not approved"):
        wallet.run(item)
    successor = wallet.payee
    wallet.change(wallet.account.set_role(successor, 2, True))
    (approved,) = wallet.events(wallet.send(wallet.world.queue.approve(id_), successor))
    assert approved == Approved(id_, successor, 2)
    assert wallet.events(wallet.run(item))[0] == ItemRun(id_, True)


def test_an_optimistic_item_needs_an_owner_that_is_heard_of(world, refused):
    wallet = Wallet(world, level=3, heartbeat_s=DAY)
    item, _ = wallet.propose(10, valid_s=3 * DAY)
    wallet.wait(DAY + HOUR)
    with refused("queue: not approved"):
        wallet.run(item)
    wallet.send(wallet.account.heartbeat(), wallet.owner)
    assert wallet.events(wallet.run(item))[0].is_approved is False


@pytest.mark.parametrize("who", ["owner", "guardian", "session", "approver"])
def test_an_item_is_taken_out_by_those_with_a_say(wallet, refused, who):
    by = wallet.approvers[1] if who == "approver" else getattr(wallet, who)
    item, id_ = wallet.propose(50)
    wallet.approve(id_)
    with refused("queue: not yours to veto"):
        wallet.send(wallet.world.queue.veto(id_), wallet.stranger)
    assert wallet.events(wallet.send(wallet.world.queue.veto(id_), by)) == [Vetoed(id_, by)]
    wallet.wait(2 * HOUR)
    with refused("queue: not open"):
        wallet.run(item)
    for call in (wallet.world.queue.veto(id_), wallet.world.queue.approve(id_)):
        with refused("queue: not open"):
            wallet.send(call, wallet.approvers[0])
    assert not wallet.world.queue.item_of(id_).is_open


def test_only_approvers_approve(wallet, refused):
    _, id_ = wallet.propose(50)
    for who in (wallet.owner, wallet.guardian, wallet.session, wallet.stranger):
        with refused("queue: not an approver"):
            wallet.send(wallet.world.queue.approve(id_), who)
    state = wallet.world.queue.item_of(id_)
    assert (state.account, state.session, state.is_open, state.approvals) == (wallet.address, wallet.session, True, 0)


def test_a_session_has_few_open_items(wallet, refused):
    ids = [wallet.propose(50)[1] for _ in range(3)]
    with refused("queue: too many open"):
        wallet.propose(50)
    wallet.send(wallet.world.queue.veto(ids[0]), wallet.session)
    (event,) = wallet.events(
        wallet.send(
            wallet.world.queue.propose(
                wallet.address, wallet.payee, 5, b"", NOBODY, 0, INTENT, DAY
            ),
            wallet.session,
        )
    )  # fmt: skip
    assert isinstance(event, Proposed)
    assert (event.item.nonce, event.item.amount) == (3, 5)


def test_level_one_asks_and_level_zero_is_silent(world, refused):
    asking, silent = Wallet(world, level=1), Wallet(world, level=0)
    item, id_ = asking.propose(50)
    asking.approve(id_)
    asking.wait(2 * HOUR)
    asking.run(item)
    assert asking.token.balance_of(asking.payee) == 50
    with refused("queue: level too low"):
        silent.propose(50)
    with refused("sessions: not live"):
        asking.propose(50, who=asking.stranger)


def test_what_is_asked_for_is_looked_at_anew_when_it_runs(wallet, refused):
    asked = [wallet.propose(50, wallet.stranger) for _ in range(2)]
    for _, id_ in asked:
        wallet.approve(id_)
    wallet.wait(2 * HOUR)
    wallet.allow(wallet.stranger, DENIED, 0)
    with refused("payees: denied"):
        wallet.run(asked[0][0])
    wallet.rule(wallet.token.address, TRANSFER, pay_rule(wallet.token.address, is_allowed=False))
    with refused("rules: no rule"):
        wallet.run(asked[0][0])
    wallet.send(wallet.account.set_level(wallet.session, 0), wallet.guardian)
    with refused("sessions: level too low"):
        wallet.run(asked[0][0])
    wallet.send(wallet.account.freeze(HOUR), wallet.guardian)
    with refused("queue: not open"):  # another epoch, another id
        wallet.run(asked[0][0])


def test_approved_items_move_no_more_than_they_say(world, refused):
    wallet = Wallet(world)
    queue = wallet.world.queue
    data = transfer_data(wallet.payee, 100)
    for token, debit in ((wallet.token.address, 99), (NOBODY, 100)):
        call = queue.propose(wallet.address, wallet.token.address, 0, data, token, debit, INTENT, DAY)
        (event,) = wallet.events(wallet.send(call, wallet.session))
        wallet.approve(event.id)
        wallet.wait(2 * HOUR)
        with refused("calls: beyond the item"):
            wallet.run(event.item)


def test_an_optimistic_item_runs_unless_vetoed_within_buckets_and_payees(world, refused):
    wallet = Wallet(world, is_sealed=False, level=3)
    wallet.rule(wallet.token.address, TRANSFER, pay_rule(wallet.token.address, call_cap=10))
    wallet.send(wallet.account.seal(), wallet.owner)
    item, _ = wallet.propose(500)
    wallet.wait(3 * HOUR)
    with refused("queue: too early"):
        wallet.run(item)
    wallet.wait(HOUR)
    ran, _ = wallet.events(wallet.run(item))
    assert ran.is_approved is False
    assert wallet.available() < 700  # it was paid from the buckets
    for amount, payee, reason in (
        (601, wallet.payee, "buckets: over budget"),
        (1, wallet.stranger, "payees: not allowed"),
    ):
        other, id_ = wallet.propose(amount, payee)
        wallet.wait(4 * HOUR)
        with refused(reason):
            wallet.run(other)
        wallet.send(wallet.world.queue.veto(id_), wallet.session)
    fallen, _ = wallet.propose(1)
    wallet.send(wallet.account.set_level(wallet.session, 2), wallet.guardian)
    wallet.wait(4 * HOUR)
    with refused("queue: not approved"):
        wallet.run(fallen)


def test_without_a_threshold_or_a_veto_delay_nothing_passes(world, refused):
    wallet = Wallet(world, is_sealed=False, level=4)
    terms = QueueTerms(0, 3, 0, 0)
    told, link = wallet.events(wallet.send(world.queue.set_queue(wallet.address, terms), wallet.owner))
    assert told == QueueTermsSet(wallet.address, terms)
    assert link.kind == 17
    wallet.send(wallet.account.seal(), wallet.owner)
    item, id_ = wallet.propose(1)
    wallet.approve(id_)
    wallet.wait(DAY - 60)
    with refused("queue: not approved"):
        wallet.run(item)


def test_only_the_queue_lets_items_run(wallet, refused):
    act = wallet.account.run_item(
        wallet.session, wallet.token.address, 0, transfer_data(wallet.stranger, 9), INTENT, 2, wallet.token.address, 9
    )
    for who in (wallet.owner, wallet.session, wallet.stranger):
        with refused("calls: not the queue"):
            wallet.send(act, who)


class Registry:
    """An ERC-8004 registry as far as it matters here."""

    def __init__(self, wallet):
        self.wallet = wallet
        self.address = wallet.ledger.deploy(compiled(IDENTITY))

    def set(self, agent_id, address):
        data = keccak(b"set(uint256,address)")[:4] + encode(["uint256", "address"], [agent_id, address])
        self.wallet.send(Call(self.address, data), self.wallet.owner)


def test_a_newcomer_is_paid_after_its_cooling_off_from_its_own_bucket(world, refused):
    wallet = Wallet(world, is_sealed=False, level=3, denials_max=0)
    rules, new = world.rules, wallet.stranger
    with refused("payees: no registry"):
        wallet.send(rules.introduce(wallet.address, 7), wallet.stranger)
    registry = Registry(wallet)
    told, _ = wallet.events(wallet.send(rules.set_newcomers(wallet.address, registry.address, HOUR), wallet.owner))
    assert told == NewcomersSet(wallet.address, registry.address, HOUR)
    assert rules.newcomers_of(wallet.address) == (registry.address, HOUR)
    wallet.bucket(NEWCOMERS, NOBODY, cap=30)
    wallet.send(wallet.account.seal(), wallet.owner)
    with refused("payees: no wallet"):
        wallet.send(rules.introduce(wallet.address, 7), new)
    assert wallet.reason(wallet.pay(1, new)) == "payees: not allowed"
    registry.set(7, new)
    (introduced,) = wallet.events(wallet.send(rules.introduce(wallet.address, 7), new))
    assert introduced == Introduced(wallet.address, new, 7, wallet.now() + HOUR)
    assert wallet.reason(wallet.pay(1, new)) == "payees: cooling off"
    assert wallet.events(wallet.send(rules.introduce(wallet.address, 7), new)) == []  # the first time counts
    wallet.wait(HOUR)
    assert wallet.reason(wallet.pay(31, new)) == "buckets: over budget"
    assert wallet.reason(wallet.pay(30, new)) == ""
    assert wallet.reason(wallet.pay(1, new)) == "buckets: over budget"
    assert wallet.reason(wallet.pay(100)) == ""  # who is allowed is not paid from there
    registry.set(7, wallet.payee)  # the agent was sold: its old wallet is a stranger again
    assert wallet.reason(wallet.pay(0, new)) == "payees: not allowed"
    registry.set(7, new)
    wallet.send(rules.set_newcomers(wallet.address, NOBODY, 0), wallet.owner)
    assert wallet.reason(wallet.pay(0, new)) == "payees: not allowed"


def test_another_registry_means_another_cooling_off(world):
    wallet = Wallet(world, is_sealed=False, level=3, denials_max=0)
    old, new = Registry(wallet), Registry(wallet)
    wallet.bucket(NEWCOMERS, NOBODY, cap=30)
    wallet.send(world.rules.set_newcomers(wallet.address, old.address, 0), wallet.owner)
    wallet.send(wallet.account.seal(), wallet.owner)
    for registry in (old, new):  # the attacker's wallet is agent 7 of both
        registry.set(7, wallet.stranger)
    wallet.send(world.rules.introduce(wallet.address, 7), wallet.stranger)
    wallet.change(world.rules.set_newcomers(wallet.address, new.address, DAY))
    assert world.rules.newcomer_of(wallet.address, wallet.stranger) == (0, 0)
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == "payees: not allowed"
    wallet.send(world.rules.introduce(wallet.address, 7), wallet.stranger)
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == "payees: cooling off"
    wallet.wait(DAY)
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == ""


def test_level_two_pays_no_newcomer(world):
    wallet = Wallet(world, is_sealed=False)
    registry = Registry(wallet)
    registry.set(7, wallet.stranger)
    wallet.send(world.rules.set_newcomers(wallet.address, registry.address, 0), wallet.owner)
    wallet.bucket(NEWCOMERS, NOBODY, cap=30)
    wallet.send(wallet.account.seal(), wallet.owner)
    wallet.send(world.rules.introduce(wallet.address, 7), wallet.stranger)
    wallet.wait(10)
    assert world.rules.newcomer_of(wallet.address, wallet.stranger)[0] == 7
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == "payees: not allowed"
    assert wallet.account.bucket_of(ACCOUNT, NOBODY, wallet.token.address).balance == 1_000
