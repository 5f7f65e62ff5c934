"""Discovery: questions to the index about agents. Answers are claims of a file that can be rebuilt; a check reads the
chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tallystick.agents.identity.names import KEY as NAME_KEY
from tallystick.agents.scoring.trust import WHOLE, Rating
from tallystick.core.ids import checksum_address
from tallystick.index import Index

STARRED = "starred"  # the tag of ERC-8004 for quality, 0 to 100


@dataclass(frozen=True)
class Listed:
    """One agent as the index has it; `wallet` and `name` are empty where it has none."""

    agent_id: int
    owner: str
    wallet: str
    name: str
    uri: str
    registered_at: int


class Directory:
    """Questions about agents to an index that holds the projection of their registries."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def agent(self, agent_id: int) -> Listed | None:
        """Return one agent, None if the index knows none of this id."""
        rows = self._index.query("SELECT * FROM agents_now WHERE agent_id = ?", (agent_id,))
        return _listed(rows[0]) if rows else None

    def newest(self, limit: int = 100) -> list[Listed]:
        """Return the agents that were registered last, newest first."""
        return [
            _listed(row)
            for row in self._index.query("SELECT * FROM agents_now ORDER BY agent_id DESC LIMIT ?", (limit,))
        ]

    def owned_by(self, account: str) -> list[Listed]:
        """Return the agents that belong to an account."""
        return [_listed(row) for row in self._index.query("SELECT * FROM agents_now WHERE owner = ?", (account,))]

    def paid_at(self, wallet: str) -> list[Listed]:
        """Return the agents whose wallet an address is."""
        asked = "SELECT * FROM agents_now WHERE wallet = ?"
        return [_listed(row) for row in self._index.query(asked, (bytes.fromhex(wallet[2:]),))]

    def claiming(self, name: str) -> list[Listed]:
        """Return the agents that claim a name now, oldest first: `identity.names.resolve` says which one it means."""
        rows = self._index.query(
            "SELECT agents_now.* FROM agents_now JOIN agents_metadata_now USING (agent_id) WHERE key = ? AND value = ?"
            " ORDER BY agent_id", (NAME_KEY, name.encode()),
        )  # fmt: skip
        return [_listed(row) for row in rows]

    def ratings(self, agent_id: int, tag: str = STARRED) -> list[Rating]:
        """Return each client's opinion of an agent: the mean of what it said between 0 and 100 and did not revoke."""
        rows = self._index.query(
            "SELECT client, value, decimals FROM agents_feedback_now WHERE agent_id = ? AND tag1 = ? AND NOT revoked",
            (agent_id, tag),
        )
        said: dict[str, list[Fraction]] = {}
        for row in rows:
            value = Fraction(int(str(row["value"])), 10 ** int(str(row["decimals"])))
            if 0 <= value <= 100:
                said.setdefault(str(row["client"]), []).append(value)
        return [Rating(client, int(sum(values) * WHOLE / 100 / len(values))) for client, values in said.items()]


def _listed(row: Mapping[str, object]) -> Listed:
    wallet, name = row["wallet"], row["name"]
    return Listed(
        int(str(row["agent_id"])),
        str(row["owner"]),
        checksum_address(wallet) if isinstance(wallet, bytes) and len(wallet) == 20 else "",
        name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else "",
        str(row["uri"]),
        int(str(row["registered_at"])),
    )
