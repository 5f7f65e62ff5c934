"""The objects of x402 version 2 as they travel, read from strangers: bounded, typed, and kept as they were written.

A payer sends the requirements that it accepts back as it got them, so each object remembers the JSON that it was read
from. Members that are unknown here are kept and mean nothing. Whatever the bytes, reading raises nothing but
`InvalidInput`. Version 1, with its X-PAYMENT headers, is not spoken.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core import documents
from tallystick.core.canonical import check_nesting
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    PAYMENT_ACCEPTS_MAX,
    PAYMENT_BODY_BYTES_MAX,
    PAYMENT_DEPTH_MAX,
    PAYMENT_HEADER_BYTES_MAX,
    PAYMENT_TEXT_MAX,
)

VERSION: Final = 2
REQUIRED_HEADER: Final = "PAYMENT-REQUIRED"
PAYMENT_HEADER: Final = "PAYMENT-SIGNATURE"
RESPONSE_HEADER: Final = "PAYMENT-RESPONSE"

EXACT: Final = "exact"

_NETWORK = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}\Z", re.ASCII)  # CAIP-2
_EVM = re.compile(r"eip155:([1-9][0-9]{0,17})\Z", re.ASCII)

Members = Mapping[str, Any]


@dataclass(frozen=True)
class Requirements:
    """PaymentRequirements: one way to pay. `raw` is the JSON that it was read from, or would be written as."""

    scheme: str
    network: str
    asset: str
    amount: int
    pay_to: str
    timeout_s: int
    extra: Members
    raw: Members = field(compare=False, repr=False)

    @classmethod
    def make(
        cls, network: str, asset: str, amount: int, pay_to: str, timeout_s: int, extra: Members, scheme: str = EXACT
    ) -> Requirements:
        """Return requirements of ours."""
        raw = {
            "scheme": scheme, "network": network, "asset": asset, "amount": str(amount), "payTo": pay_to,
            "maxTimeoutSeconds": timeout_s, "extra": dict(extra),
        }  # fmt: skip
        return cls(scheme, network, asset, amount, pay_to, timeout_s, extra, raw)

    @classmethod
    def read(cls, value: object) -> Requirements:
        """Read requirements of any scheme and network; raises InvalidInput "document.…", "payment.network"."""
        found = _object(value, "requirements")
        network = _text(found, "network", 64)
        if not _NETWORK.match(network):
            raise InvalidInput("payment.network", "not a network", expected="CAIP-2", got=ascii(network)[:80])
        return cls(
            scheme=_text(found, "scheme", 64),
            network=network,
            asset=_text(found, "asset", 256),
            amount=documents.decimal(found.get("amount"), "amount"),
            pay_to=_text(found, "payTo", 256),
            timeout_s=documents.integer(found.get("maxTimeoutSeconds"), "maxTimeoutSeconds"),
            extra=_object(found.get("extra") or {}, "extra"),
            raw=found,
        )

    @property
    def chain_id(self) -> int:
        """The chain of an EVM network; raises InvalidInput "payment.network" for any other."""
        match = _EVM.match(self.network)
        if match is None:
            raise InvalidInput("payment.network", "not a network of ours", expected="eip155:…", got=self.network)
        return int(match[1])


@dataclass(frozen=True)
class Challenge:
    """PaymentRequired: what a seller asks for."""

    accepts: tuple[Requirements, ...]
    resource: Members = field(default_factory=dict)
    error: str = ""
    extensions: Members = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it travels."""
        made: dict[str, Any] = {"x402Version": VERSION, "accepts": [dict(one.raw) for one in self.accepts]}
        named = (("error", self.error), ("resource", dict(self.resource)), ("extensions", dict(self.extensions)))
        return made | {name: value for name, value in named if value}

    @classmethod
    def read(cls, value: object) -> Challenge:
        """Read a challenge; raises InvalidInput "document.…", "payment.version", "payment.network"."""
        found = _versioned(value, "challenge")
        accepts = documents.listed(found.get("accepts"), "accepts", PAYMENT_ACCEPTS_MAX)
        return cls(
            accepts=tuple(Requirements.read(one) for one in accepts),
            resource=_object(found.get("resource") or {}, "resource"),
            error=documents.text(found.get("error") or "", "error", PAYMENT_TEXT_MAX),
            extensions=_object(found.get("extensions") or {}, "extensions"),
        )


