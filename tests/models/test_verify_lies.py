"""A publisher who lies on a real chain: the contract takes what it cannot know, and the audit says what is untrue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.chain.abi import encode_call
from tallystick.chain.calls import Call
from tallystick.contracts import Kind
from tallystick.core import dsse
from tallystick.core.digest import sha256
from tallystick.core.manifest import FileEntry, Manifest
from tallystick.models.register import Training
from tallystick.models.statement import CodeClaim, Listing, VersionStatement
from tests.models.liar import Liar, flagged
from tests.models.story import write_version

FALSE = bytes([7]) * 32


def test_a_true_second_version_passes(liar: Liar) -> None:
    liar.record(liar.second())
    assert liar.failures() == set()


def _data(statement: VersionStatement, **changes: object) -> VersionStatement:
    assert statement.data is not None
    return replace(statement, data=replace(statement.data, **changes))  # type: ignore[arg-type]


# What the second statement says untruly, while chain and statement agree; and the checks that must fail.
LIES: dict[str, tuple[Callable[[VersionStatement], VersionStatement], set[str]]] = {
    "for another number": (lambda s: replace(s, place=replace(s.place, seq=3)), {"place"}),
    "for another model": (lambda s: replace(s, place=replace(s.place, model_id=9)), {"place"}),
    "for another chain": (lambda s: replace(s, place=replace(s.place, chain_id=1)), {"place"}),
    "for another registry": (lambda s: replace(s, place=replace(s.place, registry=s.place.signer)), {"place"}),
    "in another's name": (lambda s: replace(s, place=replace(s.place, signer=s.place.registry)), {"place"}),
    "under another name": (lambda s: replace(s, name="n"), {"place"}),
    "manifest root": (lambda s: replace(s, manifest_root=FALSE), {"manifest", "manifest root"}),
    "number of files": (lambda s: replace(s, manifest=replace(s.manifest, count=9)), {"manifest"}),
    "manifest that is not there": (
        lambda s: replace(s, manifest=Listing(5, FALSE)), {"manifest", "files"},
    ),
    "parameter root": (lambda s: replace(s, parameter_root=FALSE), {"parameter root"}),
    "number of tensors": (
        lambda s: replace(s, tensors=s.tensors and replace(s.tensors, count=9)), {"parameter root"},
    ),
    "no parameter root": (
        lambda s: replace(s, parameter_root=None, tensors=None),
        {"tensor first.bias", "tensor first.weight", "tensor last.weight", "parameter root"},
    ),
    "list of tensors that is not there": (lambda s: replace(s, tensors=Listing(3, FALSE)), {"tensor list"}),
    "architecture root": (
        lambda s: replace(s, architecture_root=FALSE), {"architecture document", "architecture root"},
    ),
    "code that is not there": (lambda s: replace(s, code=CodeClaim(FALSE, "file")), {"code"}),
    "code folder that is not there": (lambda s: replace(s, code=CodeClaim(FALSE, "manifest")), {"code"}),
    "hidden pickle": (lambda s: replace(s, opaque=()), {"opaque files"}),
    "data root": (lambda s: _data(s, root=FALSE), {"data root", "data history"}),
    "size of data": (lambda s: _data(s, size=8), {"data root", "data history"}),
    "data document that is not there": (lambda s: _data(s, document=FALSE), {"data document"}),
    "no data before": (lambda s: _data(s, relation="first", path=()), {"data history"}),
    "same data": (lambda s: _data(s, relation="same", path=()), {"data history"}),
    "growth without proof": (lambda s: _data(s, path=()), {"data history"}),
    "growth with a false proof": (lambda s: _data(s, path=(FALSE, FALSE)), {"data history"}),
    "restart that is none": (lambda s: _data(s, relation="restarted", path=(), reason="why"), {"data history"}),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_what_chain_and_statement_both_say_untruly_is_found_in_the_evidence(liar: Liar, lie: str) -> None:
    tell, expected = LIES[lie]
    liar.record(flagged(tell(liar.second()), liar))
    assert liar.failures() == expected


def test_a_replacement_of_the_data_is_believed_and_shown(liar: Liar) -> None:
    liar.record(_data(liar.second(), relation="replaced", path=(), reason="another hospital"))
    assert liar.failures() == set()
    details = [check.detail for check in liar.desk.audit(liar.model).checks if check.name.endswith("data history")]
    assert "another hospital" in details[-1]


def test_a_statement_that_a_stranger_signed_is_refused(liar: Liar) -> None:
    statement = liar.second()
    liar.record(statement, envelope=statement.sign(Ed25519PrivateKey.generate()))
    assert liar.failures() == {"signature"}


def test_an_envelope_of_another_type_is_refused(liar: Liar) -> None:
    statement = liar.second()
    liar.record(statement, envelope=dsse.sign("text/plain", statement.to_bytes(), liar.desk.signer))
    assert liar.failures() == {"envelope"}


def test_a_payload_that_is_no_statement_is_refused(liar: Liar) -> None:
    envelope = dsse.sign("application/vnd.in-toto+json", b'{"hello":"world"}', liar.desk.signer)
    liar.record(liar.second(), envelope=envelope)
    assert liar.failures() == {"statement"}


@pytest.mark.parametrize("part", ["manifest", "architecture", "parameters", "data", "code"])
def test_a_chain_that_holds_other_roots_than_were_signed_is_found(liar: Liar, part: str) -> None:
    statement = liar.second()
    liar.record(statement, roots=replace(statement.roots, **{part: FALSE}))
    assert "statement roots" in liar.failures()


def test_kinds_that_the_statement_does_not_say_are_found(liar: Liar) -> None:
    statement = liar.second()
    liar.record(statement, kinds=statement.kinds | Kind.METADATA)
    assert liar.failures() == {"statement kinds"}


def test_parents_that_the_statement_does_not_say_are_found(liar: Liar) -> None:
    statement = liar.second()
    envelope = replace(statement, parents=()).sign(liar.desk.signer)
    liar.record(statement, envelope=envelope)
    assert liar.failures() == {"statement parents"}


def test_a_revoked_version_that_is_still_released_is_found(liar: Liar) -> None:
    liar.record(liar.second())
    liar.desk.registrar.release(liar.model, "production", 2)
    liar.desk.registrar.set_status(liar.model, 2, "revoked", "wrong labels")
    report = liar.desk.audit(liar.model)
    assert {check.name for check in report.failures} == {f"{liar.model} release 'production' status"}
    liar.desk.registrar.release(liar.model, "production", 1)
    assert liar.desk.audit(liar.model).ok


def test_code_whose_files_have_other_sizes_than_listed_is_found(liar: Liar) -> None:
    code = Manifest.of([FileEntry("train.py", 9, liar.desk.blobs.put(b"a = 1"))])
    claim = CodeClaim(liar.desk.blobs.put(code.to_bytes()), "manifest")
    liar.record(flagged(replace(liar.second(), code=claim), liar))
    assert liar.failures() == {"code train.py"}


def test_a_statement_that_says_more_than_we_read_is_refused(liar: Liar) -> None:
    statement = liar.second()
    payload = statement.to_bytes().replace(b'"digest":{', b'"digest":{"md5":"' + b"0" * 32 + b'",')
    liar.record(statement, envelope=dsse.sign("application/vnd.in-toto+json", payload, liar.desk.signer))
    assert liar.failures() == {"statement"}


def test_an_ancestor_that_is_not_what_its_signer_bound_is_named(liar: Liar) -> None:
    second = liar.second()
    false = replace(second, place=replace(second.place, seq=9))
    liar.record(false)
    third = liar.honest(3, (sha256(false.to_bytes()),), second)
    liar.record(third, kinds=third.kinds)
    names = {check.name for check in liar.desk.audit(liar.model).failures}
    assert names == {f"{liar.model}@2 place", f"{liar.model}@3 parents {third.parents[0].hex()}"}


def test_an_ancestor_whose_signature_is_lost_is_named(liar: Liar) -> None:
    liar.record(liar.second())
    first = sha256(liar.first.to_bytes())
    (liar.desk.folder / "blobs" / "statements" / f"{first.hex()}.dsse.json").unlink()
    failures = {check.name for check in liar.desk.audit(liar.model).failures}
    assert failures == {f"{liar.model}@1 envelope", f"{liar.model}@2 parents {first.hex()}"}


def test_a_name_or_channel_that_is_no_text_stops_no_audit(liar: Liar, tmp_path: Path) -> None:
    desk, registry = liar.desk, liar.desk.registrar.registry
    data = encode_call("3ffbd47f", ("bytes", "bytes"), (b"\xff" * 64, b""))
    desk.outbox.send_and_wait(Call(registry.address, data), key="odd name")
    model = registry.model_count()
    desk.registrar.add_version(model, write_version(tmp_path / "odd", 5), desk.signer, Training())
    assert desk.audit(model).ok
    data = encode_call("6a9c4125", ("uint256", "bytes", "uint32"), (model, b"\xff" * 32, 1))
    desk.outbox.send_and_wait(Call(registry.address, data), key="odd channel")
    [failure] = desk.audit(model).failures
    assert failure.name.startswith(f"{model} release ")
