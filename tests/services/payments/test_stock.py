"""Our parts inside programs on the PyPI package x402, and our verdicts beside those of its own facilitator."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from x402 import x402Client, x402FacilitatorSync
from x402.http.clients.httpx import x402AsyncTransport
from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
from x402.mechanisms.evm.exact.facilitator import ExactEvmSchemeConfig
from x402.schemas import PaymentPayload, PaymentRequirements

from tallystick.agents.payments import reasons
from tallystick.agents.payments.exact import ExactPayment, domain_of
from tallystick.agents.payments.purse_book import SETTLED
from tallystick.agents.payments.slots import SlotPayer
from tallystick.agents.payments.wire import Payment
from tallystick.chain.accounts import Account
from tallystick.core.authorization import Authorization
from tallystick.services.facilitator.schemes import StockScheme
from tallystick.services.paying.schemes import PurseScheme
from tests.agents.payments.market import CENT, ORIGIN, operation
from tests.agents.payments.test_slots import Given
from tests.contracts.policy_kit import DAY, Wallet, World
from tests.services.payments import stock
from tests.services.payments.stock_signer import LedgerSigner
from tests.services.payments.test_interop import application, paywall


def test_a_program_on_the_package_pays_from_a_policy_account(market):
    slots = {"slots": 4, "slot_period_s": DAY, "slot_cap": CENT, "slot_token": market.token.address}
    wallet = Wallet(World(market.ledger), token=Given(market), is_sealed=False, **slots)
    wallet.allow(market.seller)
    wallet.send(wallet.account.seal(), wallet.owner)
    purse = market.purse(payer=SlotPayer(market.node, wallet.address, Account(market.ledger.secrets[wallet.session])))
    client = x402Client()
    PurseScheme(purse).attach(client, f"eip155:{market.ledger.chain_id}")
    client.set_spend_controls(stock.controls(market))

    async def buy():
        transport = x402AsyncTransport(client, httpx.ASGITransport(paywall(market, application())))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            return await http.post("/paid", content=b"hello")

    answer = asyncio.run(buy())
    assert answer.status_code == 200
    assert market.balance(market.seller) == CENT
    (booked,) = purse.newest()
    assert (booked.state, booked.payer) == (SETTLED, wallet.address)


def test_a_server_on_the_package_settles_through_our_outbox_in_its_own_process(market):
    network = f"eip155:{market.ledger.chain_id}"
    facilitator = x402FacilitatorSync()
    facilitator.register([network], StockScheme(market.scheme(), market.bringer))
    shop = stock.Shop(market, facilitator, CENT)
    from tallystick.services.paying.transport import PayingTransport

    with httpx.Client(transport=PayingTransport(market.purse(), httpx.MockTransport(shop))) as client:
        assert client.get(f"{ORIGIN}/paid").json() == {"answer": 42}
    assert market.balance(market.seller) == CENT
    assert len(market.outbox.history()) == 1


@pytest.fixture
def both(market):
    """Return a function that asks both facilitators about a payment."""
    theirs = ExactEvmFacilitatorScheme(LedgerSigner(market), ExactEvmSchemeConfig(simulate_in_settle=True))
    ours = market.scheme()

    def ask(payment):
        payload = PaymentPayload.model_validate(payment.to_dict())
        asked = PaymentRequirements.model_validate(dict(payment.accepted.raw))
        told, said = theirs.verify(payload, asked), ours.verify(payment, payment.accepted)
        return (told.is_valid, told.invalid_reason or ""), (said.is_valid, said.reason)

    return ask


def made(market, secret=None, **changes):
    what, terms = operation(), market.terms()
    (requirements,) = terms.requirements(what)
    now = int(market.clock())
    plain = {
        "payer": market.payer, "payee": requirements.pay_to, "amount": CENT, "valid_after": 0,
        "valid_before": now + 300, "nonce": bytes([7]) * 32,
    }  # fmt: skip
    one = Authorization(**plain | changes)
    signature = Account(secret or market.ledger.secrets[market.payer]).sign_digest(one.digest(domain_of(requirements)))
    return Payment(requirements, ExactPayment(one, signature).to_payload())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"amount": CENT + 1},
        {"amount": 0},
        {"payee": "0x" + "77" * 20},
        {"valid_before": 1},
        {"valid_after": 2**40, "valid_before": 2**41},
        {"payer": "0x" + "66" * 20},
        {"secret": b"\x21" * 32},
    ],
    ids=str,
)
def test_our_verdict_is_the_reference_facilitators_reason_and_all(market, both, changes):
    theirs, ours = both(made(market, **changes))
    assert ours == theirs


def test_our_verdict_on_a_used_nonce_and_an_empty_purse_is_the_reference_facilitators(market, both):
    payment = made(market)
    market.scheme().settle(payment, payment.accepted)
    theirs, ours = both(payment)
    assert ours == (False, reasons.USED)
    assert not theirs[0]
    poor = made(market, payer=market.stranger, secret=market.ledger.secrets[market.stranger])
    theirs, ours = both(poor)
    assert ours == (False, reasons.BALANCE)
    assert not theirs[0]


def test_a_high_s_is_refused_by_us_before_the_token_would(market, both):
    payment = made(market)
    found = ExactPayment.read(payment.payload)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = int.from_bytes(found.signature[32:64], "big")
    high = found.signature[:32] + (order - s).to_bytes(32, "big") + bytes([55 - found.signature[64]])
    theirs, ours = both(replace(payment, payload=ExactPayment(found.authorization, high).to_payload()))
    assert not theirs[0]
    assert ours == (False, reasons.SIGNATURE)
