"""Why an act is done, as its intent record says it: contents become salted commitments, and their salts stay here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from tallystick.agents.intents import Intent, Model, Payment, Tool
from tallystick.agents.intents_openings import PROMPT, Opening
from tallystick.core.commitment import SALT_BYTES, Domain, commit


@dataclass(frozen=True)
class Committed:
    """A commitment that was made elsewhere, where its salt and its content are too."""

    digest: bytes


Content = bytes | Committed


@dataclass(frozen=True)
class ToolUse:
    """A tool that the decision went through: its name, what it was given and what it gave."""

    name: str
    given: Content
    gave: Content


@dataclass(frozen=True)
class Reasons:
    """Why an act is done, for its intent record.

    asked_by, purpose  in a sentence each
    model              on whose word; "" for none
    weights            SHA-256 of that model's weights or manifest
    prompt             what the model was given; only a salted commitment of it is in the record
    tools              likewise, in order
    quote              SHA-256 of the offer that is taken
    task, context      ids as A2A has them
    parent             hash of the record that this one serves
    is_kept            keep contents too, beside their salts, and not only these
    """

    asked_by: str
    purpose: str
    model: str = ""
    weights: bytes = bytes(32)
    prompt: Content = b""
    tools: tuple[ToolUse, ...] = ()
    quote: bytes | None = None
    task: str = ""
    context: str = ""
    parent: bytes | None = None
    is_kept: bool = False


@dataclass
class Written:
    """A record to be signed, with what opens its commitments.

    contents  what is to be kept of prompt and tools, by the names of their commitments
    """

    intent: Intent
    opening: Opening
    contents: dict[str, bytes]


@dataclass
class _Commitments:
    """Commitments as they are made, each with a salt of its own."""

    salts: dict[str, bytes] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, domain: Domain, content: Content) -> bytes:
        if isinstance(content, Committed):
            return content.digest
        self.salts[name] = secrets.token_bytes(SALT_BYTES)
        if content:
            self.contents[name] = content
        return commit(domain, self.salts[name], content)


def write_record(
    why: Reasons,
    account: str,
    chain_id: int,
    session: str,
    *,
    created_at: int,
    policy: bytes,
    payment: Payment | None,
) -> Written:
    """Return the record of an act by a session of an account; raises InvalidInput as `Intent.to_bytes`."""
    made = _Commitments()
    prompt = made.add(PROMPT, Domain.IN, why.prompt)
    tools = tuple(
        Tool(
            one.name,
            made.add(f"tool-{number}-given", Domain.IN, one.given),
            made.add(f"tool-{number}-gave", Domain.OUT, one.gave),
        )
        for number, one in enumerate(why.tools, 1)
    )
    intent = Intent(
        account=account, chain_id=chain_id, session=session, created_at=created_at, asked_by=why.asked_by,
        purpose=why.purpose, model=Model(why.model, why.weights), prompt=prompt, policy=policy, tools=tools,
        payment=payment, quote=why.quote, task=why.task, context=why.context, parent=why.parent,
    )  # fmt: skip
    return Written(intent, Opening(made.salts), made.contents if why.is_kept else {})
