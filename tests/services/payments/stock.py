"""Peers from the PyPI package x402, as their users put them together: a client, a resource server, a facilitator."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import httpx
from eth_account import Account as EthAccount
from x402 import x402Client, x402ClientSync, x402ResourceServerSync
from x402.http import FacilitatorConfig, HTTPFacilitatorClientSync, HTTPRequestContext, x402HTTPResourceServerSync
from x402.http.clients.httpx import x402AsyncTransport
from x402.mechanisms.evm import EthAccountSigner
from x402.mechanisms.evm.exact import ExactEvmScheme, ExactEvmServerScheme
from x402.schemas import AssetAmount

from tallystick.services.facilitator.app import Offer
from tallystick.services.facilitator.server import serve
from tallystick.services.listener import Stop
from tests.agents.payments.market import Market


def controls(market: Market) -> dict:
    """Return the spend controls by which a stock client pays in the market's token."""
    network = f"eip155:{market.ledger.chain_id}"
    allowed = {"network": network, "asset": market.token.address, "max_amount_per_payment": "1000000"}
    return {"allowed_assets": [allowed]}


def client(market: Market, kind=x402Client, secret: bytes | None = None):
    """Return a stock client that pays with the market's payer."""
    account = EthAccount.from_key(secret or market.ledger.secrets[market.payer])
    made = kind()
    made.register(f"eip155:{market.ledger.chain_id}", ExactEvmScheme(EthAccountSigner(account)))
    made.set_spend_controls(controls(market))
    return made


def async_client(market: Market, app) -> httpx.AsyncClient:
    """Return a stock httpx client in front of an ASGI application."""
    transport = x402AsyncTransport(client(market), httpx.ASGITransport(app))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.test")


def sync_client(market: Market) -> x402ClientSync:
    """Return a stock client for requests."""
    return client(market, x402ClientSync)


class Adapter:
    """What a stock server asks of a web framework; here it is httpx."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request

    def get_header(self, name):
        return self.request.headers.get(name)

    def get_method(self):
        return self.request.method

    def get_path(self):
        return self.request.url.path

    def get_url(self):
        return str(self.request.url)

    def get_accept_header(self):
        return "application/json"

    def get_user_agent(self):
        return "tests"

    def get_query_params(self):
        return {}

    def get_query_param(self, name):
        return None

    def get_body(self):
        return None


class Shop:
    """A stock resource server with one priced path, which settles by a facilitator."""

    def __init__(self, market: Market, facilitator, price: int, *, pay_to: str | None = None) -> None:
        network = f"eip155:{market.ledger.chain_id}"
        core = x402ResourceServerSync(facilitator)
        core.register(network, ExactEvmServerScheme())
        asked = AssetAmount(amount=str(price), asset=market.token.address, extra={"name": "Dollar", "version": "1"})
        accepts = {"scheme": "exact", "payTo": pay_to or market.seller, "price": asked, "network": network}
        self.server = x402HTTPResourceServerSync(core, {"GET /paid": {"accepts": accepts}})
        self.server.initialize()
        self.worked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as the package's own middlewares do."""
        adapter = Adapter(request)
        header = adapter.get_header("PAYMENT-SIGNATURE")
        context = HTTPRequestContext(adapter, request.url.path, request.method, header)
        found = self.server.process_http_request(context)
        if found.type == "payment-error":
            return httpx.Response(found.response.status, headers=found.response.headers, json=found.response.body)
        self.worked += 1
        if found.type == "no-payment-required":
            return httpx.Response(200, json={"free": True})
        settled = self.server.process_settlement(found.payment_payload, found.payment_requirements, context)
        if not settled.success:
            return httpx.Response(settled.response.status, headers=settled.response.headers, json=settled.response.body)
        return httpx.Response(200, headers=settled.headers, json={"answer": 42})


@contextlib.contextmanager
def asking(url: str) -> Iterator[HTTPFacilitatorClientSync]:
    """Return a stock client of the facilitator at a URL."""
    made = HTTPFacilitatorClientSync(FacilitatorConfig(url=url))
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def facilitator(market: Market, **options) -> Iterator[str]:
    """Run a facilitator of ours in a thread; yield its URL."""
    scheme = options.pop("scheme", None) or market.scheme()
    offer = Offer(scheme, f"eip155:{market.ledger.chain_id}", market.bringer)
    ready, stop, places = threading.Event(), Stop(), []

    def told(host: str, port: int) -> None:
        places.append(f"http://{host}:{port}")
        ready.set()

    thread = threading.Thread(
        target=serve, args=([offer],), kwargs={"port": 0, "on_ready": told, "stop": stop, **options}
    )
    thread.start()
    try:
        assert ready.wait(20)
        yield places[0]
    finally:
        stop.ask()
        thread.join()
