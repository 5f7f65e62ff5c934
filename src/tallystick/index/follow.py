"""How the index stays on one chain, whatever the chain does between two answers.

What always holds of the file: all its blocks lie on one chain that ends at the cursor, and every wanted log of that
chain from the first block to the cursor is in it. A round that finds anything else starts over, after:

    1  the final block that we were told of is still on the chain, or we stop for good
    2  walk back from the cursor, by hash, to the newest block we know that is on the chain, and delete what is above;
       never below the final block: a history that contradicts it is refused
    3  read forward, one transaction a block. Blocks that may still be reorganised are read one by one, each linked by
       its parent hash to the last and its logs asked for by its hash. Settled blocks are read in ranges: the logs,
       then the headers of the blocks that hold them and of both ends, which must agree with the logs and the cursor

What is believed without proof: that the node leaves out no log, and that within the seconds a range takes, no block
that is final or INDEX_UNSETTLED_BLOCKS deep changes twice. `Index.verify` and the verifiers of the rooms read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallystick.chain.calls import Log
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import INDEX_RANGE_BLOCKS, INDEX_ROUNDS_MAX
from tallystick.index.ledger import BlockFacts, Ledger, Moved
from tallystick.index.projection import Projections
from tallystick.index.source import Header, Place, Source

Progress = Callable[[int, int], None]  # the block reached and the block aimed at


@dataclass(frozen=True)
class SyncReport:
    """What one sync did.

    cursor    the block up to which the index is now complete; None while the chain is shorter than the first block
    target    the block number it was asked to reach
    blocks    blocks passed, read one by one or in ranges
    logs      logs kept
    rows      rows that the projections made of them
    reorgs    times that blocks were undone
    undone    blocks undone in all, counted by number
    """

    cursor: Place | None
    target: int
    blocks: int = 0
    logs: int = 0
    rows: int = 0
    reorgs: int = 0
    undone: int = 0


class Follower:
    """One sync in progress.

    first      the first block that is read
    unsettled  how many of the newest blocks may still be reorganised where the node knows no finality
    """

    def __init__(self, ledger: Ledger, source: Source, projections: Projections, first: int, unsettled: int) -> None:
        self._ledger = ledger
        self._source = source
        self._projections = projections
        self._first = first
        self._unsettled = unsettled
        self._width = INDEX_RANGE_BLOCKS
        self._head = self._settled = -1
        self._blocks = self._logs = self._rows = self._reorgs = self._undone = 0

    def follow(self, to: int | str, progress: Progress) -> SyncReport:
        """Bring the file to the block `to` of the source's chain.

        raises  VerificationFailed "index.chain", "index.finalized", "index.log"; Unavailable "index.node_behind",
                "index.restless" when the chain never stood still, and what the source raises
        """
        self._ledger.claim(f"{self._source.chain_id}:{self._source.genesis_hash.hex()}")
        target = self._target(to)
        for _ in range(INDEX_ROUNDS_MAX):
            try:
                cursor = self._settle()
                cursor = self._advance(cursor, min(target, self._head), progress)
            except Moved:
                continue
            if cursor is None or self._is_on_chain(cursor):
                return SyncReport(cursor, target, self._blocks, self._logs, self._rows, self._reorgs, self._undone)
        raise Unavailable(
            "index.restless", f"the chain changed {INDEX_ROUNDS_MAX} times while it was read", hint="try again later"
        )

    def _target(self, to: int | str) -> int:
        match to:
            case int():
                return to
            case "latest":
                return self._source.block_number()
            case "finalized" | "safe":
                block = self._source.finalized() if to == "finalized" else self._source.safe()
                return -1 if block is None else block.number
        raise InvalidInput(
            "index.target", "not a block to sync to", expected="a number, latest, safe or finalized", got=to
        )

    # --- 1 and 2: back to a block that we and the chain agree on

    def _settle(self) -> Place | None:
        """Return the cursor after undoing what is no longer on the chain."""
        state = self._ledger.state()
        head = self._head = self._source.block_number()
        final = self._source.finalized()
        if state.finality is not None:
            self._check_finality(state.finality)
        ancestor = self._ancestor(state.cursor, state.finality)
        finality = state.finality
        if final is not None and (finality is None or final.number > finality.number):
            finality = Place(final.number, final.hash)
        self._settled = max(head - self._unsettled, -1 if finality is None else finality.number)
        self._ledger.settle(state.cursor, ancestor, finality, self._settled)
        if state.cursor is not None and ancestor != state.cursor:
            self._reorgs += 1
            self._undone += state.cursor.number - (self._first - 1 if ancestor is None else ancestor.number)
        return ancestor

    def _check_finality(self, finality: Place) -> None:
        block = self._source.find_block(finality.number)
        if block is None:
            raise Unavailable(
                "index.node_behind", "the node does not have a block that was final before", expected=finality,
                hint="wait until it has caught up, or use another node",
            )  # fmt: skip
        if block.hash != finality.hash:
            raise _contradiction(finality, block)

    def _ancestor(self, cursor: Place | None, finality: Place | None) -> Place | None:
        """Return the newest block we know that is on the chain, or None if not even the oldest is."""
        if cursor is None or self._is_on_chain(cursor):
            return cursor
        for place in [cursor, *self._ledger.known_places(cursor)]:
            block = self._source.find_block(place.number)
            if block is not None and block.hash == place.hash:
                return place
            if finality is not None and place.number <= finality.number:
                raise _contradiction(place, block)
        return None

    def _is_on_chain(self, place: Place) -> bool:
        block = self._source.find_block(place.number)
        return block is not None and block.hash == place.hash

    # --- 3: forward

    def _advance(self, cursor: Place | None, target: int, progress: Progress) -> Place | None:
        while (number := self._next(cursor)) <= target:
            last = min(target, self._settled, number + self._width - 1)
            cursor = self._read_range(cursor, number, last) if number <= last else self._read_block(cursor, number)
            progress(cursor.number, target)
        return cursor

    def _next(self, cursor: Place | None) -> int:
        return self._first if cursor is None else cursor.number + 1

    def _read_block(self, cursor: Place | None, number: int) -> Place:
        block = self._source.find_block(number)
        if block is None or (cursor is not None and block.parent_hash != cursor.hash):
            raise Moved
        try:
            logs = self._wanted(self._source.logs(*self._filter, block_hash=block.hash))
        except Unavailable as error:
            if error.code == "rpc.block_unknown":
                raise Moved from None  # reorganised away between the two questions
            raise
        self._append(cursor, self._facts(block, logs), mark=True)
        self._blocks += 1
        return Place(block.number, block.hash)

    def _read_range(self, cursor: Place | None, first: int, last: int) -> Place:
        end = self._header(last)
        logs = self._range_logs(first, last)
        if logs is None:
            return self._read_range(cursor, first, first + self._width - 1)
        all_facts = [
            self._facts(end if number == last else self._header(number), found) for number, found in _by_block(logs)
        ]
        if not all_facts or all_facts[-1].place.number != last:
            all_facts.append(BlockFacts(end))
        self._check_links(cursor, all_facts)
        # the end was read before the logs: if it is on the chain still, no page of them is of another history
        if not all(self._is_on_chain(place) for place in (cursor, all_facts[-1].place) if place is not None):
            raise Moved
        base = cursor
        for facts in all_facts:
            self._append(base, facts, mark=facts.place.number == last)
            base = facts.place
        self._blocks += last - first + 1
        return all_facts[-1].place

    def _range_logs(self, first: int, last: int) -> list[Log] | None:
        """Return the wanted logs of the range, or None after narrowing the ranges because there were too many."""
        try:
            return self._wanted(self._source.logs(*self._filter, from_block=first, to_block=last))
        except InvalidInput as error:
            if error.code != "rpc.too_many_logs" or first == last:
                raise
            self._width = (last - first + 1) // 2
            return None

    def _check_links(self, cursor: Place | None, all_facts: list[BlockFacts]) -> None:
        """Raise Moved unless the blocks that touch are each other's parents."""
        before = cursor
        for facts in all_facts:
            place = facts.place
            if before is not None and before.number + 1 == place.number and facts.block.parent_hash != before.hash:
                raise Moved
            before = place

    def _header(self, number: int) -> Header:
        block = self._source.find_block(number)
        if block is None:
            raise Moved
        return block

    def _facts(self, block: Header, logs: list[Log]) -> BlockFacts:
        if any(log.block_hash != block.hash for log in logs):
            raise Moved
        rows = tuple((log, row) for log in logs for row in self._projections.rows(log, block.timestamp))
        return BlockFacts(block, tuple(logs), rows)

    def _append(self, base: Place | None, facts: BlockFacts, *, mark: bool) -> None:
        self._ledger.append(base, facts, mark=mark)
        self._logs += len(facts.logs)
        self._rows += len(facts.rows)

    @property
    def _filter(self) -> tuple[list[str], list[list[bytes]]]:
        return list(self._projections.addresses), [list(self._projections.topics)]

    def _wanted(self, logs: list[Log]) -> list[Log]:
        return [log for log in logs if self._projections.wants(log)]


def _by_block(logs: list[Log]) -> list[tuple[int, list[Log]]]:
    found: dict[int, list[Log]] = {}
    for log in logs:
        found.setdefault(log.block_number, []).append(log)
    return sorted(found.items())


def _contradiction(place: Place, block: Header | None) -> VerificationFailed:
    got = "no such block" if block is None else Place(block.number, block.hash)
    return VerificationFailed(
        "index.finalized",
        "the node's history contradicts a block that was final",
        expected=place,
        got=got,
        hint="the node or the network is at fault; if the chain was reset on purpose, rebuild the index",
    )
