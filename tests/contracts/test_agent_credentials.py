"""Credentials: issued by named issuers to an agent and its owner, never moved, ended by time, issuer, holder, sale."""

from __future__ import annotations

import pytest

from tallystick.chain.bindings import agent_credentials as binding
from tallystick.chain.bindings.agent_credentials import Credential
from tallystick.contracts import artifact
from tests.contracts.agent_kit import deploy_registries

SEALED = b"c" * 32
TWO_YEARS = 2 * 366 * 86_400


@pytest.fixture(scope="module")
def all_registries(ledger):
    return deploy_registries(ledger)


@pytest.fixture
def credentials(all_registries):
    return all_registries.credentials


@pytest.fixture
def agent(ledger, all_registries):
    """The id of an agent that the first account owns and nobody vouched for."""
    ledger.send(all_registries.identity.register(""), ledger.accounts[0])
    return all_registries.identity.agent_count() - 1


@pytest.fixture
def issuer(ledger, credentials):
    """The last account, an issuer by name."""
    account = ledger.accounts[7]
    if not credentials.issuer_name(account):
        ledger.send(credentials.name_issuer("Notary", "https://notary.example"), account)
    return account


@pytest.fixture
def issue(ledger, credentials, agent, issuer):
    def make(kind="operator", lasting=1_000, by=None):
        ledger.send(credentials.issue(agent, kind, "DE", SEALED, "u", ledger.time + lasting), by or issuer)
        return credentials.credential_count()

    return make


def test_an_issuer_names_itself_once(ledger, credentials, agent, refused, events):
    bob = ledger.accounts[1]
    with refused("issuers: not named"):
        ledger.send(credentials.issue(agent, "operator", "DE", SEALED, "", ledger.time + 100), bob)
    with refused("issuers: empty name"):
        ledger.send(credentials.name_issuer("", ""), bob)
    named = ledger.send(credentials.name_issuer("Bob's", "https://b.example"), bob)
    assert events(named, binding.EVENTS) == [binding.IssuerNamed(bob, "Bob's", "https://b.example")]
    assert credentials.issuer_name(bob) == "Bob's"
    with refused("issuers: already named"):
        ledger.send(credentials.name_issuer("Notary", ""), bob)


def test_a_credential_is_issued_to_the_agents_present_owner(ledger, credentials, agent, issuer, events):
    alice, expiry = ledger.accounts[0], ledger.time + 500
    mined = ledger.send(credentials.issue(agent, "operator", "US-CA", SEALED, "ipfs://c", expiry), issuer)
    one = credentials.credential_count()
    assert events(mined, binding.EVENTS) == [
        binding.CredentialIssued(one, agent, issuer, alice, "operator", "US-CA", SEALED, "ipfs://c", expiry)
    ]
    assert credentials.credential(one) == Credential(
        agent, issuer, alice, "operator", "US-CA", SEALED, mined.time, expiry, 0
    )
    assert credentials.is_valid(one)
    assert credentials.valid_credential(agent, issuer, "operator") == one
    assert credentials.valid_credential(agent, alice, "operator") == 0
    assert credentials.valid_credential(agent, issuer, "licence") == 0
    assert credentials.valid_credential(agent + 1, issuer, "operator") == 0


def test_what_cannot_be_issued_says_why(ledger, all_registries, credentials, agent, issuer, refused):
    alice, expiry = ledger.accounts[0], ledger.time + 500
    with refused("credentials: empty kind"):
        ledger.send(credentials.issue(agent, "", "DE", SEALED, "", expiry), issuer)
    with refused("credentials: expired"):
        ledger.send(credentials.issue(agent, "operator", "DE", SEALED, "", ledger.time - 12), issuer)
    with refused("credentials: lasts too long"):
        ledger.send(credentials.issue(agent, "operator", "DE", SEALED, "", ledger.time + TWO_YEARS + 1), issuer)
    with refused("erc721: no such token"):
        ledger.send(credentials.issue(2**64, "operator", "DE", SEALED, "", expiry), issuer)
    ledger.send(all_registries.identity.set_approval_for_all(issuer, True), alice)
    with refused("credentials: own agent"):
        ledger.send(credentials.issue(agent, "operator", "DE", SEALED, "", expiry), issuer)
    ledger.send(all_registries.identity.set_approval_for_all(issuer, False), alice)
    ledger.send(credentials.issue(agent, "operator", "DE", SEALED, "", ledger.time + TWO_YEARS - 12), issuer)


