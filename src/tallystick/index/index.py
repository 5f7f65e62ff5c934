"""`Index`: what rooms and doors use. It joins a file, a node and the projections of the rooms.

The algorithm is in follow.py, the file in database.py; read follow.py next.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick.core.checks import Report
from tallystick.core.limits import INDEX_QUERY_ROWS_MAX, INDEX_QUERY_STEPS_MAX, INDEX_UNSETTLED_BLOCKS
from tallystick.index.database import Database, Parameters
from tallystick.index.follow import Follower, Progress, SyncReport
from tallystick.index.projection import Projection, Projections
from tallystick.index.source import Place, Source
from tallystick.index.verify import compare


@dataclass(frozen=True)
class IndexStatus:
    """How far the index is complete, and the newest block that it was told is final."""

    cursor: Place | None
    finality: Place | None


class Index:
    """The facts that `projections` make of a chain's events, in the SQLite file at `path`.

    node         a `chain.node.Node`
    first_block  the block to begin with: none before it holds an event of these contracts
    unsettled    how many of the newest blocks are followed one by one where the node knows no finality

    Opening makes the file, or empties it when it was built by other projections, another version of them or another
    first block; the next sync fills it.
    """

    def __init__(
        self,
        path: Path,
        node: Source,
        projections: Sequence[Projection],
        *,
        first_block: int = 0,
        unsettled: int = INDEX_UNSETTLED_BLOCKS,
    ) -> None:
        """Open the index.

        raises  VerificationFailed "index.damaged", InvalidInput "index.not_ours", Broken "index.schema"
        """
        self.path = path
        self._node = node
        self._projections = Projections(projections)
        self._first_block = first_block
        self._unsettled = unsettled
        self._database = Database(path, self._projections, first_block)
        self.was_emptied = self._database.prepare()

    def sync(self, to: int | str = "latest", progress: Progress | None = None) -> SyncReport:
        """Bring the index to block `to` ("latest", "safe", "finalized" or a number) and to the chain's present history.

        progress  called with (block reached, block aimed at) after every step
        raises    VerificationFailed "index.finalized" when the node contradicts a final block, "index.chain" when it
                  is on another chain, "index.log", "index.damaged"; Unavailable "index.node_behind", "index.restless"
                  or the node's own. What was complete before is complete still; the same call may be made again.
        """
        with self._database.writing() as ledger:
            follower = Follower(ledger, self._node, self._projections, self._first_block, self._unsettled)
            return follower.follow(to, progress or _silent)

    def query(self, sql: str, parameters: Parameters = ()) -> list[dict[str, object]]:
        """Return the rows of one SELECT over the index, at most INDEX_QUERY_ROWS_MAX, as {column: value}.

        raises  InvalidInput "index.query", "index.query_rows", "index.query_slow"; VerificationFailed "index.damaged"

        The connection can only read, and only this file, so the statement may come from a stranger.
        """
        return self._database.query(sql, parameters, INDEX_QUERY_ROWS_MAX, INDEX_QUERY_STEPS_MAX)

    def status(self) -> IndexStatus:
        """Return how far the index is, without asking the node."""
        state = self._database.state()
        return IndexStatus(state.cursor, state.finality)

    def rebuild(self, progress: Progress | None = None) -> SyncReport:
        """Forget everything and read the chain anew, to where it is now; errors as `sync`."""
        self._database.reset()
        return self.sync(progress=progress)

    def verify(self, progress: Progress | None = None) -> Report:
        """Compare the index with one built afresh from the node up to the same block: check by check, table by table.

        raises  as `sync`; that the index differs is no error but a failed check
        """
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".index-verify-") as folder:
            fresh = Index(
                Path(folder) / "index.db",
                self._node,
                self._projections.all,
                first_block=self._first_block,
                unsettled=self._unsettled,
            )
            cursor = self._database.state().cursor
            if cursor is not None:
                fresh.sync(cursor.number, progress)
            return Report.of(compare(self._database, fresh._database))


def discard(path: Path) -> None:
    """Remove an index file and what SQLite keeps beside it: the way out when it is damaged."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _silent(reached: int, target: int) -> None:
    pass
