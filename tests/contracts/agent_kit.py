"""What the tests of the agents' registries share: the four contracts, proofs of wallets, contracts that sign or lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from vyper import compile_code

from tallystick.chain.bindings.agent_credentials import AgentCredentials
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.bindings.agent_reputation import AgentReputation
from tallystick.chain.bindings.agent_validation import AgentValidation
from tallystick.core import eip712
from tests.contracts.constructors import initcode_of

NOBODY = "0x" + "00" * 20
WALLET_SET = "AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)"

# Answers ERC-1271 as it was told to: 0 yes for what its owner signed, 1 another value, 2 reverts, 3 sixty-four bytes.
SIGNER = """
# pragma version 0.4.3
mode: uint256
approved: HashMap[bytes32, bool]

@deploy
def __init__(mode: uint256):
    self.mode = mode

@external
def approve_digest(digest: bytes32):
    self.approved[digest] = True

@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes4:
    assert self.mode != 2, "signer: closed"
    if self.mode == 1 or not self.approved[digest]:
        return 0xffffffff
    return 0x1626ba7e

@external
def register(identity: address):
    made: Bytes[32] = raw_call(identity, method_id("register()"), max_outsize=32)
"""


@dataclass(frozen=True)
class Registries:
    """Four registries that belong together."""

    identity: AgentIdentity
    reputation: AgentReputation
    validation: AgentValidation
    credentials: AgentCredentials


def deploy_registries(ledger) -> Registries:
    identity = ledger.deploy(initcode_of("AgentIdentity"))
    names = ("AgentReputation", "AgentValidation", "AgentCredentials")
    beside = [ledger.deploy(initcode_of(name, identity)) for name in names]
    return Registries(
        AgentIdentity(ledger, identity),
        AgentReputation(ledger, beside[0]),
        AgentValidation(ledger, beside[1]),
        AgentCredentials(ledger, beside[2]),
    )


def wallet_digest(ledger, identity, agent_id, wallet, owner, deadline, *, domain=None):
    """Return the digest that a wallet signs, by our own EIP-712; tests compare it with eth-account's."""
    domain = domain or eip712.Domain("ERC8004IdentityRegistry", "1", ledger.chain_id, identity.address)
    return eip712.typed_digest(domain, WALLET_SET, (agent_id, wallet, owner, deadline))


def wallet_proof(ledger, identity, agent_id, wallet, owner, deadline, *, domain=None):
    digest = wallet_digest(ledger, identity, agent_id, wallet, owner, deadline, domain=domain)
    return eip712.sign_digest(ledger.secrets[wallet], digest)


@cache
def compiled(text):
    return bytes.fromhex(compile_code(text, output_formats=["bytecode"])["bytecode"][2:])


def deploy_signer(ledger, mode=0):
    return ledger.deploy(compiled(SIGNER) + mode.to_bytes(32, "big"))
