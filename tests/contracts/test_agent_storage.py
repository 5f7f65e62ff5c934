"""The agents' registries keep their words where docs/spec says, and eth_getProof can prove them."""

from __future__ import annotations

import pytest

from tests.contracts.agent_kit import deploy_registries
from tests.contracts.test_storage import bits, slot_of, word


@pytest.fixture(scope="module")
def registries(ledger):
    return deploy_registries(ledger)


@pytest.fixture
def reading(ledger):
    def read(contract, variable, *keys, member=0):
        module, _, name = variable.rpartition(".")
        slot = slot_of(type(contract).__name__, module, name, *keys, member=member)
        return ledger.node.storage(contract.address, slot)

    return read


def test_an_agent_lies_where_the_spec_says(ledger, registries, reading):
    alice, bob = ledger.accounts[:2]
    identity = registries.identity
    ledger.send(identity.register(""), alice)
    agent = identity.agent_count() - 1
    assert reading(identity, "wallets._wallets", agent) == word(bytes.fromhex(alice[2:]))
    ledger.send(identity.transfer_from(alice, bob, agent), alice)
    owned = reading(identity, "erc721._words", agent)
    assert (bits(owned, 0, 159), bits(owned, 160, 207)) == (int(bob, 16), 1)
    assert reading(identity, "wallets._wallets", agent) == bytes(32)
    assert reading(identity, "agent_count") == word(agent + 1)


def test_feedback_an_answer_and_a_credential_lie_where_the_spec_says(ledger, registries, reading):
    alice, bob = ledger.accounts[:2]
    identity, reputation, validation, credentials = (
        registries.identity, registries.reputation, registries.validation, registries.credentials,
    )  # fmt: skip
    ledger.send(identity.register(""), alice)
    agent, client = identity.agent_count() - 1, bytes.fromhex(bob[2:])
    ledger.send(reputation.give_feedback(agent, -5, 2, "", "", "", "", bytes(32)), bob)
    ledger.send(reputation.revoke_feedback(agent, 1), bob)
    said = reading(reputation, "feedback._words", agent, client, 1)
    assert (bits(said, 0, 127), bits(said, 128, 135), bits(said, 136, 136)) == (2**128 - 5, 2, 1)
    assert reading(reputation, "feedback._counts", agent, client) == word(1)
    asked = agent.to_bytes(8, "big") + b"w" * 24
    ledger.send(validation.validation_request(bob, agent, "", asked), alice)
    mined = ledger.send(validation.validation_response(asked, 77, "", b"e" * 32, ""), bob)
    head = reading(validation, "requests._requests", asked)
    assert (bits(head, 0, 159), bits(head, 160, 199)) == (int(bob, 16), mined.time)
    assert (bits(head, 200, 207), bits(head, 208, 208)) == (77, 1)
    members = [reading(validation, "requests._requests", asked, member=member) for member in (1, 2)]
    assert members == [word(agent), b"e" * 32]
    ledger.send(credentials.name_issuer("Notary", ""), bob)
    ledger.send(credentials.issue(agent, "operator", "DE", bytes(32), "", ledger.time + 100), bob)
    found = [reading(credentials, "attestations._credentials", 1, member=member) for member in range(3)]
    assert found == [word(agent), word(client), word(bytes.fromhex(alice[2:]))]
