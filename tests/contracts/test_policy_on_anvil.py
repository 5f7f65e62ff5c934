"""The main acts of a wallet on both ledgers: each holds by itself, and both tell the same of every transaction.

The ledgers start alike (accounts, clock, chain id), so that addresses, signatures and calldata are the same and each
receipt can be compared whole: gas used, and every log.
"""

from __future__ import annotations

import pytest
from anvil_node import running_anvil
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tallystick.core.errors import Rejected
from tests.contracts.anvil_ledger import AnvilLedger
from tests.contracts.conftest import Ledger
from tests.contracts.entry_point import EntryPoint, operation_of
from tests.contracts.policy_kit import ACCOUNT, DAY, HOUR, NATIVE, NOBODY, SESSION, Wallet, World, transfer_data
from tests.contracts.test_policy_machine import AttackMachine
from tests.contracts.test_policy_signed import Coin, authorization, delegation

START = 1_700_000_000


class Telling(Ledger):
    """A ledger that keeps what it told of each transaction."""

    receipts: list

    def send(self, call, sender):
        mined = super().send(call, sender)
        logs = [(log.address, log.topics, log.data) for log in mined.logs]
        self.receipts.append((call.to, call.data[:4], mined.time, mined.gas_used, mined.created, logs))
        return mined


class TellingAnvil(Telling, AnvilLedger):
    """The same upon anvil."""


class Life:
    """A ledger from its beginning, and wallets on it."""

    def __init__(self, ledger):
        ledger.time, ledger.receipts = START + 1_000, []
        self.ledger = ledger
        self.entry = EntryPoint(ledger)
        self.world = World(ledger, self.entry.address)
        self.coin = Coin(ledger)

    def wallet(self):
        """Return a fresh one, sealed, with slots and gas to spend."""
        slots = {"slots": 4, "slot_period_s": HOUR, "slot_cap": 100, "slot_token": self.coin.address}
        made = Wallet(self.world, is_sealed=False, token=self.coin, **slots)
        made.fund(10**9)
        made.native_buckets(10**8)
        made.send(made.account.seal(), made.owner)
        return made


def refused(wallet, call, who, reason):
    with pytest.raises(Rejected, match=reason):
        wallet.send(call, who)


def a_session_pays_within_its_budget_and_is_denied_beyond(wallet, entry):
    wallet.pay(500)
    assert wallet.reason(wallet.pay(101)) == "buckets: over budget"
    assert wallet.reason(wallet.pay(1, payee=wallet.stranger)) == "payees: not allowed"
    assert wallet.token.balance_of(wallet.stranger) == 0
    assert wallet.account.state_of(wallet.session).denials == 2
    wallet.wait(DAY)
    assert wallet.reason(wallet.pay(101)) == ""
    assert wallet.held() == 1_000_000 - 601


def what_is_beyond_the_budget_waits_for_approvals(wallet, entry):
    item, id_ = wallet.propose(5_000)
    wallet.approve(id_, 1)
    wallet.wait(2 * HOUR)
    refused(wallet, wallet.world.queue.run(wallet.address, item), wallet.stranger, "queue: not approved")
    wallet.send(wallet.world.queue.approve(id_), wallet.approvers[1])
    wallet.wait(2 * HOUR)
    wallet.run(item)
    refused(wallet, wallet.world.queue.run(wallet.address, item), wallet.stranger, "queue: ")
    assert wallet.held() == 1_000_000 - 5_000


def a_freeze_ends_every_session_for_good_and_the_owner_takes_all(wallet, entry):
    given, _, _ = authorization(wallet, 10)
    wallet.send(wallet.account.freeze(DAY), wallet.guardian)
    refused(wallet, wallet.paying(1), wallet.session, "roles: frozen")
    refused(wallet, given, wallet.stranger, "eip3009: not signed by the payer")
    wallet.send(wallet.account.sweep(wallet.token.address, wallet.owner), wallet.owner)
    wallet.wait(DAY + 1)
    refused(wallet, wallet.paying(0), wallet.session, "sessions: not live")
    assert wallet.held() == 0


def the_token_takes_the_wallets_word_once(wallet, entry):
    call, digest, signature = authorization(wallet, 100)
    assert wallet.account.is_valid_signature(digest, signature).hex() == "1626ba7e"
    wallet.send(call, wallet.stranger)
    refused(wallet, call, wallet.stranger, "eip3009: nonce is spent")
    refused(wallet, authorization(wallet, 101, slot=1)[0], wallet.stranger, "eip3009: not signed by the payer")
    assert wallet.held() == 1_000_000 - 100


