"""Sessions: granted for a window and an epoch, lowered at once, raised only by what waited, dead for good when dead."""

from __future__ import annotations

import pytest

from tallystick.chain.bindings.policy_account import (
    BucketSet,
    Denied,
    LevelSet,
    SessionGranted,
    SessionRevoked,
    SessionRotated,
)
from tests.contracts.policy_kit import (
    ACCOUNT,
    APPROVER,
    DAY,
    FOREVER,
    HOUR,
    NOBODY,
    SESSION,
    Wallet,
    World,
)


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


def test_a_session_reads_back_as_it_was_granted(world):
    wallet = Wallet(world, is_sealed=False)
    token = wallet.token.address
    terms = wallet.terms(
        level=3, valid_after=7, valid_until=2**47 + 5, ops_max=65_534, ops_period_s=2**32 - 1, denials_max=255,
        denials_window_s=2**32 - 2, heartbeat_s=2**32 - 3, slots=2**32 - 4, slot_period_s=2**32 - 5,
        slot_cap=2**128 - 1, slot_token=token, mandate_hash=b"m" * 32,
    )  # fmt: skip
    granted, link = wallet.events(wallet.send(wallet.account.grant_session(wallet.stranger, terms), wallet.owner))
    assert granted == SessionGranted(wallet.stranger, 0, terms)
    assert (link.kind, link.target) == (10, wallet.stranger)
    assert wallet.account.session_of(wallet.stranger) == terms
    assert wallet.account.state_of(wallet.stranger).is_live
    assert wallet.account.role_of(wallet.stranger) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 5}, {"valid_after": 9, "valid_until": 9}, {"valid_until": 2**48}, {"ops_max": 65_535},
        {"ops_period_s": 0}, {"slots": 1},
    ],
)  # fmt: skip
def test_terms_that_cannot_be_kept_are_refused(world, refused, changes):
    wallet = Wallet(world, is_sealed=False)
    with refused("sessions: bad terms"):
        wallet.send(wallet.account.grant_session(wallet.stranger, wallet.terms(**changes)), wallet.owner)


def test_a_key_has_one_role(world, refused):
    wallet = Wallet(world, is_sealed=False)
    grant = wallet.account.grant_session
    for key in (wallet.owner, wallet.guardian, wallet.approvers[0], wallet.session, wallet.address, NOBODY):
        with refused("roles: key has another role"):
            wallet.send(grant(key, wallet.terms()), wallet.owner)
    for call in (
        wallet.account.set_role(wallet.session, APPROVER, True),
        wallet.account.offer_ownership(wallet.session),
        wallet.account.rotate_session(wallet.session, wallet.guardian),
    ):
        with refused("roles: key has another role"):
            wallet.send(call, wallet.owner)


def test_nobody_acts_before_the_account_is_sealed(world, refused):
    wallet = Wallet(world, is_sealed=False)
    with refused("sessions: not sealed"):
        wallet.pay(1)
    wallet.send(wallet.account.seal(), wallet.owner)
    assert wallet.reason(wallet.pay(1)) == ""


def test_a_session_acts_within_its_window_only(world, refused):
    wallet = Wallet(world)
    late = wallet.stranger
    start = wallet.now() + 10 * HOUR
    wallet.change(wallet.account.grant_session(late, wallet.terms(valid_after=start, valid_until=start + DAY)))
    wallet.change(wallet.account.set_bucket(SESSION, late, wallet.token.address, 10, 0, DAY, 10))
    with refused("sessions: not live"):
        wallet.pay(1, who=late)
    wallet.wait(start - wallet.now())
    assert wallet.reason(wallet.pay(1, who=late)) == ""
    wallet.wait(start + DAY + 1 - wallet.now())
    with refused("sessions: not live"):
        wallet.pay(1, who=late)
    with refused("sessions: not live"):
        wallet.pay(1, who=wallet.payee)  # who has no session at all


@pytest.mark.parametrize("level", [0, 1])
def test_below_level_two_nothing_is_done(world, refused, level):
    wallet = Wallet(world, level=level)
    with refused("sessions: level too low"):
        wallet.pay(1)


