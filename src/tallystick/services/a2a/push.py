"""Notifications about tasks: posted to places that callers name, and never to a place inside our own network.

A host is looked up once, every address of it must be public, and the connection goes to that very address, so that a
name cannot lead elsewhere a moment later. No redirect is followed and no answer is read. Each notification carries a
token, signed by the agent's key of the chain, over its place, its time and the digest of its body: whoever gets one can
tell that it is the agent's.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import jwt
import orjson
from a2a.server.tasks.push_notification_sender import PushNotificationEvent, PushNotificationSender
from a2a.types import TaskPushNotificationConfig
from a2a.utils.proto_utils import to_stream_response
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.json_format import MessageToDict

from tallystick.agents.identity.reference import AgentRef
from tallystick.core.digest import sha256_hex
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import A2A_PUSH_QUEUE_MAX, A2A_PUSH_S, A2A_PUSH_TOKEN_S, A2A_SIGNATURE_CHARS_MAX
from tallystick.services.a2a.tasks import PushBook

TOKEN_HEADER = "X-Tallystick-Token"  # noqa: S105  a header's name
CALLER_HEADER = "X-A2A-Notification-Token"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """Where a notification goes: the URL as it was named, and the address that its host has."""

    url: str
    host: str
    address: str
    port: int
    is_tls: bool


@dataclass(frozen=True)
class Places:
    """Which places may be told: https at public addresses, and hosts that the operator named, wherever they are."""

    hosts: Collection[str] = ()

    async def accepts(self, url: str) -> bool:
        """Whether notifications may go there now."""
        try:
            await self.find(url)
        except InvalidInput:
            return False
        return True

    async def find(self, url: str) -> Target:
        """Return where a URL leads; raises InvalidInput "a2a.push_place"."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise _refused("not a URL", url) from None
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("http", "https") or not host or parts.username or len(url) > 2_048 or not url.isascii():
            raise _refused("not a URL of a place", url)
        is_named = host in self.hosts
        if parts.scheme != "https" and not is_named:
            raise _refused("not https", url)
        try:
            async with asyncio.timeout(A2A_PUSH_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            raise _refused("the host has no address", url) from None
        addresses = [str(one[4][0]) for one in found]
        if not addresses or not (is_named or all(map(is_public, addresses))):
            raise _refused("the host is not public", url)
        return Target(url, host, addresses[0], port, parts.scheme == "https")


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet's, also where it is wrapped in another."""
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (one.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
        if one in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(one) & 0xFFFF_FFFF)))
    return one.is_global and not (one.is_multicast or one.is_reserved or one.is_unspecified or one.is_loopback)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Pusher(PushNotificationSender):
    """Tells places of tasks. A place that does not take a notification within A2A_PUSH_S seconds loses it."""

    def __init__(
        self, pushes: PushBook, places: Places, agent: AgentRef, key: Ed25519PrivateKey,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._pushes = pushes
        self._places = places
        self._agent = agent
        self._key = key
        self._clock = clock
        self._under_way = 0

    async def send_notification(self, task_id: str, event: PushNotificationEvent) -> None:
        """Tell every place that asked for this task; one after another, so that each hears them in order."""
        configs = await self._pushes.get_info_for_dispatch(task_id)
        if not configs or self._under_way >= A2A_PUSH_QUEUE_MAX:
            return
        body = orjson.dumps(MessageToDict(to_stream_response(event)))
        self._under_way += 1
        try:
            for one in configs:
                try:
                    await self._post(one, body)
                except (InvalidInput, httpx.HTTPError, OSError, TimeoutError) as error:
                    _log.warning("a notification of task %s was not taken: %s", task_id, type(error).__name__)
        finally:
            self._under_way -= 1

    async def _post(self, config: TaskPushNotificationConfig, body: bytes) -> None:
        target = await self._places.find(config.url)  # again: the host may have moved since it was named
        headers = {"Content-Type": "application/json", TOKEN_HEADER: self.token(target.url, body)}
        if config.token:
            headers[CALLER_HEADER] = config.token
        if config.authentication.scheme and config.authentication.credentials:
            headers["Authorization"] = f"{config.authentication.scheme} {config.authentication.credentials}"
        literal = f"[{target.address}]" if ":" in target.address else target.address
        url = httpx.URL(target.url).copy_with(host=target.address, port=target.port)
        named = f"[{target.host}]" if ":" in target.host else target.host
        headers["Host"] = named if target.port in (80, 443) else f"{named}:{target.port}"
        extensions = {"sni_hostname": target.host} if target.is_tls and literal != named else {}
        async with httpx.AsyncClient(timeout=A2A_PUSH_S, trust_env=False, follow_redirects=False) as http:
            request = http.build_request("POST", url, content=body, headers=headers, extensions=extensions)
            async with asyncio.timeout(A2A_PUSH_S):
                response = await http.send(request, stream=True)
                await response.aclose()

    def token(self, url: str, body: bytes) -> str:
        """Return a token that says whose notification this is, for this place and this body only."""
        now = int(self._clock())
        claims = {
            "iss": str(self._agent),
            "aud": url,
            "iat": now,
            "exp": now + A2A_PUSH_TOKEN_S,
            "sha256": sha256_hex(body),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": str(self._agent)})


def check_token(token: str, agent: AgentRef, key: bytes, url: str, body: bytes) -> None:
    """Return if a notification that came to `url` is the agent's; raises jwt's InvalidTokenError.

    key  the agent's key of the chain, as `identity.keys` reads it
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(token) > A2A_SIGNATURE_CHARS_MAX:
        raise jwt.InvalidTokenError("the token is too long to be read")
    public = Ed25519PublicKey.from_public_bytes(key)
    wanted = ["iss", "aud", "iat", "exp", "sha256"]
    found = jwt.decode(token, public, ["EdDSA"], issuer=str(agent), audience=url, options={"require": wanted})
    if found["sha256"] != sha256_hex(body):
        raise jwt.InvalidTokenError("the token is of another notification")


def _refused(why: str, url: str) -> InvalidInput:
    return InvalidInput(
        "a2a.push_place", f"notifications are not sent there: {why}", got=ascii(url)[:120],
        expected="https at a public address, or a host that the agent's operator named",
    )  # fmt: skip
