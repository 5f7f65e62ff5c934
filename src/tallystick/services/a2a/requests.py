"""What a message asks for, and where a payment travels in one: metadata `x402.payment.*` of messages.

A message asks for a skill by a data part `{"skill": …, "arguments": {…}}`. A demand is a task that waits for input,
whose message carries `x402.payment.required`; the payment comes in the metadata of the next message of that task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from a2a.types import Message, Part
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from tallystick.agents.payments.operation import Operation
from tallystick.core.errors import InvalidInput
from tallystick.services.abilities.till import operation_of

STATUS: Final = "x402.payment.status"
REQUIRED: Final = "x402.payment.required"
PAYLOAD: Final = "x402.payment.payload"
RECEIPTS: Final = "x402.payment.receipts"
ERROR: Final = "x402.payment.error"


class Standing(StrEnum):
    """How a payment stands, as the extension names it."""

    REQUIRED = "payment-required"
    SUBMITTED = "payment-submitted"
    VERIFIED = "payment-verified"
    REJECTED = "payment-rejected"
    COMPLETED = "payment-completed"
    FAILED = "payment-failed"


@dataclass(frozen=True)
class Wanted:
    """A skill, and the arguments as they were sent."""

    skill: str
    arguments: Mapping[str, Any]

    def operation(self) -> Operation:
        """Return what this is, for payments; raises InvalidInput as `operation_of`."""
        return operation_of("SendMessage", f"a2a://skill/{self.skill}", self.arguments)

    def part(self) -> Part:
        """Return the part that asks for it."""
        return data_part({"skill": self.skill, "arguments": dict(self.arguments)})


def read_wanted(messages: Iterable[Message]) -> Wanted:
    """Return what the first message with a data part asks for; raises InvalidInput "a2a.request"."""
    for message in messages:
        for part in message.parts:
            if not part.HasField("data"):
                continue
            found = whole(MessageToDict(part.data))
            skill = found.get("skill") if isinstance(found, dict) else None
            arguments = found.get("arguments", {}) if isinstance(found, dict) else None
            if isinstance(skill, str) and isinstance(arguments, dict) and set(found) <= {"skill", "arguments"}:
                return Wanted(skill, arguments)
    raise InvalidInput(
        "a2a.request", "the message asks for nothing that is done here",
        expected='a data part {"skill": …, "arguments": {…}}', hint="the card lists the skills",
    )  # fmt: skip


def metadata_of(message: Message | None) -> dict[str, Any]:
    """Return a message's metadata, with numbers as they were sent."""
    return {} if message is None else whole(MessageToDict(message.metadata))


def data_part(value: Mapping[str, Any]) -> Part:
    """Return a part that holds a JSON object."""
    made = Part(media_type="application/json")
    ParseDict(dict(value), made.data)
    return made


def structured(value: Mapping[str, Any]) -> Struct:
    """Return JSON members as the protocol's type for them."""
    made = Struct()
    ParseDict(dict(value), made)
    return made


def whole(value: Any) -> Any:
    """Return JSON in which whole numbers are integers again: the protocol's type has only doubles."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
