"""A planner behind HTTP: any server that speaks the chat completions interface of OpenAI.

The key comes from a file or the environment of whoever starts it, goes into one header, and is in no error, log or
transcript. Answers are bounded in bytes and time; a redirect is refused, since it would carry the key elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson

from tallystick.agents.loop.chat import Message, read_completion
from tallystick.agents.loop.tools import Toolbox
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import COMPLETION_BYTES_MAX, COMPLETION_S, COMPLETION_TRIES_MAX
from tallystick.services.extra import agents_extra

with agents_extra():
    import httpx

_TRY_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_PLAIN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class CompletionsPlanner:
    """A model at `url`, the interface's base address (`https://…/v1`).

    weights  SHA-256 of the model's weights where the caller knows it; 32 zero bytes otherwise
    raises   InvalidInput "completion.url" for an address that is not https, unless it is this machine;
             "completion.key" for a key that fits into no header
    """

    def __init__(self, url: str, model: str, key: str = "", weights: bytes = bytes(32)) -> None:
        parts = urlsplit(url)
        is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _PLAIN_HOSTS)
        if not is_private or parts.query or parts.fragment or parts.username:
            raise InvalidInput(
                "completion.url",
                "not the address of a model",
                expected="https://… or http://127.0.0.1:…",
                got=url[:80] if not parts.username else "an address with a name in it",
            )
        if not key.isascii() or not key.isprintable():
            raise InvalidInput("completion.key", "not a key", expected="one line of printable ASCII")
        self.name = model
        self.weights = weights
        self._key = key
        self._url = url.rstrip("/") + "/chat/completions"
        headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._client = httpx.Client(headers=headers, timeout=COMPLETION_S, follow_redirects=False, trust_env=False)

    def __repr__(self) -> str:
        return f"CompletionsPlanner({self._url!r}, {self.name!r})"

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
        """Return what the model says next; raises Unavailable "completion.unreachable", InvalidInput "completion.…"."""
        asked = {
            "model": self.name,
            "messages": [message.to_dict() for message in messages],
            "tools": [tool.to_dict() for tool in tools],
            "stream": False,
        }
        body = orjson.dumps(asked)
        for tried in range(COMPLETION_TRIES_MAX):
            if tried:
                time.sleep(2 ** (tried - 1))
            status, answer = self._post(body)
            if status not in _TRY_AGAIN:
                return self._read(status, answer)
        raise Unavailable(
            "completion.unreachable", f"the model answers {status}", got=self._words(answer), hint="try again later"
        )

    def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        answer = bytearray()
        until = time.monotonic() + COMPLETION_S
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                for piece in response.iter_bytes():
                    answer += piece
                    if len(answer) > COMPLETION_BYTES_MAX or time.monotonic() > until:
                        raise InvalidInput(
                            "completion.size", "the model's answer does not end", got=f"{len(answer)} bytes"
                        )
                return response.status_code, bytes(answer)
        except httpx.HTTPError as error:
            raise Unavailable(
                "completion.unreachable", f"the model does not answer: {type(error).__name__}", hint="check the address"
            ) from None

    def _read(self, status: int, answer: bytes) -> Message:
        if status != 200:
            raise InvalidInput(
                "completion.refused",
                f"the model's server answers {status}",
                got=self._words(answer),
                hint="check the model's name, the key and the address",
            )
        try:
            return read_completion(orjson.loads(answer))
        except orjson.JSONDecodeError:
            raise InvalidInput(
                "completion.form", "the answer is not JSON", got=self._words(answer),
                hint="the endpoint must answer in one piece: streams are not read",
            ) from None  # fmt: skip

    def _words(self, answer: bytes) -> str:
        """Return how an answer begins; where it repeats the key, as some servers do that refuse one, without it."""
        text = answer.decode("utf-8", "replace")
        return ascii((text.replace(self._key, "[the key]") if self._key else text)[:120])
