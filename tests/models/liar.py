"""A publisher who writes each statement by hand, so that any part of it can be untrue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tallystick.contracts import Kind
from tallystick.core import dsse
from tallystick.core.digest import sha256
from tallystick.models import dataset
from tallystick.models.dataset import Dataset
from tallystick.models.evidence import to_recorded
from tallystick.models.formats.folder import inspect
from tallystick.models.keeping import keep_content, keep_data, keep_envelope, listing_of
from tallystick.models.roots import UNCHANGED, Roots
from tallystick.models.statement import DataClaim, Place, VersionStatement
from tests.models.story import Desk, table, write_version


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


def flagged(statement: VersionStatement, liar: Liar) -> VersionStatement:
    """Return the statement with the kinds that the contract will compute against the first version."""
    return replace(statement, kinds=statement.roots.changed_from(liar.first.roots))
