"""Registration files, domain proofs, names and keys: what an agent says, and what of it is confirmed."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.agents.identity.domains import build_proof, check_domain, check_proof, domains_of, read_proof
from tallystick.agents.identity.keys import KeyTerm, check_key, key_terms, read_key_terms, rotate_key
from tallystick.agents.identity.names import Claim, claim_name, resolve
from tallystick.agents.identity.reference import AgentRef, RegistryRef
from tallystick.agents.identity.registration import (
    DIGEST_KEY,
    TRUST_MODELS,
    TYPE,
    Registration,
    Service,
    check_registration,
    embedded_file,
    publish,
)
from tallystick.agents.identity.wallets import LIFETIME_S, claim_wallet, set_wallet
from tallystick.chain.bindings.agent_identity import MetadataSet, Transfer
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed

REGISTRY = "eip155:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432"
AGENT = AgentRef.parse(f"{REGISTRY}/22")
SERVICES = (
    Service("A2A", "https://quotes.example.com/.well-known/agent-card.json", "1.0", ("quote",), ("finance",)),
    Service("MCP", "https://mcp.example.com/"),
    Service("email", "a@example.com"),
)
FILE = Registration("quotes", "Sells quotes.", "ipfs://i", SERVICES, True, True, (AGENT,), TRUST_MODELS)

# As a stranger may write it: spaces, his own members, a number with a point, the id as a number.
FOREIGN = f"""{{
  "type": "{TYPE}", "name": "myAgent", "description": "does things", "image": "https://example.com/i.png",
  "pricing": {{"per_call": 0.01}},
  "services": [{{"name": "OASF", "endpoint": "ipfs://x", "version": "0.7", "x": null}}],
  "registrations": [{{"agentId": 22, "agentRegistry": "{REGISTRY}"}}], "supportedTrust": ["reputation"]
}}""".encode()


# --- references


@pytest.mark.parametrize("text", [f"{REGISTRY}/0", f"{REGISTRY}/22", f"{REGISTRY}/{2**256 - 1}"])
def test_a_reference_reads_back(text):
    assert str(AgentRef.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{REGISTRY}/-1", "agent.reference"),
        (f"{REGISTRY}/01", "agent.reference"),
        (f"{REGISTRY}/{2**256}", "agent.reference"),
        (REGISTRY, "agent.reference"),
        ("solana:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432/1", "agent.registry"),
        ("eip155:0:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432/1", "agent.registry"),
        ("eip155:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a431/1", "address.checksum"),
    ],
)
def test_what_names_no_agent_is_refused(text, code):
    with pytest.raises(InvalidInput) as caught:
        AgentRef.parse(text)
    assert caught.value.code == code


# --- the file


def test_a_registration_reads_back_and_has_one_spelling():
    assert Registration.from_bytes(FILE.to_bytes()) == FILE
    assert Registration.from_bytes(FILE.to_bytes()).to_bytes() == FILE.to_bytes()
    large = Registration("n", registrations=(AgentRef(AGENT.registry, 2**200),))
    assert Registration.from_bytes(large.to_bytes()) == large


def test_a_strangers_file_is_read_and_its_own_members_are_left_alone():
    found = Registration.from_bytes(FOREIGN)
    assert (found.name, found.registrations, found.supported_trust) == ("myAgent", (AGENT,), ("reputation",))
    assert found.services == (Service("OASF", "ipfs://x", "0.7"),)
    assert (found.active, found.x402_support) == (True, False)


def altered(**members):
    return json.dumps({**json.loads(FILE.to_bytes()), **members}).encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "agent_file.json"),
        (b"[]", "document.type"),
        (b'{"type":1,"type":2}', "agent_file.duplicate"),
        (b"[" * 100, "canonical.depth"),
        (b'"' + b" " * 2**18 + b'"', "agent_file.size"),
        (b"\xff", "agent_file.json"),
        (altered(type="https://eips.ethereum.org/EIPS/eip-8004#registration-v2"), "agent_file.type"),
        (b'{"type":"%b"}' % TYPE.encode(), "agent_file.missing"),
        (altered(name="a\u0007b"), "agent_file.text"),
        (altered(name="a" * 257), "document.length"),
        (altered(active=1), "document.type"),
        (altered(services={}), "document.type"),
        (altered(services=[{"name": "A2A"}]), "agent_file.missing"),
        (altered(services=[{"name": "A2A", "endpoint": 7}]), "document.type"),
        (altered(services=[SERVICES[1].to_dict()] * 1_025), "document.length"),
        (altered(supportedTrust=["trust me"]), "agent_file.trust"),
        (altered(registrations=[{"agentId": -1, "agentRegistry": REGISTRY}]), "document.range"),
        (altered(registrations=[{"agentId": True, "agentRegistry": REGISTRY}]), "document.type"),
        (altered(registrations=[{"agentId": 1.0, "agentRegistry": REGISTRY}]), "document.type"),
        (altered(registrations=[{"agentId": 1, "agentRegistry": "0x1"}]), "agent.registry"),
    ],
)
def test_what_is_no_registration_file_is_refused(data, code):
    with pytest.raises(InvalidInput) as caught:
        Registration.from_bytes(data)
    assert caught.value.code == code


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@settings(max_examples=80, deadline=None)
@given(
    name=TEXTS.filter(bool),
    description=TEXTS,
    services=st.lists(st.builds(Service, TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=2).map(tuple)), max_size=3),
    ids=st.lists(st.integers(0, 2**256 - 1), max_size=3),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_whatever_is_built_is_read_back(name, description, services, ids, flags):
    agents = tuple(AgentRef(AGENT.registry, one) for one in ids)
    built = Registration(name, description, "", tuple(services), *flags, agents, ("reputation",))
    assert Registration.from_bytes(built.to_bytes()) == built


# --- the file against the chain


def failures(report):
    return [check.name for check in report.failures]


def test_a_file_is_bound_to_its_agent_by_digest_and_by_name(ledger, registries, agent):
    identity, alice = registries.identity, ledger.accounts[0]
    data = Registration("quotes", registrations=(agent,)).to_bytes()
    assert failures(check_registration(identity, agent, data)) == ["digest"]  # none is kept
    ledger.send(identity.set_metadata(agent.agent_id, DIGEST_KEY, sha256(data)), alice)
    assert check_registration(identity, agent, data).ok
    assert failures(check_registration(identity, agent, data + b" ")) == ["digest"]
    for other, failed in (
        (Registration("quotes", registrations=(AGENT,)).to_bytes(), ["registration"]),
        (Registration("quotes", registrations=(agent,), active=False).to_bytes(), ["active"]),
        (b"{", ["form"]),
    ):
        ledger.send(identity.set_metadata(agent.agent_id, DIGEST_KEY, sha256(other)), alice)
        assert failures(check_registration(identity, agent, other)) == failed
    elsewhere = AgentRef(RegistryRef(1, ledger.accounts[1]), agent.agent_id)
    assert "registry" in failures(check_registration(identity, elsewhere, data))
    with pytest.raises(Rejected, match="no such token"):
        check_registration(identity, AgentRef(agent.registry, 10**9), data)


def test_publishing_a_file_sets_uri_and_digest(ledger, registries, agent):
    identity, alice = registries.identity, ledger.accounts[0]
    data = Registration("quotes", registrations=(agent,)).to_bytes()
    uri = "data:application/json;base64," + base64.b64encode(data).decode()
    for call in publish(identity, agent, uri, data):
        ledger.send(call, alice)
    assert check_registration(identity, agent, embedded_file(identity.token_uri(agent.agent_id))).ok
    with pytest.raises(InvalidInput) as caught:
        publish(identity, AGENT, uri, data)
    assert caught.value.code == "agent_file.agent"


def test_a_uri_that_holds_its_file_is_read_and_another_is_not():
    assert embedded_file("data:application/json,%7B%7D") == embedded_file("data:application/json;base64,e30=") == b"{}"
    assert embedded_file("https://example.com/a.json") is embedded_file("") is None
    for wrong in ("data:", "data:text/html,x", "data:application/json;base64,e3", "data:application/json;base64,é",
                  "data:application/json," + "x" * 2_048):  # fmt: skip
        with pytest.raises(InvalidInput) as caught:
            embedded_file(wrong)
        assert caught.value.code == "agent_file.uri"


# --- domains and names


def test_a_domain_lists_its_agents():
    data = build_proof([AGENT, AgentRef(AGENT.registry, 2**255)])
    assert read_proof(data) == (AGENT, AgentRef(AGENT.registry, 2**255))
    assert check_proof(AGENT, "example.com", data).ok
    assert not check_proof(AgentRef(AGENT.registry, 23), "example.com", data).ok
    assert not check_proof(AGENT, "example.com", b"<html>").ok
    assert read_proof(b"{}") == ()


def test_the_domains_of_a_file_are_those_reached_by_https():
    more = [
        "https://quotes.example.com/again", "http://plain.example.com", "https://1.2.3.4/", "https://localhost/",
        "https://[::1", "https://evil.example.com:8443/", "https://user@real.example.com/x", "ipfs://x",
    ]  # fmt: skip
    file = Registration("n", services=(*SERVICES, *(Service("web", endpoint) for endpoint in more)))
    assert domains_of(file) == ("quotes.example.com", "mcp.example.com", "real.example.com")


@pytest.mark.parametrize(
    "text",
    ["", "example", "Example.com", "exämple.com", "a..b", "-a.com", "1.2.3.4", "a" * 64 + ".com", "a.com\n", "a.com."],
)
def test_a_name_that_could_be_spelt_twice_is_refused(text):
    with pytest.raises(InvalidInput) as caught:
        check_domain(text)
    assert caught.value.code == "agent.domain"


def test_a_name_means_the_agent_that_its_domain_confirms():
    mine, squatter = Claim(AGENT, True), Claim(AgentRef(AGENT.registry, 1), False)
    assert resolve("quotes.example.com", [squatter, mine, mine]) == AGENT
    for claims, kind, code in (
        ([], InvalidInput, "agent.name_unknown"),
        ([squatter], VerificationFailed, "agent.name_unconfirmed"),
        ([mine, Claim(squatter.agent, True)], VerificationFailed, "agent.name_ambiguous"),
    ):
        with pytest.raises(kind) as caught:
            resolve("quotes.example.com", claims)
        assert caught.value.code == code


# --- keys and wallets


def test_keys_follow_one_another_and_a_sale_ends_them(ledger, registries, agent):
    alice, bob = ledger.accounts[:2]
    identity, one, places = registries.identity, agent.agent_id, []
    for call, who in (
        (rotate_key(identity, one, b"1" * 32), alice),
        (rotate_key(identity, one, b"2" * 32), alice),
        (identity.set_metadata(one, "other", b"x" * 32), alice),
        (identity.transfer_from(alice, bob, one), alice),
        (rotate_key(identity, one, b"3" * 32), bob),
        (rotate_key(identity, one, b""), bob),
    ):
        mined = ledger.send(call, who)
        places.append((mined.logs[0].block_number, mined.logs[0].log_index))
    terms = read_key_terms(ledger.node, identity.address, one)
    assert terms == [
        KeyTerm(b"1" * 32, places[0], places[1]), KeyTerm(b"2" * 32, places[1], places[3]),
        KeyTerm(b"3" * 32, places[4], places[5]),
    ]  # fmt: skip
    assert identity.get_metadata(one, "signingKey") == b""
    assert check_key(terms, b"2" * 32, places[2]).key == b"2" * 32
    for key, place in ((b"1" * 32, places[1]), (b"2" * 32, places[3]), (b"3" * 32, places[5]), (b"3" * 32, (0, 0))):
        with pytest.raises(VerificationFailed) as caught:
            check_key(terms, key, place)
        assert caught.value.code == "agent.key_term"


def test_the_sellers_key_still_stands_in_the_metadata_and_counts_no_more(ledger, registries, agent):
    alice, bob = ledger.accounts[:2]
    identity = registries.identity
    ledger.send(rotate_key(identity, agent.agent_id, b"s" * 32), alice)
    moved = ledger.send(identity.transfer_from(alice, bob, agent.agent_id), alice).logs[0]
    assert identity.get_metadata(agent.agent_id, "signingKey") == b"s" * 32
    terms = read_key_terms(ledger.node, identity.address, agent.agent_id)
    with pytest.raises(VerificationFailed):
        check_key(terms, b"s" * 32, (moved.block_number, moved.log_index))


def test_a_value_that_is_no_key_ends_the_key_before():
    zero = "0x" + "00" * 20

    def set_to(content):
        return MetadataSet(0, keccak(b"signingKey"), "signingKey", content)

    events = [((1, 0), set_to(b"k" * 32)), ((2, 0), set_to(b"k" * 31)), ((3, 0), Transfer(zero, zero, 0))]
    assert key_terms(events) == [KeyTerm(b"k" * 32, (1, 0), (2, 0))]
    with pytest.raises(InvalidInput) as caught:
        rotate_key(None, 0, b"k" * 31)
    assert caught.value.code == "agent.key"


def test_a_wallets_claim_is_what_the_contract_takes(ledger, registries, agent):
    alice, bob = ledger.accounts[:2]
    claim = claim_wallet(registries.identity, agent, bob, ledger.time)
    assert (claim.owner, claim.deadline) == (alice, ledger.time + LIFETIME_S)
    ledger.send(set_wallet(registries.identity, claim, claim.signed(ledger.secrets[bob])), alice)
    assert registries.identity.get_agent_wallet(agent.agent_id) == bob
    with pytest.raises(Rejected, match="wallet has not signed"):
        ledger.send(set_wallet(registries.identity, claim, claim.signed(ledger.secrets[alice])), alice)


def test_a_name_is_claimed_in_the_metadata(ledger, registries, agent):
    ledger.send(claim_name(registries.identity, agent.agent_id, "quotes.example.com"), ledger.accounts[0])
    assert registries.identity.get_metadata(agent.agent_id, "agentName") == b"quotes.example.com"
