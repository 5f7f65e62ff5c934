"""What payment channels cost in an ordinary token: whole transactions, to a payee who holds some already."""

from __future__ import annotations

from tallystick.chain.bindings.payment_channels import Claim
from tests.contracts.channel_kit import DELAY, Channels
from tests.contracts.token_kit import make_token


def channel_costs(ledger):
    """Return gas by step; signatures hang from the contract's address, so the ledger must be a fresh one."""
    channels = Channels(ledger, make_token(ledger))
    contract = channels.contract

    def cost(call, who):
        return channels.send(call, who).gas_used

    terms, other = channels.terms(), channels.terms()
    made = {
        "open": cost(channels.opening(terms, 10**9), channels.payer),
        "top up": cost(contract.top_up(terms, 10**6, value=0), channels.payer),
        "claim": cost(channels.claiming(terms, 2 * 10**6), channels.payee),
        "refund": cost(contract.refund(terms, 10**6, value=0), channels.payee),
        "close with a claim": cost(channels.closing(terms, 3 * 10**6), channels.payee),
    }
    channels.send(channels.opening(other, 10**9), channels.payer)
    made["ask for the rest"] = cost(contract.ask_withdrawal(other), channels.payer)
    channels.wait(DELAY)
    made["withdraw"] = cost(contract.withdraw(other), channels.payer)
    for count in (1, 10, 64):
        opened = [channels.opened(10**9) for _ in range(count)]
        claims = [Claim(one, 10**6, 10**6, channels.signed(one, 10**6)) for one in opened]
        made[f"settle {count} channels at once"] = cost(contract.claim_many(channels.payee, claims), channels.payee)
    return {f"PaymentChannels: {step}": gas for step, gas in made.items()}
