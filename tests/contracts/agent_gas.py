"""What the agents' registries cost: whole transactions, on a ledger of their own for the calldata's sake."""

from __future__ import annotations

from tallystick.chain.bindings.agent_identity import MetadataEntry
from tests.contracts.agent_kit import deploy_registries, wallet_proof

URI = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


def agent_costs(ledger):
    """Return gas by step; the ledger must be a fresh one."""
    made = deploy_registries(ledger)
    alice, bob, carol, dan = ledger.accounts[:4]
    identity, reputation, validation, credentials = made.identity, made.reputation, made.validation, made.credentials
    deadline = ledger.time + 280
    asked = (1).to_bytes(8, "big") + b"w" * 24
    say = reputation.give_feedback(1, 90, 0, "starred", "", "", URI, b"h" * 32)
    steps = [
        ("AgentIdentity: register the first agent of an account", identity.register(""), alice),
        ("AgentIdentity: register an agent (URI of 66 bytes)", identity.register(URI), alice),
        (
            "AgentIdentity: register an agent (URI of 66 bytes, a value of 32)",
            identity.register(URI, [MetadataEntry("signingKey", b"k" * 32)]),
            alice,
        ),
        ("AgentIdentity: set a value of 32 bytes", identity.set_metadata(1, "signingKey", b"k" * 32), alice),
        ("AgentIdentity: rotate it", identity.set_metadata(1, "signingKey", b"l" * 32), alice),
        (
            "AgentIdentity: prove a wallet by its key",
            identity.set_agent_wallet(1, bob, deadline, wallet_proof(ledger, identity, 1, bob, alice, deadline)),
            alice,
        ),
        ("AgentIdentity: transfer an agent with a wallet", identity.transfer_from(alice, dan, 0), alice),
        ("AgentReputation: give the first feedback (tag of 7 bytes, URI of 66)", say, carol),
        ("AgentReputation: give more feedback", say, carol),
        ("AgentReputation: revoke feedback", reputation.revoke_feedback(1, 1), carol),
        ("AgentReputation: respond (URI of 66 bytes)", reputation.append_response(1, carol, 2, URI, b"h" * 32), alice),
        ("AgentValidation: ask (URI of 66 bytes)", validation.validation_request(carol, 1, URI, asked), alice),
        ("AgentValidation: answer", validation.validation_response(asked, 100, "", b"e" * 32, ""), carol),
        ("AgentCredentials: name an issuer", credentials.name_issuer("Notary", ""), carol),
        (
            "AgentCredentials: issue",
            credentials.issue(1, "operator", "DE", b"c" * 32, "", 1_710_000_000),
            carol,
        ),
        ("AgentCredentials: revoke", credentials.revoke(1, "fraud"), carol),
    ]
    return {step: ledger.send(call, who).gas_used for step, call, who in steps}