def test_a_credential_expires(ledger, credentials, agent, issuer, issue):
    one = issue(lasting=24)
    assert credentials.is_valid(one)
    ledger.send(credentials.revoke(issue("other"), ""), issuer)  # two blocks go by
    ledger.send(credentials.revoke(issue("other"), ""), issuer)
    assert not credentials.is_valid(one)
    assert credentials.valid_credential(agent, issuer, "operator") == 0


def test_the_issuer_revokes_and_the_holder_renounces_once(ledger, credentials, issuer, issue, refused, events):
    alice, bob = ledger.accounts[:2]
    one, two = issue(), issue()
    for call, who, reason in (
        (credentials.revoke(one, ""), alice, "credentials: not the issuer"),
        (credentials.revoke(one, ""), bob, "credentials: not the issuer"),
        (credentials.renounce(two, ""), issuer, "credentials: not the holder"),
    ):
        with refused(reason):
            ledger.send(call, who)
    ended = ledger.send(credentials.revoke(one, "fraud"), issuer)
    assert events(ended, binding.EVENTS) == [binding.CredentialEnded(one, issuer, "fraud")]
    assert credentials.credential(one).ended_at == ended.time
    ended = ledger.send(credentials.renounce(two, "moved"), alice)
    assert events(ended, binding.EVENTS) == [binding.CredentialEnded(two, alice, "moved")]
    assert not credentials.is_valid(one)
    assert not credentials.is_valid(two)
    for call, who in ((credentials.revoke(one, ""), issuer), (credentials.renounce(one, ""), alice)):
        with refused("credentials: already ended"):
            ledger.send(call, who)
    for missing in (0, credentials.credential_count() + 1):
        with refused("credentials: unknown"):
            credentials.credential(missing)
        with refused("credentials: unknown"):
            ledger.send(credentials.revoke(missing, ""), issuer)


def test_a_sale_of_the_agent_leaves_the_buyer_without_it(ledger, all_registries, credentials, agent, issuer, issue):
    alice, bob = ledger.accounts[:2]
    identity, one = all_registries.identity, issue()
    ledger.send(identity.transfer_from(alice, bob, agent), alice)
    assert not credentials.is_valid(one)
    assert credentials.valid_credential(agent, issuer, "operator") == 0
    again = issue()
    assert credentials.credential(again).holder == bob
    assert credentials.is_valid(again)
    ledger.send(identity.transfer_from(bob, alice, agent), bob)  # who it was issued to holds it again
    assert (credentials.is_valid(one), credentials.is_valid(again)) == (True, False)


def test_a_newer_credential_stands_before_an_older_one(ledger, credentials, agent, issuer, issue):
    one, two = issue(), issue()
    assert credentials.valid_credential(agent, issuer, "operator") == two
    ledger.send(credentials.revoke(two, ""), issuer)
    assert credentials.valid_credential(agent, issuer, "operator") == 0  # the older one does not come back
    assert credentials.is_valid(one)


def test_no_function_moves_a_credential():
    functions = {entry["name"] for entry in artifact("AgentCredentials").abi if entry["type"] == "function"}
    assert functions == {
        "initialize", "getIdentityRegistry", "name_issuer", "issuer_name", "issue", "revoke", "renounce",
        "credential_count", "credential", "is_valid", "valid_credential",
    }  # fmt: skip
