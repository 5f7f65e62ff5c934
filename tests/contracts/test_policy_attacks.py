"""What a hostile reader of the contracts tried: each gave somebody more than was written down, or might have.

The attacks of who holds the sessions are in test_policy_machine.py; here are those of owners, guardians and clocks too.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tallystick.chain.accounts import TransactionFields
from tallystick.chain.bindings.policy_account import Denied
from tallystick.chain.bindings.policy_changes import DismissalScheduled
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.contracts.conftest import FEES
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import (
    ACCOUNT,
    APPROVER,
    DAY,
    FOREVER,
    GUARDIAN,
    HOUR,
    INTENT,
    NATIVE,
    NOBODY,
    PLAIN_RULE,
    SESSION,
    Wallet,
    World,
    pay_rule,
    transfer_data,
)

YES, NO = bytes.fromhex("1626ba7e"), b"\xff" * 4
OUTLASTING = 30 * DAY
VALID = 14 * DAY

# A token that answers a question about balances with whatever bytes it was told, as a refusal.
SULKER = """
# pragma version 0.4.3
answer: Bytes[1024]
@external
def set(answer: Bytes[1024]):
    self.answer = answer
@external
@view
def balanceOf(owner: address) -> uint256:
    if len(self.answer) != 0:
        raw_revert(self.answer)
    return 0
"""

# Wrapped native coin as it has been for ever: it pays out with the stipend of 2,300 gas.
WRAPPER = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
@external
@payable
def deposit():
    self.balanceOf[msg.sender] += msg.value
@external
def withdraw(amount: uint256):
    self.balanceOf[msg.sender] -= amount
    send(msg.sender, amount)
"""
DEPOSIT, WITHDRAW = keccak(b"deposit()")[:4], keccak(b"withdraw(uint256)")[:4]


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


# --- owners


def take_over(wallet):
    wallet.change(wallet.account.offer_ownership(wallet.stranger))
    wallet.send(wallet.account.accept_ownership(), wallet.stranger)


def test_what_a_former_owner_approved_binds_no_new_one(wallet):
    """It could have been a permit for all that the new owner was to put in."""
    digest = b"p" * 32
    wallet.send(wallet.account.approve_digest(digest, FOREVER), wallet.owner)
    assert wallet.account.is_valid_signature(digest, b"") == YES
    take_over(wallet)
    assert wallet.account.is_valid_signature(digest, b"") == NO
    assert wallet.account.digest_until(digest) == 0
    wallet.send(wallet.account.approve_digest(digest, FOREVER), wallet.stranger)
    assert wallet.account.is_valid_signature(digest, b"") == YES


def test_a_freeze_takes_back_an_offer_that_was_made(wallet, refused):
    wallet.change(wallet.account.offer_ownership(wallet.stranger))
    assert wallet.account.heir() == wallet.stranger
    wallet.send(wallet.account.freeze(0), wallet.guardian)
    assert wallet.account.heir() == NOBODY
    with refused("roles: not the heir"):
        wallet.send(wallet.account.accept_ownership(), wallet.stranger)


@pytest.mark.parametrize("delays", [(2**32 - 1, HOUR), (HOUR, 2**32 - 1), (366 * DAY + 1, HOUR)])
def test_no_delay_is_longer_than_a_year_for_nobody_could_make_it_shorter(wallet, refused, delays):
    with refused("roles: delay too long"):
        wallet.send(wallet.account.set_delays(*delays), wallet.owner)
    wallet.send(wallet.account.set_delays(366 * DAY, 366 * DAY), wallet.owner)
    assert wallet.account.delays() == (366 * DAY, 366 * DAY)


# --- guardians


def dismissing(wallet, guardian=None):
    return wallet.account.set_role(guardian or wallet.guardian, GUARDIAN, False)


def announced(wallet, call, who=None):
    return wallet.send(wallet.world.changes.schedule(wallet.address, wallet.address, call.data), who or wallet.owner)


