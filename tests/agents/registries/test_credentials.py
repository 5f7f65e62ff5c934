"""The document behind a credential, and the check that opens it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.credentials.operator import Operator, check_credential
from tallystick.core.errors import InvalidInput

SALT = b"s" * 32


@pytest.fixture
def issuer(ledger, registries):
    account = ledger.accounts[6]
    if not registries.credentials.issuer_name(account):
        ledger.send(registries.credentials.name_issuer("Notary", ""), account)
    return account


@pytest.fixture
def operator(agent):
    return Operator(agent, "Example GmbH", "DE", "HRB 1234", "legal@example.com")


@pytest.fixture
def issued(ledger, registries, agent, issuer, operator):
    """The id of a credential over the operator."""
    call = registries.credentials.issue(
        agent.agent_id, "operator", "DE", operator.sealed(SALT), "", ledger.time + 10_000
    )
    ledger.send(call, issuer)
    return registries.credentials.credential_count()


def failures(registries, one, document, salt, issuers):
    report = check_credential(registries.credentials, one, document, salt, issuers)
    return [check.name for check in report.failures]


def test_a_credential_opens_with_its_document_and_salt_alone(registries, issued, issuer, operator):
    assert failures(registries, issued, operator.to_bytes(), SALT, [issuer]) == []
    other = replace(operator, name="Other GmbH")
    assert failures(registries, issued, other.to_bytes(), SALT, [issuer]) == ["commitment"]
    assert failures(registries, issued, operator.to_bytes(), b"t" * 32, [issuer]) == ["commitment"]
    elsewhere = replace(operator, jurisdiction="FR")
    assert failures(registries, issued, elsewhere.to_bytes(), SALT, [issuer]) == ["commitment", "jurisdiction"]
    another = replace(operator, agent=replace(operator.agent, agent_id=operator.agent.agent_id + 1))
    assert failures(registries, issued, another.to_bytes(), SALT, [issuer]) == ["commitment", "agent"]


def test_an_issuer_whom_the_reader_does_not_know_is_named(ledger, registries, issued, operator):
    assert failures(registries, issued, operator.to_bytes(), SALT, [ledger.accounts[5]]) == ["issuer"]
    assert failures(registries, issued, operator.to_bytes(), SALT, []) == ["issuer"]


def test_a_credential_that_ended_or_whose_agent_was_sold_is_not_valid(ledger, registries, issued, issuer, operator):
    alice, bob = ledger.accounts[:2]
    ledger.send(registries.identity.transfer_from(alice, bob, operator.agent.agent_id), alice)
    assert failures(registries, issued, operator.to_bytes(), SALT, [issuer]) == ["valid"]
    ledger.send(registries.identity.transfer_from(bob, alice, operator.agent.agent_id), bob)
    assert failures(registries, issued, operator.to_bytes(), SALT, [issuer]) == []
    ledger.send(registries.credentials.revoke(issued, "fraud"), issuer)
    assert failures(registries, issued, operator.to_bytes(), SALT, [issuer]) == ["valid"]


def test_no_such_credential_and_no_such_document_are_failed_checks(registries, issued, issuer, operator):
    assert failures(registries, 10**6, operator.to_bytes(), SALT, [issuer]) == ["credential"]
    for data in (b"", b"{}", operator.to_bytes() + b" ", operator.to_bytes().replace(b"operator/v1", b"operator/v2")):
        assert failures(registries, issued, data, SALT, [issuer]) == ["document"]
    with pytest.raises(InvalidInput):
        Operator.from_bytes(b'{"kind":"tallystick/operator/v1"}')
    assert Operator.from_bytes(operator.to_bytes()) == operator
