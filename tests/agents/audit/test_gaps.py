"""Each kind of gap is found and named: what a node leaves out or invents, and what an account should not have done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tallystick.agents.audit import Audit, Evidence, audit_account, judge, read_evidence
from tallystick.agents.audit.evidence import CARRIED_OUT, implementation_of, is_transfer
from tallystick.agents.policy.nouns import NATIVE
from tallystick.chain.bindings import token as token_events
from tallystick.chain.bindings.policy_account import ActionLogged, DigestApproved, RoleSet, SessionGranted
from tallystick.chain.bindings.policy_queue import Approved, ItemRun, Proposed
from tallystick.chain.calls import Call, Log
from tallystick.core.digest import keccak
from tests.agents.audit.story import Story
from tests.contracts.entry_point import operation_of
from tests.contracts.policy_kit import FOREVER, Wallet, transfer_data
from tests.contracts.test_policy_signed import TRANSFER_TYPE

Edit = Callable[[Sequence[Log]], Sequence[Log]]


@pytest.fixture(scope="module")
def evidence(story: Story) -> Evidence:
    """What the chain has of the life."""
    return read_evidence(story.node, story.address)


def codes(found: Audit) -> list[str]:
    """Return what unbalances an account, each kind once."""
    assert found.is_balanced == found.report.ok == (not found.gaps)
    return list(dict.fromkeys(one.code for one in found.gaps))


def edited(evidence: Evidence, edit: Edit) -> list[str]:
    """Return the gaps once the logs are these."""
    return codes(judge(replace(evidence, logs=tuple(edit(evidence.logs)))))


def of(topic: bytes, logs: Sequence[Log]) -> list[Log]:
    """Return the logs of an event."""
    return [log for log in logs if log.topics[0] == topic]


def without(topic: bytes, index: int = 0) -> Edit:
    """Return the edit that takes one log of an event out."""
    return lambda logs: [log for log in logs if log is not of(topic, logs)[index]]


def with_other(topic: bytes, index: int, change: Callable[[Log], Log]) -> Edit:
    """Return the edit that changes one log of an event."""
    return lambda logs: [change(log) if log is of(topic, logs)[index] else log for log in logs]


def amount_in(log: Log, at: int, amount: int) -> Log:
    """Return the log with another word in its data."""
    return replace(log, data=log.data[:at] + amount.to_bytes(32, "big") + log.data[at + 32 :])


class TestLeftOut:
    """A node, or whoever hands the events on, takes some out."""

    def test_a_link_in_the_middle(self, evidence: Evidence) -> None:
        assert edited(evidence, without(ActionLogged.topic, 2)) == ["links.missing"]

    def test_the_last_link(self, evidence: Evidence) -> None:
        assert edited(evidence, without(ActionLogged.topic, -1))[:2] == ["links.count", "links.end"]

    def test_all_of_them(self, evidence: Evidence) -> None:
        found = edited(evidence, lambda logs: [log for log in logs if log.topics[0] != ActionLogged.topic])
        assert found[:2] == ["links.count", "links.end"]

    def test_a_transfer_of_a_token(self, evidence: Evidence) -> None:
        assert edited(evidence, without(token_events.Transfer.topic, 1)) == ["tokens.silent"]

    def test_an_authorization_beside_its_transfer(self, evidence: Evidence) -> None:
        assert edited(evidence, without(token_events.AuthorizationUsed.topic)) == ["tokens.unrecorded"]

    def test_an_approval_of_an_item(self, evidence: Evidence) -> None:
        assert edited(evidence, without(Approved.topic)) == ["items.approvals"]

    def test_who_made_an_approver_one(self, evidence: Evidence) -> None:
        assert edited(evidence, without(RoleSet.topic, 1)) == ["items.approver", "items.approvals"]

    def test_a_proposal_of_an_item(self, evidence: Evidence) -> None:
        assert "items.unknown" in edited(evidence, without(Proposed.topic))

    def test_the_run_of_an_item(self, evidence: Evidence) -> None:
        assert edited(evidence, without(ItemRun.topic)) == ["items.unknown"]

    def test_who_the_session_was(self, evidence: Evidence) -> None:
        assert edited(evidence, without(SessionGranted.topic))[0] == "offices.nobody"

    def test_an_operations_cost(self, evidence: Evidence) -> None:
        assert edited(evidence, without(CARRIED_OUT)) == ["deposit.balance"]


class TestInvented:
    """Events that are not the account's, or not as they were."""

    def test_a_link_with_another_amount(self, evidence: Evidence) -> None:
        edit = with_other(ActionLogged.topic, 16, lambda log: amount_in(log, 64, 119))
        assert edited(evidence, edit) == ["links.head", "tokens.unrecorded"]

    def test_links_in_another_order(self, evidence: Evidence) -> None:
        def swap(logs: Sequence[Log]) -> list[Log]:
            one, two = of(ActionLogged.topic, logs)[4:6]
            return [two if log is one else one if log is two else log for log in logs]

        assert edited(evidence, swap) == ["links.missing", "links.order"]

    def test_a_link_of_another_contract(self, evidence: Evidence, story: Story) -> None:
        edit = with_other(ActionLogged.topic, 3, lambda log: replace(log, address=story.wallet.stranger))
        assert edited(evidence, edit) == ["links.foreign", "links.missing"]

    def test_another_accounts_links(self, evidence: Evidence, story: Story) -> None:
        other = Wallet(story.world, token=story.coin)
        foreign = read_evidence(story.node, other.address)
        assert codes(judge(foreign)) == []
        mixed = edited(evidence, lambda logs: [*logs, *of(ActionLogged.topic, foreign.logs)])
        assert mixed == ["links.foreign"]

    def test_a_transfer_of_more_than_the_slot_lets(self, evidence: Evidence, story: Story) -> None:
        slot = next(n for n, log in enumerate(of(token_events.Transfer.topic, evidence.logs)) if log.data[-1] == 90)
        found = edited(evidence, with_other(token_events.Transfer.topic, slot, lambda log: amount_in(log, 0, 101)))
        assert found == ["tokens.silent", "authorizations.slot"]

    @pytest.mark.parametrize(("at", "code"), [(31, "slot"), (27, "slot"), (0, "foreign")])
    def test_an_authorization_with_another_nonce(self, evidence: Evidence, at: int, code: str) -> None:
        def other(log: Log) -> Log:
            nonce = bytearray(log.topics[2])
            nonce[at] ^= 0x40
            return replace(log, topics=(*log.topics[:2], bytes(nonce)))

        assert edited(evidence, with_other(token_events.AuthorizationUsed.topic, 0, other)) == [
            f"authorizations.{code}"
        ]

    def test_an_authorization_taken_twice(self, evidence: Evidence) -> None:
        first = of(token_events.AuthorizationUsed.topic, evidence.logs)[0].topics
        edit = with_other(token_events.AuthorizationUsed.topic, 1, lambda log: replace(log, topics=first))
        assert edited(evidence, edit) == ["authorizations.twice"]

    def test_an_account_of_other_code(self, evidence: Evidence) -> None:
        assert codes(judge(replace(evidence, implementation=b"\x60" + evidence.implementation[1:]))) == ["code.other"]
        assert implementation_of(evidence.code) is not None
        assert implementation_of(evidence.code + b"\0") is None

    @pytest.mark.parametrize("name", ["PolicyRules", "PolicyQueue", "PolicyChanges", "PolicyRelay"])
    def test_an_account_that_leans_on_other_code(self, evidence: Evidence, name: str) -> None:
        """Rules, a queue or a relay of somebody's own could let anything pass and log whatever looks well."""
        address, code = evidence.others[name]
        other = {**evidence.others, name: (address, code + b"\0")}
        found = judge(replace(evidence, others=other))
        assert codes(found) == ["code.companion"]
        assert f"not this release's {name}" in found.gaps[0].words

    def test_an_account_whose_code_names_other_contracts(self, evidence: Evidence, story: Story) -> None:
        address, code = evidence.others["PolicyRelay"]
        other = {**evidence.others, "PolicyRelay": (story.wallet.stranger, code)}
        assert codes(judge(replace(evidence, others=other))) == ["code.other"]
        assert address != story.wallet.stranger
        assert codes(judge(replace(evidence, entry_point=story.wallet.stranger)))[0] == "code.other"

    def test_a_block_with_less_coin_than_the_links_leave(self, evidence: Evidence) -> None:
        block = max(block for block in evidence.coin if evidence.coin[block] > 0)
        less = {number: held - (number == block) for number, held in evidence.coin.items()}
        found = judge(replace(evidence, coin=less))
        assert codes(found) == ["coin.unrecorded"]
        assert "1 wei went out" in found.gaps[0].words

    def test_an_item_that_ran_before_its_time(self, evidence: Evidence) -> None:
        run = of(ItemRun.topic, evidence.logs)[0].block_number
        early = {block: at - 3 * 3_600 * (block == run) for block, at in evidence.times.items()}
        assert codes(judge(replace(evidence, times=early))) == ["items.time"]


