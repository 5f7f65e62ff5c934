"""A tool with a price is paid for once, whatever is lost on the way; stock peers can pay and be paid."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Unknown
from tallystick.agents.payments.wire import Challenge, Payment
from tallystick.cli.main import run
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.services.abilities import ABILITIES
from tallystick.services.abilities.ability import find_ability
from tallystick.services.abilities.shapes import record
from tallystick.services.mcp.client import Toolbox
from tallystick.services.mcp.payment import PAYMENT, RESPONSE, challenge_in, tool_operation
from tallystick.services.mcp.server import PRICE
from tallystick.services.mcp.serving import build_app
from tests.cli.agent_kit import open_tally
from tests.services.mcp.places import asked, called, served
from tests.services.mcp.till_kit import CENT, Shop

STATUS = ("chain_status", {})


@pytest.fixture
def shop(token: str, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / ".tally", token)
    yield made
    made.close()


def test_a_demand_stands_in_the_members_and_in_the_first_text(shop: Shop) -> None:
    with shop.desk(chain_status=CENT) as desk:
        demand = called(desk.server(), *STATUS)
    assert demand.is_error
    assert json.loads(demand.content[0].text) == demand.structured_content
    challenge = challenge_in(demand)
    assert challenge is not None
    (one,) = challenge.accepts
    assert (one.amount, one.asset, one.pay_to) == (CENT, shop.token, shop.seller)
    assert demand.structured_content["resource"]["url"] == "mcp://tool/chain_status"


def test_a_priced_tool_says_its_price_and_is_bought_over_http(shop: Shop) -> None:
    with shop.desk(chain_status=CENT) as desk, served(build_app(desk.server())) as url, shop.purse() as purse:
        toolbox = Toolbox(url)
        price = next(one for one in toolbox.tools() if one.name == "chain_status").meta[PRICE]
        assert price["amount"] == str(CENT)
        bought = toolbox.call(*STATUS, purse)
        free = toolbox.call("list_queue", {"wallet": "bot"}, purse)
    assert bought.result.structured_content["chain_id"] == 1337
    assert bought.paid is not None
    assert bought.paid.state == "settled"
    assert bought.receipt is not None
    assert bought.receipt.success
    assert free.paid is None
    assert shop.balance(shop.seller) == CENT


def test_without_a_purse_or_beyond_its_limit_nothing_is_paid(shop: Shop) -> None:
    with shop.desk(chain_status=CENT) as desk, served(build_app(desk.server())) as url:
        with pytest.raises(InvalidInput) as refused:
            Toolbox(url).call(*STATUS)
        assert refused.value.code == "mcp.unpaid"
        with shop.purse(each=CENT - 1) as purse, pytest.raises(Rejected) as dear:
            Toolbox(url).call(*STATUS, purse)
        assert dear.value.code == "payment.refused"
    assert shop.balance(shop.seller) == 0


def test_the_same_payment_gets_the_same_answer_and_is_charged_once(shop: Shop) -> None:
    with shop.desk(chain_status=CENT) as desk, shop.purse() as purse:
        payment = _signed(desk, purse)
        first, again = (called(desk.server(), *STATUS, meta={PAYMENT: payment}) for _ in range(2))
        other = called(desk.server(), "chain_status", {}, meta={PAYMENT: payment | {"payload": {}}})
    assert first.structured_content == again.structured_content
    assert first.meta[RESPONSE] == again.meta[RESPONSE]
    assert other.is_error
    assert shop.balance(shop.seller) == CENT


def test_a_payment_for_one_tool_or_argument_buys_no_other_of_the_same_price(shop: Shop) -> None:
    with shop.desk(explain_wallet=CENT, audit_wallet=CENT) as desk, shop.purse() as purse:
        payment = _signed(desk, purse, "explain_wallet", {"wallet": "bot"})
        for name, arguments in (
            ("audit_wallet", {"wallet": "bot"}),
            ("explain_wallet", {"wallet": "bot", "window_s": 60}),
        ):
            refused = called(desk.server(), name, arguments, meta={PAYMENT: payment})
            assert "another request" in refused.structured_content["error"], name
        assert shop.balance(shop.seller) == 0
        given = called(desk.server(), "explain_wallet", {"wallet": "bot"}, meta={PAYMENT: payment})
    assert not given.is_error
    assert shop.balance(shop.seller) == CENT


def test_malformed_arguments_are_refused_before_a_payment_is_taken(shop: Shop) -> None:
    with shop.desk(explain_wallet=CENT) as desk, shop.purse() as purse:
        payment = _signed(desk, purse, "explain_wallet", {"wallet": "bot"})
        refused = called(desk.server(), "explain_wallet", {"wallet": 7}, meta={PAYMENT: payment})
        assert refused.structured_content["code"] == "ability.arguments"
    assert shop.balance(shop.seller) == 0


def test_work_that_fails_costs_nothing(shop: Shop) -> None:
    with shop.desk(explain_wallet=CENT) as desk, shop.purse() as purse:
        payment = _signed(desk, purse, "explain_wallet", {"wallet": "nobody"})
        failed = called(desk.server(), "explain_wallet", {"wallet": "nobody"}, meta={PAYMENT: payment})
        assert failed.structured_content["code"] == "agent.wallet"
    assert shop.balance(shop.seller) == 0


MALFORMED: list[Any] = [
    None,
    7,
    "x" * 10_000,
    [],
    {},
    {"x402Version": 1},
    {"x402Version": 2, "accepted": {}, "payload": {}},
]


@pytest.mark.parametrize("payment", MALFORMED, ids=lambda one: ascii(one)[:30])
def test_a_payment_that_is_none_is_answered_with_the_demand(shop: Shop, payment: Any) -> None:
    with shop.desk(chain_status=CENT) as desk:
        told = called(desk.server(), *STATUS, meta={PAYMENT: payment})
    assert told.is_error
    assert challenge_in(told) is not None


def test_an_unknown_outcome_demands_nothing_and_the_same_payment_goes_on(shop: Shop) -> None:
    class Lost:
        """A cashier whose first settlement gets no answer."""

        lost = 0

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def settle(self, got: Any, answer: bytes) -> Any:
            found = self._inner.settle(got, answer)
            Lost.lost += 1
            return Unknown("settlement_pending", "no word from the chain") if Lost.lost == 1 else found

    with (
        shop.desk(chain_status=CENT, cashier=lambda tally: Lost(shop.cashier(tally))) as desk,
        served(build_app(desk.server())) as url,
        shop.purse() as purse,
    ):
        payment = _signed(desk, purse)
        unknown = called(url, *STATUS, meta={PAYMENT: payment})
        assert unknown.structured_content["code"] == "payment.unknown"
        assert challenge_in(unknown) is None
        assert unknown.meta[RESPONSE]["errorReason"] == "settlement_pending"
        bought = Toolbox(url).call(*STATUS, purse)  # the purse has it as undecided
    assert bought.paid is not None
    assert bought.paid.payment.to_dict() == payment
    assert shop.balance(shop.seller) == CENT


def test_a_server_that_answers_no_more_leaves_the_payment_undecided_and_it_goes_first_next_time(shop: Shop) -> None:
    with shop.desk(chain_status=CENT) as desk, shop.purse() as purse:
        with served(build_app(desk.server())) as url:
            _signed(desk, purse)
        with pytest.raises(Unavailable) as gone:
            Toolbox(url).call(*STATUS, purse)
        assert gone.value.code in ("payment.unknown", "mcp.unreachable")
        assert purse.undecided(tool_operation(*STATUS)) is not None
        with served(build_app(desk.server())) as url:
            bought = Toolbox(url).call(*STATUS, purse)
    assert bought.paid is not None
    assert bought.paid.state == "settled"
    assert shop.balance(shop.seller) == CENT


def test_what_cannot_be_undone_is_paid_for_before_it_is_done(shop: Shop) -> None:
    order: list[str] = []

    def act(tally: Any, powers: Any, arguments: Any) -> dict[str, Any]:
        order.append(f"paid {shop.balance(shop.seller)}")
        return {}

    acting = replace(
        find_ability(ABILITIES, "chain_status"), name="act", verb=act, gives=record({}), is_read_only=False
    )
    with shop.desk(act=CENT, more={"abilities": (acting,)}) as desk, shop.purse() as purse:
        payment = _signed(desk, purse, "act", {})
        called(desk.server(), "act", {}, meta={PAYMENT: payment})
        called(desk.server(), "act", {}, meta={PAYMENT: payment})
    assert order == [f"paid {CENT}"]


@pytest.mark.parametrize("name", ["pay", "propose_payment", "nothing"])
def test_tools_that_spend_the_servers_own_wallet_have_no_price(shop: Shop, name: str) -> None:
    with pytest.raises(InvalidInput) as refused, shop.desk(**{name: CENT}):
        pass
    assert refused.value.code == "ability.price"


def test_a_wallet_buys_tools_through_its_slots_and_the_chain_holds_its_limits(shop: Shop, tmp_path: Path) -> None:
    where, file = ("-w", str(shop.path)), tmp_path / "spender.toml"
    new = ("--guardian", "guard", "--token", shop.token, "--payee", "seller", "--file", str(file))
    assert run(["agent", "new", "spender", *where, *new]) == 0
    slots = 'slots = { token = "USD", max = 2, per = "1d", cap = "0.01" }'
    file.write_text(file.read_text().replace('level = "', f'{slots}\nlevel = "', 1))
    assert run(["agent", "policy", "apply", "spender", str(file), "--yes", *where]) == 0
    assert run(["agent", "wallet", "fund", "spender", "1", "--token", shop.token, *where]) == 0
    assert run(["agent", "wallet", "seal", "spender", "--yes", *where]) == 0
    with (
        shop.desk(chain_status=CENT, list_queue=CENT + 1) as desk,
        served(build_app(desk.server())) as url,
        open_tally(shop.path) as tally,
    ):
        purse = tally.agents.payments.purse([shop.token], "1", wallet="spender", session="spender")
        for _ in range(2):
            bought = Toolbox(url).call(*STATUS, purse)
            assert bought.paid is not None
            assert bought.paid.state == "settled"
        with pytest.raises(Rejected) as spent:
            Toolbox(url).call(*STATUS, purse)
        with pytest.raises(Rejected) as dear:
            Toolbox(url).call("list_queue", {"wallet": "spender"}, purse)
    assert spent.value.code == "payment.slots"
    assert dear.value.code == "payment.refused"
    assert shop.balance(shop.seller) == 2 * CENT
    with open_tally(shop.path) as tally:
        assert tally.agents.wallet("spender").audit().is_balanced


class TestStockPeers:
    """The neutral parts of the package x402: its client pays our tools, its wrapper sells to our client."""

    def test_its_client_pays_for_a_tool_of_ours(self, shop: Shop) -> None:
        with shop.desk(chain_status=CENT) as desk, shop.purse() as purse:
            from tests.services.mcp.stock import pay_with_stock_client

            result = asyncio.run(pay_with_stock_client(desk.server(), *STATUS, shop))
            assert purse.newest() == []
        assert json.loads(result.content[0].text)["chain_id"] == 1337
        assert shop.balance(shop.seller) == CENT

    def test_its_own_wrapper_for_servers_does_not_run_with_the_sdk_of_today(self) -> None:
        from x402.mcp import create_payment_wrapper

        with pytest.raises(ModuleNotFoundError):  # once this runs, `stock.py` can be shorter
            create_payment_wrapper(object(), accepts=[])

    def test_its_wrapper_sells_a_tool_to_our_client(self, shop: Shop) -> None:
        from tests.services.mcp.stock import stock_server

        with shop.purse() as purse, stock_server(shop) as server, served(build_app(server)) as url:
            bought = Toolbox(url).call("weather", {"city": "Ulm"}, purse)
        assert bought.text == "rain in Ulm"
        assert bought.receipt is not None
        assert bought.receipt.success
        assert bought.paid is not None
        assert bought.paid.state == "settled"
        assert shop.balance(shop.seller) == CENT


def test_an_operation_is_the_same_however_its_arguments_are_ordered_and_not_when_they_differ() -> None:
    one = tool_operation("t", {"b": 1, "a": [1.5, "ä"]})
    assert one.hash() == tool_operation("t", {"a": [1.5, "ä"], "b": 1}).hash()
    assert one == Operation.of("tools/call", "mcp://tool/t", '{"a":[1.5,"ä"],"b":1}'.encode())
    assert one.hash() != tool_operation("t", {"a": [1.5, "ä"], "b": 2}).hash()
    assert one.hash() != tool_operation("u", {"b": 1, "a": [1.5, "ä"]}).hash()
    for odd in ({"a": float("nan")}, {"a": 2**60}, {"a": "\ud800"}):
        with pytest.raises(InvalidInput):
            tool_operation("t", odd)


def _signed(
    desk: Any, purse: Any, name: str = "chain_status", arguments: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a payment that the purse signs for a call."""
    demand = asked(desk.server(), lambda client: client.call_tool(name, arguments or {}))
    challenge = challenge_in(demand)
    assert isinstance(challenge, Challenge)
    payment = purse.pay(challenge, tool_operation(name, arguments or {}), "http://shop.test").payment
    assert isinstance(payment, Payment)
    return payment.to_dict()
