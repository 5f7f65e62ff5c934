"""The reputation registry against ERC-8004: feedback, revocation, responses, and reading in bulk."""

from __future__ import annotations

from fractions import Fraction

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.chain.bindings import agent_reputation as binding
from tallystick.chain.bindings.agent_reputation import AgentReputation
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tests.contracts.agent_kit import NOBODY, compiled, deploy_registries
from tests.contracts.constructors import initcode_of
from tests.contracts.test_agent_identity import signature_of

FUNCTIONS = [
    "initialize(address)", "getIdentityRegistry()", "getVersion()",
    "giveFeedback(uint256,int128,uint8,string,string,string,string,bytes32)", "revokeFeedback(uint256,uint64)",
    "appendResponse(uint256,address,uint64,string,bytes32)", "getSummary(uint256,address[],string,string)",
    "readFeedback(uint256,address,uint64)", "readAllFeedback(uint256,address[],string,string,bool)",
    "getResponseCount(uint256,address,uint64,address[])", "getClients(uint256)", "getLastIndex(uint256,address)",
]  # fmt: skip
EVENTS = {
    "NewFeedback(uint256,address,uint64,int128,uint8,string,string,string,string,string,bytes32)": (0, 1, 5),
    "FeedbackRevoked(uint256,address,uint64)": (0, 1, 2),
    "ResponseAppended(uint256,address,uint64,address,string,bytes32)": (0, 1, 3),
}
HASH = b"h" * 32

# Gives feedback on an agent many times under one account, or opens accounts that give it once each.
CROWD = """
# pragma version 0.4.3
interface Reputation:
    def giveFeedback(agent_id: uint256, amount: int128, decimals: uint8, tag1: String[64], tag2: String[64],
        endpoint: String[512], uri: String[2048], digest: bytes32): nonpayable

@external
def repeat(reputation: address, agent_id: uint256, times: uint256):
    for _: uint256 in range(times, bound=2000):
        extcall Reputation(reputation).giveFeedback(agent_id, 100, 0, "", "", "", "", empty(bytes32))

@external
def clone(times: uint256) -> address:
    last: address = empty(address)
    for _: uint256 in range(times, bound=2000):
        last = create_minimal_proxy_to(self)
    return last
"""


@pytest.fixture(scope="module")
def all_registries(ledger):
    return deploy_registries(ledger)


@pytest.fixture
def agent(ledger, all_registries):
    """The id of an agent that the first account owns and nobody rated."""
    ledger.send(all_registries.identity.register(""), ledger.accounts[0])
    return all_registries.identity.agent_count() - 1


@pytest.fixture
def reputation(all_registries):
    return all_registries.reputation


def say(reputation, agent, amount, decimals=0, tag1="", tag2=""):
    return reputation.give_feedback(agent, amount, decimals, tag1, tag2, "https://a.example", "ipfs://f", HASH)


def test_functions_and_events_are_those_of_the_erc():
    abi = artifact("AgentReputation").abi
    functions = {signature_of(entry) for entry in abi if entry["type"] == "function"}
    assert functions - set(FUNCTIONS) == {"client_count(uint256)", "client_at(uint256,uint256)"}
    assert set(FUNCTIONS) <= functions
    events = {
        signature_of(entry): tuple(i for i, item in enumerate(entry["inputs"]) if item["indexed"])
        for entry in abi
        if entry["type"] == "event"
    }
    assert events == EVENTS
    for event in binding.EVENTS.values():
        assert event.topic == keccak(event.signature.encode())


