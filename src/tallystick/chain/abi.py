"""ABI coding for the generated bindings: exact in what goes out, strict and calm about what comes in.

Going out, a `bytes32` must be 32 bytes (eth_abi alone would pad it) and nothing may exceed the contract's bounds.
Coming in, malformed words raise InvalidInput, but text that is not UTF-8 is spelt with backslashes: contracts store any
bytes as a string, and a stranger's name must not stop whoever reads the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Protocol, Self, TypeVar

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder, BytesDecoder, StringDecoder
from eth_abi.encoding import AddressEncoder, BytesEncoder, TextStringEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import ABIRegistry, BaseEquals
from eth_abi.registry import registry as _default_registry

from tallystick.chain.calls import BlockId, Caller, Log
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import checksum_address, parse_address

Bounded = TypeVar("Bounded", bound=str | bytes | Sequence[Any])


class Event(Protocol):
    """What each event class of a binding offers."""

    topic: ClassVar[bytes]
    signature: ClassVar[str]

    @classmethod
    def decode(cls, log: Log) -> Self:
        """Return the event that `log` holds; raise InvalidInput "abi.log" if it holds another."""
        ...


def bounded(value: Bounded, maximum: int, what: str) -> Bounded:
    """Return `value` if it has at most `maximum` bytes or items; beyond, a contract would revert without a reason.

    raises  InvalidInput "abi.length"
    """
    length = len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else len(value)
    if length > maximum:
        raise InvalidInput("abi.length", f"{what} is too long", expected=f"≤ {maximum}", got=length)
    return value


def encode_call(selector: str, types: Sequence[str], values: Sequence[object]) -> bytes:
    """Return calldata: the selector (8 hex digits) and the encoded arguments.

    raises  InvalidInput "abi.argument" when a value does not fit its type
    """
    try:
        return bytes.fromhex(selector) + _codec().encode(types, values)
    except (EncodingError, UnicodeEncodeError, TypeError) as error:
        raise InvalidInput(
            "abi.argument", "an argument does not fit its type", expected=f"({', '.join(types)})", got=str(error)[:160]
        ) from None


def read(
    node: Caller,
    address: str,
    selector: str,
    types: Sequence[str],
    values: Sequence[object],
    outputs: Sequence[str],
    at: BlockId,
) -> Any:
    """Return the decoded outputs of a view function as a tuple.

    raises  InvalidInput "abi.argument", or "abi.answer" when the bytes that came back are not these outputs;
            what `Caller.call` raises
    """
    answer = node.call(address, encode_call(selector, types, values), at=at)
    return _decode(outputs, answer, "abi.answer")


def decode_log(
    log: Log, topic: bytes, indexed: Sequence[str], plain: Sequence[str]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the values in the topics and the values in the data of a log.

    raises  InvalidInput "abi.log" when the log is of another event or malformed
    """
    if not log.topics or log.topics[0] != topic or len(log.topics) != len(indexed) + 1:
        raise InvalidInput(
            "abi.log",
            "log holds another event",
            expected=f"{topic.hex()} and {len(indexed)} topics",
            got=[item.hex() for item in log.topics],
        )
    if any(len(item) != 32 for item in log.topics):
        raise InvalidInput("abi.log", "a topic is not 32 bytes")
    return _decode(indexed, b"".join(log.topics[1:]), "abi.log"), _decode(plain, log.data, "abi.log")


def _decode(types: Sequence[str], data: bytes, code: str) -> tuple[Any, ...]:
    try:
        return _codec().decode(types, data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise InvalidInput(
            code,
            "bytes are not these ABI values",
            expected=f"({', '.join(types)})",
            got=f"{len(data)} bytes: {str(error)[:120]}",
        ) from None


class _ExactBytesEncoder(BytesEncoder):
    def validate_value(self, value: Any) -> None:
        super().validate_value(value)  # type: ignore[no-untyped-call]  # eth_abi leaves its methods untyped
        if len(value) * 8 != self.value_bit_size:
            self.invalidate_value(value, msg="has too few bytes")


class _ChecksumAddressEncoder(AddressEncoder):
    @classmethod
    def validate_value(cls, value: Any) -> None:
        parse_address(value)


class _ChecksumAddressDecoder(AddressDecoder):
    decoder_fn = staticmethod(checksum_address)  # type: ignore[assignment]  # spelt by us, not by eth_utils


class _CalmStringDecoder(StringDecoder):
    @staticmethod
    def decoder_fn(data: bytes, handle_string_errors: str = "backslashreplace") -> str:
        return data.decode("utf-8", "backslashreplace")


@cache
def _codec() -> ABICodec:
    registry: ABIRegistry = _default_registry.copy()  # type: ignore[no-untyped-call]
    for kind, sub, encoder, decoder in (
        ("address", None, _ChecksumAddressEncoder, _ChecksumAddressDecoder),
        ("bytes", True, _ExactBytesEncoder, BytesDecoder),
        ("string", None, TextStringEncoder, _CalmStringDecoder),
    ):
        label = f"{kind}<M>" if sub else kind
        registry.unregister(label)
        registry.register(BaseEquals(kind, with_sub=sub), encoder, decoder, label=label)  # type: ignore[no-untyped-call]
    return ABICodec(registry)
