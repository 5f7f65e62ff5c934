"""Two services that sell one kind of prediction, each a `tally serve` with a price, and what is said of them.

The careful one costs more and was rated by people who paid it. The quick one is cheap, less liked, and made itself two
clients that praise it. Both are in the registry; the careful one also sells over a channel, by a gateway without a
price that stands behind `tally agent channel sell`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tallystick.agents.identity.registration import Registration, Service
from tallystick.chain.bindings.token import Token
from tallystick.demos import breast_cancer
from tallystick.demos.agents_setting import CLIENTS, FANS, UNIT, Setting
from tallystick.demos.processes import serving
from tallystick.models.dataset import create
from tallystick.models.formats.sklearn import write_model
from tallystick.models.register import Training
from tallystick.models.rows import rows_of_array
from tallystick.tally.agents import senders
from tallystick.tally.agents.feedback import Opinion

SKILL: Final = "tumour malignancy"
BEHIND: Final = "behind"  # the log of the gateway without a price
CHANNEL_PRICE: Final = "0.002"
SEQ: Final = 1

# by seller: what each client paid it, and how many stars of 100 it gave
_PAID: Final = {
    "careful": {"ann": (60 * UNIT // 100, 96), "ben": (40 * UNIT // 100, 93)},
    "quick": {"ann": (30 * UNIT // 100, 40), "ben": (20 * UNIT // 100, 35), **dict.fromkeys(FANS, (UNIT // 100, 100))},
}


@dataclass(frozen=True)
class Seller:
    """Who sells: a key, which is also the name of its log, the version of the model's story, and the price."""

    key: str
    title: str
    step: int
    price: str


SELLERS: Final = (Seller("careful", "Careful Predictions", 3, "0.05"), Seller("quick", "Quick Predictions", 1, "0.02"))


@dataclass(frozen=True)
class Open:
    """A seller that serves: its model, where it is asked, and as which agent it is known; `channel` may be ""."""

    seller: Seller
    model_id: int
    url: str
    channel: str
    agent: int = -1


def record_models(setting: Setting) -> dict[str, int]:
    """Record each seller's model on chain, open its log, and return the models' ids by seller."""
    tally, places, split = setting.tally, setting.places, breast_cancer.load_split()
    found = {}
    for seller in SELLERS:
        trained = breast_cancer.train(seller.step, split)
        rows = rows_of_array(split.train[: trained.rows], split.train_labels[: trained.rows])
        data = create(places.private / f"data-{seller.key}", (*split.features, "target")).append(rows)
        folder = places.models / seller.key
        folder.mkdir()
        write_model(trained.estimator, folder, features=len(split.features))
        training = Training(
            hyperparameters=trained.hyperparameters, metrics=trained.metrics, note=trained.title, dataset=data,
            code=Path(breast_cancer.__file__),
        )  # fmt: skip
        found[seller.key] = tally.models.register(f"{SKILL} by {seller.key}")
        tally.models.add_version(found[seller.key], folder, training)
        tally.inference.open(seller.key)
    tally.inference.open(BEHIND)
    return found


@contextlib.contextmanager
def selling(setting: Setting, models: dict[str, int], meanwhile: Callable[[], None]) -> Iterator[list[Open]]:
    """Serve while the block runs; `meanwhile` is done while the servers start."""
    with contextlib.ExitStack() as stack:

        def start(arguments: Sequence[str]) -> str:
            given = [*arguments, "--port", "0", "--workspace", str(setting.places.workspace)]
            ready = stack.enter_context(serving(given, setting.places.private, setting.environment()))
            return str(ready.get("infer") or ready["url"])

        def sell(seller: Seller) -> str:
            priced = ["--price", seller.price, "--token", setting.coin.address, "--pay-to", seller.key]
            return start([*_serve(models[seller.key], seller.key), *priced])

        def sell_over_channel(seller: Seller) -> str:
            base, path = _split(start(_serve(models[seller.key], BEHIND)))
            terms = ["--price", CHANNEL_PRICE, "--token", setting.coin.address, "--as", seller.key]
            return start(["agent", "channel", "sell", base, *terms]) + path

        with ThreadPoolExecutor(len(SELLERS) + 1) as pool:
            channel = pool.submit(sell_over_channel, SELLERS[0])
            urls = [pool.submit(sell, one) for one in SELLERS]
            meanwhile()
        channels = [channel.result(), *([""] * (len(SELLERS) - 1))]
        places = zip(SELLERS, urls, channels, strict=True)
        yield [Open(one, models[one.key], url.result(), where) for one, url, where in places]


def _serve(model_id: int, log: str) -> list[str]:
    return ["serve", f"{model_id}@{SEQ}", "--log", log, "--anchor-every", "0"]


def _split(url: str) -> tuple[str, str]:
    at = url.index("/", url.index("://") + 3)
    return url[:at], url[at:]


def be_known(setting: Setting, opened: Sequence[Open]) -> list[Open]:
    """Register each seller as an agent, and let its clients pay it and say what they think; return them as agents."""
    token, made = Token(setting.tally.node, setting.coin.address), []
    for client in CLIENTS:
        _send(setting, senders.OWN, token, client, 2 * UNIT)
    for one in opened:
        services = [Service("web", one.url, skills=(SKILL,))]
        if one.channel:
            services.append(Service("channel", one.channel, skills=(SKILL,)))
        file = Registration(
            one.seller.title, "predictions, each with a receipt", services=tuple(services), x402_support=True,
            supported_trust=("reputation",),
        )  # fmt: skip
        published = setting.tally.agents.identities.register(file, by=one.seller.key)
        made.append(Open(one.seller, one.model_id, one.url, one.channel, published.agent.agent_id))
        for client, (amount, stars) in _PAID[one.seller.key].items():
            if client in FANS:
                _send(setting, one.seller.key, token, client, amount)
            paid = _send(setting, client, token, one.seller.key, amount)
            desk = setting.tally.agents.feedback
            said = desk.write(published.agent, Opinion(stars, 0), paid=paid, coin=token.address, by=client)
            desk.give(said, by=client)
    return made


def _send(setting: Setting, key: str, token: Token, to: str, amount: int) -> bytes:
    call = token.transfer(setting.address(to), amount)
    return senders.send(setting.tally, key, call, f"{key} pays {to}").transaction_hash


def sample_bodies(count: int, *, first: int = 0) -> list[str]:
    """Return requests for so many rows that no model was trained on, beginning with row `first`."""
    rows = breast_cancer.load_split().test
    chosen = [rows[(first + number) % len(rows)] for number in range(count)]
    return [_body([float(value) for value in row]) for row in chosen]


def _body(row: Sequence[float]) -> str:
    return orjson.dumps(
        {"inputs": [{"name": "input", "shape": [1, len(row)], "datatype": "FP32", "data": list(row)}]}
    ).decode()