@pytest.mark.parametrize("name", ["AgentReputation", "AgentValidation", "AgentCredentials"])
def test_the_identity_registry_is_chosen_once(ledger, all_registries, refused, name):
    identity, alice = all_registries.identity.address, ledger.accounts[0]
    beside = AgentReputation(ledger, ledger.deploy(initcode_of(name, identity)))
    assert beside.get_identity_registry() == identity
    with refused("identities: already set"):
        ledger.send(beside.initialize(identity), alice)
    late = AgentReputation(ledger, ledger.deploy(initcode_of(name, NOBODY)))
    assert late.get_identity_registry() == NOBODY
    with refused("identities: not a contract"):
        ledger.send(late.initialize(alice), alice)
    ledger.send(late.initialize(identity), alice)
    assert late.get_identity_registry() == identity
    with refused("identities: already set"):
        ledger.send(late.initialize(identity), alice)


def test_without_an_identity_registry_nothing_is_said(ledger, refused):
    late = AgentReputation(ledger, ledger.deploy(initcode_of("AgentReputation", NOBODY)))
    with refused("identities: not set"):
        ledger.send(say(late, 0, 1), ledger.accounts[1])


def test_a_client_says_something_and_anybody_reads_it(ledger, reputation, agent, events):
    bob = ledger.accounts[1]
    call = reputation.give_feedback(agent, -9977, 2, "starred", "γ", "https://a.example", "ipfs://f", HASH)
    assert events(ledger.send(call, bob), binding.EVENTS) == [
        binding.NewFeedback(
            agent, bob, 1, -9977, 2, keccak(b"starred"), "starred", "γ", "https://a.example", "ipfs://f", HASH
        )
    ]
    assert reputation.read_feedback(agent, bob, 1) == (-9977, 2, "starred", "γ", False)
    assert reputation.get_last_index(agent, bob) == 1
    assert reputation.get_clients(agent) == (bob,)
    assert (reputation.client_count(agent), reputation.client_at(agent, 0)) == (1, bob)
    assert reputation.client_at(agent, 1) == NOBODY
    assert reputation.get_version() == "2.0.0"


@pytest.mark.parametrize("amount", [10**38, -(10**38), 0, -1])
def test_the_largest_values_are_read_back_as_they_were_said(ledger, reputation, agent, amount):
    ledger.send(say(reputation, agent, amount, 18), ledger.accounts[1])
    assert reputation.read_feedback(agent, ledger.accounts[1], 1)[:2] == (amount, 18)


def test_values_beyond_the_bounds_are_refused(ledger, reputation, agent, refused):
    bob = ledger.accounts[1]
    with refused("feedback: too many decimals"):
        ledger.send(say(reputation, agent, 1, 19), bob)
    for amount in (10**38 + 1, -(10**38) - 1):
        with refused("feedback: value out of range"):
            ledger.send(say(reputation, agent, amount), bob)


def test_nobody_rates_an_agent_for_which_he_is_authorized(ledger, all_registries, reputation, agent, refused):
    alice, bob, carol, dan = ledger.accounts[:4]
    ledger.send(all_registries.identity.approve(bob, agent), alice)
    ledger.send(all_registries.identity.set_approval_for_all(carol, True), alice)
    for own in (alice, bob, carol):
        with refused("feedback: own agent"):
            ledger.send(say(reputation, agent, 100), own)
    ledger.send(all_registries.identity.set_approval_for_all(carol, False), alice)
    ledger.send(say(reputation, agent, 100), carol)
    with refused("erc721: no such token"):
        ledger.send(say(reputation, 2**255, 100), dan)


def test_a_client_revokes_what_it_said_once_and_nobody_else_does(ledger, reputation, agent, refused, events):
    bob, carol = ledger.accounts[1:3]
    ledger.send(say(reputation, agent, 7, 1, "t"), bob)
    for index in (0, 2, 2**64 - 1):
        with refused("feedback: no such feedback"):
            ledger.send(reputation.revoke_feedback(agent, index), bob)
        with refused("feedback: no such feedback"):
            reputation.read_feedback(agent, bob, index)
    with refused("feedback: no such feedback"):
        ledger.send(reputation.revoke_feedback(agent, 1), carol)
    revoked = ledger.send(reputation.revoke_feedback(agent, 1), bob)
    assert events(revoked, binding.EVENTS) == [binding.FeedbackRevoked(agent, bob, 1)]
    assert reputation.read_feedback(agent, bob, 1) == (7, 1, "t", "", True)
    with refused("feedback: already revoked"):
        ledger.send(reputation.revoke_feedback(agent, 1), bob)
    assert reputation.get_summary(agent, [bob], "", "") == (0, 0, 0)


