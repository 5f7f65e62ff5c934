"""Planners of the agents' story that need no model: they read what tools answer, and decide by what it costs and says.

A plan is a generator: it yields calls, gets their answers, and returns the text that ends the run. An answer is what a
tool's JSON holds, whether the tool did it or was refused; a refusal has the member `code`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import orjson

from tallystick.agents.loop import Message, Toolbox, ToolCall
from tallystick.core.digest import sha256

Call = tuple[str, dict[str, Any]]
Plan = Generator[list[Call], list[Any], str]

DOUBT: Final = (0.1, 0.9)  # a probability between these is worth a second opinion


class PlanPlanner:
    """Does what a plan yields; its weights are the SHA-256 of this file."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name: Final = name
        self.weights: Final = sha256(Path(__file__).read_bytes())
        self._plan = plan
        self._made = 0

    def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
        """Return the plan's next calls, given the answers to those before; its text once it has ended."""
        try:
            calls = self._plan.send(_answers(messages)) if self._made else next(self._plan)
        except StopIteration as ended:
            return Message("assistant", str(ended.value))
        made = tuple(
            ToolCall(f"call-{self._made + number}", tool, orjson.dumps(arguments).decode())
            for number, (tool, arguments) in enumerate(calls, 1)
        )
        self._made += len(made)
        return Message("assistant", "", made)


def _answers(messages: Sequence[Message]) -> list[Any]:
    heard: list[Any] = []
    for message in reversed(messages):
        if message.role != "tool":
            break
        heard.append(_parsed(message.text))
    return heard[::-1]


def _parsed(text: str) -> Any:
    """Return what an answer holds; one that was cut, or is no JSON, is as good as refused."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"code": "answer.form"}


@dataclass(frozen=True)
class Offer:
    """A service as the index has it, and what it asks; `cost` is what an answer costs for each part of trust in it."""

    name: str
    url: str
    channel: str
    wallet: str
    price: int
    score: int

    @property
    def cost(self) -> Fraction:
        """The price in smallest units, by the score in parts of one."""
        return Fraction(self.price * 1_000, self.score)


def research(skill: str, samples: Sequence[str], many: int) -> Plan:
    """Find services, buy an answer to each sample from the best, a second opinion where it doubts, and many more.

    samples  bodies of requests
    many     answers that are bought over a channel, of the best service
    """
    offers = yield from _offers(skill, samples[0])
    if not offers:
        return "nobody whom I trust sells this"
    best, *others = offers
    answers = yield [("fetch", {"url": best.url, "body": one}) for one in samples]
    benign = [_benign(one) for one in answers]
    doubtful = [
        one for one, told in zip(samples, benign, strict=True) if told is not None and DOUBT[0] < told < DOUBT[1]
    ]
    seconds: list[Any] = []
    if doubtful and others:
        seconds = yield [("fetch", {"url": others[0].url, "body": one}) for one in doubtful]
    told = sum(1 for one in benign if one is not None)
    words = f"{sum(1 for one in benign if one is not None and one < 0.5)} of {told} samples look malignant"
    words += f", by {best.name}; {len(seconds)} second opinions"
    if best.channel and many:
        words += yield from _many(best, many)
    return words


def _offers(skill: str, sample: str) -> Generator[list[Call], list[Any], list[Offer]]:
    """Return the services that ask for the wallet which their registry names, the best first: price by reputation."""
    (found,) = yield [("find_services", {"skill": skill})]
    known = [one for one in found if one["score"] > 0]
    if not known:
        return []
    asked = yield [("ask_price", {"url": one["url"], "body": sample}) for one in known]
    offers = [
        Offer(one["name"], one["url"], one["channel"], one["wallet"], int(price["amount"]), one["score"])
        for one, price in zip(known, asked, strict=True)
        if price.get("pay_to") == one["wallet"] and str(price.get("amount")).isdecimal()
    ]
    return sorted(offers, key=lambda one: one.cost)


def _many(best: Offer, count: int) -> Generator[list[Call], list[Any], str]:
    (price,) = yield [("ask_price", {"url": best.channel})]
    if price.get("pay_to") != best.wallet or not str(price.get("amount")).isdecimal():
        return ""
    wanted = {"payee": best.wallet, "units": int(price["amount"]) * count, "purpose": f"{count} more answers"}
    (opened,) = yield [("open_channel", wanted)]
    if "channel" not in opened:
        return f"; no channel: {opened['code']}"
    (asked,) = yield [("ask_many", {"url": best.channel, "channel": opened["channel"], "count": count})]
    return f"; {asked.get('answers', 0)} more answers over a channel"


def _benign(answer: Any) -> float | None:
    """Return how likely a sample is benign, as a paid answer says; None where there is none, or it is no prediction."""
    if answer.get("status") != 200:
        return None
    try:
        (found,) = (one for one in orjson.loads(answer["body"])["outputs"] if one["name"] == "probabilities")
        return float(found["data"][1])
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def buy_or_ask(payee: str, amount: str, coin: str, purpose: str) -> Plan:
    """Pay, and where the wallet refuses, ask people for it."""
    wanted = {"payee": payee, "amount": amount, "coin": coin, "purpose": purpose}
    (paid,) = yield [("pay", wanted)]
    if "code" not in paid:
        return "paid"
    (asked,) = yield [("propose_payment", wanted)]
    return str(asked.get("item", "")) or f"neither paid nor asked: {asked['code']}"


def try_each(calls: Sequence[Call]) -> Plan:
    """Make these calls, whatever comes of them."""
    yield list(calls)
    return "tried"
