"""The greatest flow from a source to a sink through edges of whole capacities, by Dinic's algorithm.

Only its value is given out: many flows may have it, the value is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Network:
    """Directed edges between nodes 0 … count - 1; parallel edges add up."""

    def __init__(self, count: int, edges: Iterable[tuple[int, int, int]] = ()) -> None:
        self._heads: list[int] = []
        self._left: list[int] = []  # capacity left on each edge; edge i ^ 1 is the same one backwards
        self._out: list[list[int]] = [[] for _ in range(count)]
        for tail, head, capacity in edges:
            self.connect(tail, head, capacity)

    def connect(self, tail: int, head: int, capacity: int) -> None:
        """Add an edge; one without capacity is left out."""
        if capacity > 0 and tail != head:
            for start, end, room in ((tail, head, capacity), (head, tail, 0)):
                self._out[start].append(len(self._heads))
                self._heads.append(end)
                self._left.append(room)

    def copy(self) -> Network:
        """Return a copy, to be used up while this one stays as it is."""
        twin = Network(0)
        twin._heads, twin._left, twin._out = self._heads[:], self._left[:], [out[:] for out in self._out]
        return twin

    def max_flow(self, source: int, sink: int) -> int:
        """Return how much can go from source to sink at most; the network is used up by it.

        source  Dinic 1970: shortest paths by level, each level's graph filled before the next is built
        """
        total = 0
        while (levels := self._levels(source, sink)) is not None:
            at = [0] * len(self._out)  # the next edge to try of each node
            while pushed := self._push(source, sink, levels, at):
                total += pushed
        return total

    def _levels(self, source: int, sink: int) -> list[int] | None:
        """Return each node's distance from the source over edges with room; None if the sink is out of reach."""
        levels = [-1] * len(self._out)
        levels[source] = 0
        queue = deque([source])
        while queue:
            node = queue.popleft()
            for edge in self._out[node]:
                head = self._heads[edge]
                if self._left[edge] and levels[head] < 0:
                    levels[head] = levels[node] + 1
                    queue.append(head)
        return levels if levels[sink] >= 0 else None

    def _push(self, source: int, sink: int, levels: list[int], at: list[int]) -> int:
        """Push as much as one more path takes; 0 when there is none. Without recursion: paths may be long."""
        path: list[int] = []
        node = source
        while node != sink:
            if at[node] < len(self._out[node]):
                edge = self._out[node][at[node]]
                if self._left[edge] and levels[self._heads[edge]] == levels[node] + 1:
                    path.append(edge)
                    node = self._heads[edge]
                else:
                    at[node] += 1
            elif path:
                node = self._heads[path.pop() ^ 1]
                at[node] += 1
            else:
                return 0
        room = min(self._left[edge] for edge in path)
        for edge in path:
            self._left[edge] -= room
            self._left[edge ^ 1] += room
        return room
