"""The part of an audit that opens files: every file hashed again, every tensor, the architecture, the code.

Damaged files are still looked into as far as they can be read, so that the report names the tensor and not only the
file; nothing that is found so is used for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tallystick.core.checks import Check
from tallystick.core.errors import TallystickError
from tallystick.core.limits import BLOB_BYTES_MAX, CANONICAL_BYTES_MAX, FAULTS_SHOWN_MAX
from tallystick.core.manifest import FileEntry, Manifest
from tallystick.models.evidence import Evidence
from tallystick.models.formats.folder import ModelContent, inspect
from tallystick.models.formats.tensors import Tensor
from tallystick.models.roots import Architecture, Roots, TensorList
from tallystick.store.files import make_folder


def check_content(evidence: Evidence, chain: Roots, scratch: Path) -> Iterator[Check]:
    """Yield the checks of manifest, files, tensors and architecture against the roots that the chain holds.

    scratch  an empty folder, which is filled with the version's files
    """
    try:
        manifest = evidence.manifest
    except TallystickError as error:
        yield Check.failed("manifest", error)
        yield Check("files", False, "not checked: without the manifest no file can be named")
        return
    expected = f"{evidence.statement.manifest.count} files {chain.manifest.hex()}"
    yield Check.equal("manifest", expected, f"{manifest.count} files {manifest.root.hex()}", "the list of files")
    make_folder(scratch)
    faults, fetched = _fetch(evidence, manifest, scratch)
    yield from faults or [Check("files", True, f"{manifest.count} files hashed again")]
    yield Check.equal("manifest root", chain.manifest, Manifest.of(fetched).root, "recomputed from the files")
    try:
        content = inspect(scratch)
    except TallystickError as error:
        yield Check.failed("tensors", error)
        return
    yield from _check_tensors(evidence, chain, content)
    yield from _check_architecture(evidence, chain, content)
    listed, found = (", ".join(names) for names in (evidence.statement.opaque, content.opaque))
    yield Check.equal("opaque files", listed, found, f"{len(content.opaque)} files that nobody can look into")


def check_code(evidence: Evidence, chain: Roots) -> Iterator[Check]:
    """Yield the check that the code behind the recorded digest is there and right."""
    claim = evidence.statement.code
    if claim is None:
        yield Check.equal("code", chain.code, None, "no code recorded")
        return
    try:
        if claim.form == "file":
            size = evidence.blobs.check(claim.digest)
            yield Check.equal("code", chain.code, claim.digest, f"one file of {size} bytes")
            return
        manifest = Manifest.from_bytes(evidence.blobs.get(claim.digest, CANONICAL_BYTES_MAX))
    except TallystickError as error:
        yield Check.failed("code", error)
        return
    faults = []
    for entry in manifest.files:
        try:
            size = evidence.blobs.check(entry.sha256, limit=entry.size)
        except TallystickError as error:
            faults.append(Check.failed(f"code {entry.name}", error))
            continue
        if size != entry.size:
            faults.append(Check.equal(f"code {entry.name}", f"{entry.size} bytes", f"{size} bytes"))
    yield from faults or [Check.equal("code", chain.code, claim.digest, f"{manifest.count} files")]


def _fetch(evidence: Evidence, manifest: Manifest, scratch: Path) -> tuple[list[Check], list[FileEntry]]:
    """Copy what lies in the store; return what is wrong with it, and the entries that the copies truly have."""
    faults: list[Check] = []
    found: list[FileEntry] = []
    for entry in manifest.files:
        path = scratch / entry.name
        try:
            digest = evidence.blobs.salvage(entry.sha256, path, limit=min(entry.size, BLOB_BYTES_MAX))
        except TallystickError as error:
            faults.append(Check.failed(f"file {entry.name}", error))
            continue
        actual = FileEntry(entry.name, path.stat().st_size, digest)
        found.append(actual)
        if actual != entry:
            expected, got = (f"{side.size} bytes {side.sha256.hex()}" for side in (entry, actual))
            faults.append(Check.equal(f"file {entry.name}", expected, got, "its content is not what was signed"))
    return faults, found


def _check_tensors(evidence: Evidence, chain: Roots, content: ModelContent) -> Iterator[Check]:
    try:
        yield from _name_tensors(evidence.tensors, content.tensors)
    except TallystickError as error:
        yield Check.failed("tensor list", error)
    listing = evidence.statement.tensors
    expected = _counted(0 if listing is None else listing.count, chain.parameters)
    yield Check.equal("parameter root", expected, _counted(content.tensors.count, content.tensors.root), "recomputed")


def _counted(count: int, root: bytes | None) -> str:
    return f"{count} tensors {'none' if root is None else root.hex()}"


def _name_tensors(listed: TensorList, found: TensorList) -> Iterator[Check]:
    expected = {tensor.name: tensor for tensor in listed.tensors}
    got = {tensor.name: tensor for tensor in found.tensors}
    changed = [name for name in sorted({*expected, *got}) if expected.get(name) != got.get(name)]
    for name in changed[:FAULTS_SHOWN_MAX]:
        yield Check.equal(f"tensor {name}", _described(expected.get(name)), _described(got.get(name)))
    if len(changed) > FAULTS_SHOWN_MAX:
        yield Check("tensors", False, f"{len(changed) - FAULTS_SHOWN_MAX} more tensors differ")
    if not changed:
        yield Check("tensors", True, f"{listed.count} tensors hashed again")


def _described(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{tensor.dtype} {list(tensor.shape)} {tensor.sha256.hex()}"


def _check_architecture(evidence: Evidence, chain: Roots, content: ModelContent) -> Iterator[Check]:
    detail = f"{len(content.architecture.configs)} configurations"
    try:
        changed = ", ".join(_changed_parts(evidence.architecture, content.architecture))
        detail = f"differs in {changed}" if changed else detail
    except TallystickError as error:
        yield Check.failed("architecture document", error)
    yield Check.equal("architecture root", chain.architecture, content.architecture.root, detail)


def _changed_parts(listed: Architecture, found: Architecture) -> Iterable[str]:
    for name in sorted({*listed.configs, *found.configs}):
        if listed.configs.get(name) != found.configs.get(name):
            yield name
    for name, _, _ in sorted({*listed.layout} ^ {*found.layout})[:FAULTS_SHOWN_MAX]:
        yield f"tensor {name}"
