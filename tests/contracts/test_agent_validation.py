"""The validation registry against ERC-8004, its two holes closed: no hash is taken, nobody checks himself."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings import agent_validation as binding
from tallystick.chain.bindings.agent_validation import AgentValidation
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tests.contracts.agent_kit import NOBODY, compiled, deploy_registries, wallet_proof
from tests.contracts.constructors import initcode_of
from tests.contracts.test_agent_identity import signature_of

FUNCTIONS = [
    "initialize(address)", "getIdentityRegistry()", "getVersion()",
    "validationRequest(address,uint256,string,bytes32)", "validationResponse(bytes32,uint8,string,bytes32,string)",
    "getValidationStatus(bytes32)", "getSummary(uint256,address[],string)", "getAgentValidations(uint256)",
    "getValidatorRequests(address)",
]  # fmt: skip
EVENTS = {
    "ValidationRequest(address,uint256,string,bytes32)": (0, 1, 3),
    "ValidationResponse(address,uint256,bytes32,uint8,string,bytes32,string)": (0, 1, 2),
}
EVIDENCE = b"e" * 32


@pytest.fixture(scope="module")
def all_registries(ledger):
    return deploy_registries(ledger)


@pytest.fixture
def validation(all_registries):
    return all_registries.validation


@pytest.fixture
def agent(ledger, all_registries):
    """The id of an agent that the first account owns and nobody checked."""
    ledger.send(all_registries.identity.register(""), ledger.accounts[0])
    return all_registries.identity.agent_count() - 1


def hash_for(agent, text):
    return agent.to_bytes(8, "big") + keccak(text.encode())[8:]


def test_functions_and_events_are_those_of_the_erc():
    abi = artifact("AgentValidation").abi
    functions = {signature_of(entry) for entry in abi if entry["type"] == "function"}
    assert set(FUNCTIONS) <= functions
    assert functions - set(FUNCTIONS) == {
        "has_response(bytes32)", "request_count(uint256)", "request_at(uint256,uint256)"
    }  # fmt: skip
    events = {
        signature_of(entry): tuple(i for i, item in enumerate(entry["inputs"]) if item["indexed"])
        for entry in abi
        if entry["type"] == "event"
    }
    assert events == EVENTS


def test_a_validator_is_asked_and_answers_as_often_as_it_likes(ledger, validation, agent, events):
    alice, bob = ledger.accounts[:2]
    asked = hash_for(agent, "work")
    mined = ledger.send(validation.validation_request(bob, agent, "ipfs://work", asked), alice)
    assert events(mined, binding.EVENTS) == [binding.ValidationRequest(bob, agent, "ipfs://work", asked)]
    assert validation.get_validation_status(asked) == (bob, agent, 0, bytes(32), "", mined.time)
    assert not validation.has_response(asked)
    for response, tag in ((0, "soft"), (100, "hard")):
        mined = ledger.send(validation.validation_response(asked, response, "ipfs://why", EVIDENCE, tag), bob)
        assert events(mined, binding.EVENTS) == [
            binding.ValidationResponse(bob, agent, asked, response, "ipfs://why", EVIDENCE, tag)
        ]
        assert validation.get_validation_status(asked) == (bob, agent, response, EVIDENCE, tag, mined.time)
        assert validation.has_response(asked)
    assert validation.get_agent_validations(agent) == (asked,)
    assert asked in validation.get_validator_requests(bob)
    assert (validation.request_count(agent), validation.request_at(agent, 0)) == (1, asked)
    assert validation.request_at(agent, 1) == bytes(32)
    assert validation.get_version() == "2.0.0"


def test_whoever_sees_a_request_coming_cannot_take_its_hash(ledger, all_registries, validation, agent, refused):
    alice, bob, eve = ledger.accounts[:3]
    ledger.send(all_registries.identity.register(""), eve)
    hers, asked = all_registries.identity.agent_count() - 1, hash_for(agent, "work")
    with refused("validation: not this agents hash"):  # for her own agent
        ledger.send(validation.validation_request(bob, hers, "x", asked), eve)
    with refused("validation: not authorized"):  # for his
        ledger.send(validation.validation_request(bob, agent, "x", asked), eve)
    ledger.send(validation.validation_request(bob, agent, "x", asked), alice)
    with refused("validation: already requested"):
        ledger.send(validation.validation_request(bob, agent, "x", asked), alice)


def test_a_hash_that_names_no_agent_is_refused(ledger, validation, agent, refused):
    alice, bob = ledger.accounts[:2]
    with refused("validation: not this agents hash"):
        ledger.send(validation.validation_request(bob, agent, "x", b"\xff" * 32), alice)
    with refused("validation: zero address"):
        ledger.send(validation.validation_request(NOBODY, agent, "x", hash_for(agent, "w")), alice)
    with refused("erc721: no such token"):
        ledger.send(validation.validation_request(bob, 2**64 - 1, "x", b"\xff" * 32), alice)


def test_nobody_is_asked_to_check_his_own_agent(ledger, all_registries, validation, agent, refused):
    alice, bob, carol, dan = ledger.accounts[:4]
    identity, deadline = all_registries.identity, ledger.time + 200
    ledger.send(identity.approve(bob, agent), alice)
    ledger.send(identity.set_approval_for_all(carol, True), alice)
    proof = wallet_proof(ledger, identity, agent, dan, alice, deadline)
    ledger.send(identity.set_agent_wallet(agent, dan, deadline, proof), alice)
    for own in (alice, bob, carol, dan):
        with refused("validation: own agent"):
            ledger.send(validation.validation_request(own, agent, "x", hash_for(agent, own)), alice)
    ledger.send(identity.set_approval_for_all(carol, False), alice)
    for who in (alice, bob):  # whoever acts for the agent asks
        ledger.send(validation.validation_request(carol, agent, "x", hash_for(agent, f"by {who}")), who)


def test_a_validator_that_came_to_own_the_agent_answers_no_more(ledger, all_registries, validation, agent, refused):
    alice, bob = ledger.accounts[:2]
    asked = hash_for(agent, "work")
    ledger.send(validation.validation_request(bob, agent, "x", asked), alice)
    ledger.send(validation.validation_response(asked, 50, "", EVIDENCE, ""), bob)
    ledger.send(all_registries.identity.transfer_from(alice, bob, agent), alice)
    with refused("validation: own agent"):
        ledger.send(validation.validation_response(asked, 100, "", EVIDENCE, ""), bob)


def test_only_the_validator_answers_within_0_and_100(ledger, validation, agent, refused):
    alice, bob, carol = ledger.accounts[:3]
    asked = hash_for(agent, "work")
    ledger.send(validation.validation_request(bob, agent, "x", asked), alice)
    with refused("validation: not the validator"):
        ledger.send(validation.validation_response(asked, 100, "", EVIDENCE, ""), carol)
    with refused("validation: response too large"):
        ledger.send(validation.validation_response(asked, 101, "", EVIDENCE, ""), bob)
    for missing in (bytes(32), hash_for(agent, "other")):
        for call in (validation.get_validation_status, validation.has_response):
            with refused("validation: unknown request"):
                call(missing)
        with refused("validation: unknown request"):
            ledger.send(validation.validation_response(missing, 100, "", EVIDENCE, ""), bob)


def test_a_summary_counts_answers_alone(ledger, validation, agent):
    alice, bob, carol = ledger.accounts[:3]
    for text, validator, response, tag in (
        ("1", bob, 100, "a"), ("2", bob, 50, "b"), ("3", carol, 1, "a"), ("4", carol, None, ""),
    ):  # fmt: skip
        ledger.send(validation.validation_request(validator, agent, "x", hash_for(agent, text)), alice)
        if response is not None:
            answer = validation.validation_response(hash_for(agent, text), response, "", EVIDENCE, tag)
            ledger.send(answer, validator)
    assert validation.get_summary(agent, [], "") == (3, 50)
    assert validation.get_summary(agent, [bob], "") == (2, 75)
    assert validation.get_summary(agent, [], "a") == (2, 50)
    assert validation.get_summary(agent, [carol, bob], "b") == (1, 50)
    assert validation.get_summary(agent, [alice], "") == (0, 0)


def test_a_loop_that_would_be_too_long_is_refused_with_a_reason(ledger, refused):
    asker = ledger.deploy(compiled(ASKER))
    validation = AgentValidation(ledger, ledger.deploy(initcode_of("AgentValidation", asker)))
    bob = ledger.accounts[1]

    def ask(times):
        data = keccak(b"ask(address,address,uint256)")[:4]
        data += encode(["address", "address", "uint256"], [validation.address, bob, times])
        ledger.send(Call(asker, data), ledger.accounts[0])

    for _ in range(16):
        ask(64)
    assert len(validation.get_agent_validations(0)) == len(validation.get_validator_requests(bob)) == 1_024
    assert validation.get_summary(0, [], "") == (0, 0)
    ask(1)
    with refused("validation: too many to read"):
        validation.get_agent_validations(0)
    with refused("validation: too many to read"):
        validation.get_validator_requests(bob)
    with refused("validation: too many to read"):
        validation.get_summary(0, [], "")
    assert validation.request_at(0, 1_024)[:8] == bytes(8)  # one by one all of them are read


# An identity registry with one agent that is its own, and which asks for validations by the dozen.
ASKER = """
# pragma version 0.4.3
interface Validation:
    def validationRequest(validator: address, agent_id: uint256, uri: String[2048], request_hash: bytes32): nonpayable

asked: uint256

@external
@view
def isAuthorizedOrOwner(spender: address, agent_id: uint256) -> bool:
    return spender == self

@external
@view
def getAgentWallet(agent_id: uint256) -> address:
    return self

@external
def ask(validation: address, validator: address, times: uint256):
    for _: uint256 in range(times, bound=64):
        self.asked += 1
        extcall Validation(validation).validationRequest(validator, 0, "", convert(self.asked, bytes32))
"""