class TestDone:
    """What really happens to an account outside of its links."""

    def test_a_token_taken_by_an_allowance_that_outlived_its_call(self, story: Story) -> None:
        wallet = Wallet(story.world, token=story.coin)
        approve = keccak(b"approve(address,uint256)")[:4] + bytes(12) + bytes.fromhex(wallet.stranger[2:])
        call = wallet.account.owner_execute(
            story.coin.address, 0, approve + (9).to_bytes(32, "big"), bytes(32), value=0
        )
        wallet.send(call, wallet.owner)
        assert codes(audit_account(story.node, wallet.address)) == []
        wallet.send(story.coin.transfer_from(wallet.address, wallet.stranger, 9), wallet.stranger)
        found = audit_account(story.node, wallet.address)
        assert codes(found) == ["tokens.unrecorded"]
        assert found.sheets[1].silent == 0

    def test_many_acts_in_one_transaction_are_told_apart(self, story: Story) -> None:
        fresh = Story(story.ledger, story.blobs)
        wallet, entry = fresh.wallet, fresh.entry
        wallet.fund(10**10)
        made = [
            operation_of(wallet, entry, fresh.coin.address, transfer_data(wallet.payee, amount), lane=lane)
            for lane, amount in enumerate((30, 500, 31, 1_000_000))
        ]
        wallet.send(entry.handle(made, wallet.stranger), wallet.stranger)
        found = audit_account(story.node, fresh.address)
        assert codes(found) == []
        paid = [(one.amount, one.seq - found.links[-4].event.seq) for one in found.movements if one.token != NATIVE]
        assert paid[1:] == [(30, 0), (500, 1), (31, 2)]
        assert [link.reason for link in found.links[-4:]] == ["", "", "", "rules: over the cap"]
        assert found.deposit is not None
        assert found.deposit.closing == entry.deposit_of(fresh.address) > 0

    def test_nothing_taken_by_anybody_is_told_and_no_gap(self, story: Story) -> None:
        wallet = Wallet(story.world, token=story.coin)
        wallet.send(story.coin.transfer_from(wallet.address, wallet.stranger, 0), wallet.stranger)
        found = audit_account(story.node, wallet.address)
        assert found.is_balanced
        assert [one.code for one in found.remarks] == ["tokens.nothing"]

    def test_a_token_that_moves_by_itself(self, story: Story) -> None:
        wallet = Wallet(story.world, kind="rebasing")
        wallet.pay(10)
        assert codes(audit_account(story.node, wallet.address, tokens=[wallet.token.address])) == []
        wallet.send(wallet.token.call("rebase(uint256,uint256)", 1, 2), wallet.stranger)
        found = audit_account(story.node, wallet.address)
        assert codes(found) == ["tokens.silent"]
        assert found.sheets[1].silent < 0

    def test_coin_that_comes_without_an_event_is_told_and_no_gap(self, story: Story) -> None:
        wallet = Wallet(story.world, token=story.coin)
        bomb = b"\x73" + bytes.fromhex(wallet.address[2:]) + b"\xff"  # ends itself and leaves its coin to the account
        wallet.send(Call(None, bomb, 7), wallet.stranger)
        wallet.fund(5)
        found = audit_account(story.node, wallet.address)
        assert found.is_balanced
        assert [one.code for one in found.remarks] == ["coin.silent"]
        assert (found.sheets[0].token, found.sheets[0].came_in, found.sheets[0].closing) == (NATIVE, 12, 12)

    def test_an_authorization_that_the_owner_approved(self, story: Story) -> None:
        wallet = Wallet(story.world, token=story.coin)
        values = (wallet.address, wallet.stranger, 33, 0, FOREVER, b"\x07" * 32)
        words = [part if isinstance(part, bytes) else bytes.fromhex(part[2:]) if isinstance(part, str) else
                 part.to_bytes(32, "big") for part in values]  # fmt: skip
        message = keccak(TRANSFER_TYPE + b"".join(word.rjust(32, b"\0") for word in words))
        digest = keccak(b"\x19\x01" + story.coin.token.domain_separator() + message)
        wallet.send(wallet.account.approve_digest(digest, wallet.now() + 3_600), wallet.owner)
        wallet.send(story.coin.token.transfer_with_authorization_bytes(*values, b"by the owner"), wallet.stranger)
        evidence = read_evidence(story.node, wallet.address)
        assert codes(judge(evidence)) == []
        assert edited(evidence, without(DigestApproved.topic)) == ["authorizations.foreign"]


def test_only_erc20_transfers_count(evidence: Evidence) -> None:
    (log, *_) = of(token_events.Transfer.topic, evidence.logs)
    assert is_transfer(log)
    assert not is_transfer(replace(log, topics=(*log.topics, bytes(32)), data=b""))
