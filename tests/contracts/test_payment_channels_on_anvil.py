"""Payment channels on another implementation of the chain: the same verbs, the same reasons, the same gas."""

from __future__ import annotations

import pytest

from tallystick.chain.bindings.payment_channels import Claim
from tallystick.core.errors import Rejected
from tests.contracts.anvil_ledger import AnvilLedger
from tests.contracts.channel_kit import DELAY, Channels


def lived(ledger, kind):
    """Live through a channel's life; return every event and the gas of each step."""
    channels = Channels.of_kind(ledger, kind)
    contract = channels.contract
    first, second = channels.terms(), channels.terms()
    steps = [
        lambda: (channels.opening(first, 1_000), channels.payer),
        lambda: (channels.opening(second, 1_000), channels.payer),
        lambda: (contract.top_up(first, 50, value=channels.value(50)), channels.payer),
        lambda: (channels.claiming(first, 300), channels.stranger),
        lambda: (
            contract.claim_many(
                channels.payee, [Claim(one, 400, 350, channels.signed(one, 400)) for one in (first, second)]
            ),
            channels.stranger,
        ),
        lambda: (contract.refund(first, 25, value=channels.value(25)), channels.payee),
        lambda: (channels.closing(first, 500), channels.payee),
        lambda: (contract.ask_withdrawal(second), channels.authorizer),
    ]
    events, gas = [], []
    for step in steps:
        mined = channels.send(*step())
        events += [type(one).__name__ for one in channels.events(mined)]
        gas.append(mined.gas_used)
    refusals = []
    for call, who in (
        (channels.claiming(first, 600), channels.payee),
        (channels.claiming(second, 350), channels.payee),
        (channels.contract.claim(second, 400, 400, channels.signed(second, 400, channels.stranger)), channels.payee),
        (contract.withdraw(second), channels.payer),
    ):
        with pytest.raises(Rejected) as caught:
            channels.send(call, who)
        refusals.append(caught.value.code)
    channels.wait(DELAY)
    gas.append(channels.send(contract.withdraw(second), channels.stranger).gas_used)
    return events, refusals, gas, channels.held(), channels.state(first).claimed, channels.state(second).claimed


@pytest.mark.anvil
def test_a_channel_lives_alike_on_anvil(anvil, ledger):
    there = AnvilLedger(anvil)
    for kind in ("native", "ordinary"):
        found, wanted = lived(there, kind), lived(ledger, kind)
        assert found[:2] == wanted[:2]
        assert found[3:] == wanted[3:] == (0, 500, 350)
        # Signatures and salts hang from addresses, and calldata costs by its zeros: a few hundred gas apart at most.
        assert all(abs(one - other) < 1_000 for one, other in zip(found[2], wanted[2], strict=True))
    there.node.close()
