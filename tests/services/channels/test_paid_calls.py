"""Paid calls over real HTTP: what is served, what is refused, and what a lost answer costs."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest

from tallystick.agents.channels import wire
from tallystick.agents.channels.signing import SignedCall
from tallystick.chain.coin import NATIVE
from tallystick.core.eip712 import Signer
from tallystick.core.errors import Rejected, Unavailable, VerificationFailed
from tallystick.services.channels.client import ChannelClient
from tallystick.services.channels.server import ChannelServer, Offering, Sold
from tallystick.services.dialer import Line, Place
from tallystick.services.http1 import Response
from tallystick.services.listener import Listener
from tests.agents.channels.kit import PRICE, Pair
from tests.contracts.conftest import Ledger

BODY = b"what is it?"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    made = Ledger(tmp_path_factory.mktemp("ledger") / "chain.db")
    yield made
    made.node.close()


@pytest.fixture
def pair(ledger, tmp_path):
    return Pair(ledger, tmp_path)


class Shop:
    """What is sold: the question said back, at a cost that the body may name; it counts how often it works."""

    def __init__(self):
        self.worked = 0
        self.gate = None

    async def work(self, request):
        self.worked += 1
        if self.gate is not None:
            await self.gate.wait()
        if request.body == b"break":
            raise ValueError("broken inside")
        if request.body == b"fail":
            return Sold(Response(404, b"no such thing"), PRICE)
        cost = int(request.body.removeprefix(b"cost ")) if request.body.startswith(b"cost ") else PRICE
        return Sold(Response(200, b"you asked: " + request.body, b"text/plain"), cost)


@asynccontextmanager
async def serving(pair, shop, payee=None):
    made = []

    async def handle(request):
        return await made[0].handle(request)

    listener = Listener(handle, hosts=None)
    port = await listener.start("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}"
    network = f"eip155:{pair.ledger.chain_id}"
    offering = Offering(url, network, NATIVE, pair.channels.address, lambda request: PRICE, shop.work)
    made.append(ChannelServer(payee or pair.payee, offering))
    try:
        yield url
    finally:
        await listener.stop()
        made[0].close()


def talk(pair, story, shop=None, **options):
    """Run a story with a client and a server; return what it returns."""

    async def run():
        async with (
            serving(pair, shop or Shop(), options.get("payee")) as url,
            ChannelClient(pair.payer, pair.id, url, coin=NATIVE, lines=options.get("lines", 4)) as client,
        ):
            return await story(client, url)

    return asyncio.run(run())


def test_a_call_is_paid_for_and_answered_with_a_receipt(pair):
    shop = Shop()
    paid = talk(pair, lambda client, url: client.call("POST", "/ask?x=1", BODY, bound=PRICE), shop)
    assert (paid.reply.status, paid.reply.body) == (200, b"you asked: what is it?")
    assert (paid.receipt.charged, paid.receipt.spent) == (PRICE, PRICE)
    assert (pair.booked().spent, pair.booked().pending, pair.account().spent) == (PRICE, 0, PRICE)


def test_without_payment_the_price_is_told(pair):
    async def story(client, url):
        async with Line(Place.parse(url)) as line:
            return await line.ask("POST", "/ask", (), BODY)

    shop = Shop()
    reply = talk(pair, story, shop)
    assert (reply.status, shop.worked) == (402, 0)
    asked = orjson.loads(reply.body)
    assert orjson.loads(b64decode(reply.headers[b"payment-required"])) == asked
    (one,) = asked["accepts"]
    assert (one["scheme"], one["amount"], one["payTo"]) == ("channel", str(PRICE), pair.channels.payee)
    assert one["extra"] == {"contract": pair.channels.address, "receiptKey": pair.payee.receipt_key}


def test_many_calls_at_once_are_each_charged_once(pair):
    async def story(client, url):
        return await asyncio.gather(*(client.call("POST", f"/{n}", BODY, bound=PRICE) for n in range(40)))

    shop = Shop()
    paid = talk(pair, story, shop, lines=16)
    assert {one.reply.status for one in paid} == {200}
    assert sorted(one.receipt.spent for one in paid) == [PRICE * n for n in range(1, 41)]
    assert shop.worked == 40
    assert pair.account().spent == pair.booked().spent == 40 * PRICE


def test_what_is_known_only_afterwards_is_charged_up_to_the_bound(pair):
    async def story(client, url):
        return [await client.call("POST", "/", b"cost %d" % cost, bound=PRICE) for cost in (7, 0, 5_000)]

    assert [one.receipt.charged for one in talk(pair, story)] == [7, 0, PRICE]
    assert pair.booked().spent == 107


def test_work_that_fails_costs_nothing(pair):
    async def story(client, url):
        return [await client.call("POST", "/", body, bound=PRICE) for body in (b"fail", b"break")]

    paid = talk(pair, story)
    assert [(one.reply.status, one.receipt.charged) for one in paid] == [(404, 0), (500, 0)]
    assert (pair.account().spent, pair.booked().spent, pair.booked().pending) == (0, 0, 0)


def test_a_payment_for_one_request_buys_no_other(pair):
    async def story(client, url):
        signed = pair.sign("nothing that is sold")
        replies = []
        for call in (signed, SignedCall.sign(replace(signed.call, bound=1), pair.channels.domain,
                                             Signer(pair.secret(pair.channels.authorizer)))):  # fmt: skip
            with pytest.raises(Rejected) as caught:
                await client.send("POST", "/ask", BODY, call)
            replies.append(caught.value.got)
        paid = await client.call("POST", "/a", BODY, bound=PRICE)
        kept = pair.payer.sign(pair.id, [(client._operations.hash("POST", "/a", "", BODY), PRICE)])[0]
        for method, path, body in (("POST", "/b", BODY), ("POST", "/a", b"other"), ("PUT", "/a", BODY)):
            with pytest.raises(Rejected) as caught:
                await client.send(method, path, body, kept)
            replies.append(caught.value.got)
        return replies, paid

    shop = Shop()
    replies, _ = talk(pair, story, shop)
    assert all("channel.operation" in one for one in replies)
    assert shop.worked == 1


def test_less_than_the_price_is_refused_and_what_was_set_aside_is_free_again(pair):
    async def story(client, url):
        with pytest.raises(Rejected) as caught:
            await client.call("POST", "/", BODY, bound=PRICE - 1)
        return caught.value.got

    assert "channel.price" in talk(pair, story)
    assert (pair.booked().pending, pair.account()) == (0, None)


def test_the_same_call_again_is_answered_as_before_and_not_worked_on(pair):
    async def story(client, url):
        operation = client._operations.hash("POST", "/ask", "", BODY)
        (signed,) = pair.payer.sign(pair.id, [(operation, PRICE)])
        return [await client.send("POST", "/ask", BODY, signed) for _ in range(3)]

    shop = Shop()
    first, *others = talk(pair, story, shop)
    assert [one.reply.body for one in others] == [first.reply.body] * 2
    assert [one.receipt for one in others] == [first.receipt] * 2
    assert (shop.worked, pair.account().spent, pair.booked().spent) == (1, PRICE, PRICE)


def test_a_call_that_is_being_worked_on_is_told_to_be_repeated(pair):
    shop = Shop()

    async def story(client, url):
        shop.gate = asyncio.Event()
        operation = client._operations.hash("POST", "/ask", "", BODY)
        (signed,) = pair.payer.sign(pair.id, [(operation, PRICE)])
        first = asyncio.create_task(client.send("POST", "/ask", BODY, signed))
        while not shop.worked:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="nobody said"):
            await client.send("POST", "/ask", BODY, signed)
        shop.gate.set()
        return await first, await client.send("POST", "/ask", BODY, signed)

    first, again = talk(pair, story, shop)
    assert first.receipt == again.receipt
    assert shop.worked == 1


def test_a_lost_answer_is_asked_for_again_by_a_new_process_and_paid_once(pair):
    """The server answers, the client dies before it learns: what its successor repeats is the same call."""

    async def lose(client, url):
        operation = client._operations.hash("POST", "/ask", "", BODY)
        (signed,) = pair.payer.sign(pair.id, [(operation, PRICE)])
        async with Line(Place.parse(url)) as line:
            header = f"{wire.CALL_HEADER}: {wire.call_header({'scheme': 'channel'}, pair.terms, signed)}"
            await line.ask("POST", "/ask", (header,), BODY)
        pair.payer.book.close()
        pair.payer = pair.open_payer()
        (again,) = pair.payer.repeat(pair.id)
        async with ChannelClient(pair.payer, pair.id, url, coin=NATIVE) as successor:
            return await successor.send("POST", "/ask", BODY, again)

    shop = Shop()
    paid = talk(pair, lose, shop)
    assert paid.reply.body == b"you asked: what is it?"
    assert (shop.worked, pair.account().spent, pair.booked().spent) == (1, PRICE, PRICE)


def test_a_server_that_forges_receipts_or_changes_answers_is_not_believed(pair):
    async def story(client, url):
        pair.payee._key = Signer(pair.secret(pair.channels.stranger))
        with pytest.raises(VerificationFailed) as caught:
            await client.call("POST", "/", BODY, bound=PRICE)
        return caught.value.code

    assert talk(pair, story) == "channel.receipt"
    assert (pair.booked().spent, pair.booked().pending) == (0, PRICE)


def test_an_answer_under_the_receipt_of_another_is_not_believed(pair, monkeypatch):
    async def story(client, url):
        from tallystick.services.channels import server

        monkeypatch.setattr(server, "unframed", lambda answer: Response(200, b"another answer", b"text/plain"))
        with pytest.raises(VerificationFailed) as caught:
            await client.call("POST", "/", BODY, bound=PRICE)
        return caught.value.code

    assert talk(pair, story) == "channel.answer"


def test_when_the_deposit_is_used_up_nothing_more_leaves(pair):
    async def story(client, url):
        results = await asyncio.gather(
            *(client.call("POST", f"/{n}", BODY, bound=PRICE) for n in range(103)), return_exceptions=True
        )
        return [one for one in results if isinstance(one, Exception)]

    left = talk(pair, story, lines=8)
    assert [one.code for one in left] == ["channel.exhausted"] * 3
    assert pair.account().spent == 100 * PRICE


@pytest.mark.parametrize("header", ["", "x", "e30=", "eyJ4NDAyVmVyc2lvbiI6Mn0=", "A" * 9_000])
def test_whatever_a_header_holds_the_answer_is_402(pair, header):
    async def story(client, url):
        async with Line(Place.parse(url)) as line:
            return await line.ask("POST", "/", (f"{wire.CALL_HEADER}: {header}",), BODY)

    assert talk(pair, story).status == 402


def test_where_the_chain_cannot_be_looked_at_the_same_call_is_to_be_repeated(pair, monkeypatch):
    async def story(client, url):
        def gone(*_, **__):
            raise Unavailable("chain.node", "the node does not answer")

        with monkeypatch.context() as patched:
            patched.setattr(pair.payee._standings, "of", gone)
            with pytest.raises(Unavailable) as caught:
                await client.call("POST", "/", BODY, bound=PRICE)
        (signed,) = pair.payer.repeat(pair.id)
        return caught.value.code, await client.send("POST", "/", BODY, signed)

    told, paid = talk(pair, story)
    assert told == "channel.undecided"
    assert paid.receipt.spent == PRICE


def test_two_servers_on_one_book_answer_a_call_alike(pair):
    shop = Shop()

    async def run():
        other = pair.open_payee()
        async with serving(pair, shop) as one, serving(pair, shop, other) as two:
            async with ChannelClient(pair.payer, pair.id, one, coin=NATIVE) as client:
                paid = [await client.call("POST", f"/{n}", BODY, bound=PRICE) for n in range(3)]
            async with ChannelClient(pair.payer, pair.id, two, coin=NATIVE) as client:
                paid += [await client.call("POST", f"/{n}", BODY, bound=PRICE) for n in range(3)]
        return paid

    paid = asyncio.run(run())
    assert [one.receipt.spent for one in paid] == [PRICE * n for n in range(1, 7)]
    assert shop.worked == 6