def made(wallet, call):
    return wallet.send(wallet.world.changes.apply(wallet.address, wallet.address, call.data), wallet.stranger)


def taken_back(wallet, call, who):
    return wallet.send(wallet.world.changes.cancel(wallet.address, wallet.address, call.data), who)


def test_a_guardian_that_cancels_and_freezes_without_end_is_outlasted(wallet, refused):
    """It could hold for ever what no sweep moves: deposits in channels, at the EntryPoint, an agent's identity."""
    go, changes = dismissing(wallet), wallet.world.changes
    told = [event for event in wallet.events(announced(wallet, go)) if isinstance(event, DismissalScheduled)]
    due = wallet.now() + HOUR + OUTLASTING
    assert told == [DismissalScheduled(wallet.address, wallet.guardian, due)]
    taken_back(wallet, go, wallet.guardian)
    assert changes.due_at(wallet.address, wallet.address, go.data) == due
    wallet.send(wallet.account.freeze(7 * DAY), wallet.guardian)
    with refused("changes: too early"):
        made(wallet, go)
    with refused("changes: not scheduled"):
        taken_back(wallet, go, wallet.guardian)
    for _ in range(5):
        wallet.wait(6 * DAY)
        wallet.send(wallet.account.freeze(7 * DAY), wallet.guardian)
    wallet.wait(due - wallet.now() - 1)
    with refused("changes: too early"):
        made(wallet, go)
    wallet.wait(1)
    made(wallet, go)
    assert wallet.account.role_of(wallet.guardian) == 0
    with refused("roles: not a guardian"):
        wallet.send(wallet.account.freeze(7 * DAY), wallet.guardian)
    with refused("changes: not scheduled"):
        made(wallet, go)


def test_a_dismissal_is_made_in_the_usual_time_where_nobody_objects(wallet):
    go = dismissing(wallet)
    wallet.change(go)
    assert wallet.account.role_of(wallet.guardian) == 0
    assert wallet.world.changes.due_at(wallet.address, wallet.address, go.data) == 0


def test_announcing_again_starts_only_the_usual_delay_again(wallet, refused):
    go = dismissing(wallet)
    announced(wallet, go)
    due = wallet.now() + HOUR + OUTLASTING
    wallet.wait(20 * DAY)
    again = wallet.events(announced(wallet, go))
    assert not [event for event in again if isinstance(event, DismissalScheduled)]
    assert wallet.world.changes.due_at(wallet.address, wallet.address, go.data) == wallet.now() + HOUR
    taken_back(wallet, go, wallet.guardian)
    assert wallet.world.changes.due_at(wallet.address, wallet.address, go.data) == due
    wallet.wait(due - wallet.now() + VALID + 1)
    with refused("changes: expired"):
        made(wallet, go)
    told = [event for event in wallet.events(announced(wallet, go)) if isinstance(event, DismissalScheduled)]
    assert told[0].due == wallet.now() + HOUR + OUTLASTING


def test_only_the_owner_takes_a_dismissal_back(wallet, refused):
    go = dismissing(wallet)
    announced(wallet, go)
    wallet.send(wallet.account.bump_epoch(), wallet.guardian)
    with refused("changes: not a guardian"):
        taken_back(wallet, go, wallet.stranger)
    taken_back(wallet, go, wallet.owner)
    wallet.wait(HOUR + OUTLASTING)
    with refused("changes: not scheduled"):
        made(wallet, go)


def test_nothing_but_a_guardians_end_outlasts_guardians(wallet, refused):
    changes = (
        wallet.account.set_role(wallet.stranger, GUARDIAN, True),
        wallet.account.set_role(wallet.approvers[0], APPROVER, False),
        wallet.account.set_level(wallet.session, 4),
        replace(dismissing(wallet), data=dismissing(wallet).data + b"\0"),
    )
    for change in changes:
        assert not [one for one in wallet.events(announced(wallet, change)) if isinstance(one, DismissalScheduled)]
    wallet.send(wallet.account.bump_epoch(), wallet.guardian)
    wallet.wait(HOUR + OUTLASTING)
    for change in changes:
        with refused("changes: not scheduled"):
            made(wallet, change)


