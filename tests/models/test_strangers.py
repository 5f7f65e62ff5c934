"""What strangers and former owners can do to a publisher on a public chain, and what that is worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.errors import InvalidInput, Rejected
from tallystick.models.evidence import Evidence, load_record, to_recorded
from tallystick.models.register import Training
from tests.models.story import ENVIRONMENT, Crash, Desk, crashing, write_version

PLAIN = Training(environment=ENVIRONMENT)


def _stranger(desk: Desk) -> tuple[Desk, int]:
    """Return another account with a key in charge and a model of its own."""
    other = desk.other(2)
    other.registrar.rotate_key(other.signer.public_key().public_bytes_raw())
    return other, other.registrar.register("mine")


def test_a_digest_that_a_stranger_registers_first_holds_nobody_up(desk: Desk, tmp_path: Path) -> None:
    model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
    with pytest.raises(Crash):  # the evidence is public, the transaction not yet sent
        crashing(desk, "draft.before").add_version(model, folder, desk.signer, PLAIN)
    [envelope] = (desk.folder / "blobs" / "statements").iterdir()
    digest = bytes.fromhex(envelope.name.split(".")[0])
    other, squat = _stranger(desk)
    call = other.registrar.registry.add_version(
        squat, 1, [], digest, to_recorded(Evidence(desk.blobs, digest).statement.roots), 0
    )
    other.outbox.send_and_wait(call, key="squat")
    added = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
    again = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
    assert (added.seq, added.is_new, again.is_new, again.statement) == (1, True, False, added.statement)
    assert added.statement != digest
    assert desk.audit(model).ok
    assert {f"{squat}@1 signature", f"{squat}@1 place"} <= {check.name for check in desk.audit(squat).failures}


def test_a_digest_that_nobody_took_needs_no_salt(desk: Desk, tmp_path: Path) -> None:
    model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
    added = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
    assert Evidence(desk.blobs, added.statement).statement.salt == ""
    assert b'"salt"' not in Evidence(desk.blobs, added.statement).payload


def test_a_buyer_inherits_neither_key_nor_delegate(desk: Desk, tmp_path: Path) -> None:
    model, registry = desk.registrar.register("m"), desk.registrar.registry
    desk.registrar.add_version(model, write_version(tmp_path / "v", 1), desk.signer, PLAIN)
    other, _ = _stranger(desk)
    helper = desk.other(3)
    helper.registrar.rotate_key(helper.signer.public_key().public_bytes_raw())
    desk.registrar.set_delegate(model, helper.registrar.account, allowed=True)
    for _ in range(2):
        desk.registrar.transfer(model, other.registrar.account)
    assert registry.model(model).transfers == 1
    folder = write_version(tmp_path / "w", 2)
    for former in (desk, helper):
        with pytest.raises(Rejected) as caught:
            former.registrar.add_version(model, folder, former.signer, PLAIN)
        assert caught.value.code == "roles: not owner or delegate"
    with pytest.raises(InvalidInput) as refused:
        other.registrar.add_version(model, folder, desk.signer, PLAIN)
    assert refused.value.code == "register.key"
    added = other.registrar.add_version(model, folder, other.signer, PLAIN)
    signers = [load_record(registry, model, seq).version.signer for seq in (1, added.seq)]
    assert signers == [desk.registrar.account, other.registrar.account]
    assert desk.audit(model).ok


def test_a_key_that_would_bind_nobody_is_not_put_in_charge(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.registrar.rotate_key(b"\x01" + bytes(31))
    assert caught.value.code == "ed25519.weak"
    assert desk.registrar.registry.key_count(desk.registrar.account) == 1


@pytest.mark.parametrize("channel", ["Production", "", "1", "a b", "x" * 33, "é"])
def test_a_channel_that_no_reference_could_name_is_refused(desk: Desk, tmp_path: Path, channel: str) -> None:
    model = desk.registrar.register("m")
    desk.registrar.add_version(model, write_version(tmp_path / "v", 1), desk.signer, PLAIN)
    with pytest.raises(InvalidInput) as caught:
        desk.registrar.release(model, channel, 1)
    assert caught.value.code == "model.channel"
