"""The tools of the story's agent, beside those of its wallet: find services, ask a price, pay over a channel, read.

None of them holds anybody to anything. What they may spend is decided by the wallet on chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from tallystick.agents.channels.signing import channel_id
from tallystick.agents.directory import Wanted
from tallystick.agents.identity.registration import Registration
from tallystick.agents.loop import Moment, Tool
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.wire import REQUIRED_HEADER, read_header
from tallystick.agents.policy.nouns import Level
from tallystick.agents.scoring import Seed, Terms
from tallystick.core import documents
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput
from tallystick.demos.agents_setting import AGENT, CLIENTS, DAY_S, HOUR_S, UNIT, WALLET, Setting
from tallystick.services.buying import buying_tool
from tallystick.services.channels.client import ChannelClient
from tallystick.services.dialer import Line, Place
from tallystick.tally.agents.channels import By
from tallystick.tally.agents.planning import Planning

ALLOTMENT: Final = UNIT  # what each client that the owner knows may vouch for
PRIOR: Final = UNIT // 10
LINES: Final = 8  # calls over a channel that fly at once
STEP: Final = 0  # vouchers are signed for what is asked, and nothing ahead
_TEXT: Final = {"type": "string", "maxLength": 4_096}
_JSON: Final = ("Content-Type: application/json",)


@dataclass
class Services:
    """What was found in the registry: each agent's wallet by `host:port`, and its scores by name."""

    payees: dict[str, str] = field(default_factory=dict)
    scores: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # agent, by trust, naive


@dataclass
class Many:
    """What was asked over the channel."""

    wanted: int = 0
    answered: int = 0
    seconds: float = 0.0
    channel: bytes = b""


@dataclass
class Toolkit:
    """The tools of one agent, and what they saw.

    bodies  what is asked over the channel, in turn
    """

    setting: Setting
    planning: Planning
    bodies: Sequence[bytes]
    services: Services = field(default_factory=Services)
    many: Many = field(default_factory=Many)

    def tools(self) -> list[Tool]:
        """Return the wallet's tools and these."""
        return [
            *self.planning.tools(),
            buying_tool(self.lend, payees=self.services.payees),
            _tool("find_services", "Find services by a skill, with their reputation.", "reads", self._find, "skill"),
            _tool("ask_price", "Ask what an address costs, and pay nothing.", "reads", self._price, "url", body=_TEXT),
            _tool(
                "open_channel", "Deposit for many small payments to somebody.", "spends", self._open, "payee",
                "purpose", units={"type": "integer", "minimum": 1},
            ),
            _tool(
                "ask_many", "Ask an address many times, paid over a channel.", "spends", self._ask_many, "url",
                "channel", count={"type": "integer", "minimum": 1, "maximum": 100_000},
            ),
        ]  # fmt: skip

    def lend(self, moment: Moment) -> Purse:
        """Return the purse for one call: at most a slot at a time, and 1.00 in a day."""
        why = self.planning.reasons(moment.goal, moment)
        desk = self.setting.tally.agents.payments
        return desk.purse([self.setting.coin.address], "0.05", "1", wallet=WALLET, session=AGENT, why=why)

    # --- looking

    def _find(self, arguments: dict[str, Any], _: Moment) -> str:
        """Return the services with what they say of themselves and what is believed of them."""
        tally = self.setting.tally
        tally.index.sync()
        seeds = [Seed(self.setting.address(one), ALLOTMENT) for one in CLIENTS]
        found = []
        for listed, file in tally.agents.identities.find(Wanted(skill=arguments["skill"], needs_x402=True)):
            agent = tally.agents.registries.agent(listed.agent_id)
            terms = Terms(prior=PRIOR)
            scored = tally.agents.feedback.basis(agent, seeds, terms=terms, coin=self.setting.coin.address).compute()
            told = {
                "agent": listed.agent_id, "name": file.name, "wallet": listed.wallet,
                "url": _endpoint(file, "web"), "channel": _endpoint(file, "channel"),
                "score": scored.score.permille, "naive_average": scored.naive, "clients_heard": scored.heard,
            }  # fmt: skip
            self.services.scores[file.name] = (listed.agent_id, scored.score.permille, scored.naive)
            for url in (told["url"], told["channel"]):
                if url:
                    self.services.payees[urlsplit(str(url)).netloc] = listed.wallet
            found.append(told)
        return orjson.dumps(found).decode()

    def _price(self, arguments: dict[str, Any], _: Moment) -> str:
        """Return the first way to pay that an address names."""
        return asyncio.run(_asked(arguments["url"], arguments.get("body", "").encode()))

    # --- paying over a channel

    def _open(self, arguments: dict[str, Any], moment: Moment) -> str:
        why = self.planning.reasons(arguments["purpose"], moment)
        desk, units = self.setting.tally.agents.channels, arguments["units"]
        by, coin = By(AGENT, WALLET, why), self.setting.coin
        made, _ = desk.open(by, arguments["payee"], coin, units, delay_s=HOUR_S, valid_s=DAY_S, step=STEP)
        self.many.channel = channel_id(made.terms)
        return orjson.dumps({"channel": self.many.channel.hex(), "deposit": coin.format(made.deposit)}).decode()

    def _ask_many(self, arguments: dict[str, Any], _: Moment) -> str:
        channel, count = parse_hex32(arguments["channel"], "channel"), arguments["count"]
        began = time.monotonic()
        self.many.wanted = count
        benign = asyncio.run(self._all(arguments["url"], channel, count))
        self.many.seconds = time.monotonic() - began
        told = {"answers": self.many.answered, "malignant": sum(one < 0.5 for one in benign)}
        return orjson.dumps(told).decode()

    async def _all(self, url: str, channel: bytes, count: int) -> list[float]:
        desk = self.setting.tally.agents.channels
        booked, price = desk.paying.channel(channel), int(orjson.loads(await _asked(url, b""))["amount"])
        parts = urlsplit(url)
        base, waiting, found = f"{parts.scheme}://{parts.netloc}", iter(range(count)), []
        async with ChannelClient(
            desk.payer(channel), booked.id, base, coin=self.setting.coin.address, lines=LINES
        ) as client:

            async def work() -> None:
                for number in waiting:
                    body = self.bodies[number % len(self.bodies)]
                    paid = await client.call("POST", parts.path, body, bound=price)
                    found.append(benign_of(paid.reply.body))
                    self.many.answered += 1

            await asyncio.gather(*(work() for _ in range(LINES)))
        return found


