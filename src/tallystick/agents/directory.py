"""Discovery: questions to the index about agents. Answers are claims of a file that can be rebuilt; a check reads the
chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tallystick.agents.identity.names import KEY as NAME_KEY
from tallystick.agents.identity.registration import Registration, embedded_file
from tallystick.agents.scoring.trust import WHOLE, Rating
from tallystick.core.amounts import format_amount
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import checksum_address
from tallystick.index import Index

NOBODY = "0x" + "00" * 20  # whom a token names where units are made or burnt
_ROWS = 5_000  # of one answer of the index, which gives no more than twice as many
_PAGE = 500  # agents looked at by one query
STARRED = "starred"  # the tag of ERC-8004 for quality, 0 to 100


@dataclass(frozen=True)
class Listed:
    """One agent as the index has it; `wallet`, `name` and `digest` (of its file) are empty where it has none."""

    agent_id: int
    owner: str
    wallet: str
    name: str
    uri: str
    registered_at: int
    digest: bytes = b""

    def to_dict(self) -> dict[str, object]:
        """Return the agent as JSON members."""
        return {
            "agent_id": self.agent_id, "owner": self.owner, "wallet": self.wallet, "domain": self.name, "uri": self.uri,
            "digest": self.digest.hex(), "registered_at": self.registered_at,
        }  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One piece of feedback, as the index has it."""

    agent_id: int
    client: str
    index: int
    amount: int
    decimals: int
    tag1: str
    tag2: str
    endpoint: str
    uri: str
    digest: bytes
    is_revoked: bool
    responses: int
    block: int

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON members."""
        return {
            "agent_id": self.agent_id, "client": self.client, "index": self.index, "value": self.words,
            "tag1": self.tag1, "tag2": self.tag2, "endpoint": self.endpoint, "uri": self.uri,
            "hash": self.digest.hex(), "revoked": self.is_revoked,
            "responses": self.responses, "block": self.block,
        }  # fmt: skip

    @property
    def words(self) -> str:
        """The value as people write it."""
        return ("-" if self.amount < 0 else "") + format_amount(abs(self.amount), self.decimals)


Files = Callable[[bytes], bytes | None]  # what is at hand of the files that lie elsewhere, by SHA-256


@dataclass(frozen=True)
class Wanted:
    """What must be true of an agent, and what it must say of itself; texts are compared without case, "" asks nothing.

    owner    an address
    wallet   an address
    name     part of the file's name
    service  A2A, MCP, … whole
    skill    part of a skill of any service
    trust    a model of trust that it supports, whole
    """

    name: str = ""
    service: str = ""
    skill: str = ""
    trust: str = ""
    owner: str = ""
    wallet: str = ""
    needs_x402: bool = False
    needs_active: bool = True

    def fits(self, file: Registration) -> bool:
        """Whether a file says all of it."""
        skills = [skill for one in file.services for skill in one.skills]
        return (
            (file.active or not self.needs_active)
            and (file.x402_support or not self.needs_x402)
            and _is_in(self.name, [file.name])
            and _is_in(self.skill, skills)
            and (not self.service or self.service.casefold() in (one.name.casefold() for one in file.services))
            and (not self.trust or self.trust in file.supported_trust)
        )


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

    def find(self, wanted: Wanted, files: Files) -> Iterator[tuple[Listed, Registration]]:
        """Yield the agents of whom all that is wanted is true, newest first, each with its file.

        files  of those whose URI leads elsewhere

        An agent whose file is not at hand is not found, whatever it says.
        """
        asked, of_whom = "SELECT * FROM agents_now WHERE agent_id < ?", list[str | bytes]()
        if wanted.owner:
            asked, of_whom = asked + " AND owner = ?", [*of_whom, wanted.owner]
        if wanted.wallet:
            asked, of_whom = asked + " AND wallet = ?", [*of_whom, bytes.fromhex(wanted.wallet[2:])]
        asked, before = asked + " ORDER BY agent_id DESC LIMIT ?", 2**63 - 1
        page = [_UNKNOWN] * _PAGE
        while len(page) == _PAGE:
            page = [_listed(row) for row in self._index.query(asked, (before, *of_whom, _PAGE))]
            for one in page:
                before = one.agent_id
                file = self.file_of(one, files)
                if file is not None and wanted.fits(file):
                    yield one, file

    def file_of(self, listed: Listed, files: Files) -> Registration | None:
        """Return the registration file of an agent, if it is at hand and as it was published.

        One in the URI is on chain itself; one that lies elsewhere must have the digest that its agent keeps there.
        """
        try:
            embedded = embedded_file(listed.uri)
            data = embedded or (files(listed.digest) if len(listed.digest) == 32 else None)
            is_meant = data is not None and (sha256(data) == listed.digest if listed.digest else embedded is not None)
            return Registration.from_bytes(data) if data is not None and is_meant else None
        except InvalidInput:
            return None

    def ratings(self, agent_id: int, tag: str = STARRED) -> list[Rating]:
        """Return each client's opinion of an agent: the mean of what it said between 0 and 100 and did not revoke."""
        rows = self._rows(
            "SELECT * FROM agents_feedback_now WHERE agent_id = ? AND tag1 = ? AND NOT revoked", agent_id, tag
        )
        said: dict[str, list[Fraction]] = {}
        for row in rows:
            value = Fraction(int(str(row["value"])), 10 ** int(str(row["decimals"])))
            if 0 <= value <= 100:
                said.setdefault(str(row["client"]), []).append(value)
        return [Rating(client, int(sum(values) * WHOLE / 100 / len(values))) for client, values in said.items()]

    def feedback(self, agent_id: int) -> list[Said]:
        """Return all that clients said of an agent, the oldest first."""
        return [_said(row) for row in self._rows("SELECT * FROM agents_feedback_now WHERE agent_id = ?", agent_id)]

    def said(self) -> Iterator[Said]:
        """Yield what clients said of any agent and did not revoke, the oldest first."""
        return (_said(row) for row in self._rows("SELECT * FROM agents_feedback_now WHERE NOT revoked"))

    def own(self, agent_id: int) -> tuple[str, ...]:
        """Return the accounts that the agent ever belonged to or was paid at: what they say of it does not count."""
        owners = self._index.query("SELECT DISTINCT receiver FROM agents_transfers WHERE agent_id = ?", (agent_id,))
        wallets = self._index.query(
            "SELECT DISTINCT value FROM agents_metadata WHERE agent_id = ? AND key = ? AND length(value) = 20",
            (agent_id, "agentWallet"),
        )
        found = [str(row["receiver"]) for row in owners] + [checksum_address(_bytes(row["value"])) for row in wallets]
        return tuple(sorted(set(found)))

    def payments(self, token: str) -> list[tuple[str, str, int, bytes]]:
        """Return (payer, payee, price, transaction) of every payment in a token; made and burnt units are none."""
        asked = "SELECT * FROM agents_payments WHERE token = ? AND payer <> ? AND payee <> ?"
        return [
            (str(row["payer"]), str(row["payee"]), int(str(row["price"])), _bytes(row["transaction_hash"]))
            for row in self._rows(asked, token, NOBODY, NOBODY)
        ]

    def validations(self, agent_id: int) -> list[dict[str, object]]:
        """Return what was asked of validators about an agent, and their answers, the oldest first."""
        return list(self._rows("SELECT * FROM agents_validations_now WHERE agent_id = ?", agent_id))

    def credentials(self, agent_id: int) -> list[dict[str, object]]:
        """Return the credentials of an agent that nobody ended and whose holder still owns it, the oldest first."""
        return list(self._rows("SELECT * FROM agents_credentials_now WHERE agent_id = ?", agent_id))

    def _rows(self, asked: str, *values: str | int) -> Iterator[dict[str, object]]:
        """Yield the rows of a SELECT … WHERE … in the order of the chain, page by page: nobody's flood ends a list."""
        ordered = f"{asked} AND (block_number, log_index) > (?, ?) ORDER BY block_number, log_index LIMIT {_ROWS}"
        place, page = (-1, -1), [dict[str, object]()] * _ROWS
        while len(page) == _ROWS:
            page = self._index.query(ordered, (*values, *place))
            yield from page
            place = (int(str(page[-1]["block_number"])), int(str(page[-1]["log_index"]))) if page else place


_UNKNOWN = Listed(0, "", "", "", "", 0)


def _listed(row: Mapping[str, object]) -> Listed:
    wallet, name = row["wallet"], row["name"]
    return Listed(
        int(str(row["agent_id"])),
        str(row["owner"]),
        checksum_address(wallet) if isinstance(wallet, bytes) and len(wallet) == 20 else "",
        name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else "",
        str(row["uri"]),
        int(str(row["registered_at"])),
        _bytes(row["digest"]),
    )


def _said(row: Mapping[str, object]) -> Said:
    return Said(
        int(str(row["agent_id"])), str(row["client"]), int(str(row["feedback_index"])),
        int(str(row["value"])), int(str(row["decimals"])),
        str(row["tag1"]), str(row["tag2"]), str(row["endpoint"]), str(row["uri"]), _bytes(row["hash"]),
        bool(row["revoked"]), int(str(row["responses"])), int(str(row["block_number"])),
    )  # fmt: skip


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _is_in(part: str, texts: list[str]) -> bool:
    return not part or any(part.casefold() in text.casefold() for text in texts)
