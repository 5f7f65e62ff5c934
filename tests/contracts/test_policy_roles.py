"""Who holds what: an account is its owner's, raises wait, lowering and freezing are instant, the owner gets out."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings.policy_account import (
    DelaysSet,
    DigestApproved,
    FreezeMoved,
    Frozen,
    Heartbeat,
    OwnerChanged,
    OwnershipOffered,
    PolicyAccount,
    RoleSet,
    Sealed,
    Swept,
    TokenForgotten,
)
from tallystick.chain.bindings.policy_account_factory import AccountCreated
from tallystick.core.digest import keccak
from tests.contracts.policy_kit import (
    ACCOUNT,
    APPROVER,
    DAY,
    GUARDIAN,
    HOUR,
    INTENT,
    NATIVE,
    NOBODY,
    TRANSFER,
    Wallet,
    World,
    pay_rule,
    transfer_data,
)


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


def test_an_account_is_where_its_owner_and_salt_say_and_is_its_owners(world, refused):
    owner, guardian = world.ledger.accounts[5:7]
    salt = b"s" * 32
    create = world.factory.create(owner, salt, [guardian], HOUR)
    with refused("factory: not the owner"):
        world.ledger.send(create, guardian)
    mined = world.ledger.send(create, owner)
    place = world.factory.address_of(owner, salt)
    account = PolicyAccount(world.ledger, place)
    assert AccountCreated.decode(mined.logs[0]) == AccountCreated(place, owner, salt)
    assert (account.owner(), account.role_of(owner), account.role_of(guardian)) == (owner, 3, GUARDIAN)
    assert account.delays() == (HOUR, HOUR)
    assert not account.is_sealed()
    code = world.ledger.node.code(place)
    assert code == bytes.fromhex(
        f"363d3d373d3d3d363d73{world.implementation[2:]}5af43d82803e903d91602b57fd5bf3".lower()
    )
    assert account.entry_point() == world.entry_point
    around = (account.rules(), account.queue(), account.changes(), account.relay())
    assert around == (world.rules.address, world.queue.address, world.changes.address, world.relay.address)
    with pytest.raises(Exception, match=r"revert|create|reason"):
        world.ledger.send(create, owner)
    with refused("roles: already initialized"):
        world.ledger.send(account.initialize(guardian, [], HOUR), guardian)
    with refused("roles: already initialized"):
        world.ledger.send(PolicyAccount(world.ledger, world.implementation).initialize(guardian, [], HOUR), guardian)


def test_an_account_is_not_made_without_a_delay_or_with_a_key_twice(world, refused):
    owner, guardian = world.ledger.accounts[5:7]
    with refused("roles: delay too short"):
        world.ledger.send(world.factory.create(owner, b"t" * 32, [guardian], HOUR - 1), owner)
    for guardians in ([guardian, guardian], [owner], [NOBODY]):
        with refused("roles: key has another role"):
            world.ledger.send(world.factory.create(owner, b"t" * 32, guardians, HOUR), owner)


def test_unsealed_the_owner_changes_all_at_once_and_sealing_ends_that(world, refused):
    wallet = Wallet(world, is_sealed=False)
    made, link = wallet.events(wallet.send(wallet.account.set_role(wallet.stranger, GUARDIAN, True), wallet.owner))
    assert made == RoleSet(wallet.stranger, GUARDIAN, True)
    assert (link.kind, link.target, link.head) == (9, wallet.stranger, wallet.account.head())
    delays = wallet.events(wallet.send(wallet.account.set_delays(2 * HOUR, 0), wallet.owner))[0]
    assert delays == DelaysSet(2 * HOUR, 0)
    with refused("roles: not the owner"):
        wallet.send(wallet.account.seal(), wallet.guardian)
    sealed = wallet.events(wallet.send(wallet.account.seal(), wallet.owner))[0]
    assert sealed == Sealed(2 * HOUR)
    with refused("roles: already sealed"):
        wallet.send(wallet.account.seal(), wallet.owner)
    for call in (
        wallet.account.set_role(wallet.payee, GUARDIAN, True),
        wallet.account.set_role(wallet.stranger, GUARDIAN, False),
        wallet.account.set_delays(HOUR, 0),
        wallet.account.forget_token(wallet.token.address),
        wallet.account.grant_session(wallet.payee, wallet.terms()),
        wallet.account.offer_ownership(wallet.payee),
        wallet.world.rules.set_rule(wallet.address, wallet.token.address, TRANSFER, pay_rule(wallet.token.address)),
        wallet.world.rules.set_payee(wallet.address, wallet.stranger, 1, 2**48 - 1),
        wallet.world.rules.set_newcomers(wallet.address, wallet.token.address, 0),
        wallet.world.queue.set_queue(wallet.address, wallet.world.queue.queue_of(wallet.address)),
    ):
        with refused("roles: must be scheduled"):
            wallet.send(call, wallet.owner)
        with refused("roles: not the owner"):
            wallet.send(call, wallet.stranger)
    wallet.send(wallet.account.set_delays(3 * HOUR, HOUR), wallet.owner)  # longer: at once
    wallet.rule(wallet.token.address, TRANSFER, pay_rule(wallet.token.address, is_allowed=False))
    assert wallet.reason(wallet.pay(1)) == "rules: no rule"


def test_roles_are_few_exclusive_and_real(world, refused):
    wallet = Wallet(world, is_sealed=False)
    setter = wallet.account.set_role
    with refused("roles: no such role"):
        wallet.send(setter(wallet.stranger, 3, True), wallet.owner)
    with refused("roles: no change"):
        wallet.send(setter(wallet.guardian, APPROVER, False), wallet.owner)
    with refused("roles: key has another role"):
        wallet.send(setter(wallet.guardian, APPROVER, True), wallet.owner)
    for n in range(7):
        wallet.send(setter("0x" + f"{n + 1:040x}", GUARDIAN, True), wallet.owner)
    with refused("roles: too many"):
        wallet.send(setter("0x" + "09" * 20, GUARDIAN, True), wallet.owner)
    wallet.send(setter(wallet.guardian, GUARDIAN, False), wallet.owner)
    wallet.send(setter("0x" + "09" * 20, GUARDIAN, True), wallet.owner)


def test_a_freeze_stops_all_but_the_sweep_and_its_epoch_outlives_it(wallet, refused):
    for who in (wallet.stranger, wallet.session, wallet.approvers[0]):
        with refused("roles: not a guardian"):
            wallet.send(wallet.account.freeze(DAY), who)
    with refused("roles: freeze too long"):
        wallet.send(wallet.account.freeze(7 * DAY + 1), wallet.guardian)
    frozen, link = wallet.events(wallet.send(wallet.account.freeze(DAY), wallet.guardian))
    assert frozen == Frozen(wallet.guardian, wallet.now() + DAY, 1)
    assert (link.kind, link.target) == (11, wallet.guardian)
    with refused("roles: frozen"):
        wallet.pay(1)
    spend = wallet.account.owner_execute(wallet.token.address, 0, transfer_data(wallet.owner, 5), INTENT, value=0)
    with refused("roles: frozen"):
        wallet.send(spend, wallet.owner)
    wallet.send(wallet.account.revoke_session(wallet.session), wallet.session)
    with refused("roles: frozen"):
        wallet.change(wallet.account.grant_session(wallet.session, wallet.terms()))
    held = wallet.held()
    swept, link = wallet.events(wallet.send(wallet.account.sweep(wallet.token.address, wallet.owner), wallet.owner))
    assert swept == Swept(wallet.token.address, wallet.owner, held)
    assert (link.kind, link.token, link.amount) == (8, wallet.token.address, held)
    wallet.wait(DAY)
    with refused("sessions: not live"):
        wallet.pay(1)


def test_a_freeze_never_becomes_shorter_by_another_and_ends_as_the_owner_waits(wallet, refused):
    for call in (wallet.account.unfreeze(), wallet.account.extend_freeze(2**40)):
        with refused("roles: not frozen"):
            wallet.send(call, wallet.owner)
    wallet.send(wallet.account.freeze(7 * DAY), wallet.guardian)
    end = wallet.account.frozen_until()
    wallet.send(wallet.account.freeze(DAY), wallet.guardian)
    assert wallet.account.frozen_until() == end
    for until in (end - 1, wallet.now() + 367 * DAY):
        with refused("roles: freeze too long"):
            wallet.send(wallet.account.extend_freeze(until), wallet.owner)
    with refused("roles: not the owner"):
        wallet.send(wallet.account.unfreeze(), wallet.guardian)
    moved, link = wallet.events(wallet.send(wallet.account.extend_freeze(end + DAY), wallet.owner))
    assert (moved, link.kind) == (FreezeMoved(end + DAY), 11)
    moved, link = wallet.events(wallet.send(wallet.account.unfreeze(), wallet.owner))
    assert (moved, link.kind) == (FreezeMoved(wallet.now() + HOUR), 12)
    wallet.wait(HOUR)
    wallet.send(
        wallet.account.owner_execute(wallet.token.address, 0, transfer_data(wallet.owner, 5), INTENT, value=0),
        wallet.owner,
    )


def test_the_owner_acts_at_once_but_not_upon_the_account(wallet, refused):
    data = transfer_data(wallet.stranger, 5)
    act = wallet.account.owner_execute(wallet.token.address, 0, data, INTENT, value=0)
    with refused("roles: not the owner"):
        wallet.send(act, wallet.guardian)
    (link,) = wallet.events(wallet.send(act, wallet.owner))
    assert (link.kind, link.session, link.data_hash, link.intent_hash) == (7, NOBODY, keccak(data), INTENT)
    assert wallet.token.balance_of(wallet.stranger) == 5
    world = wallet.world
    own = (wallet.address, world.rules.address, world.queue.address, world.changes.address, world.relay.address)
    for target in own:
        with refused("owners: target denied"):
            wallet.send(wallet.account.owner_execute(target, 0, b"", INTENT, value=0), wallet.owner)
    wallet.send(wallet.account.owner_execute(wallet.stranger, 7, b"", INTENT, value=7), wallet.owner)
    assert wallet.account.is_own(world.entry_point)
    assert not wallet.account.is_own(wallet.stranger)


def test_a_sweep_takes_native_coin_too_and_is_the_owners(wallet, refused):
    wallet.fund(90)
    with refused("roles: not the owner"):
        wallet.send(wallet.account.sweep(NATIVE, wallet.guardian), wallet.guardian)
    with refused("owners: call failed"):
        wallet.send(wallet.account.sweep(NATIVE, wallet.token.address), wallet.owner)  # takes none
    wallet.send(wallet.account.sweep(NATIVE, "0x" + "ab" * 20), wallet.owner)
    assert wallet.ledger.node.balance(wallet.address) == 0


def test_an_account_changes_hands_when_the_heir_takes_it(wallet, refused):
    heir = wallet.stranger
    offered = wallet.events(wallet.change(wallet.account.offer_ownership(heir)))[1]
    assert offered == OwnershipOffered(heir)
    with refused("roles: not the heir"):
        wallet.send(wallet.account.accept_ownership(), wallet.owner)
    taken, _ = wallet.events(wallet.send(wallet.account.accept_ownership(), heir))
    assert taken == OwnerChanged(heir, wallet.owner)
    assert (wallet.account.owner(), wallet.account.heir(), wallet.account.role_of(wallet.owner)) == (heir, NOBODY, 0)
    with refused("roles: not the owner"):
        wallet.send(wallet.account.heartbeat(), wallet.owner)
    (beat,) = wallet.events(wallet.send(wallet.account.heartbeat(), heir))
    assert beat == Heartbeat(wallet.now())


def test_what_the_old_owner_announced_is_not_applied_to_the_new_one(wallet, refused):
    theirs = wallet.world.changes
    raise_ = wallet.account.set_role(wallet.payee, 2, True)
    wallet.change(wallet.account.offer_ownership(wallet.stranger))
    wallet.send(theirs.schedule(wallet.address, raise_.to, raise_.data), wallet.owner)
    wallet.send(wallet.account.accept_ownership(), wallet.stranger)
    wallet.wait(HOUR)
    assert theirs.due_at(wallet.address, raise_.to, raise_.data) == 0
    with refused("changes: not scheduled"):
        wallet.send(theirs.apply(wallet.address, raise_.to, raise_.data), wallet.owner)


def test_an_offer_is_taken_back_at_once(wallet, refused):
    wallet.change(wallet.account.offer_ownership(wallet.stranger))
    wallet.send(wallet.account.offer_ownership(NOBODY), wallet.owner)
    with refused("roles: not the heir"):
        wallet.send(wallet.account.accept_ownership(), wallet.stranger)


def test_digests_are_approved_by_the_owner_and_told(wallet, refused):
    with refused("roles: not the owner"):
        wallet.send(wallet.account.approve_digest(b"d" * 32, 2**40), wallet.session)
    approved, link = wallet.events(wallet.send(wallet.account.approve_digest(b"d" * 32, 2**40), wallet.owner))
    assert approved == DigestApproved(b"d" * 32, 2**40)
    assert (link.kind, link.data_hash) == (14, b"d" * 32)
    assert wallet.account.digest_until(b"d" * 32) == 2**40
    wallet.send(wallet.account.bump_epoch(), wallet.guardian)
    assert wallet.account.digest_until(b"d" * 32) == 0


def test_a_forgotten_token_is_told_and_an_erc721_token_is_taken(world):
    wallet = Wallet(world, is_sealed=False)
    told = wallet.events(wallet.send(wallet.account.forget_token(wallet.token.address), wallet.owner))[0]
    assert told == TokenForgotten(wallet.token.address)
    assert wallet.account.on_erc721_received(wallet.owner, wallet.owner, 1, b"") == bytes.fromhex("150b7a02")


def test_the_links_of_an_account_are_a_chain_that_anybody_can_check(world):
    wallet = Wallet(world, is_sealed=False)
    first = wallet.account.link_count()
    head = wallet.account.head()
    mined = [
        wallet.send(wallet.account.seal(), wallet.owner),
        wallet.pay(10),
        wallet.pay(501),
        wallet.bucket(3, wallet.payee, cap=5),
        wallet.pay(6), wallet.send(wallet.account.freeze(HOUR), wallet.guardian),
        wallet.send(wallet.account.sweep(wallet.token.address, wallet.owner), wallet.owner),
    ]  # fmt: skip
    links = [event for one in mined for event in wallet.events(one) if type(event).__name__ == "ActionLogged"]
    assert [link.seq for link in links] == list(range(first + 1, first + 1 + len(links)))
    types = ["bytes32", "uint64", "address", "uint8", "address", "address", "uint256", "bytes32", "bytes32", "bool"]
    for link in links:
        values = [
            head, link.seq, link.session, link.kind, link.target, link.token, link.amount, link.data_hash,
            link.intent_hash, link.result,
        ]  # fmt: skip
        head = keccak(encode(types, values))
        assert head == link.head
    assert (wallet.account.head(), wallet.account.link_count()) == (head, links[-1].seq)
    assert wallet.held() == 0
    assert wallet.account.bucket_of(ACCOUNT, NOBODY, wallet.token.address).cap == 1_000
