"""What an audit puts together and what it finds: links, movements, sheets, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from tallystick.agents.policy.nouns import LinkKind
from tallystick.chain.bindings.policy_account import ActionLogged

Place = tuple[int, int]  # number of the block, index of the log in it

ACTS: Final = frozenset(
    (LinkKind.CALL, LinkKind.SIGNED_CALL, LinkKind.USER_OPERATION, LinkKind.DELEGATION, LinkKind.QUEUE_ITEM)
)  # what a session does
MOVES: Final = ACTS | {LinkKind.OWNER_CALL, LinkKind.SWEEP}  # the links in whose course tokens may move


class Area(Enum):
    """What a finding is about; the order in which an audit looks."""

    NODE = "node"
    CODE = "code"
    LINKS = "links"
    OFFICES = "offices"
    ITEMS = "items"
    TOKENS = "tokens"
    COIN = "coin"
    DEPOSIT = "deposit"
    AUTHORIZATIONS = "authorizations"
    INTENTS = "intents"


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit.

    code    what kind of thing, `area.reason`
    is_gap  whether the account is not balanced by it; otherwise it is told and the verdict stands
    seq     the link that it is about; 0: none
    """

    area: Area
    code: str
    words: str
    seq: int = 0
    transaction: bytes = b""
    is_gap: bool = True

    def to_dict(self) -> dict[str, object]:
        """Return the finding as JSON members."""
        return {
            "area": self.area.value,
            "code": self.code,
            "is_gap": self.is_gap,
            "seq": self.seq,
            "transaction": self.transaction.hex(),
            "words": self.words,
        }


@dataclass(frozen=True)
class Link:
    """One link of the audit chain and where it lies; `at` is the time of its block, `reason` why it was refused."""

    event: ActionLogged
    place: Place
    transaction: bytes
    at: int
    reason: str = ""

    @property
    def kind(self) -> LinkKind:
        """What it records."""
        return LinkKind(self.event.kind)

    @property
    def moves(self) -> bool:
        """Whether something may have moved in its course."""
        return self.event.result and self.event.kind in MOVES

    def to_dict(self) -> dict[str, object]:
        """Return the link as JSON members."""
        event = self.event
        return {
            "amount": str(event.amount),
            "at": self.at,
            "block": self.place[0],
            "data_hash": event.data_hash.hex(),
            "head": event.head.hex(),
            "intent_hash": event.intent_hash.hex(),
            "is_done": event.result,
            "kind": self.kind.name.lower(),
            "reason": self.reason,
            "seq": event.seq,
            "session": event.session,
            "target": event.target,
            "token": event.token,
            "transaction": self.transaction.hex(),
        }


class Tie(Enum):
    """What a movement belongs to."""

    LINK = "link"
    AUTHORIZATION = "authorization"
    GAS = "gas"
    RECEIVED = "received"
    SILENT = "silent"  # native coin that came without an event, as a block's reward or from a contract that ended
    NONE = "none"


@dataclass(frozen=True)
class Movement:
    """Something that came in or went out, with what it belongs to.

    party    from whom or to whom
    seq      of a link: which
    session  who decided; "" where no session did
    nonce    of an authorization
    """

    token: str
    amount: int
    is_out: bool
    party: str
    place: Place
    transaction: bytes
    at: int
    tie: Tie
    seq: int = 0
    session: str = ""
    nonce: bytes = b""

    def to_dict(self) -> dict[str, object]:
        """Return the movement as JSON members."""
        return {
            "amount": str(self.amount),
            "at": self.at,
            "block": self.place[0],
            "is_out": self.is_out,
            "nonce": self.nonce.hex(),
            "party": self.party,
            "seq": self.seq,
            "session": self.session,
            "tie": self.tie.value,
            "token": self.token,
            "transaction": self.transaction.hex(),
        }


@dataclass(frozen=True)
class Sheet:
    """One token's account: opening + came in − went out + silent = closing; balanced where nothing was silent."""

    token: str
    opening: int
    came_in: int
    went_out: int
    closing: int

    @property
    def silent(self) -> int:
        """What the balance changed by without a movement that could be seen."""
        return self.closing - (self.opening + self.came_in - self.went_out)

    def to_dict(self) -> dict[str, str]:
        """Return the sheet as JSON members, amounts in decimal."""
        return {
            "token": self.token,
            "opening": str(self.opening),
            "came_in": str(self.came_in),
            "went_out": str(self.went_out),
            "closing": str(self.closing),
            "silent": str(self.silent),
        }
