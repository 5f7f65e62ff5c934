"""An agent's card: made of what the agent registered, signed with its key of the chain, and checked by the chain alone.

The signature is a JWS (EdDSA) over the card's RFC 8785 form, as the protocol has it; `kid` names the agent, as
eip155:CHAIN:0x…/ID. Which key that is, no card says and no server: the registry's events do. docs/spec/agent-card.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    AgentProvider,
    AgentSkill,
)
from a2a.utils.signing import (
    NoSignatureError,
    SignatureVerificationError,
    create_agent_card_signer,
    create_signature_verifier,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from jwt.exceptions import InvalidKeyError

from tallystick.agents.identity.keys import KeyTerm
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import Registration
from tallystick.core.canonical import check_nesting
from tallystick.core.checks import Check, Report
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import A2A_CARD_BYTES_MAX, A2A_CARD_DEPTH_MAX, A2A_SIGNATURE_CHARS_MAX
from tallystick.services.abilities.ability import Ability

PROTOCOL: Final = "1.0"
SERVICE: Final = "A2A"  # how a registration file names the service
WELL_KNOWN: Final = "/.well-known/agent-card.json"
RPC_PATH: Final = "/a2a"
JSON_MODE: Final = "application/json"
# Both names of the payment extension: peers look for one or the other.
X402_EXTENSIONS: Final = (
    "https://github.com/google-a2a/a2a-x402/v0.1",
    "https://github.com/google-agentic-commerce/a2a-x402/blob/main/spec/v0.2",
)
IDENTITY_EXTENSION: Final = "https://eips.ethereum.org/EIPS/eip-8004"
_ALGORITHMS: Final = ["EdDSA"]


def build_card(
    file: Registration, agent: AgentRef, url: str, version: str, abilities: Sequence[Ability], *, is_paid: bool
) -> AgentCard:
    """Return the card of a registered agent that is reached at `url`, unsigned."""
    extensions = [
        AgentExtension(uri=IDENTITY_EXTENSION, description="registered on chain", params={"agent": str(agent)})
    ]
    if is_paid:
        extensions += [AgentExtension(uri=uri, description="paid per task by x402") for uri in X402_EXTENSIONS]
    skills = [
        AgentSkill(
            id=one.name, name=one.title, description=one.about, tags=["tallystick", one.level.name.lower()],
            input_modes=[JSON_MODE], output_modes=[JSON_MODE],
        )
        for one in abilities
    ]  # fmt: skip
    return AgentCard(
        name=file.name, description=file.description or file.name, version=version,
        provider=AgentProvider(organization=file.name, url=url),
        supported_interfaces=[
            AgentInterface(url=url + RPC_PATH, protocol_binding="JSONRPC", protocol_version=PROTOCOL),
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=True, extensions=extensions),
        default_input_modes=[JSON_MODE], default_output_modes=[JSON_MODE], skills=skills,
    )  # fmt: skip


def sign_card(card: AgentCard, agent: AgentRef, key: Ed25519PrivateKey) -> AgentCard:
    """Return the card with the agent's signature added."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    header: Any = {"alg": _ALGORITHMS[0], "kid": str(agent), "typ": "JOSE", "jku": None}
    signed = AgentCard()
    signed.CopyFrom(card)
    return create_agent_card_signer(pem, {name: value for name, value in header.items() if value})(signed)  # type: ignore[arg-type]


def write_card(card: AgentCard) -> dict[str, Any]:
    """Return a card as JSON members."""
    made: dict[str, Any] = MessageToDict(card)
    return made


def read_card(data: bytes) -> AgentCard:
    """Return a card that anybody may have written; members that are unknown are left out.

    raises  InvalidInput "a2a.card", "canonical.depth"
    """
    if len(data) > A2A_CARD_BYTES_MAX:
        raise InvalidInput("a2a.card", "the card is too large", expected=f"≤ {A2A_CARD_BYTES_MAX} bytes", got=len(data))
    check_nesting(data, "agent card", A2A_CARD_DEPTH_MAX)
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
        if not isinstance(found, dict):
            raise ParseError("not an object")
        card = AgentCard()
        ParseDict(found, card, ignore_unknown_fields=True)
        return card
    except (ValueError, RecursionError, TypeError, AttributeError, ParseError) as error:
        raise InvalidInput("a2a.card", "not an agent card", got=ascii(str(error))[:120]) from None


def agent_of(card: AgentCard) -> AgentRef | None:
    """Return the agent that a card claims to be of; None where it names none. A claim: `check_card` checks it."""
    for one in card.capabilities.extensions:
        if one.uri == IDENTITY_EXTENSION and "agent" in one.params.fields:
            try:
                return AgentRef.parse(one.params.fields["agent"].string_value)
            except InvalidInput:
                return None
    return None


def check_card(
    card: AgentCard, agent: AgentRef, url: str, terms: Sequence[KeyTerm], file: Registration | None
) -> Report:
    """Report whether a card that was fetched from `url` is the agent's, by the chain's word.

    terms  which keys signed for the agent, from the registry's events
    file   the agent's registration file, checked against its digest on chain; None where there is none
    """
    return Report.of(_checks(card, agent, url, terms, file))


def _checks(
    card: AgentCard, agent: AgentRef, url: str, terms: Sequence[KeyTerm], file: Registration | None
) -> Iterator[Check]:
    # 1. the card says that it is this agent's
    yield Check.equal("agent", str(agent), str(agent_of(card) or "none"))
    # 2. the chain names a key that signs for the agent now
    key = terms[-1].key if terms and terms[-1].until is None else None
    yield Check("key", key is not None, "the agent's key on chain" if key else "the agent has no key on chain now")
    # 3. that key signed this card, whole
    if any(len(text) > A2A_SIGNATURE_CHARS_MAX for one in card.signatures for text in (one.protected, one.signature)):
        yield Check("signature", False, "a signature is too long to be read")  # its header is JSON, and may nest
    elif key is not None:
        try:
            _verifier(agent, key)(card)
            yield Check("signature", True, f"EdDSA by {key.hex()[:16]}…")
        except NoSignatureError:
            yield Check("signature", False, "the card has no signature")
        except SignatureVerificationError as error:
            yield Check("signature", False, str(error))
    # 4. the agent registered this place
    places = (
        [] if file is None else [one.endpoint for one in file.services if one.name.casefold() == SERVICE.casefold()]
    )
    yield Check("place", any(is_same_origin(one, url) for one in places), "registered as A2A", ", ".join(places), url)
    # 5. what the card leads to is there too
    leads = [one.url for one in card.supported_interfaces]
    yield Check("interfaces", bool(leads) and all(is_same_origin(one, url) for one in leads), "", url, ", ".join(leads))


def is_same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common."""
    return _origin(one) is not None and _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _verifier(agent: AgentRef, key: bytes) -> Any:
    public = Ed25519PublicKey.from_public_bytes(key)

    def provide(kid: str | None, jku: str | None) -> Any:  # where a card says that its key lies is of no interest
        if kid != str(agent):
            raise InvalidKeyError("the signature is another agent's")
        return public

    return create_signature_verifier(provide, _ALGORITHMS)


def require_agent(card: AgentCard) -> AgentRef:
    """Return the agent that a card claims to be of; raises VerificationFailed "a2a.unregistered" for none."""
    found = agent_of(card)
    if found is None:
        raise VerificationFailed(
            "a2a.unregistered", "the card names no registered agent", expected=IDENTITY_EXTENSION,
            hint="say with --agent whose card it should be",
        )  # fmt: skip
    return found


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a duplicate key")
    return members
