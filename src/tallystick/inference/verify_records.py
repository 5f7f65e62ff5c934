"""The audit of what entries say: each a record of an allowed version, in the order of time, true to its body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

from tallystick.core.checks import Check
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import LOG_FAULTS_MAX, TILE_WIDTH
from tallystick.core.record import MAGIC, Record
from tallystick.inference.bodies import Body
from tallystick.inference.log.static import TileReader
from tallystick.inference.log.tiles import BODIES_LEVEL, tile_at
from tallystick.store.blobs import BlobStore

Repeat = Callable[[Record, Body], bytes]
"""Returns the answer that the record's model version gives to the body's request, byte for byte."""

RECORDS = "9 records"
BODIES = "10 bodies"


class RecordAudit:
    """Collects what is wrong with records and bodies, up to a hundred each, while an audit walks over the entries."""

    def __init__(
        self, blobs: BlobStore, versions: Collection[bytes] | None, repeat: Repeat | None, *, others: bool
    ) -> None:
        self._blobs = blobs
        self._others = others
        self._allowed = None if versions is None else frozenset(versions)
        self._repeat = repeat
        self._wrong: list[Check] = []
        self.versions: Counter[bytes] = Counter()
        self.entries = 0
        self.others = 0  # entries that are no records, where those are allowed
        self.first_ms = 0
        self.last_ms = 0
        self.bodies = 0
        self.repeated = 0

    def take(self, reader: TileReader, start: int, entries: Sequence[bytes | None]) -> None:
        """Look at the entries of one bundle, and at their bodies where they are published; None is damaged."""
        records: list[Record | None] = []
        for index, entry in enumerate(entries, start):
            if self._others and entry is not None and entry[: len(MAGIC)] != MAGIC:
                records.append(None)
                self.others += 1
                continue
            try:
                records.append(None if entry is None else self._record(entry))
            except TallystickError as error:
                records.append(None)
                self._add(index, RECORDS, error)
        self.entries += len(entries)
        name = tile_at(BODIES_LEVEL, start // TILE_WIDTH, reader.size)
        if self._blobs.has_named(f"{reader.prefix}/{name.path}"):
            self._take_bodies(reader, start, records)

    def checks(self) -> Iterator[Check]:
        """Yield the checks: one for each fault, or one that says what held."""
        yield from self._wrong
        if not any(check.name == RECORDS for check in self._wrong):
            kinds = f"{len(self.versions)} versions" if self._allowed is None else "allowed versions"
            detail = f"{self.entries - self.others} entries are records of {kinds}, in the order of time"
            yield Check(RECORDS, True, f"{detail}; {self.others} are something else" if self.others else detail)
        if self.bodies and not any(check.name == BODIES for check in self._wrong):
            detail = f"{self.bodies} bodies are what their entries commit to, {self.repeated} answers were repeated"
            yield Check(BODIES, True, detail)

    def _record(self, entry: bytes) -> Record:
        record = Record.from_bytes(entry)
        if record.time_ms < self.last_ms:
            raise VerificationFailed("record.time", "time goes back", expected=f"≥ {self.last_ms}", got=record.time_ms)
        self.first_ms = self.first_ms or record.time_ms
        self.last_ms = record.time_ms
        self.versions[record.version] += 1
        if self._allowed is not None and record.version not in self._allowed:
            raise VerificationFailed(
                "record.version", "the version is not one that may appear here", got=record.version.hex()
            )
        return record

    def _take_bodies(self, reader: TileReader, start: int, records: Sequence[Record | None]) -> None:
        try:
            bodies = reader.bodies(start // TILE_WIDTH)
        except Unavailable:
            raise
        except TallystickError as error:
            self._add(start, BODIES, error)
            return
        for index, (record, data) in enumerate(zip(records, bodies, strict=True), start):
            if record is None or not data:
                continue  # a bad record is named already; a body may have been destroyed
            try:
                self._check_body(record, Body.from_bytes(data))
            except TallystickError as error:
                self._add(index, BODIES, error)

    def _check_body(self, record: Record, body: Body) -> None:
        body.check(record)
        self.bodies += 1
        if self._repeat is None:
            return
        try:
            answer = self._repeat(record, body)
        except InvalidInput as error:
            raise VerificationFailed("body.repeat", f"the request cannot be repeated: {error}") from None
        if answer != body.answer:
            raise VerificationFailed(
                "body.repeat", "the model answers otherwise", expected=answer[:200], got=body.answer[:200]
            )
        self.repeated += 1

    def _add(self, index: int, name: str, error: TallystickError) -> None:
        if sum(check.name == name for check in self._wrong) < LOG_FAULTS_MAX:
            check = Check.failed(name, error)
            self._wrong.append(Check(name, False, f"entry {index}: {check.detail}", check.expected, check.got))
