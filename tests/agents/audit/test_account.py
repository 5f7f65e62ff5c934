"""An account's whole life adds up to the last unit, link by link and record by record, on what the chain alone has."""

from __future__ import annotations

import json

import pytest

from tallystick.agents.audit import Audit, audit_account
from tallystick.agents.audit.findings import Tie
from tallystick.agents.policy.nouns import NATIVE, LinkKind
from tests.agents.audit.story import Story


@pytest.fixture(scope="module")
def found(story: Story) -> Audit:
    """The audit with everything that there is to look at."""
    return audit_account(story.node, story.address, intents=story.intents, records=story.records, is_proven=True)


def test_a_whole_life_adds_up(found: Audit) -> None:
    assert found.gaps == ()
    assert found.is_balanced
    assert found.report.ok
    assert [one.name for one in found.report.checks] == [
        "node", "code", "links", "offices", "items", "tokens", "coin", "deposit", "authorizations", "intents",
    ]  # fmt: skip


def test_every_token_is_reconciled_to_the_last_unit(found: Audit, story: Story) -> None:
    native, coin = found.sheets
    assert (native.token, native.opening, native.came_in, native.closing) == (NATIVE, 0, 10**16 + 5, 0)
    assert (coin.token, coin.opening, coin.came_in, coin.went_out, coin.closing) == (
        story.coin.address,
        0,
        10**6,
        10**6,
        0,
    )
    assert native.silent == coin.silent == 0


def test_every_outflow_belongs_to_one_thing(found: Audit, story: Story) -> None:
    kinds = {link.event.seq: link.kind for link in found.links}
    outs = [(one.tie, kinds.get(one.seq), one.amount) for one in found.movements if one.is_out and one.token != NATIVE]
    assert outs == [
        (Tie.LINK, LinkKind.CALL, 120), (Tie.LINK, LinkKind.SIGNED_CALL, 70), (Tie.LINK, LinkKind.CALL, 50),
        (Tie.LINK, LinkKind.QUEUE_ITEM, 700), (Tie.LINK, LinkKind.USER_OPERATION, 30),
        (Tie.AUTHORIZATION, None, 90), (Tie.AUTHORIZATION, None, 15), (Tie.LINK, LinkKind.OWNER_CALL, 11),
        (Tie.LINK, LinkKind.SWEEP, 10**6 - 1_086),
    ]  # fmt: skip
    coins = [(one.tie, one.amount) for one in found.movements if one.is_out and one.token == NATIVE]
    assert coins[1] == (Tie.LINK, 10**9)
    assert coins[0][0] is Tie.GAS
    assert coins[0][1] + coins[1][1] + coins[2][1] == 10**16 + 5


def test_gas_is_reconciled_with_what_the_entry_point_keeps(found: Audit, story: Story) -> None:
    deposit = found.deposit
    assert deposit is not None
    assert deposit.opening + deposit.came_in - deposit.cost == deposit.closing == story.entry.deposit_of(story.address)
    assert deposit.cost > 0


def test_every_act_has_its_record_and_who_decided(found: Audit, story: Story) -> None:
    assert len(found.reasons) == len(story.records) == 9
    assert all(one.policy == one.record.intent.policy for one in found.reasons)
    assert not found.remarks
    (item,) = found.items
    assert item.is_approved
    assert set(item.approvers) == set(story.wallet.approvers)
    refused = [link for link in found.links if not link.event.result]
    assert [link.reason for link in refused] == ["payees: not allowed"]


def test_totals_are_per_session_and_counterparty(found: Audit, story: Story) -> None:
    totals, wallet, coin = found.totals(), story.wallet, story.coin.address
    assert totals["sessions"][wallet.session][coin] == 120 + 70 + 50 + 700 + 30 + 90 + 15
    assert totals["sessions"][""][coin] == 10**6 - 1_075
    assert totals["counterparties"][wallet.payee] == {coin: 120 + 70 + 30 + 90 + 15, NATIVE: 10**9}


def test_it_is_one_json_document(found: Audit) -> None:
    told = json.loads(json.dumps(found.to_dict()))
    assert told["balanced"] is True
    assert {len(told[name]) for name in ("links", "reasons", "items")} == {len(found.links), 9, 1}


def test_an_audit_of_the_past_is_of_the_past(story: Story, found: Audit) -> None:
    frozen = next(link for link in found.links if link.kind is LinkKind.FREEZE)
    past = audit_account(story.node, story.address, last=frozen.place[0] - 1)
    assert past.is_balanced
    assert past.links == found.links[: frozen.event.seq - 1]
    assert past.sheets[1].closing == 10**6 - 1_086
