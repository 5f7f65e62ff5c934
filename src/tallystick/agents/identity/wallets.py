"""The signature by which a wallet says that it belongs to an agent, for `setAgentWallet`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.agents.identity.reference import AgentRef
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.calls import Call
from tallystick.core import eip712

TYPE: Final = "AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)"
LIFETIME_S: Final = 240  # of a proof we make: the contract takes 300 at most, and clocks differ


@dataclass(frozen=True)
class WalletClaim:
    """`wallet` belongs to the agent while `owner` owns it; to be used until `deadline`, seconds since 1970."""

    agent: AgentRef
    wallet: str
    owner: str
    deadline: int

    def digest(self) -> bytes:
        """Return the EIP-712 digest that the wallet signs. A PolicyAccount answers once its owner approved it."""
        registry = self.agent.registry
        domain = eip712.Domain("ERC8004IdentityRegistry", "1", registry.chain_id, registry.address)
        return eip712.typed_digest(domain, TYPE, (self.agent.agent_id, self.wallet, self.owner, self.deadline))

    def signed(self, secret: bytes) -> bytes:
        """Return the wallet's signature, for a wallet that is a plain key."""
        return eip712.sign_digest(secret, self.digest())


def claim_wallet(identity: AgentIdentity, agent: AgentRef, wallet: str, now: int) -> WalletClaim:
    """Return what the wallet must sign now; `now` is the time of the chain, in seconds."""
    return WalletClaim(agent, wallet, identity.owner_of(agent.agent_id), now + LIFETIME_S)


def set_wallet(identity: AgentIdentity, claim: WalletClaim, signature: bytes) -> Call:
    """Return the call by which the agent's owner uses the signature."""
    return identity.set_agent_wallet(claim.agent.agent_id, claim.wallet, claim.deadline, signature)
