"""A chain that can be reorganised: copies of an embedded ledger behind one provider that switches between them.

The EVM and the contract are real on both sides of a fork. `lag` blocks are not final yet, as on a public network.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tallystick.chain.embedded import EmbeddedProvider
from tallystick.core.errors import Unavailable


class Switch:
    """A provider over the ledger file that is current; `fork` keeps a copy, `reorganise` goes back to one."""

    def __init__(self, path: Path, lag: int = 0) -> None:
        self.path = path
        self.lag = lag
        self.is_gone = False
        self.goes_after = ""  # the node is gone, with its answer, once it was asked this
        self._copies = 0
        self._provider = EmbeddedProvider(path)

    def make_request(self, method: str, params: Sequence[Any]) -> Any:
        if self.is_gone:
            raise Unavailable("test.gone", "the node is gone")
        if method == "eth_getBlockByNumber" and params[0] in ("finalized", "safe"):
            head = int(self._provider.make_request("eth_blockNumber", [])["result"], 16)
            params = [hex(max(0, head - self.lag)), *params[1:]]
        answer = self._provider.make_request(method, list(params))
        if method == self.goes_after:
            self.is_gone, self.goes_after = True, ""
            raise Unavailable("test.gone", "the node is gone")
        return answer

    def fork(self) -> Path:
        """Return a copy of the ledger as it is now."""
        self._provider.close()
        self._copies += 1
        copy = self.path.with_name(f"fork{self._copies}.db")
        shutil.copy(self.path, copy)
        self._provider = EmbeddedProvider(self.path)
        return copy

    def reorganise(self, copy: Path) -> None:
        """Make a former copy the chain: what was mined since is undone."""
        self._provider.close()
        self.path = copy
        self._provider = EmbeddedProvider(copy)

    def close(self) -> None:
        self._provider.close()
