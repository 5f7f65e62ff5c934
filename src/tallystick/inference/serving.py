"""A model whose every answer leaves a log entry: parse, predict, commit, log, and on request a signed ticket.

`ReceiptedModel.answer` never waits for the disk; the caller waits for `pending` before it answers anyone. Read
`tensors` for what a request may say and `tickets` for what is promised.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tallystick.core.commitment import SALT_BYTES, Domain, commit
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import PREDICT_BODY_BYTES_MAX
from tallystick.core.record import Record, RecordKind
from tallystick.core.ticket import Ticket
from tallystick.inference.bodies import Body
from tallystick.inference.log.pending import Pending
from tallystick.inference.log.writer import Log
from tallystick.inference.runtime import Predictor
from tallystick.inference.tensors import Tensor, read_request, write_answer
from tallystick.inference.tickets import TicketOffice

_ID_BYTES = 16


@dataclass(frozen=True)
class Served:
    """Which deployment answers: names for people, digests for the record.

    name     the model, as in the URL and the answer
    version  the version's label, as in the URL and the answer
    digest   32 bytes, SHA-256 of the version's signed statement, as on chain
    node     16 bytes that name this deployment
    """

    name: str
    version: str
    digest: bytes
    node: bytes

    def __post_init__(self) -> None:
        check_digest(self.digest, "version digest")
        if len(self.node) != _ID_BYTES:
            raise InvalidInput("served.node", "node id has the wrong length", expected=_ID_BYTES, got=len(self.node))


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer, and the entry that records it. Tell nobody before `pending` is resolved."""

    answer: bytes
    entry: bytes
    in_salt: bytes
    out_salt: bytes
    pending: Pending
    office: TicketOffice

    def ticket(self) -> Ticket:
        """Return the operator's signed promise that the entry is at its index; waits until it is durable."""
        return self.office.ticket(self.pending)


class ReceiptedModel:
    """Answers inference requests and records each answer. Safe in many threads.

    clock_ms  milliseconds since 1970. Records never go back in time: while the clock does, their time stands still
    random    a cryptographic source of that many bytes
    """

    def __init__(
        self,
        predictor: Predictor,
        served: Served,
        log: Log,
        office: TicketOffice,
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._predictor = predictor
        self._served = served
        self._log = log
        self._office = office
        self._clock_ms = clock_ms
        self._random = random
        self._order = threading.Lock()  # an entry's time and its place in the log are decided together
        self._time_ms = _last_time_ms(log)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the model takes."""
        return self._predictor.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the model gives."""
        return self._predictor.outputs

    def answer(self, body: bytes) -> Prediction:
        """Predict what the request in `body` asks for, and give the record of it to the log.

        raises  InvalidInput as `read_request`, `Predictor.predict` and `write_answer` do; Unavailable "log.busy",
                "log.full", "log.closed"; Broken
        """
        served = self._served
        request = read_request(body, self.inputs, self.outputs)
        outputs = self._predictor.predict(request.arrays, request.outputs)
        answer = write_answer(request.id, served.name, served.version, outputs)
        if len(answer) > PREDICT_BODY_BYTES_MAX:
            raise InvalidInput("predict.size", "the answer is too large", expected=PREDICT_BODY_BYTES_MAX)
        noise = self._random(2 * SALT_BYTES + _ID_BYTES)
        in_salt, out_salt, request_id = noise[:SALT_BYTES], noise[SALT_BYTES:-_ID_BYTES], noise[-_ID_BYTES:]
        in_commit, out_commit = commit(Domain.IN, in_salt, body), commit(Domain.OUT, out_salt, answer)
        kept = Body(in_salt, out_salt, body, answer).to_bytes() if self._log.keeps_bodies else b""
        with self._order:
            self._time_ms = max(self._time_ms, self._clock_ms())
            entry = Record(
                RecordKind.PREDICTION,
                self._time_ms,
                served.digest,
                served.node,
                request_id,
                in_commit,
                out_commit,
                request.params_digest,
            ).to_bytes()
            pending = self._log.append(entry, kept)
        return Prediction(answer, entry, in_salt, out_salt, pending, self._office)


def _last_time_ms(log: Log) -> int:
    """Return the time of the log's last record, 0 when there is none."""
    if log.size == 0:
        return 0
    try:
        return Record.from_bytes(log.reader.entry(log.size - 1)).time_ms
    except InvalidInput:
        return 0  # another kind of entry
