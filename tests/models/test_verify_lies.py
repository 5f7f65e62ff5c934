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
from tallystick.models import dataset
from tallystick.models.dataset import Dataset
from tallystick.models.evidence import to_recorded
from tallystick.models.formats.folder import inspect
from tallystick.models.keeping import keep_content, keep_data, keep_envelope, listing_of
from tallystick.models.register import Training
from tallystick.models.roots import UNCHANGED, Roots
from tallystick.models.statement import CodeClaim, DataClaim, Listing, Place, VersionStatement
from tests.models.story import Desk, table, write_version

ZERO = bytes(32)
FALSE = bytes([7]) * 32


class Liar:
    """Publishes two versions by hand, so that any part of the second can be untrue."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.model = desk.registrar.register("m")
        self.folder = folder
        self.log = dataset.create(folder / "log").append(table(0, 6))
        self.first = self.honest(1, (), None)
        self.record(self.first)
        self.log = self.log.append(table(6, 9))

    def honest(self, seq: int, parents: tuple[bytes, ...], parent: VersionStatement | None) -> VersionStatement:
        """Return a true statement of version `seq`, its evidence kept."""
        made = write_version(self.folder / f"v{seq}", seq)
        (made / "old.pkl").write_bytes(b"\x80\x04.")
        content = inspect(made)
        keep_content(self.desk.blobs, made, content)
        keep_data(self.desk.blobs, self.log, publish_rows=True)
        manifest, tensors = listing_of(content)
        statement = VersionStatement(
            name="m",
            place=Place(self.desk.node.chain_id, self.desk.registry, self.model, seq, self.desk.registrar.account),
            manifest_root=content.manifest.root,
            manifest=manifest,
            architecture_root=content.architecture.root,
            parameter_root=content.tensors.root,
            tensors=tensors,
            data=_claim(self.log, None if parent is None else parent.data),
            opaque=content.opaque,
            parents=parents,
        )
        kinds = UNCHANGED if parent is None else statement.roots.changed_from(parent.roots)
        return replace(statement, kinds=kinds)

    def second(self) -> VersionStatement:
        """Return a true second statement."""
        return self.honest(2, (sha256(self.first.to_bytes()),), self.first)

    def record(
        self,
        statement: VersionStatement,
        *,
        envelope: dsse.Envelope | None = None,
        roots: Roots | None = None,
        kinds: Kind | None = None,
    ) -> None:
        """Put a statement on the chain, true or not."""
        envelope = envelope or statement.sign(self.desk.signer)
        keep_envelope(self.desk.blobs, envelope)
        seq = self.desk.registrar.registry.version_count(self.model) + 1
        roots = roots or statement.roots
        if kinds is None:
            kinds = statement.kinds if seq == 1 else roots.changed_from(self.first.roots)
            kinds |= statement.kinds & Kind.METADATA
        call = self.desk.registrar.registry.add_version(
            self.model, seq, statement.parents, envelope.digest, to_recorded(roots), kinds
        )
        self.desk.outbox.send_and_wait(call, key=f"lie {seq}")

    def failures(self) -> set[str]:
        """Return which checks of the second version fail; the first is true."""
        report = self.desk.audit(self.model)
        failures = {check.name for check in report.failures}
        assert all(name.startswith(f"{self.model}@2 ") for name in failures)
        return {name.split(" ", 1)[1] for name in failures}


def _claim(log: Dataset, old: DataClaim | None) -> DataClaim:
    document = sha256(log.document.to_bytes())
    if old is None:
        return DataClaim(log.root, log.size, document, True, "first")
    return DataClaim(log.root, log.size, document, True, "grown", tuple(log.consistency_path(old.size)))


@pytest.fixture
def liar(desk: Desk, tmp_path: Path) -> Liar:
    """A publisher with one true version on the chain."""
    return Liar(desk, tmp_path / "lies")


def test_a_true_second_version_passes(liar: Liar) -> None:
    liar.record(liar.second())
    assert liar.failures() == set()


def _data(statement: VersionStatement, **changes: object) -> VersionStatement:
    assert statement.data is not None
    return replace(statement, data=replace(statement.data, **changes))  # type: ignore[arg-type]


def _flagged(statement: VersionStatement, liar: Liar) -> VersionStatement:
    return replace(statement, kinds=statement.roots.changed_from(liar.first.roots))


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
    liar.record(_flagged(tell(liar.second()), liar))
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
