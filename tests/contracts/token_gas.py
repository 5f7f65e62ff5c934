"""What the token's calls cost: whole transactions, to somebody who holds some already unless it says otherwise."""

from __future__ import annotations

from tallystick.core.authorization import Bringer
from tests.contracts.coin_kit import Coin


def token_costs(ledger):
    """Return gas by step; signatures hang from the token's address, so the ledger must be a fresh one."""
    coin = Coin(ledger)
    token = coin.contract
    alice, bob, carol = ledger.accounts[:3]

    def cost(call, who=alice):
        return coin.send(call, who).gas_used

    def authorized(number, bringer=Bringer.ANYBODY, *, split=True):
        made = coin.authorization(alice, bob, nonce=bytes([number]) * 32)
        return coin.bringing(made, coin.signature(made, bringer=bringer), bringer, split=split)

    made = {
        "transfer to a new holder": cost(token.transfer(bob, 1_000)),
        "transfer": cost(token.transfer(bob, 1_000)),
        "approve": cost(token.approve(bob, 1_000)),
        "transferFrom": cost(token.transfer_from(alice, bob, 100), bob),
        "approve without end": cost(token.approve(carol, 2**256 - 1)),
        "transferFrom without end": cost(token.transfer_from(alice, bob, 100), carol),
        "burn": cost(token.burn(100)),
        "permit, the owner's first": cost(coin.permitting(coin.permit(alice, bob)), carol),
        "permit": cost(coin.permitting(coin.permit(alice, bob)), carol),
        "permit, bytes": cost(coin.permitting(coin.permit(alice, bob), split=False), carol),
        "transferWithAuthorization": cost(authorized(1), carol),
        "transferWithAuthorization, bytes": cost(authorized(2, split=False), carol),
        "receiveWithAuthorization": cost(authorized(3, Bringer.PAYEE), bob),
        "receiveWithAuthorization, bytes": cost(authorized(4, Bringer.PAYEE, split=False), bob),
        "cancelAuthorization": cost(coin.cancelling(alice, b"\x05" * 32), carol),
    }
    wallet = coin.wallet(1_000)
    given = coin.authorization(wallet.address, bob)
    signature = wallet.sign(given.digest(coin.domain), 288)
    made["transferWithAuthorization, 288 bytes by an account with code"] = cost(
        coin.bringing(given, signature, split=False), carol
    )
    return {f"Token: {step}": gas for step, gas in made.items()}
