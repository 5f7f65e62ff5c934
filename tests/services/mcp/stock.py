"""Stock peers: the package x402's own MCP client and payment wrapper, bridged to the SDK's client and server.

`x402.mcp.create_payment_wrapper` cannot be called with the SDK's second version; the neutral wrapper can.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from eth_account import Account as EthAccount
from mcp import Client
from mcp import types as mcp
from mcp.server.lowlevel import Server
from x402 import x402Client, x402ResourceServer
from x402.mcp.client_async import x402MCPClient
from x402.mcp.server_async import PaymentWrapperConfig, create_payment_wrapper
from x402.mechanisms.evm.exact import ExactEvmScheme, ExactEvmServerScheme
from x402.schemas import PaymentRequirements, SettleResponse, SupportedKind, SupportedResponse, VerifyResponse

from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.outcomes import Settled, Verdict
from tallystick.agents.payments.settling import ExactScheme
from tallystick.agents.payments.verifying import Allowed
from tallystick.agents.payments.wire import Payment, Requirements
from tests.cli.agent_kit import open_tally
from tests.services.mcp.till_kit import BUYER, CENT, Shop

NETWORK = "eip155:1337"


class _Bridge:
    """The SDK's client in the form that the package asks for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call_tool(self, params: dict[str, Any], **options: Any) -> Any:
        result = await self._client.call_tool(params["name"], params["arguments"], meta=params.get("_meta"))
        content = [one.model_dump(by_alias=True, exclude_none=True) for one in result.content]
        members = {"content": content, "isError": result.is_error, "structuredContent": result.structured_content}
        return SimpleNamespace(**members, _meta=result.meta or {})


async def pay_with_stock_client(server: Server[Any], name: str, arguments: dict[str, Any], shop: Shop) -> Any:
    """Return what a stock client gets that pays with the buyer's key."""
    with open_tally(shop.path) as tally:
        secret = tally.secret(BUYER).reveal()
    paying = x402Client()
    paying.register(NETWORK, ExactEvmScheme(EthAccount.from_key(secret)))
    listed = {"network": NETWORK, "asset": shop.token, "max_amount_per_payment": str(CENT)}
    paying.set_spend_controls({"allowed_assets": [listed]})
    async with Client(server) as client:
        bought = await x402MCPClient(_Bridge(client), paying).call_tool(name, arguments)
    assert bought.payment_made
    assert bought.payment_response.success
    return SimpleNamespace(content=[SimpleNamespace(**one) for one in bought.content])


class _Facilitator:
    """Our scheme as the package's facilitator, in process."""

    def __init__(self, scheme: ExactScheme) -> None:
        self._scheme = scheme

    async def verify(self, payload: Any, requirements: Any) -> VerifyResponse:
        found = self._scheme.verify(*self._read(payload, requirements))
        assert isinstance(found, Verdict)
        return VerifyResponse(is_valid=found.is_valid, payer=found.payer, invalid_reason=found.reason or None)

    async def settle(self, payload: Any, requirements: Any) -> SettleResponse:
        found = self._scheme.settle(*self._read(payload, requirements))
        assert isinstance(found, Settled), found
        return SettleResponse(success=True, transaction=found.transaction, network=found.network, payer=found.payer)

    def get_supported(self) -> SupportedResponse:
        kind = SupportedKind(x402_version=2, scheme="exact", network=NETWORK)
        return SupportedResponse(kinds=[kind], extensions=[], signers={})

    def _read(self, payload: Any, requirements: Any) -> tuple[Payment, Requirements]:
        told = (payload.model_dump(by_alias=True, exclude_none=True), requirements.model_dump(by_alias=True))
        return Payment.read(told[0]), Requirements.read(told[1])


@contextlib.contextmanager
def stock_server(shop: Shop) -> Iterator[Server[Any]]:
    """An SDK server whose one tool the package's neutral wrapper sells."""
    with open_tally(shop.path) as tally, contextlib.closing(Failures(shop.path / "stock.db")) as failures:
        scheme = ExactScheme(tally.outbox, Allowed(frozenset({shop.token})), failures, time.time)
        selling = x402ResourceServer(_Facilitator(scheme))
        selling.register(NETWORK, ExactEvmServerScheme())
        selling.initialize()
        asked = PaymentRequirements(
            scheme="exact", network=NETWORK, asset=shop.token, amount=str(CENT), pay_to=shop.seller,
            max_timeout_seconds=300, extra={"name": "Example Dollar", "version": "1"},
        )  # fmt: skip

        async def weather(arguments: dict[str, Any], context: Any) -> dict[str, Any]:
            return {"content": [{"type": "text", "text": f"rain in {arguments['city']}"}]}

        sold = create_payment_wrapper(selling, PaymentWrapperConfig(accepts=[asked]))(weather)

        async def list_tools(context: Any, params: Any) -> mcp.ListToolsResult:
            shape = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
            return mcp.ListToolsResult(tools=[mcp.Tool(name="weather", description="Weather", input_schema=shape)])

        async def call_tool(context: Any, params: mcp.CallToolRequestParams) -> mcp.CallToolResult:
            meta = dict(params.meta or {})
            result = await sold(params.arguments or {}, {"_meta": meta, "toolName": params.name})
            wire = {
                "content": result.content, "isError": result.is_error, "structuredContent": result.structured_content,
                "_meta": result.meta or None,
            }  # fmt: skip
            return mcp.CallToolResult.model_validate(wire)

        yield Server("stock", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