def test_a_level_falls_at_once_and_rises_only_by_what_waited(wallet, refused):
    rise, fall = (wallet.account.set_level(wallet.session, level) for level in (3, 1))
    for who in (wallet.session, wallet.guardian):
        with refused("roles: not the owner"):
            wallet.send(rise, who)
    with refused("roles: must be scheduled"):
        wallet.send(rise, wallet.owner)
    with refused("roles: not a guardian"):
        wallet.send(fall, wallet.stranger)
    for who, level in ((wallet.session, 1), (wallet.guardian, 0)):
        changed, link = wallet.events(wallet.send(wallet.account.set_level(wallet.session, level), who))
        assert isinstance(changed, LevelSet)
        assert (changed.level, changed.cause, link.kind) == (level, 1, 10)
    wallet.change(wallet.account.set_level(wallet.session, 4))
    assert wallet.level() == 4
    wallet.change(wallet.account.set_level(wallet.session, 2))
    assert wallet.level() == 2
    with refused("sessions: bad terms"):
        wallet.send(wallet.account.set_level(wallet.session, 5), wallet.owner)
    with refused("sessions: unknown session"):
        wallet.send(wallet.account.set_level(wallet.stranger, 0), wallet.owner)


def test_one_operation_too_many_lowers_the_level(world, refused):
    wallet = Wallet(world, ops_max=2)
    wallet.pay(1)
    wallet.pay(1)
    assert wallet.account.state_of(wallet.session).ops == 2
    lowered, _, denied, link = wallet.events(wallet.pay(1))
    assert lowered == LevelSet(wallet.session, 1, 2, 3)
    assert denied == Denied(wallet.session, "sessions: too many operations", 0)
    assert not link.result
    assert wallet.held() == 999_998
    with refused("sessions: level too low"):
        wallet.pay(1)


def test_operations_of_another_period_do_not_count(world):
    wallet = Wallet(world, ops_max=2)
    for _ in range(3):
        wallet.pay(1)
        wallet.pay(1)
        wallet.wait(HOUR)
    assert wallet.level() == 2


def test_an_owner_that_falls_silent_lowers_the_level(world):
    wallet = Wallet(world, heartbeat_s=DAY)
    wallet.wait(DAY - HOUR)
    assert wallet.reason(wallet.pay(1)) == ""
    wallet.send(wallet.account.heartbeat(), wallet.owner)
    assert wallet.account.last_heartbeat() == wallet.now()
    wallet.wait(DAY - HOUR)
    assert wallet.reason(wallet.pay(1)) == ""
    wallet.wait(2 * HOUR)
    lowered, _, denied, _ = wallet.events(wallet.pay(1))
    assert (lowered.cause, denied.reason) == (4, "sessions: owner is silent")
    assert wallet.level() == 1


@pytest.mark.parametrize("who", ["owner", "guardian", "session"])
def test_a_session_is_ended_by_those_with_a_say(wallet, refused, who):
    by = getattr(wallet, who)
    with refused("roles: not a guardian"):
        wallet.send(wallet.account.revoke_session(wallet.session), wallet.stranger)
    revoked, link = wallet.events(wallet.send(wallet.account.revoke_session(wallet.session), by))
    assert revoked == SessionRevoked(wallet.session, by)
    assert link.kind == 10
    with refused("sessions: not live"):
        wallet.pay(1)
    with refused("sessions: unknown session"):
        wallet.send(wallet.account.revoke_session(wallet.session), wallet.owner)
    assert wallet.account.role_of(wallet.session) == 0


def test_a_session_goes_on_under_another_key_with_all_it_had(wallet, refused):
    wallet.pay(400)
    new = wallet.stranger
    rotate = wallet.account.rotate_session(wallet.session, new)
    with refused("roles: not the owner"):
        wallet.send(rotate, wallet.guardian)
    rotated, _ = wallet.events(wallet.send(rotate, wallet.owner))
    assert rotated == SessionRotated(wallet.session, new)
    with refused("sessions: not live"):
        wallet.pay(1)
    assert wallet.account.state_of(new).ops == 1
    assert wallet.available(SESSION, new) < 300
    assert wallet.account.bucket_of(SESSION, wallet.session, wallet.token.address).period_s == 0
    assert wallet.reason(wallet.pay(100, who=new)) == ""
    with refused("sessions: not live"):
        wallet.send(rotate, wallet.owner)


