"""Items that ran without approvals, and money in payment channels: what is right adds up, what cannot be is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from tallystick.agents.audit import Audit, Evidence, audit_account, judge, read_evidence
from tallystick.agents.audit.findings import Tie
from tallystick.agents.policy.nouns import LinkKind
from tallystick.chain.bindings.policy_account import ActionLogged, EpochBumped, SessionGranted
from tallystick.chain.bindings.policy_queue import ItemRun, Proposed, QueueTermsSet, Vetoed
from tallystick.chain.calls import Call, Log
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.agents.audit.story import Story
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import DAY, HOUR, INTENT, Wallet, pay_rule

VETO = 4 * HOUR  # as the kit's queue has it
CHANNEL = b"\x0c" * 32
CHANNELS = """
# pragma version 0.4.3
interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable
interface Signer:
    def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes4: view
token: immutable(address)
payer_of: public(HashMap[bytes32, address])
left: HashMap[bytes32, uint256]
paid: HashMap[bytes32, uint256]
@deploy
def __init__(token_: address):
    token = token_
@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    return keccak256(abi_encode(self))
@external
def open(channel: bytes32, amount: uint256):
    assert self.payer_of[channel] == empty(address)
    self.payer_of[channel] = msg.sender
    self.left[channel] = amount
    assert extcall Token(token).transferFrom(msg.sender, self, amount)
@external
def claim(channel: bytes32, amount: uint128, signature: Bytes[1024]):
    kind: bytes32 = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)")
    message: bytes32 = keccak256(abi_encode(kind, channel, convert(amount, uint256)))
    digest: bytes32 = keccak256(concat(0x1901, keccak256(abi_encode(self)), message))
    assert staticcall Signer(self.payer_of[channel]).isValidSignature(digest, signature) == 0x1626ba7e
    due: uint256 = convert(amount, uint256) - self.paid[channel]
    self.paid[channel] += due
    self.left[channel] -= due
    assert extcall Token(token).transfer(msg.sender, due)
@external
def withdraw(channel: bytes32):
    due: uint256 = self.left[channel]
    self.left[channel] = 0
    assert extcall Token(token).transfer(self.payer_of[channel], due)
"""


def codes(found: Audit) -> list[str]:
    assert found.is_balanced == found.report.ok == (not found.gaps)
    return list(dict.fromkeys(one.code for one in found.gaps))


def edited(evidence: Evidence, edit: Callable[[Sequence[Log]], Sequence[Log]]) -> list[str]:
    return codes(judge(replace(evidence, logs=tuple(edit(evidence.logs)))))


def first(evidence: Evidence, event: Any) -> Log:
    return next(log for log in evidence.logs if log.topics[0] == event.topic)


# --- optimistic items


@pytest.fixture(scope="module")
def wallet(story: Story) -> Any:
    """A session of level 3 asked three times: one ran unasked, one was taken out, one is over its budget."""
    made = Wallet(story.world, token=story.coin, level=3)
    items = [made.propose(amount, payee) for amount, payee in ((300, None), (20, None), (500, None))]
    made.send(story.world.queue.veto(items[1][1]), made.guardian)
    made.wait(VETO)
    made.run(items[0][0])
    with pytest.raises(Rejected, match="over budget"):
        made.run(items[2][0])
    return made


@pytest.fixture(scope="module")
def evidence(wallet: Any) -> Evidence:
    """What the chain has of it."""
    return read_evidence(wallet.ledger.node, wallet.address)


def test_an_item_that_ran_without_approvals_adds_up_and_what_became_of_each_is_told(
    evidence: Evidence, wallet: Any
) -> None:
    found = judge(evidence)
    assert found.findings == ()
    ran, vetoed, waiting = found.items
    (link,) = [link for link in found.links if link.kind is LinkKind.QUEUE_ITEM]
    assert (ran.seq, ran.is_approved, ran.approvers) == (link.event.seq, False, ())
    assert (vetoed.seq, vetoed.vetoed_by) == (0, wallet.guardian)
    assert (waiting.seq, waiting.vetoed_by) == (0, "")
    assert [(one.tie, one.seq, one.amount) for one in found.movements if one.is_out] == [(Tie.LINK, ran.seq, 300)]


def test_an_item_that_was_taken_out_cannot_have_run(evidence: Evidence) -> None:
    run, veto = first(evidence, ItemRun), first(evidence, Vetoed)
    taken = replace(veto, topics=(veto.topics[0], run.topics[1], *veto.topics[2:]))
    assert edited(evidence, lambda logs: [taken if log is veto else log for log in logs]) == ["items.vetoed"]


def test_an_item_cannot_have_run_twice(evidence: Evidence) -> None:
    run = first(evidence, ItemRun)
    again = replace(run, log_index=run.log_index - 1)
    assert edited(evidence, lambda logs: sorted([*logs, again], key=_place)) == ["items.twice"]


def test_an_item_without_approvals_must_have_waited(evidence: Evidence) -> None:
    run = first(evidence, ItemRun).block_number
    early = {block: at - HOUR * (block == run) for block, at in evidence.times.items()}
    assert codes(judge(replace(evidence, times=early))) == ["items.time"]


def test_without_terms_of_a_queue_nothing_runs_unasked(evidence: Evidence) -> None:
    terms = first(evidence, QueueTermsSet)
    assert edited(evidence, lambda logs: [log for log in logs if log is not terms]) == ["items.time"]


def test_a_session_below_level_three_has_nothing_run_unasked(story: Story, evidence: Evidence, wallet: Any) -> None:
    bounded = Wallet(story.world, token=story.coin)
    lowered = read_evidence(story.node, bounded.address)
    grant = next(log for log in lowered.logs if log.topics[0] == _granted(evidence).topics[0])
    ours = _granted(evidence)
    asked = edited(evidence, lambda logs: [replace(ours, data=grant.data) if log is ours else log for log in logs])
    assert asked == ["items.level"]


def test_an_item_of_an_epoch_before_cannot_have_run(evidence: Evidence, wallet: Any, story: Story) -> None:
    other = Wallet(story.world, token=story.coin)
    other.send(other.account.bump_epoch(), other.guardian)
    bumped = first(read_evidence(story.node, other.address), EpochBumped)
    run = first(evidence, ItemRun)
    late = replace(bumped, address=evidence.account, block_number=run.block_number, log_index=-1)
    found = edited(evidence, lambda logs: sorted([*logs, late], key=_place))
    assert found == ["offices.over", "items.level", "items.epoch"]


def test_a_link_that_did_more_than_its_item_said(evidence: Evidence) -> None:
    """A queue item's link says 301 where the item said at most 300."""
    link = next(log for log in evidence.logs if log.topics[0] == ActionLogged.topic and log.topics[3][31] == 5)
    more = replace(link, data=link.data[:64] + (301).to_bytes(32, "big") + link.data[96:])
    assert edited(evidence, lambda logs: [more if log is link else log for log in logs]) == ["links.head", "items.more"]