def an_operation_goes_through_the_entry_point_and_its_gas_is_spend(wallet, entry):
    data = transfer_data(wallet.payee, 100)
    bundle = [operation_of(wallet, entry, wallet.token.address, data, fee=1, lane=lane) for lane in (1, 2)]
    mined = wallet.send(entry.handle(bundle, wallet.stranger), wallet.stranger)
    assert [outcome.succeeded for outcome in entry.outcomes(mined)] == [True, True]
    assert wallet.held() == 1_000_000 - 200
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        assert wallet.available(scope, holder, NATIVE) == 10**8 - 2 * 760_000


def what_was_signed_is_brought_by_anybody_once(wallet, entry):
    call = wallet.signed(wallet.action(wallet.token.address, transfer_data(wallet.payee, 100)))
    wallet.send(call, wallet.stranger)
    refused(wallet, call, wallet.stranger, "relay: wrong sequence number")
    redeeming = delegation(wallet, 50, 50)[0]
    wallet.send(redeeming, wallet.stranger)
    refused(wallet, redeeming, wallet.stranger, "relay: already redeemed")
    assert wallet.held() == 1_000_000 - 150


def a_raise_waits_and_a_lowering_does_not(wallet, entry):
    raised = wallet.account.set_bucket(ACCOUNT, NOBODY, wallet.token.address, 9_000, 1_000, DAY, 2**128 - 1)
    refused(wallet, raised, wallet.owner, "roles: must be scheduled")
    wallet.send(wallet.world.changes.schedule(wallet.address, raised.to, raised.data), wallet.owner)
    early = wallet.world.changes.apply(wallet.address, raised.to, raised.data)
    refused(wallet, early, wallet.stranger, "changes: too early")
    wallet.wait(HOUR)
    wallet.send(early, wallet.stranger)
    wallet.bucket(SESSION, wallet.session, cap=10)
    assert wallet.reason(wallet.pay(11)) == "buckets: over budget"


def a_wallet_is_handed_over_and_the_former_owner_rules_no_more(wallet, entry):
    heir = wallet.ledger.accounts[7]
    offer = wallet.account.offer_ownership(heir)
    refused(wallet, offer, wallet.owner, "roles: must be scheduled")
    wallet.change(offer)
    wallet.send(wallet.account.accept_ownership(), heir)
    refused(wallet, wallet.account.bump_epoch(), wallet.owner, "roles: not a guardian")
    wallet.send(wallet.account.bump_epoch(), heir)
    assert (wallet.account.owner(), wallet.account.role_of(wallet.owner)) == (heir, 0)


ACTS = (
    a_session_pays_within_its_budget_and_is_denied_beyond,
    what_is_beyond_the_budget_waits_for_approvals,
    a_freeze_ends_every_session_for_good_and_the_owner_takes_all,
    the_token_takes_the_wallets_word_once,
    an_operation_goes_through_the_entry_point_and_its_gas_is_spend,
    what_was_signed_is_brought_by_anybody_once,
    a_raise_waits_and_a_lowering_does_not,
    a_wallet_is_handed_over_and_the_former_owner_rules_no_more,
)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    ledger = Telling(tmp_path_factory.mktemp("acts") / "chain.db")
    yield Life(ledger)
    ledger.node.close()


@pytest.fixture(scope="module")
def upon_anvil():
    with running_anvil("--timestamp", str(START), chain_id=1_337) as anvil:
        ledger = TellingAnvil(anvil)
        yield Life(ledger)
        ledger.node.close()


@pytest.mark.anvil
def test_both_ledgers_tell_the_same_of_every_act(embedded, upon_anvil, tell):
    """Each act asserts what came of it, there and there."""
    for act in ACTS:
        for life in (embedded, upon_anvil):
            act(life.wallet(), life.entry)
        assert embedded.ledger.receipts == upon_anvil.ledger.receipts
    tell(f"policy account on two ledgers: {len(embedded.ledger.receipts)} receipts alike")


@pytest.mark.long
@pytest.mark.anvil
def test_an_attacker_takes_no_more_upon_anvil():
    with running_anvil() as anvil:
        ledger = AnvilLedger(anvil)
        world = World(ledger, ledger.accounts[7])
        run_state_machine_as_test(
            lambda: AttackMachine(ledger, world),
            settings=settings(
                max_examples=3, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
        ledger.node.close()
