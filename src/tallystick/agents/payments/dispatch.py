"""Settlements that are asked for at the same time leave together: they share a pass of the outbox, and a block.

Whoever finds nobody sending sends what everybody has brought, and then hands on. So a hundred payments a second need a
dozen passes, and one alone waits for nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.chain.calls import Call
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_rows import Row
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SETTLE_GAS_MAX, SETTLE_TOGETHER_MAX


@dataclass
class _Waiting:
    """A settlement that somebody brought."""

    key: str
    call: Call
    row: Row | None = None
    error: Exception | None = None


class Dispatch:
    """Sends settlements through one outbox, from any number of threads."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: deque[_Waiting] = deque()
        self._sending = threading.Lock()

    def send(self, key: str, call: Call) -> Row:
        """Return the outbox's row of a settlement, after a pass; raises as `Outbox.send`."""
        mine = _Waiting(key, call)
        self._waiting.append(mine)
        with self._sending:
            if mine.row is None and mine.error is None:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), SETTLE_TOGETHER_MAX))]
                if mine not in batch:  # more were brought than leave at once
                    self._waiting.remove(mine)
                    batch.append(mine)
                self._send(batch)
        if mine.error is not None:
            raise mine.error
        assert mine.row is not None
        return mine.row

    def _send(self, batch: Sequence[_Waiting]) -> None:
        """Send a batch together; where one of it is refused as a whole, one by one."""
        first = {one.key: one for one in reversed(batch)}
        if len(first) == len(batch) > 1:
            try:
                rows = self._outbox.send_many([(one.key, one.call) for one in batch], gas=SETTLE_GAS_MAX)
            except InvalidInput:
                pass  # a key stands for another call: whose it is shows below
            except Exception as error:  # noqa: BLE001  whoever waits gets it
                for one in batch:
                    one.error = error
                return
            else:
                for one, row in zip(batch, rows, strict=True):
                    one.row = row
                return
        for one in batch:
            try:
                one.row = self._outbox.send(one.call, key=one.key, gas=SETTLE_GAS_MAX)
            except Exception as error:  # noqa: BLE001  whoever waits gets it
                one.error = error