def test_anybody_responds_and_responses_are_counted_by_client_index_and_responder(
    ledger, reputation, agent, refused, events
):
    alice, bob, carol, dan = ledger.accounts[:4]
    for client, times in ((bob, 2), (carol, 1)):
        for _ in range(times):
            ledger.send(say(reputation, agent, 5), client)
    answered = ledger.send(reputation.append_response(agent, bob, 1, "ipfs://refund", HASH), alice)
    assert events(answered, binding.EVENTS) == [binding.ResponseAppended(agent, bob, 1, alice, "ipfs://refund", HASH)]
    for client, index, responder in ((bob, 1, alice), (bob, 2, dan), (carol, 1, dan)):
        ledger.send(reputation.append_response(agent, client, index, "x", HASH), responder)
    counts = {
        (bob, 1, ()): 2, (bob, 2, ()): 1, (bob, 0, ()): 3, (carol, 0, ()): 1, (NOBODY, 0, ()): 4, (NOBODY, 1, ()): 3,
        (NOBODY, 0, (alice,)): 2, (NOBODY, 0, (dan,)): 2, (bob, 0, (alice, dan)): 3, (dan, 0, ()): 0, (bob, 9, ()): 0,
    }  # fmt: skip
    for (client, index, responders), count in counts.items():
        assert reputation.get_response_count(agent, client, index, responders) == count
    with refused("responses: empty uri"):
        ledger.send(reputation.append_response(agent, bob, 1, "", HASH), dan)
    for client, index in ((bob, 0), (bob, 3), (dan, 1)):
        with refused("feedback: no such feedback"):
            ledger.send(reputation.append_response(agent, client, index, "x", HASH), dan)


def test_a_summary_asks_for_clients_by_name_and_filters_by_tag(ledger, reputation, agent, refused):
    bob, carol, dan = ledger.accounts[1:4]
    for client, amount, tags in ((bob, 90, ("a", "x")), (bob, 70, ("a", "y")), (carol, 10, ("b", "x"))):
        ledger.send(say(reputation, agent, amount, 0, *tags), client)
    with refused("readings: name the clients"):
        reputation.get_summary(agent, [], "", "")
    assert reputation.get_summary(agent, [bob, carol], "", "") == (3, 56, 0)
    assert reputation.get_summary(agent, [bob, carol], "a", "") == (2, 80, 0)
    assert reputation.get_summary(agent, [bob, carol], "", "x") == (2, 50, 0)
    assert reputation.get_summary(agent, [bob, carol], "b", "y") == (0, 0, 0)
    assert reputation.get_summary(agent, [dan], "", "") == (0, 0, 0)
    assert reputation.get_summary(agent, [bob, bob], "", "") == (4, 80, 0)  # named twice counts twice


def summary(values):
    """The mean at 18 decimals cut toward zero, cut again to the most frequent decimals, or to as many as fit."""
    mean = Fraction(sum(amount * 10 ** (18 - decimals) for amount, decimals in values), len(values))
    decimals_seen = [decimals for _, decimals in values]
    decimals = max(sorted(set(decimals_seen)), key=decimals_seen.count)
    cut = int(mean)  # toward zero
    while abs(scaled := int(Fraction(cut, 10 ** (18 - decimals)))) >= 2**127:
        decimals -= 1
    return len(values), scaled, decimals