def test_a_dismissal_is_of_one_account_and_owner(wallet, refused):
    other = Wallet(wallet.world, token=wallet.token)
    go = dismissing(wallet)
    announced(wallet, go)
    take_over(wallet)
    wallet.wait(OUTLASTING)
    for account in (wallet, other):
        with refused("changes: not scheduled"):
            made(account, go)
    with refused("changes: not scheduled"):
        wallet.send(wallet.world.changes.apply(wallet.address, wallet.world.rules.address, go.data), wallet.owner)


# --- sessions


def test_denials_that_lower_the_level_are_counted_in_some_window(world, refused):
    wallet = Wallet(world, is_sealed=False)
    terms = wallet.terms(denials_max=1, denials_window_s=0)
    with refused("sessions: bad terms"):
        wallet.send(wallet.account.grant_session(wallet.stranger, terms), wallet.owner)
    wallet.send(wallet.account.grant_session(wallet.stranger, replace(terms, denials_max=0)), wallet.owner)


def test_an_announced_raise_outlives_a_lowering_until_it_is_cancelled(wallet):
    """Whoever lowers cancels too: the page says so."""
    raised = wallet.account.set_bucket(ACCOUNT, NOBODY, wallet.token.address, 5_000, 0, DAY, 2**128 - 1)
    announced(wallet, raised)
    wallet.bucket(ACCOUNT, NOBODY, cap=10, refill=10)
    wallet.wait(HOUR)
    made(wallet, raised)
    assert wallet.account.bucket_of(ACCOUNT, NOBODY, wallet.token.address).cap == 5_000


# --- gas


def bring(wallet, call, who, gas):
    """Send a transaction with exactly so much gas; return its receipt, refused or not."""
    ledger = wallet.ledger
    nonce = ledger.node.nonce(who)
    fields = TransactionFields(
        chain_id=ledger.chain_id, nonce=nonce, to=call.to, data=call.data, value=call.value, gas=gas, fees=FEES
    )
    ledger.time += 1
    receipt = ledger.node.receipt(ledger.node.send_raw(ledger._signers[who].sign_transaction(fields).raw))
    ledger._nonces[who] = nonce + 1
    return receipt


def test_at_no_amount_of_gas_does_a_relayer_make_a_good_action_fail(wallet):
    """Either it is done, or the whole transaction is undone and the signature is as good as before."""
    done, undone = 0, 0
    for gas in range(180_000, 460_000, 5_000):
        seq, held = wallet.world.relay.seq_of(wallet.address, wallet.session), wallet.held()
        call = wallet.signed(wallet.action(wallet.token.address, transfer_data(wallet.payee, 1), gas_limit=200_000))
        succeeded = bring(wallet, call, wallet.stranger, gas).succeeded
        done, undone = done + succeeded, undone + (not succeeded)
        assert wallet.held() == held - succeeded
        assert wallet.world.relay.seq_of(wallet.address, wallet.session) == seq + succeeded
        assert wallet.account.state_of(wallet.session).denials == 0
    assert done > 5
    assert undone > 5


def test_at_no_amount_of_gas_is_a_denial_not_counted(world):
    wallet = Wallet(world, denials_max=0)
    counted, undone = 0, 0
    for gas in range(60_000, 160_000, 2_000):
        before = wallet.account.state_of(wallet.session).denials
        receipt = bring(wallet, wallet.paying(501), wallet.session, gas)
        counted, undone = counted + receipt.succeeded, undone + (not receipt.succeeded)
        assert wallet.account.state_of(wallet.session).denials == before + receipt.succeeded
    assert counted > 5
    assert undone > 5