def test_a_proposal_that_is_left_out_leaves_its_link_without_one(evidence: Evidence) -> None:
    asked = first(evidence, Proposed)
    assert edited(evidence, lambda logs: [log for log in logs if log is not asked])[0] == "items.unknown"


def _granted(evidence: Evidence) -> Log:
    return first(evidence, SessionGranted)


def _place(log: Log) -> tuple[int, int]:
    return log.block_number, log.log_index


# --- channels


class Channels:
    """A contract of channels, and one channel of a wallet's in it."""

    def __init__(self, story: Story) -> None:
        self.coin = story.coin
        self.wallet: Any = Wallet(story.world, is_sealed=False, token=self.coin)
        code = compiled(CHANNELS) + encode(["address"], [self.coin.address])
        self.address = story.ledger.deploy(code)
        self.wallet.allow(self.address)
        open_ = keccak(b"open(bytes32,uint256)")[:4]
        rule = pay_rule(self.coin.address, pulls=True, recipient_word=-1, amount_word=1)
        self.wallet.rule(self.address, open_, rule)
        self.wallet.send(self.wallet.account.seal(), self.wallet.owner)
        opened = open_ + encode(["bytes32", "uint256"], [CHANNEL, 100])
        self.wallet.send(self.wallet.account.execute(self.address, 0, opened, INTENT), self.wallet.session)

    def voucher(self, amount: int) -> bytes:
        kind = keccak(b"Voucher(bytes32 channelId,uint128 maxClaimableAmount)")
        message = keccak(encode(["bytes32", "bytes32", "uint256"], [kind, CHANNEL, amount]))
        digest = keccak(b"\x19\x01" + keccak(encode(["address"], [self.address])) + message)
        signed = self.wallet.sign(digest)
        kinds = ["address", "bytes32", "uint256", "bytes32", "bytes32", "uint8"]
        return encode(kinds, [self.address, CHANNEL, amount, signed[:32], signed[32:64], signed[64]])

    def claim(self, amount: int) -> None:
        head = keccak(b"claim(bytes32,uint128,bytes)")[:4]
        data = head + encode(["bytes32", "uint128", "bytes"], [CHANNEL, amount, self.voucher(amount)])
        self.wallet.send(Call(self.address, data), self.wallet.payee)

    def withdraw(self) -> None:
        data = keccak(b"withdraw(bytes32)")[:4] + CHANNEL
        self.wallet.send(Call(self.address, data), self.wallet.stranger)


@pytest.fixture
def channels(story: Story) -> Channels:
    return Channels(story)


def test_a_channel_adds_up_from_its_deposit_to_what_comes_back(channels: Channels) -> None:
    """What vouchers move was the account's no more since the deposit: the audit has the deposit and the rest."""
    wallet, coin = channels.wallet, channels.coin.address
    earned = channels.coin.balance_of(wallet.payee)
    for amount in (25, 60):
        channels.claim(amount)
    assert channels.coin.balance_of(wallet.payee) == earned + 60
    channels.withdraw()
    found = audit_account(wallet.ledger.node, wallet.address)
    assert found.findings == ()
    ((tie, amount, party),) = [(one.tie, one.amount, one.party) for one in found.movements if one.is_out]
    assert (tie, amount, party) == (Tie.LINK, 100, channels.address)
    assert (found.sheets[1].went_out, found.sheets[1].came_in) == (100, 1_000_040)
    assert found.totals()["counterparties"] == {channels.address: {coin: 100}}


def test_a_frozen_account_answers_for_no_voucher_and_still_adds_up(channels: Channels) -> None:
    """This contract asks the account. One that takes a session's bare signature goes on, up to the deposit."""
    wallet = channels.wallet
    channels.claim(25)
    wallet.send(wallet.account.freeze(DAY), wallet.guardian)
    with pytest.raises(Rejected, match="frozen"):
        channels.claim(60)
    channels.withdraw()
    found = audit_account(wallet.ledger.node, wallet.address)
    assert found.findings == ()
    assert found.sheets[1].closing == 1_000_000 - 25