@dataclass(frozen=True)
class Payment:
    """PaymentPayload: what a payer sends."""

    accepted: Requirements
    payload: Members
    resource: Members = field(default_factory=dict)
    extensions: Members = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it travels."""
        made = {"x402Version": VERSION, "accepted": dict(self.accepted.raw), "payload": dict(self.payload)}
        named = (("resource", dict(self.resource)), ("extensions", dict(self.extensions)))
        return made | {name: value for name, value in named if value}

    @classmethod
    def read(cls, value: object) -> Payment:
        """Read a payment; raises InvalidInput "document.…", "payment.version", "payment.network"."""
        found = _versioned(value, "payment")
        return cls(
            accepted=Requirements.read(found.get("accepted")),
            payload=_object(found.get("payload"), "payload"),
            resource=_object(found.get("resource") or {}, "resource"),
            extensions=_object(found.get("extensions") or {}, "extensions"),
        )

    def digest(self) -> bytes:
        """Return what names this payment and no other: Keccak-256 of network, asset and the scheme's payload."""
        accepted = self.accepted
        named = [accepted.scheme, accepted.network, accepted.asset.lower(), self.payload]
        return keccak(_written(named))

    def extension_info(self, name: str) -> Members:
        """Return what the payer says under an extension, nothing where it says nothing readable."""
        extension = self.extensions.get(name)
        info = extension.get("info") if isinstance(extension, dict) else None
        return info if isinstance(info, dict) else {}


@dataclass(frozen=True)
class Settlement:
    """SettleResponse: what came of a payment."""

    success: bool
    network: str
    transaction: str = ""
    payer: str = ""
    amount: str = ""
    reason: str = ""
    message: str = ""
    extensions: Members = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it travels."""
        made: dict[str, Any] = {"success": self.success, "transaction": self.transaction, "network": self.network}
        named = (
            ("payer", self.payer), ("amount", self.amount), ("errorReason", self.reason),
            ("errorMessage", self.message), ("extensions", dict(self.extensions)),
        )  # fmt: skip
        return made | {name: value for name, value in named if value}

    @classmethod
    def read(cls, value: object) -> Settlement:
        """Read what came of a payment; raises InvalidInput "document.…"."""
        found = _object(value, "settlement")

        def optional(name: str, longest: int = 256) -> str:
            return documents.text(found.get(name) or "", name, longest)

        return cls(
            success=documents.typed(found.get("success"), bool, "success"),
            network=optional("network"),
            transaction=optional("transaction"),
            payer=optional("payer"),
            amount=optional("amount"),
            reason=optional("errorReason"),
            message=optional("errorMessage", PAYMENT_TEXT_MAX),
            extensions=_object(found.get("extensions") or {}, "extensions"),
        )


def write_text(value: Mapping[str, Any]) -> str:
    """Return an object as JSON in ASCII, which `read_json` reads back."""
    return _written(value).decode()


def write_header(value: Mapping[str, Any]) -> str:
    """Return an object as the value of a header: base64 of its JSON."""
    return base64.b64encode(_written(value)).decode()


def read_header(text: str, what: str = "payment header") -> dict[str, Any]:
    """Return the object in a header's value.

    raises  InvalidInput "payment.header" for what is no base64 of a JSON object, or too long; "canonical.depth"
    """
    if len(text) > PAYMENT_HEADER_BYTES_MAX:
        raise _malformed(what, f"at most {PAYMENT_HEADER_BYTES_MAX} characters", len(text))
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(what, "base64 of a JSON object", ascii(text)[:80]) from None
    return read_json(data, what)


def read_json(data: bytes, what: str) -> dict[str, Any]:
    """Return the object that JSON from outside holds.

    raises  InvalidInput "payment.header" for anything else: another type, a duplicate key, no UTF-8; "canonical.depth"
    """
    if len(data) > PAYMENT_BODY_BYTES_MAX:
        raise _malformed(what, f"at most {PAYMENT_BODY_BYTES_MAX} bytes", len(data))
    check_nesting(data, what, PAYMENT_DEPTH_MAX)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _malformed(what, "a JSON object", str(error)[:80]) from None
    if not isinstance(value, dict):
        raise _malformed(what, "a JSON object", type(value).__name__)
    return value


def _malformed(what: str, expected: str, got: object) -> InvalidInput:
    return InvalidInput("payment.header", f"{what} is malformed", expected=expected, got=got)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a key twice")
    return members


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def _written(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=True).encode()


def _object(value: object, what: str) -> dict[str, Any]:
    return documents.typed(value, dict, what)


def _versioned(value: object, what: str) -> dict[str, Any]:
    found = _object(value, what)
    if found.get("x402Version") != VERSION or isinstance(found.get("x402Version"), bool):
        got = ascii(found.get("x402Version"))[:40]
        raise InvalidInput("payment.version", f"{what} is of another version of x402", expected=VERSION, got=got)
    return found


def _text(found: Members, name: str, longest: int) -> str:
    value = documents.text(found.get(name), name, longest)
    if not value:
        raise InvalidInput("document.length", f"{name} is empty")
    return value