def benign_of(answer: bytes) -> float:
    """Return how likely a sample is benign, as a prediction says; raises InvalidInput "answer.form"."""
    try:
        (found,) = (one for one in orjson.loads(answer)["outputs"] if one["name"] == "probabilities")
        return float(found["data"][1])
    except (ValueError, KeyError, TypeError, IndexError):
        raise InvalidInput("answer.form", "the answer is no prediction", got=ascii(answer)[:80]) from None


async def _asked(url: str, body: bytes) -> str:
    parts = urlsplit(url)
    async with Line(Place.parse(f"{parts.scheme}://{parts.netloc}")) as line:
        reply = await line.ask("POST", parts.path, _JSON, body or b"{}")
    header = reply.headers.get(REQUIRED_HEADER.lower().encode())
    if reply.status != 402 or header is None:
        raise InvalidInput("demo.price", "the service names no price", expected="402", got=reply.status)
    asked = read_header(header.decode("ascii", "replace"), REQUIRED_HEADER)
    (one, *_) = documents.listed(asked.get("accepts"), "accepts", 16) or [{}]
    found = documents.typed(one, dict, "accepts")
    told = {"scheme": found.get("scheme"), "amount": found.get("amount"), "pay_to": found.get("payTo")}
    return orjson.dumps(told).decode()


def _endpoint(file: Registration, name: str) -> str:
    return next((one.endpoint for one in file.services if one.name == name), "")


def _tool(
    name: str, description: str, effect: Any, run: Callable[[dict[str, Any], Moment], str], *texts: str, **more: Any
) -> Tool:
    properties = {**dict.fromkeys(texts, _TEXT), **more}
    schema = {"type": "object", "properties": properties, "required": [one for one in properties if one != "body"]}
    return Tool(name, description, schema, effect, run, level=Level.BOUNDED if effect == "spends" else Level.OBSERVE)