AMOUNTS = st.one_of(st.integers(-(10**38), 10**38), st.integers(-200, 200))
SAID = st.lists(st.tuples(AMOUNTS, st.sampled_from([0, 0, 2, 17, 18])), min_size=1, max_size=6)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=SAID)
def test_a_summary_is_the_mean_that_exact_fractions_give(ledger, all_registries, values):
    ledger.send(all_registries.identity.register(""), ledger.accounts[0])
    agent, reputation = all_registries.identity.agent_count() - 1, all_registries.reputation
    clients = ledger.accounts[1:4]
    for i, (amount, decimals) in enumerate(values):
        ledger.send(say(reputation, agent, amount, decimals), clients[i % 3])
    assert reputation.get_summary(agent, clients, "", "") == summary(values)


def test_a_mean_that_does_not_fit_its_decimals_loses_decimals_not_its_value(ledger, reputation, agent):
    bob = ledger.accounts[1]
    for amount, decimals in ((10**38, 0), (1, 18), (1, 18)):
        ledger.send(say(reputation, agent, amount, decimals), bob)
    count, amount, decimals = reputation.get_summary(agent, [bob], "", "")
    assert (count, decimals) == (3, 0)  # a third of 10**38 leaves no room for a decimal
    assert amount == 10**38 // 3


def test_all_feedback_is_read_in_columns(ledger, reputation, agent):
    bob, carol = ledger.accounts[1:3]
    for client, amount, tag in ((carol, 1, "a"), (bob, 2, "a"), (carol, 3, "b")):
        ledger.send(say(reputation, agent, amount, 1, tag, "z"), client)
    ledger.send(reputation.revoke_feedback(agent, 1), carol)
    rows = list(zip(*reputation.read_all_feedback(agent, [], "", "", True), strict=True))
    assert rows == [
        (carol, 1, 1, 1, "a", "z", True), (carol, 2, 3, 1, "b", "z", False), (bob, 1, 2, 1, "a", "z", False),
    ]  # fmt: skip
    kept = reputation.read_all_feedback(agent, [], "", "", False)
    assert kept[0] == (carol, bob)
    assert reputation.read_all_feedback(agent, [bob], "a", "z", False)[2] == (2,)
    assert reputation.read_all_feedback(agent, [bob], "b", "", False) == ((), (), (), (), (), (), ())


@pytest.fixture(scope="module")
def crowded(ledger, all_registries):
    """An agent to which one client gave 1,024 pieces, one by one to be exceeded."""
    crowd = ledger.deploy(compiled(CROWD))
    ledger.send(all_registries.identity.register(""), ledger.accounts[0])
    agent = all_registries.identity.agent_count() - 1

    def repeat(times):
        data = keccak(b"repeat(address,uint256,uint256)")[:4]
        data += encode(["address", "uint256", "uint256"], [all_registries.reputation.address, agent, times])
        ledger.send(Call(crowd, data), ledger.accounts[0])

    for _ in range(8):
        repeat(128)
    return agent, crowd, repeat


def test_a_loop_that_would_be_too_long_is_refused_with_a_reason(ledger, reputation, crowded, refused):
    agent, crowd, repeat = crowded
    assert reputation.get_summary(agent, [crowd], "", "") == (1_024, 100, 0)
    assert reputation.get_response_count(agent, crowd, 0, []) == 0
    with refused("readings: too many to read"):  # 256 found at most
        reputation.read_all_feedback(agent, [crowd], "", "", False)
    assert reputation.read_all_feedback(agent, [crowd], "none", "", False)[0] == ()
    repeat(1)
    with refused("readings: too many to read"):
        reputation.get_summary(agent, [crowd], "", "")
    with refused("readings: too many to read"):
        reputation.read_all_feedback(agent, [crowd], "none", "", False)
    with refused("responses: too many to count"):
        reputation.get_response_count(agent, crowd, 0, [])
    assert reputation.read_feedback(agent, crowd, 1_025)[0] == 100  # one by one all of it is read
    assert reputation.get_summary(agent, [ledger.accounts[1]], "", "") == (0, 0, 0)
