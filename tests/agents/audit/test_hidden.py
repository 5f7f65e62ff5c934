"""What moves otherwise than by links is named: allowances, tokens nobody budgeted, balances that lie for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tallystick.agents.audit import Audit, Evidence, audit_account, judge, read_evidence
from tallystick.agents.audit.findings import Tie
from tallystick.agents.audit.tokens import token_movements
from tallystick.chain.bindings import token as token_events
from tallystick.chain.bindings.policy_account import ActionLogged, SessionGranted
from tallystick.chain.calls import Call, Log
from tallystick.chain.node import Node
from tallystick.chain.wire import write_data
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import AUDIT_STRANGERS_MAX
from tests.agents.audit.story import Story
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import INTENT, PLAIN_RULE, Wallet
from tests.contracts.token_kit import TestToken

GIVING = """
# pragma version 0.4.3
event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256
balanceOf: public(HashMap[address, uint256])
@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount
    log Transfer(sender=empty(address), receiver=account, value=amount)
@external
def give(receiver: address, amount: uint256):
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=msg.sender, receiver=receiver, value=amount)
"""
STRANGER = "0x" + "5A" * 20


@pytest.fixture(scope="module")
def evidence(story: Story) -> Evidence:
    """What the chain has of the life."""
    return read_evidence(story.node, story.address)


def codes(found: Audit) -> list[str]:
    """Return gaps, then remarks."""
    assert found.is_balanced == found.report.ok == (not found.gaps)
    return [one.code for one in (*found.gaps, *found.remarks)]


def audited(wallet: Any, *tokens: str) -> Audit:
    return audit_account(wallet.ledger.node, wallet.address, tokens=tokens)


def test_an_allowance_that_is_left_is_told_and_what_is_taken_by_it_is_a_gap(story: Story) -> None:
    wallet = Wallet(story.world, token=story.coin)
    approve = story.coin.approve(wallet.stranger, 9).data
    wallet.send(wallet.account.owner_execute(story.coin.address, 0, approve, bytes(32), value=0), wallet.owner)
    found = audited(wallet)
    assert codes(found) == ["tokens.allowance"]
    assert f"{wallet.stranger} may take 9 of" in found.remarks[0].words
    wallet.send(story.coin.transfer_from(wallet.address, wallet.stranger, 4), wallet.stranger)
    found = audited(wallet)
    assert codes(found) == ["tokens.unrecorded", "tokens.allowance"]
    assert "may take 5 of" in found.remarks[0].words
    wallet.send(story.coin.transfer_from(wallet.address, wallet.stranger, 5), wallet.stranger)
    assert codes(audited(wallet)) == ["tokens.unrecorded"] * 2


def test_a_token_nobody_budgeted_that_a_rule_lets_out_is_told_and_a_gap_once_it_is_asked_for(story: Story) -> None:
    wallet = Wallet(story.world, is_sealed=False, token=story.coin)
    other = TestToken(story.ledger, story.ledger.deploy(compiled(GIVING)))
    other.give(wallet.address, 100)
    give = other.call("give(address,uint256)", wallet.stranger, 30).data
    wallet.allow(other.address)
    wallet.rule(other.address, give[:4], PLAIN_RULE)
    wallet.send(wallet.account.seal(), wallet.owner)
    wallet.send(wallet.account.execute(other.address, 0, give, INTENT), wallet.session)
    assert other.balance_of(wallet.stranger) == 30
    found = audited(wallet)
    assert codes(found) == ["tokens.unwatched"]
    assert f"{other.address} says once that some of it went out" in found.remarks[0].words
    assert codes(audited(wallet, other.address)) == ["tokens.unrecorded"]


def test_a_balance_that_lies_for_a_while_is_found_though_it_adds_up_in_the_end(story: Story) -> None:
    wallet = Wallet(story.world, kind="liar")
    for lie in (-7, 0):
        wallet.send(wallet.token.call("lie(address,int256)", wallet.address, lie), wallet.stranger)
        wallet.pay(10)
    found = audited(wallet)
    assert [one.silent for one in found.sheets] == [0, 0]
    assert codes(found) == ["tokens.silent"]
    assert "changed by -7 up to block" in found.gaps[0].words
    assert "the first of 2 times" in found.gaps[0].words


def test_a_token_that_takes_a_fee_adds_up_and_its_record_is_of_the_whole(story: Story) -> None:
    fresh = Story(story.ledger, story.blobs)
    wallet = Wallet(story.world, kind="fee_on_transfer")
    fresh.wallet, fresh.address, fresh.coin, fresh.records = wallet, wallet.address, wallet.token, []
    fresh.pay(200)
    found = fresh.audit()
    assert codes(found) == []
    assert sorted(one.amount for one in found.movements if one.is_out) == [2, 198]
    assert found.sheets[1].went_out == 200


def test_a_transfer_that_was_none_is_told(story: Story) -> None:
    wallet = Wallet(story.world, kind="liar")
    wallet.send(wallet.token.call("pretend(bool)", True), wallet.stranger)
    wallet.pay(10)
    assert codes(audited(wallet)) == ["tokens.less"]


def test_what_an_account_had_before_it_was_one_opens_its_sheets(story: Story) -> None:
    world = story.world
    address = world.factory.address_of(story.ledger.accounts[0], (world.salts + 1).to_bytes(32, "big"))
    story.coin.give(address, 70)
    story.ledger.send(Call(address, b"", 9), story.ledger.accounts[6])
    wallet = Wallet(world, token=story.coin)
    assert wallet.address == address
    found = audited(wallet)
    assert codes(found) == []
    assert [one.opening for one in found.sheets] == [9, 70]


def _log(evidence: Evidence, address: str, *topics: bytes, data: bytes = b"", index: int = 900) -> Log:
    return replace(evidence.logs[-1], address=address, topics=topics, data=data, log_index=index)


def test_no_token_that_anybody_makes_unbalances_or_breaks_an_audit(evidence: Evidence) -> None:
    word, used, moved = evidence.word, token_events.AuthorizationUsed.topic, token_events.Transfer.topic
    spam = [
        _log(evidence, STRANGER, used, word, data=b"\1", index=900),
        _log(evidence, STRANGER, moved, word, word, index=901),
        _log(evidence, STRANGER, moved, word, word, word, index=902),
        _log(evidence, STRANGER, moved, word, index=903),
        _log(evidence, evidence.tokens[0], used, word, data=b"\1", index=904),
    ]
    assert codes(judge(replace(evidence, logs=(*evidence.logs, *spam)))) == ["tokens.unwatched"]
    many = [
        _log(evidence, f"0x{n:040x}", moved, word, word, data=bytes(32), index=1_000 + n)
        for n in range(1, AUDIT_STRANGERS_MAX + 4)
    ]
    found = judge(replace(evidence, logs=(*evidence.logs, *many)))
    assert codes(found) == ["tokens.unwatched"] * (AUDIT_STRANGERS_MAX + 1)
    assert found.remarks[-1].words.startswith("3 more tokens")


def test_many_nothings_are_one_remark(evidence: Evidence) -> None:
    (coin,), word = evidence.tokens, evidence.word
    nothing = [
        _log(evidence, coin, token_events.Transfer.topic, word, bytes(32), data=bytes(32), index=900 + n)
        for n in range(5)
    ]
    found = judge(replace(evidence, logs=(*evidence.logs, *nothing)))
    assert codes(found) == ["tokens.nothing"]
    assert "5 times" in found.remarks[0].words


@pytest.mark.parametrize("is_first", [True, False])
def test_authorizations_are_paired_with_their_transfers_in_either_order(evidence: Evidence, is_first: bool) -> None:
    """Two in one transaction, as a batch of a facilitator brings them, by a token that logs its transfer first."""
    used = [log for log in evidence.logs if log.topics[0] == token_events.AuthorizationUsed.topic]
    moves = {log.transaction_hash: log for log in evidence.logs if log.topics[0] == token_events.Transfer.topic}
    rows: list[Log] = []
    for one in used:
        pair = [moves[one.transaction_hash], one]
        rows += pair if is_first else pair[::-1]
    batch = [replace(log, transaction_hash=b"\7" * 32, log_index=at) for at, log in enumerate(rows)]
    rest = [log for log in evidence.logs if log.transaction_hash not in {one.transaction_hash for one in used}]
    found = token_movements(replace(evidence, logs=tuple(sorted((*rest, *batch), key=lambda log: log.block_number))))
    tied = {one.nonce: one.amount for one in found if one.tie is Tie.AUTHORIZATION}
    assert tied == {one.topics[2]: amount for one, amount in zip(used, (90, 15), strict=True)}
    assert not [one for one in found if one.tie is Tie.NONE]


def _nonsense(log: Log) -> list[Log]:
    """Return the log with a kind of link, or a level, that there is none of, and cut short."""
    word = (99).to_bytes(32, "big")
    if log.topics[0] == ActionLogged.topic:
        other = replace(log, topics=(*log.topics[:3], word))
    else:
        other = replace(log, data=log.data[:32] + word + log.data[64:])
    return [other, replace(log, data=log.data[:-1]), replace(log, data=b""), replace(log, topics=log.topics[:2])]


@pytest.mark.parametrize("event", [ActionLogged, SessionGranted])
def test_an_event_that_no_account_makes_is_no_evidence(evidence: Evidence, event: Any) -> None:
    log = next(log for log in evidence.logs if log.topics[0] == event.topic)
    for one in _nonsense(log):
        edited: Sequence[Log] = [one if other is log else other for other in evidence.logs]
        if one == log:
            continue
        with pytest.raises(VerificationFailed, match="is none that"):
            judge(replace(evidence, logs=tuple(edited)))


def test_a_chain_that_changes_under_the_audit_is_asked_again(story: Story) -> None:
    class Shifting:
        """A provider whose last block is another one when it is asked by its number."""

        def make_request(self, method: str, params: Any) -> Any:
            answer = story.node.provider.make_request(method, params)
            if method == "eth_getBlockByNumber" and params[0] not in ("latest", "0x0"):
                return {**answer, "result": {**answer["result"], "hash": write_data(keccak(b"another"))}}
            return answer

    with pytest.raises(Unavailable) as raised:
        audit_account(Node(Shifting()), story.address)
    assert raised.value.code == "audit.reorg"


def test_who_is_no_account_has_no_audit(story: Story) -> None:
    with pytest.raises(InvalidInput):
        audit_account(story.node, STRANGER)