# --- targets


def sulking(answer):
    return keccak(b"set(bytes)")[:4] + encode(["bytes"], [answer])


def error(text, length=None):
    words = text + bytes(-len(text) % 32)
    return (
        keccak(b"Error(string)")[:4]
        + encode(["uint256", "uint256"], [32, len(text) if length is None else length])
        + words
    )


@pytest.mark.parametrize(
    ("answer", "reason", "count"),
    [
        (error(b""), "", 0), (error(b"x" * 64), "x" * 64, 1), (error(b"x" * 65), "", 0),
        (error(b"x" * 9, 2**255), "", 0),
        (error(b"x" * 9, 64), "", 0), (b"\x08\xc3\x79\xa0", "", 0), (b"\xff" * 132, "", 0), (b"\xff" * 1024, "", 0),
        (error(b"\xff" * 9), None, 1),
    ],
)  # fmt: skip
def test_whatever_a_budgeted_token_says_an_act_ends_and_is_logged(world, answer, reason, count):
    wallet = Wallet(world, is_sealed=False)
    sulker = world.ledger.deploy(compiled(SULKER))
    wallet.bucket(ACCOUNT, NOBODY, sulker, cap=1)
    wallet.send(wallet.account.seal(), wallet.owner)
    wallet.send(Call(sulker, sulking(answer)), wallet.owner)
    mined = wallet.pay(1)
    if reason is None:  # no text at all, but an act that ended: the reader of logs is not confused
        assert len(mined.logs) == 2
    else:
        assert wallet.events(mined)[0] == Denied(wallet.session, reason, count)
    assert wallet.held() == 1_000_000
    wallet.send(Call(sulker, sulking(b"")), wallet.owner)
    assert wallet.reason(wallet.pay(1)) == ""


def test_native_coin_comes_back_from_where_only_a_stipend_comes_along(world):
    wallet = Wallet(world, is_sealed=False)
    wrapper = world.ledger.deploy(compiled(WRAPPER))
    wallet.fund(1_000)
    wallet.native_buckets(500)
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        wallet.bucket(scope, holder, wrapper, cap=300)
    wallet.rule(wrapper, DEPOSIT, replace(PLAIN_RULE, value_cap=500))
    wallet.rule(wrapper, WITHDRAW, pay_rule(wrapper, recipient_word=-1, amount_word=0))
    wallet.allow(wrapper)
    wallet.send(wallet.account.seal(), wallet.owner)
    execute = wallet.account.execute
    assert wallet.reason(wallet.send(execute(wrapper, 400, DEPOSIT, INTENT), wallet.session)) == ""
    assert wallet.ledger.node.balance(wallet.address) == 600
    taking = WITHDRAW + encode(["uint256"], [300])
    assert wallet.reason(wallet.send(execute(wrapper, 0, taking, INTENT), wallet.session)) == ""
    assert wallet.ledger.node.balance(wallet.address) == 900
    assert wallet.available(token=NATIVE) == 100  # what comes back is not counted as unspent


def test_an_account_of_nobody_is_asked_by_nobody(wallet, refused):
    """The implementation is its own owner and no session's, so nothing of it can be called in its name."""
    from tallystick.chain.bindings.policy_account import PolicyAccount

    bare = PolicyAccount(wallet.ledger, wallet.world.implementation)
    with refused("roles: already initialized"):
        wallet.send(bare.initialize(wallet.stranger, [], HOUR), wallet.stranger)
    with refused("roles: not the owner"):
        wallet.send(bare.seal(), wallet.stranger)
    with refused("roles: not the owner"):
        wallet.send(bare.sweep(NATIVE, wallet.stranger), wallet.stranger)
    with pytest.raises(Rejected):
        wallet.send(bare.execute(wallet.stranger, 0, b"", INTENT), wallet.session)