def test_an_epoch_kills_every_session_and_a_new_grant_starts_afresh(wallet, refused):
    wallet.send(wallet.account.bump_epoch(), wallet.guardian)
    with refused("sessions: not live"):
        wallet.pay(1)
    with refused("roles: key has another role"):  # the dead one must be put away first
        wallet.change(wallet.account.grant_session(wallet.session, wallet.terms()))
    wallet.send(wallet.account.revoke_session(wallet.session), wallet.session)
    wallet.change(wallet.account.grant_session(wallet.session, wallet.terms(valid_until=FOREVER)))
    assert wallet.reason(wallet.pay(1)) == ""
    assert wallet.account.state_of(wallet.session).epoch == 1


def test_buckets_are_set_by_who_may_and_only_with_sense(world, refused):
    wallet = Wallet(world, is_sealed=False)
    token = wallet.token.address
    setter = wallet.account.set_bucket
    for scope, holder in (
        (0, NOBODY),
        (5, wallet.payee),
        (1, wallet.payee),
        (2, NOBODY),
        (3, NOBODY),
        (4, wallet.payee),
    ):
        with refused("buckets: bad scope"):
            wallet.send(setter(scope, holder, token, 1, 1, 1, 1), wallet.owner)
    for period_s in (0, 10 * 366 * DAY + 1):
        with refused("buckets: bad rates"):
            wallet.send(setter(ACCOUNT, NOBODY, token, 1, 1, period_s, 1), wallet.owner)
    with refused("roles: not the owner"):
        wallet.send(setter(ACCOUNT, NOBODY, token, 1, 1, DAY, 1), wallet.guardian)
    for n in range(7):
        wallet.send(setter(ACCOUNT, NOBODY, "0x" + f"{n + 1:040x}", 1, 1, DAY, 1), wallet.owner)
    with refused("buckets: too many tokens"):
        wallet.send(setter(ACCOUNT, NOBODY, "0x" + "09" * 20, 1, 1, DAY, 1), wallet.owner)
    wallet.send(setter(ACCOUNT, NOBODY, NOBODY, 1, 1, DAY, 1), wallet.owner)  # the native coin is not listed
    assert len(wallet.account.tokens()) == 8
    with refused("buckets: no bucket"):
        wallet.send(wallet.account.forget_token(NOBODY), wallet.owner)
    forgotten, _ = wallet.events(wallet.send(wallet.account.forget_token(token), wallet.owner))
    assert forgotten.token == token
    assert token not in wallet.account.tokens()
    assert len(wallet.account.tokens()) == 7
    with refused("buckets: no bucket"):
        wallet.send(wallet.account.forget_token(token), wallet.owner)


def test_sealed_a_bucket_falls_at_once_and_rises_only_by_what_waited(wallet, refused):
    token = wallet.token.address
    setter = wallet.account.set_bucket
    for rates in ((1_001, 1_000, DAY), (1_000, 1_001, DAY), (1_000, 1_000, DAY - 1)):
        with refused("roles: must be scheduled"):
            wallet.send(setter(ACCOUNT, NOBODY, token, *rates, 2**128 - 1), wallet.owner)
    lowered = wallet.events(wallet.send(setter(ACCOUNT, NOBODY, token, 800, 500, DAY, 10_000), wallet.owner))[0]
    assert lowered == BucketSet(ACCOUNT, NOBODY, token, 800, 500, DAY, 10_000)
    assert wallet.available() == 800
    with refused("roles: must be scheduled"):
        wallet.send(setter(ACCOUNT, NOBODY, token, 800, 500, DAY, 10_001), wallet.owner)
    with refused("roles: must be scheduled"):
        wallet.send(setter(SESSION, wallet.stranger, token, 1, 1, DAY, 1), wallet.owner)
    wallet.change(setter(ACCOUNT, NOBODY, token, 5_000, 500, DAY, 10_001))
    assert wallet.available() < 900  # what it had, and what has come in since
