"""What a payment is for: one operation, by a hash that seller and payer compute alike.

A price is asked for an operation and a payment is claimed for it, so that what was paid for one endpoint buys nothing
at another of the same price. Two spellings of one request are one operation: where an address is written in capitals,
with its default port, a fragment, or percent signs that were not needed, the hash is the same. What a server would
tell apart stays apart: method, path, query with its order, body. docs/spec/payment-operation.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from tallystick.core import canonical
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import PAYMENT_TEXT_MAX

FORMAT: Final = "tallystick-operation-1"
BINDING: Final = "tallystick-operation"  # an extension: the payment's nonce was made of the operation and a salt

_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~/-]{0,63}\Z", re.ASCII)
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Operation:
    """One request that is paid for.

    method    of HTTP in capitals, or of another protocol as it names it: `tools/call`
    resource  canonical: `http_resource` makes one of a URL; other protocols have URIs of their own, `mcp://tool/name`
    body      SHA-256 of what is asked with, of the empty string where there is no body
    """

    method: str
    resource: str
    body: bytes

    @classmethod
    def of(cls, method: str, resource: str, body: bytes = b"") -> Operation:
        """Return the operation of a request that is not HTTP; the resource is taken as it is.

        raises  InvalidInput "operation.method", "operation.resource"
        """
        return cls(_checked_method(method), _checked_resource(resource), sha256(body))

    @classmethod
    def of_http(cls, method: str, url: str, body: bytes = b"") -> Operation:
        """Return the operation of an HTTP request; raises InvalidInput "operation.method", "operation.resource"."""
        return cls(_checked_method(method.upper()), http_resource(url), sha256(body))

    def to_dict(self) -> dict[str, object]:
        """Return the members that are hashed."""
        return {"body": self.body.hex(), "format": FORMAT, "method": self.method, "resource": self.resource}

    def hash(self) -> bytes:
        """Return the operation's name: Keccak-256 of its canonical JSON."""
        return keccak(canonical.encode(self.to_dict()))


def bound_nonce(operation: Operation, salt: bytes) -> bytes:
    """Return a nonce that commits to an operation: whoever signs it has signed what it pays for."""
    return keccak(operation.hash() + salt)


def http_resource(url: str) -> str:
    """Return the one spelling of an http(s) URL: RFC 3986, 6.2.2 and 6.2.3, without user, fragment and default port.

    raises  InvalidInput "operation.resource"
    """
    _checked_resource(url)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme.lower() not in _DEFAULT_PORTS or not host or not url.isascii():
        raise _malformed(url)
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme.lower()]:
        authority += f":{port}"
    query = f"?{_unescaped(parts.query)}" if parts.query else ""
    return f"{parts.scheme.lower()}://{authority}{_without_dots(_unescaped(parts.path)) or '/'}{query}"


def _unescaped(text: str) -> str:
    """Return text without the escapes that change nothing; those that are needed get capitals."""

    def plain(match: re.Match[str]) -> str:
        (byte,) = unquote_to_bytes(match[0])
        return chr(byte) if byte in _UNRESERVED else match[0].upper()

    return quote(_ESCAPE.sub(plain, text), safe="%/:?#[]@!$&'()*+,;=-._~")


def _without_dots(path: str) -> str:
    """Return a path without `.` and `..`, as RFC 3986, 5.2.4 removes them."""
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(kept) > 1:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def _checked_method(method: str) -> str:
    if not _METHOD.match(method):
        raise InvalidInput("operation.method", "not a method", expected="a token", got=ascii(method)[:80])
    return method


def _checked_resource(resource: str) -> str:
    if not resource or len(resource) > PAYMENT_TEXT_MAX or any(char <= " " or char == "\x7f" for char in resource):
        raise _malformed(resource)
    return resource


def _malformed(resource: str) -> InvalidInput:
    return InvalidInput(
        "operation.resource", "not a resource",
        expected=f"a URL without white space, at most {PAYMENT_TEXT_MAX} characters", got=ascii(resource)[:80],
    )  # fmt: skip
