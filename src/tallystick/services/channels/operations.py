"""Operation hashes of many requests to one origin: the same as `agents.payments.operation` makes, with the URL's part
of the work done once for each path."""

from __future__ import annotations

from functools import lru_cache

from tallystick.agents.payments.operation import Operation, http_resource
from tallystick.core.digest import sha256

_URLS_MAX = 1_024  # paths of a server that are asked for again and again


class Operations:
    """Hashes of requests to `origin`, `http://host:port`."""

    def __init__(self, origin: str) -> None:
        self._resource = lru_cache(maxsize=_URLS_MAX)(lambda target: http_resource(origin + target))

    def hash(self, method: str, path: str, query: str, body: bytes) -> bytes:
        """Return the hash of a request; raises InvalidInput "operation.resource", "operation.method"."""
        return Operation(method, self._resource(f"{path}?{query}" if query else path), sha256(body)).hash()
