"""A language model behind an OpenAI-compatible endpoint, at temperature 0, held to answers that a contract can use.

A label must be one of the allowed values, to the letter but for case and the spaces around; its place in the list is
the answer. A number must be all that the model says; it is scaled, rounded and kept within the bounds. Anything else is
no answer: the node does not commit, rather than guess what was meant.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from decimal import Decimal

import orjson

from tallystick.chain.bindings.committee import Terms
from tallystick.core import canonical
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import NODE_ANSWER_BYTES_MAX, NODE_ANSWER_S
from tallystick.lithic.committee.decision import OutputKind
from tallystick.services.dialer import Line, Place
from tallystick.services.lithic_node.answerers import scaled

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?", re.ASCII)
_TOKENS_MAX = 64  # an allowed value or a number has a handful


@dataclass(frozen=True)
class EndpointAnswerer:
    """Asks `model` at `url` (up to and including `/v1`); the input is UTF-8 text, put where the prompt says `{input}`.

    allowed  the labels, in the order of their numbers; empty for numbers
    scale    a number is multiplied by it before it is rounded
    key      sent as a bearer token, where there is one
    """

    url: str
    model: str
    prompt: str
    allowed: tuple[str, ...] = ()
    scale: Decimal = Decimal(1)
    key: str = ""

    def answer(self, terms: Terms, data: bytes) -> int:
        """Return the label's number or the number itself.

        raises  InvalidInput "node.input" for an input that is no text, "node.allowed", "node.number" for an answer that
                is not one of those; Unavailable "dialer.…" or "node.busy" when the endpoint does not answer now
        """
        try:
            question = self.prompt.replace("{input}", data.decode("utf-8"))
        except UnicodeDecodeError:
            raise InvalidInput("node.input", "the input is not UTF-8 text") from None
        said = asyncio.run(self._ask(question))
        if terms.kind == OutputKind.LABEL:
            return self._label(said)
        if not _NUMBER.fullmatch(said.strip()):
            raise InvalidInput("node.number", "the model gave no number", got=ascii(said)[:80])
        return scaled(Decimal(said.strip()), self.scale, terms)

    def _label(self, said: str) -> int:
        wanted = [value.strip().casefold() for value in self.allowed]
        if said.strip().casefold() not in wanted:
            raise InvalidInput(
                "node.allowed", "the model gave none of the allowed values", expected=" | ".join(self.allowed),
                got=ascii(said)[:80],
            )  # fmt: skip
        return wanted.index(said.strip().casefold())

    async def _ask(self, question: str) -> str:
        place = Place.parse(self.url)
        asked = {
            "max_tokens": _TOKENS_MAX,
            "messages": [{"content": question, "role": "user"}],
            "model": self.model,
            "temperature": 0,
        }
        headers = ["Content-Type: application/json", *([f"Authorization: Bearer {self.key}"] if self.key else [])]
        async with Line(place) as line, asyncio.timeout(NODE_ANSWER_S):
            reply = await line.ask("POST", "/chat/completions", headers, orjson.dumps(asked))
        if reply.status in (408, 425, 429) or reply.status >= 500:
            raise Unavailable("node.busy", f"{place.authority} does not answer now", got=reply.status)
        if reply.status != 200:
            raise InvalidInput(
                "node.endpoint", f"{place.authority} refused the question", expected=200, got=reply.status
            )
        return read_chat(reply.body)


def read_chat(body: bytes) -> str:
    """Return the text of the one choice; raises InvalidInput "node.endpoint"."""
    try:
        if len(body) > NODE_ANSWER_BYTES_MAX:
            raise ValueError("too large")
        canonical.check_nesting(body, "an endpoint's answer")
        said = orjson.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInput("node.endpoint", "not an answer of a chat endpoint", got=repr(error)[:120]) from None
    if not isinstance(said, str):
        raise InvalidInput("node.endpoint", "not an answer of a chat endpoint", got=type(said).__name__)
    return said
