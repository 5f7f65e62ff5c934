"""What acts were for: a record that is missing, changed, another's, or that led to nothing is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.agents.audit import Audit, Evidence, judge, read_evidence
from tallystick.agents.audit.records import Records
from tallystick.agents.intents import Intent, Payment
from tallystick.agents.intents_signed import SignedIntent
from tallystick.store.blobs import BlobStore
from tests.agents.audit.story import Story
from tests.contracts.policy_kit import HOUR
from tests.contracts.test_policy_signed import delegation

CALL, SLOT = 0, 6  # of the story's records: the first payment, the first slot


@pytest.fixture(scope="module")
def evidence(story: Story) -> Evidence:
    """What the chain has of the life."""
    return read_evidence(story.node, story.address)


def told(evidence: Evidence, records: Sequence[SignedIntent]) -> Audit:
    """Return the audit with only these records."""
    return judge(evidence, Records.of(None, records))


def codes(found: Audit) -> list[str]:
    """Return gaps, then remarks."""
    return [one.code for one in (*found.gaps, *found.remarks)]


def other(record: SignedIntent, story: Story, **changes: object) -> SignedIntent:
    """Return the record with changes, signed anew by the session."""
    intent: Intent = replace(record.intent, **changes)  # type: ignore[arg-type]
    return SignedIntent.sign(intent, story.ledger.secrets[story.wallet.session])


def test_the_records_alone_are_enough(evidence: Evidence, story: Story) -> None:
    assert codes(told(evidence, story.records)) == []


def test_without_any_records_reasons_are_not_looked_at(evidence: Evidence) -> None:
    assert "intents" not in [one.name for one in judge(evidence).report.checks]


@pytest.mark.parametrize("index", [CALL, SLOT])
def test_an_act_without_a_record_is_a_gap(evidence: Evidence, story: Story, index: int) -> None:
    rest = [one for number, one in enumerate(story.records) if number != index]
    assert codes(told(evidence, rest)) == ["intents.missing"]


def test_a_store_alone_has_no_record_for_slots(evidence: Evidence, story: Story) -> None:
    found = judge(evidence, Records.of(story.intents, ()))
    assert codes(found) == ["intents.missing"] * 2
    assert all("and no record says what for" in one.words for one in found.gaps)


def test_a_record_that_was_kept_for_a_nonce_explains_its_authorization(story: Story) -> None:
    fresh = Story(story.ledger, story.blobs)
    wallet = fresh.wallet
    wallet.wait(HOUR - wallet.now() % HOUR + 1)
    for slot, (meant, paid) in enumerate(((40, 40), (41, 42))):
        fresh.meant(wallet.payee, meant)
        nonce = fresh.world.relay.slot_nonce(wallet.session, wallet.now() // HOUR, slot)
        fresh.intents.keep_for(fresh.records[-1], fresh.coin.address, nonce)
        fresh.pay_slot(paid, slot, is_meant=False)
    found = judge(read_evidence(fresh.node, fresh.address), Records.of(fresh.intents, ()))
    assert [one.record.intent.payment.amount for one in found.reasons if one.record.intent.payment] == [40]
    assert [one.code for one in found.gaps] == ["intents.contradicts"]
    assert "its record speaks of something else" in found.gaps[0].words


def test_a_delegation_is_explained_by_a_record_of_at_least_as_much(story: Story) -> None:
    fresh = Story(story.ledger, story.blobs)
    wallet = fresh.wallet
    wallet.send(delegation(wallet, 100, 90, nonce=1)[0], wallet.stranger)
    assert [(one.code, one.is_gap) for one in fresh.audit().findings] == [("intents.missing", True)]
    fresh.meant(wallet.payee, 89)
    assert [one.code for one in fresh.audit().findings] == ["intents.missing", "intents.orphan"]
    fresh.meant(wallet.payee, 100, created_at=wallet.now())
    assert [one.code for one in fresh.audit().findings] == ["intents.orphan"]
    assert fresh.audit().is_balanced


def test_a_session_goes_on_under_another_key_and_its_acts_are_its_own(story: Story) -> None:
    fresh = Story(story.ledger, story.blobs)
    wallet = fresh.wallet
    fresh.pay(10)
    wallet.send(wallet.account.rotate_session(wallet.session, story.ledger.accounts[7]), wallet.owner)
    wallet.session = story.ledger.accounts[7]
    fresh.pay(20)
    found = fresh.audit()
    assert found.findings == ()
    assert set(found.totals()["sessions"]) == {story.wallet.session, wallet.session}
    assert any("put session 2 in the place of session 1" in one.words for one in found.timeline)


def test_an_altered_record_is_no_longer_the_one_on_chain(evidence: Evidence, story: Story) -> None:
    records = [other(story.records[CALL], story, purpose="something harmless"), *story.records[1:]]
    assert codes(told(evidence, records)) == ["intents.missing", "intents.orphan"]


def test_a_slot_is_not_explained_by_a_record_of_another_amount_or_payee(evidence: Evidence, story: Story) -> None:
    record = story.records[SLOT]
    paid = record.intent.payment
    assert paid is not None
    for payment in (replace(paid, amount=paid.amount + 1), replace(paid, payee=story.wallet.stranger)):
        records = [other(one, story, payment=payment) if one is record else one for one in story.records]
        assert codes(told(evidence, records)) == ["intents.missing", "intents.orphan"]


def test_a_record_that_another_key_signed_contradicts(evidence: Evidence, story: Story) -> None:
    forged = [replace(one, signature=story.records[SLOT].signature) for one in story.records[:1]]
    assert codes(told(evidence, [*forged, *story.records[1:]])) == ["intents.contradicts"]
    foreign = [replace(one, signature=story.records[CALL].signature) for one in story.records[SLOT : SLOT + 1]]
    rest = [one for one in story.records if one is not story.records[SLOT]]
    assert codes(told(evidence, [*rest, *foreign])) == ["intents.missing", "intents.orphan"]


def test_acts_that_did_something_else_than_their_records_say(story: Story) -> None:
    fresh = Story(story.ledger, story.blobs)
    wallet = fresh.wallet
    modest = fresh.meant(wallet.payee, 10)
    elsewhere = fresh.meant(wallet.stranger, 20)
    known = fresh.meant(wallet.payee, 30, policy=b"\x05" * 32)
    for amount, intent in ((11, modest), (20, elsewhere), (30, known), (1, bytes(32)), (3, known)):
        fresh.execute(fresh.coin.address, 0, fresh.paying(wallet.payee, amount), intent)
    fresh.meant(wallet.payee, 1, purpose="never done", payment=Payment(wallet.payee, fresh.coin.address, 1))
    found = fresh.audit()
    assert [(one.code, one.seq - found.gaps[0].seq) for one in found.gaps] == [
        ("intents.contradicts", 0), ("intents.contradicts", 1), ("intents.unstated", 3),
        ("intents.twice", 4),
    ]  # fmt: skip
    assert f"11 of {fresh.coin.address}" in found.gaps[0].words
    assert [one.code for one in found.remarks] == ["intents.orphan", "intents.policy", "intents.policy"]


def test_no_record_is_for_two_payments(story: Story) -> None:
    """One record kept for two nonces, or for a nonce and a link, explains one of them."""
    fresh = Story(story.ledger, story.blobs)
    wallet = fresh.wallet
    wallet.wait(HOUR - wallet.now() % HOUR + 1)
    fresh.pay(40)
    for slot in range(2):
        nonce = fresh.world.relay.slot_nonce(wallet.session, wallet.now() // HOUR, slot)
        fresh.intents.keep_for(fresh.records[0], fresh.coin.address, nonce)
        fresh.pay_slot(40, slot, is_meant=False)
    found = judge(read_evidence(fresh.node, fresh.address), Records.of(fresh.intents, ()))
    assert [one.code for one in found.findings] == ["intents.twice", "intents.twice"]
    assert all(one.words.startswith("link ") for one in found.gaps)


def test_a_forged_copy_beside_the_true_record_changes_nothing(evidence: Evidence, story: Story) -> None:
    forged = replace(story.records[CALL], signature=story.records[SLOT].signature)
    for records in ([*story.records, forged], [forged, *story.records]):
        assert codes(told(evidence, records)) == []
    assert codes(judge(evidence, Records.of(story.intents, [forged, *story.records[1:]]))) == []


def test_records_of_other_wallets_say_nothing_about_this_one(evidence: Evidence, story: Story) -> None:
    record = story.records[CALL]
    elsewhere = [
        other(record, story, account=story.wallet.stranger),
        other(record, story, chain_id=record.intent.chain_id + 1),
    ]
    assert codes(told(evidence, [*story.records, *elsewhere])) == []


def test_a_record_written_after_the_act_is_late(story: Story) -> None:
    fresh = Story(story.ledger, story.blobs)
    for ahead in (60, 3_600):
        late = fresh.meant(fresh.wallet.payee, 5, created_at=fresh.wallet.now() + ahead)
        fresh.execute(fresh.coin.address, 0, fresh.paying(fresh.wallet.payee, 5), late)
    found = fresh.audit()
    assert [(one.code, one.seq - found.links[-1].event.seq) for one in found.findings] == [("intents.late", 0)]


def test_a_delegation_takes_no_record_that_another_payment_needs(story: Story) -> None:
    """Listed in the order that misleads: the greater first, and the one that a slot needs among them."""
    fresh = Story(story.ledger, story.blobs)
    wallet = fresh.wallet
    wallet.wait(HOUR - wallet.now() % HOUR + 1)
    for amount in (95, 90, 80):
        fresh.meant(wallet.payee, amount)
    for nonce, (most, amount) in enumerate(((100, 80), (100, 93))):
        wallet.send(delegation(wallet, most, amount, nonce=nonce)[0], wallet.stranger)
    fresh.pay_slot(90, 0, is_meant=False)
    assert fresh.audit().findings == ()


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_store_that_lost_a_record_says_so(story: Story, tmp_path: Path, damage: str) -> None:
    fresh = Story(story.ledger, BlobStore(str(tmp_path)))
    fresh.pay(10)
    intent_hash = fresh.records[0].intent.hash()
    paths = [one for one in tmp_path.rglob("*") if one.is_file() and intent_hash.hex() in str(one).replace("/", "")]
    assert paths
    for one in paths:
        one.chmod(0o600)
        one.write_bytes(one.read_bytes()[:-1]) if damage == "cut" else one.unlink()
    found = judge(read_evidence(fresh.node, fresh.address), Records.of(fresh.intents, ()))
    assert [one.code for one in found.findings] == ["intents.damaged" if damage == "cut" else "intents.missing"]
