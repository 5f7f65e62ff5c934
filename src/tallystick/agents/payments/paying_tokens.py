"""What a payer asks of the tokens it is asked to pay in: their signing domain, their units, and what there is."""

from __future__ import annotations

from tallystick.agents.payments.exact import ExactPayment, domain_of, is_exact
from tallystick.agents.payments.outcomes import Signed
from tallystick.agents.payments.wire import Requirements
from tallystick.chain.coin import Coin, read_coin
from tallystick.chain.node import Node
from tallystick.chain.signing_domain import read_signing_domain
from tallystick.core.authorization import Authorization
from tallystick.core.eip712 import Domain
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.ids import parse_address


class PayingTokens:
    """The tokens of one chain, each asked once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._network = f"eip155:{node.chain_id}"
        self._domains: dict[str, Domain] = {}
        self._coins: dict[str, Coin] = {}

    def refusal(self, requirements: Requirements) -> str:
        """Return why nobody here could pay like this, in words; empty where somebody could."""
        if not is_exact(requirements):
            return f"it is asked for {requirements.scheme} by {requirements.extra.get('assetTransferMethod')}"
        if requirements.network != self._network:
            return f"it is asked for on {requirements.network}, the payer is on {self._network}"
        try:
            parse_address(requirements.pay_to)
            if domain_of(requirements) != self.domain(requirements):
                return "the seller names another signing domain than the token has"
        except (InvalidInput, Rejected, VerificationFailed) as error:
            return f"{error.code}: {error}"
        return ""

    def domain(self, requirements: Requirements) -> Domain:
        """Return the domain in which holders of the asked token sign, as the token itself tells it."""
        asset = parse_address(requirements.asset)
        if asset not in self._domains:
            self._domains[asset] = read_signing_domain(self._node, asset)
        return self._domains[asset]

    def coin(self, requirements: Requirements) -> Coin:
        """Return the asked token as people write it."""
        asset = parse_address(requirements.asset)
        if asset not in self._coins:
            self._coins[asset] = read_coin(self._node, asset)
        return self._coins[asset]

    def poverty(self, requirements: Requirements, holder: str) -> str:
        """Return that a holder has too little, in words; empty where it has enough."""
        coin = self.coin(requirements)
        held = coin.balance(self._node, holder)
        if held >= requirements.amount:
            return ""
        return f"{holder} has {coin.named(held)}, asked for is {coin.named(requirements.amount)}"


def signed_payment(authorization: Authorization, signature: bytes, requirements: Requirements) -> Signed:
    """Return an authorization with its signature, as the purse books it."""
    made = ExactPayment(authorization, signature)
    return Signed(made.to_payload(), made.claim(requirements))
