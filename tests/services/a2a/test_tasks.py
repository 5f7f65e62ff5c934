"""Tasks are done, streamed, paid for, told of and kept; strangers see none of others; SDK peers speak both ways."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandlerV2
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    Task,
    TaskState,
    TaskStatus,
)
from starlette.applications import Starlette

from tallystick.agents.payments.wire import Challenge
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.core.limits import ASGI_BODY_BYTES_MAX
from tallystick.services.a2a import serving as serving_module
from tallystick.services.a2a import tasks as tasks_module
from tallystick.services.a2a.card import X402_EXTENSIONS, build_card, write_card
from tallystick.services.a2a.client import Peer
from tallystick.services.a2a.requests import Wanted, data_part, read_wanted, whole
from tallystick.services.a2a.serving import RPC_PATH
from tallystick.services.a2a.tasks import TaskBook
from tallystick.services.abilities import ABILITIES
from tests.services.a2a.agents import Registered, message_of, named, post, rpc, serving
from tests.services.mcp.till_kit import CENT, Shop

STATUS = Wanted("chain_status", {})


def test_a_message_becomes_a_task_that_is_done(agent: Registered) -> None:
    with agent.served() as url:
        done = Peer(url).send(STATUS)
    assert done.state == "completed"
    assert done.result["chain_id"] == 1337
    assert done.paid is None


def test_a_stream_tells_each_step_as_it_comes(agent: Registered) -> None:
    events: list[dict[str, Any]] = []
    with agent.served() as url:
        done = Peer(url).send(STATUS, told=events.append)
    kinds = [next(iter(one)) for one in events]
    assert kinds[0] == "task"
    assert "artifactUpdate" in kinds
    states = [one["statusUpdate"]["status"]["state"] for one in events if "statusUpdate" in one]
    assert states == ["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]
    assert done.state == "completed"
    assert done.result["chain_id"] == 1337


@pytest.mark.parametrize(
    ("wanted", "state", "code"),
    [
        (Wanted("nothing", {}), "rejected", "ability.unknown"),
        (Wanted("pay", {"payee": "0x" + "11" * 20, "amount": "1", "purpose": "p"}), "rejected", "ability.unknown"),
        (Wanted("explain_wallet", {"wallet": 7}), "rejected", "ability.arguments"),
        (Wanted("look_up_model", {"model": "99"}), "failed", "erc721: no such token"),
    ],
    ids=["no skill", "no wallet here", "arguments", "the chain says no"],
)
def test_what_is_not_done_is_rejected_or_failed_with_our_code(
    agent: Registered, wanted: Wanted, state: str, code: str
) -> None:
    with agent.served() as url:
        done = Peer(url).send(wanted)
    assert done.state == state
    assert done.task.status.message.parts[0].data.struct_value.fields["code"].string_value == code


def test_no_error_tells_a_path_of_the_machine(agent: Registered) -> None:
    with agent.served() as url:
        done = Peer(url).send(Wanted("log_status", {"log": "absent"}))
    assert str(agent.path) not in str(done.task)


def test_a_priced_skill_waits_for_its_payment_and_is_bought_once(agent: Registered, token: str) -> None:
    shop = Shop(agent.path, token)
    with agent.served(till=shop.till(chain_status=CENT)) as url, shop.purse() as purse:
        asked = Peer(url)
        advertised = [one.uri for one in asked.card().capabilities.extensions]
        with pytest.raises(InvalidInput) as unpaid:
            asked.send(STATUS)
        done = asked.send(STATUS, purse)
        streamed = asked.send(STATUS, purse, told=lambda event: None)
    assert set(X402_EXTENSIONS) < set(advertised)
    assert unpaid.value.code == "a2a.unpaid"
    for one in (done, streamed):
        assert one.state == "completed"
        assert one.result["chain_id"] == 1337
        assert one.paid is not None
        assert one.paid.state == "settled"
    assert shop.balance(shop.seller) == 2 * CENT
    shop.close()


def test_beyond_the_limit_nothing_is_paid(agent: Registered, token: str) -> None:
    shop = Shop(agent.path, token)
    with (
        agent.served(till=shop.till(chain_status=CENT)) as url,
        shop.purse(each=CENT - 1) as purse,
        pytest.raises(Rejected) as refused,
    ):
        Peer(url).send(STATUS, purse)
    assert refused.value.code == "payment.refused"
    assert shop.balance(shop.seller) == 0
    shop.close()


def test_a_payment_buys_what_the_task_asked_for_first_and_nothing_else(agent: Registered, token: str) -> None:
    shop = Shop(agent.path, token)
    till = shop.till(chain_status=CENT, find_agents=CENT)
    with agent.served(till=till) as url, shop.purse() as purse:
        first = rpc(url, "SendMessage", {"message": message_of(STATUS)})["result"]["task"]
        demand = first["status"]["message"]["metadata"]
        assert demand["x402.payment.status"] == "payment-required"
        challenge = Challenge.read(whole(demand["x402.payment.required"]))
        payment = purse.pay(challenge, STATUS.operation(), url).payment
        assert payment is not None
        metadata = {"x402.payment.status": "payment-submitted", "x402.payment.payload": payment.to_dict()}
        other = rpc(url, "SendMessage", {"message": message_of(Wanted("find_agents", {}), metadata)})["result"]["task"]
        assert other["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
        assert shop.balance(shop.seller) == 0
        sly = message_of(Wanted("find_agents", {}), metadata, first["id"], first["contextId"])
        bought = rpc(url, "SendMessage", {"message": sly})["result"]["task"]
    assert bought["status"]["state"] == "TASK_STATE_COMPLETED"
    assert "chain_id" in bought["artifacts"][0]["parts"][0]["data"]
    assert shop.balance(shop.seller) == CENT
    shop.close()


def test_tasks_survive_a_restart_and_what_was_under_way_has_failed(agent: Registered) -> None:
    with agent.served(secrets={"ada": "s" * 32}) as url:
        done = Peer(url, "s" * 32).send(STATUS)
    book = TaskBook(agent.path / "tasks.db")
    working = Task(id="w", context_id="c", status=TaskStatus(state=TaskState.TASK_STATE_WORKING))
    asyncio.run(book.save(working, ServerCallContext()))
    book.close()
    with agent.served(secrets={"ada": "s" * 32}) as url:
        assert agent.more["interrupted"] == 1
        kept = rpc(url, "GetTask", {"id": done.task.id}, Authorization="Bearer " + "s" * 32)
        lost = rpc(url, "GetTask", {"id": "w"})
    assert kept["result"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert kept["result"]["artifacts"]
    assert lost["result"]["status"]["state"] == "TASK_STATE_FAILED"


def test_a_task_that_waits_long_is_paid_for_out_of_the_book(
    agent: Registered, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "A2A_WAIT_S", 0.05)
    shop = Shop(agent.path, token)
    with agent.served(till=shop.till(chain_status=CENT)) as url, shop.purse() as purse:
        first = rpc(url, "SendMessage", {"message": message_of(STATUS)})["result"]["task"]
        time.sleep(0.5)  # it is forgotten by then, but for the book
        challenge = Challenge.read(whole(first["status"]["message"]["metadata"]["x402.payment.required"]))
        payment = purse.pay(challenge, STATUS.operation(), url).payment
        assert payment is not None
        metadata = {"x402.payment.status": "payment-submitted", "x402.payment.payload": payment.to_dict()}
        message = message_of(STATUS, metadata, first["id"], first["contextId"])
        done = rpc(url, "SendMessage", {"message": message})["result"]["task"]
    assert done["status"]["state"] == "TASK_STATE_COMPLETED"
    assert shop.balance(shop.seller) == CENT
    shop.close()


def test_the_book_holds_so_many_tasks_and_forgets_none_that_is_under_way(
    agent: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_module, "A2A_TASKS_MAX", 3)
    book, context = TaskBook(agent.path / "full.db"), named("ada")
    states = [TaskState.TASK_STATE_WORKING] + [TaskState.TASK_STATE_INPUT_REQUIRED] * 5
    for number, state in enumerate(states):
        asyncio.run(book.save(Task(id=f"t{number}", context_id="c", status=TaskStatus(state=state)), context))
    kept = [number for number in range(6) if asyncio.run(book.get(f"t{number}", context)) is not None]
    assert kept == [0, 4, 5]
    book.close()


def test_nobody_sees_the_tasks_of_others(agent: Registered) -> None:
    with agent.served(secrets={"ada": "a" * 32, "bob": "b" * 32}) as url:
        done = Peer(url, "a" * 32).send(STATUS)
        ada, bob, nobody = ({"Authorization": f"Bearer {one}"} for one in ("a" * 32, "b" * 32, "c" * 32))
        assert rpc(url, "GetTask", {"id": done.task.id}, **ada)["result"]["id"] == done.task.id
        for other in (bob, nobody):
            assert rpc(url, "GetTask", {"id": done.task.id}, **other)["error"]["code"] == -32001
        assert len(rpc(url, "ListTasks", {}, **ada)["result"]["tasks"]) == 1
        assert not rpc(url, "ListTasks", {}, **bob)["result"]["tasks"]
        Peer(url).send(STATUS)
        assert not rpc(url, "ListTasks", {})["result"]["tasks"]  # of callers without a name, ids are the secret


def test_pages_of_tasks_follow_one_another(agent: Registered) -> None:
    book, context = TaskBook(agent.path / "pages.db"), named("ada")

    async def page(token: str) -> Any:
        return await book.list(ListTasksRequest(page_size=2, page_token=token), context)

    for number in range(5):
        task = Task(id=f"t{number}", context_id="c", status=TaskStatus(state=TaskState.TASK_STATE_COMPLETED))
        asyncio.run(book.save(task, context))
    seen, token = [], ""
    for _ in range(3):
        found = asyncio.run(page(token))
        seen += [one.id for one in found.tasks]
        token = found.next_page_token
    assert seen == ["t4", "t3", "t2", "t1", "t0"]
    assert not token
    book.close()


ERRORS = [
    ("GetTask", {"id": "absent"}, -32001),
    ("CancelTask", {"id": "absent"}, -32001),
    ("GetExtendedAgentCard", {}, -32004),
    ("NoSuchMethod", {}, -32601),
    ("SendMessage", {"message": {}}, -32602),
    ("SendMessage", {"message": 7}, -32602),
    ("GetTask", {}, -32602),
]


@pytest.mark.parametrize(("method", "params", "code"), ERRORS, ids=[f"{one[0]} {one[2]}" for one in ERRORS])
def test_errors_have_the_codes_of_the_protocol(agent: Registered, method: str, params: Any, code: int) -> None:
    with agent.served() as url:
        assert rpc(url, method, params)["error"]["code"] == code


def test_a_version_that_is_not_spoken_is_refused_with_its_code(agent: Registered) -> None:
    with agent.served() as url:
        for version in ("0.3", "2.0", "x", "1.0; drop"):
            assert rpc(url, "GetTask", {"id": "a"}, **{"A2A-Version": version})["error"]["code"] == -32009
        assert rpc(url, "GetTask", {"id": "a"})["error"]["code"] == -32001


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 1_000_000, b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"1.0"}'],
    ids=lambda body: ascii(body)[:20],
)  # fmt: skip
def test_what_is_no_request_is_answered_with_an_error_and_the_next_one_served(agent: Registered, body: bytes) -> None:
    with agent.served() as url:
        status, found = post(url, body)
        assert status < 500
        assert "error" in found
        assert Peer(url).send(STATUS).state == "completed"


def test_a_request_that_is_too_large_or_by_another_name_is_refused(agent: Registered) -> None:
    with agent.served() as url:
        assert post(url, b"{}", **{"Content-Length": str(ASGI_BODY_BYTES_MAX + 1)})[0] == 413
        assert post(url, b"{}", Host="evil.example")[0] == 421


class TestStockPeers:
    """The SDK's own client asks our agent; our client asks an agent of the SDK's."""

    def test_a_stock_client_is_served(self, agent: Registered) -> None:
        async def ask(url: str) -> list[Any]:
            async with httpx.AsyncClient(trust_env=False) as http:
                client = await create_client(url, ClientConfig(httpx_client=http, streaming=True))
                message = Message(message_id="m", role=Role.ROLE_USER, parts=[STATUS.part()])
                return [one async for one in client.send_message(SendMessageRequest(message=message))]

        with agent.served() as url:
            events = asyncio.run(ask(url))
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED

    def test_a_stock_agent_is_asked(self, agent: Registered) -> None:
        class Echo(AgentExecutor):
            async def execute(self, context: Any, event_queue: Any) -> None:
                task = new_task_from_user_message(context.message)
                await event_queue.enqueue_event(task)
                updater = TaskUpdater(event_queue, task.id, task.context_id)
                await updater.add_artifact([data_part({"echo": context.message.parts[0].data.struct_value["skill"]})])
                await updater.complete()

            async def cancel(self, context: Any, event_queue: Any) -> None:
                raise AssertionError

        card = build_card(agent.file, agent.agent, agent.url, "1", ABILITIES[:1], is_paid=False)
        handler = DefaultRequestHandlerV2(Echo(), InMemoryTaskStore(), card)
        app = Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, RPC_PATH)])
        with serving(app, agent.port) as url:
            done = Peer(url).send(Wanted("say", {}))
            followed = Peer(url).send(Wanted("say", {}), told=lambda event: None)
        assert done.result == followed.result == {"echo": "say"}


def test_a_card_that_leads_elsewhere_is_not_followed(agent: Registered) -> None:
    card = agent.card()
    card.supported_interfaces[0].url = "http://127.0.0.1:1/a2a"
    with agent.served(card=card) as url, pytest.raises(InvalidInput) as refused:
        Peer(url).send(STATUS)
    assert refused.value.code == "a2a.interface"


def test_where_nobody_answers_it_says_so(agent: Registered) -> None:
    with pytest.raises(Unavailable) as refused:
        Peer(agent.url).card()
    assert refused.value.code == "a2a.unreachable"


def test_a_price_on_what_is_not_sold_is_refused(agent: Registered, token: str) -> None:
    shop = Shop(agent.path, token)
    with pytest.raises(InvalidInput) as refused, agent.served(till=shop.till(pay=CENT)):
        pass
    assert refused.value.code == "ability.price"
    shop.close()


def test_a_part_of_every_kind_is_read_or_refused(agent: Registered) -> None:
    odd = ({"skill": 7}, {"a": 1}, {"skill": "s", "arguments": []}, {"skill": "s", "more": 1})
    for part in (Part(text="pay me"), Part(raw=b"x"), Part(url="http://x"), *map(data_part, odd)):
        with pytest.raises(InvalidInput) as refused:
            read_wanted([Message(parts=[part])])
        assert refused.value.code == "a2a.request"
    assert read_wanted([Message(parts=[Part(text="please"), STATUS.part()])]) == STATUS


@pytest.mark.parametrize("body", [b"[" * 500_000, b"[\n\n" * 200_000], ids=["at once", "line by line"])
def test_brackets_of_a_peer_do_not_end_our_process(agent: Registered, body: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        told = json.dumps(write_card(agent.card())).encode() if scope["method"] == "GET" else body
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": told})

    with serving(app, agent.port) as url, pytest.raises(InvalidInput) as cut:
        Peer(url).send(STATUS)
    assert "nests too deeply" in str(cut.value.got)
