"""Intent records: what a session meant by an act, written down before the act; its hash goes on chain with it.

A record is canonical JSON (RFC 8785) and `intent_hash` is its SHA-256, so it is found again by what the chain has. It
holds who asked, what for, on which model's word, under which policy, for what price and whom: digests and short texts,
never a prompt, an answer or a key. What can be guessed (a short prompt) is named by a salted commitment
(`core.commitment`). Next: `intents_signed.py`, `intents_store.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core import canonical, documents
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import INTENT_BYTES_MAX, INTENT_TEXT_CHARS_MAX, INTENT_TOOLS_MAX

FORMAT: Final = "tallystick-intent-1"
_NAMES: Final = (
    "account", "asked_by", "chain_id", "context", "created_at", "format", "model", "parent", "payment", "policy",
    "prompt", "purpose", "quote", "session", "task", "tools",
)  # fmt: skip

# Texts are published with the record. What has the looks of a key or a token is not let in.
_SECRET: Final = re.compile(
    r"-----BEGIN|(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])"
    r"|\beyJ[\w-]{10,}\.|\b(?:sk|pk|ghp|xox[abp])[-_]\w{16,}",
    re.ASCII,
)


@dataclass(frozen=True)
class Model:
    """Whose word the act goes by: a name for people, and the SHA-256 of the model's weights or manifest."""

    name: str
    weights: bytes


@dataclass(frozen=True)
class Tool:
    """One tool that the decision went through: its name, and commitments to what it was given and what it gave."""

    name: str
    given: bytes
    gave: bytes


@dataclass(frozen=True)
class Payment:
    """What is to be paid: an amount in the token's smallest unit; the zero address is the native coin."""

    payee: str
    token: str
    amount: int


@dataclass(frozen=True)
class Intent:
    """One record.

    created_at  Unix seconds, the agent's clock
    asked_by    who asked: a user, another agent, a schedule
    purpose     what for, in a sentence
    prompt      commitment to what the model was given
    policy      digest of the policy that the agent knew (`Policy.digest`)
    quote       SHA-256 of the offer that is taken, where there is one
    task        id of the task, and `context` of the conversation, as A2A has them; "" for none
    parent      hash of the intent that this one serves, where there is one
    """

    account: str
    chain_id: int
    session: str
    created_at: int
    asked_by: str
    purpose: str
    model: Model
    prompt: bytes
    policy: bytes
    tools: tuple[Tool, ...] = ()
    payment: Payment | None = None
    quote: bytes | None = None
    task: str = ""
    context: str = ""
    parent: bytes | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the record as JSON members: digests in hex, the amount in decimal."""
        paid = self.payment
        return {
            "account": self.account,
            "asked_by": self.asked_by,
            "chain_id": self.chain_id,
            "context": self.context,
            "created_at": self.created_at,
            "format": FORMAT,
            "model": {"name": self.model.name, "weights": self.model.weights.hex()},
            "parent": self.parent.hex() if self.parent else None,
            "payment": paid and {"amount": str(paid.amount), "payee": paid.payee, "token": paid.token},
            "policy": self.policy.hex(),
            "prompt": self.prompt.hex(),
            "purpose": self.purpose,
            "quote": None if self.quote is None else self.quote.hex(),
            "session": self.session,
            "task": self.task,
            "tools": [{"gave": one.gave.hex(), "given": one.given.hex(), "name": one.name} for one in self.tools],
        }

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, which `from_bytes` reads back the same.

        raises  InvalidInput as `from_bytes`: what cannot be read is not written
        """
        data = canonical.encode(self.to_dict())
        if Intent.from_bytes(data) != self:
            raise InvalidInput("intent.form", "the record would be read back otherwise", hint="use checksum addresses")
        return data

    def hash(self) -> bytes:
        """Return the intent hash: what an act on chain says it was for."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Intent:
        """Read a record; only its one canonical spelling is taken.

        raises  InvalidInput "intent.size", "intent.format", "intent.secret", "canonical.…", "document.…", "address.…"
        """
        if len(data) > INTENT_BYTES_MAX:
            raise InvalidInput(
                "intent.size", "the record is too large", expected=f"≤ {INTENT_BYTES_MAX}", got=len(data)
            )
        found = documents.members(canonical.decode(data, "intent record"), "intent record", _NAMES)
        if found["format"] != FORMAT:
            raise InvalidInput("intent.format", "not an intent", expected=FORMAT, got=ascii(found["format"])[:80])
        tools = documents.listed(found["tools"], "tools", INTENT_TOOLS_MAX)
        return cls(
            account=_address(found["account"], "account"),
            chain_id=documents.integer(found["chain_id"], "chain_id", 1),
            session=_address(found["session"], "session"),
            created_at=documents.integer(found["created_at"], "created_at"),
            asked_by=_text(found["asked_by"], "asked_by"),
            purpose=_text(found["purpose"], "purpose"),
            model=_model(found["model"]),
            prompt=documents.digest(found["prompt"], "prompt"),
            policy=documents.digest(found["policy"], "policy"),
            tools=tuple(_tool(one) for one in tools),
            payment=None if found["payment"] is None else _payment(found["payment"]),
            quote=None if found["quote"] is None else documents.digest(found["quote"], "quote"),
            task=_text(found["task"], "task"),
            context=_text(found["context"], "context"),
            parent=None if found["parent"] is None else documents.digest(found["parent"], "parent"),
        )


def _text(value: object, what: str) -> str:
    text = documents.text(value, what, INTENT_TEXT_CHARS_MAX)
    if _SECRET.search(text):
        raise InvalidInput(
            "intent.secret", f"{what} has the looks of a key, a digest or a token, and the record is shown to auditors",
            hint="say it in other words; digests have members of their own",
        )  # fmt: skip
    return text


def _address(value: object, what: str) -> str:
    address = parse_address(value)
    if value != address:
        raise InvalidInput("intent.address", f"{what} is not in checksum spelling", expected=address, got=str(value))
    return address


def _model(value: object) -> Model:
    found = documents.members(value, "model", ("name", "weights"))
    return Model(_text(found["name"], "model name"), documents.digest(found["weights"], "weights"))


def _tool(value: object) -> Tool:
    found: dict[str, Any] = documents.members(value, "tool", ("gave", "given", "name"))
    given, gave = documents.digest(found["given"], "given"), documents.digest(found["gave"], "gave")
    return Tool(_text(found["name"], "tool name"), given, gave)


def _payment(value: object) -> Payment:
    found = documents.members(value, "payment", ("amount", "payee", "token"))
    payee, token = _address(found["payee"], "payee"), _address(found["token"], "token")
    return Payment(payee, token, documents.decimal(found["amount"], "amount"))
