"""The identity registry against ERC-8004: selectors, topics, registration, metadata, a wallet that proves itself."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account as PeerAccount

from tallystick.chain.bindings import agent_identity as binding
from tallystick.chain.bindings.agent_identity import AgentIdentity, MetadataEntry
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core import eip712
from tallystick.core.digest import keccak
from tests.contracts.agent_kit import NOBODY, SIGNER, WALLET_SET, compiled, deploy_signer, wallet_digest, wallet_proof
from tests.contracts.constructors import initcode_of

# As the reference page prints them, and as the ERC's own text spells functions and events.
SELECTORS = {"register()": "1aa3a008", "register(string)": "f2c298be", "register(string,(string,bytes)[])": "8ea42286"}
FUNCTIONS = [
    *SELECTORS, "setAgentURI(uint256,string)", "getMetadata(uint256,string)", "setMetadata(uint256,string,bytes)",
    "setAgentWallet(uint256,address,uint256,bytes)", "getAgentWallet(uint256)", "unsetAgentWallet(uint256)",
    "isAuthorizedOrOwner(address,uint256)", "getVersion()", "ownerOf(uint256)", "balanceOf(address)",
    "approve(address,uint256)", "getApproved(uint256)", "setApprovalForAll(address,bool)",
    "isApprovedForAll(address,address)", "transferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256)", "safeTransferFrom(address,address,uint256,bytes)",
    "tokenURI(uint256)", "name()", "symbol()", "supportsInterface(bytes4)",
]  # fmt: skip
EVENTS = {
    "Registered(uint256,string,address)": [True, False, True],
    "URIUpdated(uint256,string,address)": [True, False, True],
    "MetadataSet(uint256,string,string,bytes)": [True, True, False, False],
    "Transfer(address,address,uint256)": [True, True, True],
    "Approval(address,address,uint256)": [True, True, True],
    "ApprovalForAll(address,address,bool)": [True, True, False],
}


def packed(address):
    return bytes.fromhex(address[2:])


def wallet_set(agent_id, wallet):
    content = b"" if wallet == NOBODY else packed(wallet)
    return binding.MetadataSet(agent_id, keccak(b"agentWallet"), "agentWallet", content)


@pytest.fixture
def identity(ledger):
    """An identity registry that nobody used yet."""
    return AgentIdentity(ledger, ledger.deploy(initcode_of("AgentIdentity")))


@pytest.fixture
def agent(ledger, identity):
    """A registry in which the first account owns agent 0."""
    ledger.send(identity.register("ipfs://agent"), ledger.accounts[0])
    return identity


# --- to the letter


def signature_of(entry):
    def kind(item):
        if item["type"].startswith("tuple"):
            return "(" + ",".join(kind(part) for part in item["components"]) + ")" + item["type"][5:]
        return item["type"]

    return f"{entry['name']}({','.join(kind(item) for item in entry['inputs'])})"


def test_the_functions_are_those_of_the_erc_with_the_selectors_of_the_reference():
    found = {signature_of(entry) for entry in artifact("AgentIdentity").abi if entry["type"] == "function"}
    assert set(FUNCTIONS) <= found
    assert found - set(FUNCTIONS) == {"agent_count()"}
    for signature, selector in SELECTORS.items():
        assert keccak(signature.encode())[:4].hex() == selector


def test_the_events_are_those_of_the_erc_member_by_member():
    found = {
        signature_of(entry): [item["indexed"] for item in entry["inputs"]]
        for entry in artifact("AgentIdentity").abi
        if entry["type"] == "event"
    }
    assert found == EVENTS


def test_each_form_of_registration_is_found_by_its_own_selector(ledger, identity, events):
    alice = ledger.accounts[0]
    forms = [
        bytes.fromhex("1aa3a008"),
        bytes.fromhex("f2c298be") + encode(["string"], ["ipfs://one"]),
        bytes.fromhex("8ea42286") + encode(["string", "(string,bytes)[]"], ["ipfs://two", [("name", b"two")]]),
    ]
    for agent_id, (data, uri) in enumerate(zip(forms, ("", "ipfs://one", "ipfs://two"), strict=True)):
        seen = events(ledger.send(Call(identity.address, data), alice), binding.EVENTS)
        expected = [
            binding.Transfer(NOBODY, alice, agent_id),
            binding.Registered(agent_id, uri, alice),
            wallet_set(agent_id, alice),
        ]
        if agent_id == 2:
            expected.append(binding.MetadataSet(2, keccak(b"name"), "name", b"two"))
        assert seen == expected
        assert (identity.token_uri(agent_id), identity.get_agent_wallet(agent_id)) == (uri, alice)
    assert identity.agent_count() == 3
    assert identity.balance_of(alice) == 3


def test_ids_count_from_zero_and_a_registration_answers_its_id(ledger, identity):
    call = identity.register("")
    for expected in (0, 1):
        assert decode(["uint256"], ledger.call(call.to, call.data, sender=ledger.accounts[1])) == (expected,)
        ledger.send(call, ledger.accounts[1])


def test_the_version_and_the_collection_are_named(identity):
    assert identity.get_version() == "2.0.0"
    assert (identity.name(), identity.symbol()) == ("Tallystick Agents", "AGENT")
    for interface_id in ("01ffc9a7", "80ac58cd", "5b5e139f"):
        assert identity.supports_interface(bytes.fromhex(interface_id))
    assert not identity.supports_interface(bytes.fromhex("ffffffff"))


# --- URI and metadata


def test_whoever_acts_for_an_agent_edits_it_and_a_stranger_does_not(ledger, agent, refused, events):
    alice, bob, carol, dan = ledger.accounts[:4]
    ledger.send(agent.approve(bob, 0), alice)
    ledger.send(agent.set_approval_for_all(carol, True), alice)
    for who in (alice, bob, carol):
        assert agent.is_authorized_or_owner(who, 0)
        seen = events(ledger.send(agent.set_agent_uri(0, f"ipfs://{who}"), who), binding.EVENTS)
        assert seen == [binding.URIUpdated(0, f"ipfs://{who}", who)]
        assert agent.token_uri(0) == f"ipfs://{who}"
        seen = events(ledger.send(agent.set_metadata(0, "k", who.encode()), who), binding.EVENTS)
        assert seen == [binding.MetadataSet(0, keccak(b"k"), "k", who.encode())]
        assert agent.get_metadata(0, "k") == who.encode()
    assert not agent.is_authorized_or_owner(dan, 0)
    assert not agent.is_authorized_or_owner(NOBODY, 0)
    for call in (
        agent.set_agent_uri(0, ""), agent.set_metadata(0, "k", b""), agent.unset_agent_wallet(0),
        agent.set_agent_wallet(0, dan, ledger.time, b""),
    ):  # fmt: skip
        with refused("identity: not authorized"):
            ledger.send(call, dan)
        with refused("identity: not authorized"):  # eth_call's default sender, although nobody is approved
            ledger.call(call.to, call.data)


def test_an_agent_that_does_not_exist_has_no_owner_and_nobody_acts_for_it(ledger, agent, refused):
    alice = ledger.accounts[0]
    for missing in (1, 2**256 - 1):
        for read in (agent.owner_of, agent.token_uri, agent.get_approved):
            with refused("erc721: no such token"):
                read(missing)
        with refused("erc721: no such token"):
            agent.is_authorized_or_owner(alice, missing)
        with refused("erc721: no such token"):
            ledger.send(agent.set_metadata(missing, "k", b"v"), alice)
        assert (agent.get_agent_wallet(missing), agent.get_metadata(missing, "k")) == (NOBODY, b"")


def test_the_wallets_key_is_reserved_and_reads_as_the_wallet(ledger, agent, refused):
    alice = ledger.accounts[0]
    assert agent.get_metadata(0, "agentWallet") == packed(alice)
    with refused("metadata: reserved key"):
        ledger.send(agent.set_metadata(0, "agentWallet", b"x"), alice)
    with refused("metadata: reserved key"):
        ledger.send(agent.register("", [MetadataEntry("agentWallet", packed(alice))]), alice)
    ledger.send(agent.set_metadata(0, "agentwallet", b"x"), alice)  # another key, which nobody need believe


def test_a_key_that_stands_twice_at_registration_holds_the_later_value(ledger, identity):
    ledger.send(identity.register("", [MetadataEntry("k", b"1"), MetadataEntry("k", b"2")]), ledger.accounts[0])
    assert identity.get_metadata(0, "k") == b"2"


# --- the wallet


def test_the_digest_that_a_wallet_signs_is_the_one_other_wallets_compute(ledger, agent):
    alice, bob = ledger.accounts[:2]
    members = [("agentId", "uint256"), ("newWallet", "address"), ("owner", "address"), ("deadline", "uint256")]
    types = {"AgentWalletSet": [{"name": name, "type": kind} for name, kind in members]}
    domain = {"name": "ERC8004IdentityRegistry", "version": "1", "chainId": ledger.chain_id}
    domain["verifyingContract"] = agent.address
    message = {"agentId": 0, "newWallet": bob, "owner": alice, "deadline": ledger.time}
    signed = PeerAccount.sign_typed_data(ledger.secrets[bob], domain, types, message)
    assert signed.message_hash == wallet_digest(ledger, agent, 0, bob, alice, ledger.time)
    assert keccak(WALLET_SET.encode()).hex() in artifact("AgentIdentity").runtime_bytecode.hex()
    ledger.send(agent.set_agent_wallet(0, bob, ledger.time, bytes(signed.signature)), alice)
    assert agent.get_agent_wallet(0) == bob


def test_a_wallet_is_set_by_its_own_signature_and_unset_without_one(ledger, agent, events):
    alice, bob = ledger.accounts[:2]
    deadline = ledger.time + 200
    proof = wallet_proof(ledger, agent, 0, bob, alice, deadline)
    assert events(ledger.send(agent.set_agent_wallet(0, bob, deadline, proof), alice), binding.EVENTS) == [
        wallet_set(0, bob)
    ]
    assert (agent.get_agent_wallet(0), agent.get_metadata(0, "agentWallet")) == (bob, packed(bob))
    assert events(ledger.send(agent.unset_agent_wallet(0), alice), binding.EVENTS) == [wallet_set(0, NOBODY)]
    assert (agent.get_agent_wallet(0), agent.get_metadata(0, "agentWallet")) == (NOBODY, b"")


def test_a_deadline_is_five_minutes_away_at_most_and_not_past(ledger, agent, refused):
    alice, bob = ledger.accounts[:2]

    def prove(deadline):
        call = agent.set_agent_wallet(0, bob, deadline, wallet_proof(ledger, agent, 0, bob, alice, deadline))
        ledger.call(call.to, call.data, at="pending", sender=alice)  # in the block to come, at ledger.time

    with refused("wallets: deadline too far"):
        prove(ledger.time + 301)
    with refused("wallets: proof expired"):
        prove(ledger.time - 1)
    prove(ledger.time)
    prove(ledger.time + 300)


def test_a_proof_for_anything_else_is_refused(ledger, agent, refused):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(agent.register(""), alice)
    deadline = ledger.time + 100
    other = eip712.Domain("ERC8004IdentityRegistry", "1", ledger.chain_id, carol)
    elsewhere = eip712.Domain("ERC8004IdentityRegistry", "1", ledger.chain_id + 1, agent.address)
    renamed = eip712.Domain("IdentityRegistry", "1", ledger.chain_id, agent.address)
    right = wallet_proof(ledger, agent, 0, bob, alice, deadline)
    high_s = right[:32] + (eip712.SECP256K1_ORDER - int.from_bytes(right[32:64], "big")).to_bytes(32, "big")
    wrong = [
        wallet_proof(ledger, agent, 1, bob, alice, deadline),
        wallet_proof(ledger, agent, 0, carol, alice, deadline),
        wallet_proof(ledger, agent, 0, bob, bob, deadline),
        wallet_proof(ledger, agent, 0, bob, alice, deadline + 1),
        *(wallet_proof(ledger, agent, 0, bob, alice, deadline, domain=one) for one in (other, elsewhere, renamed)),
        eip712.sign_digest(ledger.secrets[carol], wallet_digest(ledger, agent, 0, bob, alice, deadline)),
        high_s + bytes([55 - right[64]]),
        right[:64], right + b"\0", b"", bytes(65), b"\xff" * 1024,
    ]  # fmt: skip
    for proof in wrong:
        with refused("wallets: wallet has not signed"):
            ledger.send(agent.set_agent_wallet(0, bob, deadline, proof), alice)
    with refused("wallets: zero address"):
        ledger.send(agent.set_agent_wallet(0, NOBODY, deadline, bytes(65)), alice)
    ledger.send(agent.set_agent_wallet(0, bob, deadline, right), alice)


def test_a_contract_proves_itself_by_erc1271(ledger, agent, refused):
    alice = ledger.accounts[0]
    wallet, deadline = deploy_signer(ledger), ledger.time + 200
    call = agent.set_agent_wallet(0, wallet, deadline, bytes(288))
    with refused("wallets: wallet has not signed"):
        ledger.send(call, alice)
    digest = wallet_digest(ledger, agent, 0, wallet, alice, deadline)
    ledger.send(Call(wallet, keccak(b"approve_digest(bytes32)")[:4] + digest), alice)
    ledger.send(call, alice)
    assert agent.get_agent_wallet(0) == wallet


@pytest.mark.parametrize("mode", [1, 2])
def test_a_contract_that_says_no_or_reverts_proves_nothing(ledger, agent, refused, mode):
    alice = ledger.accounts[0]
    wallet, deadline = deploy_signer(ledger, mode), ledger.time + 200
    ledger.send(
        Call(wallet, keccak(b"approve_digest(bytes32)")[:4] + wallet_digest(ledger, agent, 0, wallet, alice, deadline)),
        alice,
    )
    with refused("wallets: wallet has not signed"):
        ledger.send(agent.set_agent_wallet(0, wallet, deadline, bytes(288)), alice)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_precompile_proves_nothing(ledger, agent, refused, number):
    address = f"0x{number:040x}"
    with refused("wallets: wallet has not signed"):
        ledger.send(agent.set_agent_wallet(0, address, ledger.time, bytes(64)), ledger.accounts[0])


def test_a_contract_may_register_an_agent_without_being_asked_anything(ledger, identity):
    wallet = ledger.deploy(compiled(SIGNER) + bytes(32))
    data = keccak(b"register(address)")[:4] + encode(["address"], [identity.address])
    ledger.send(Call(wallet, data), ledger.accounts[0])
    assert (identity.owner_of(0), identity.get_agent_wallet(0)) == (wallet, wallet)


# --- transfers

PATHS = {
    "transferFrom": lambda token, sender, receiver: token.transfer_from(sender, receiver, 0),
    "safeTransferFrom": lambda token, sender, receiver: Call(
        token.address,
        bytes.fromhex("42842e0e") + encode(["address", "address", "uint256"], [sender, receiver, 0]),
    ),
    "safeTransferFrom with data": lambda token, sender, receiver: token.safe_transfer_from(sender, receiver, 0, b"x"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("by", ["owner", "approved", "operator"])
def test_every_way_to_transfer_clears_the_wallet_and_says_so(ledger, agent, events, path, by):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(agent.set_metadata(0, "k", b"kept"), alice)
    if by == "approved":
        ledger.send(agent.approve(carol, 0), alice)
    if by == "operator":
        ledger.send(agent.set_approval_for_all(carol, True), alice)
    mined = ledger.send(PATHS[path](agent, alice, bob), alice if by == "owner" else carol)
    assert events(mined, binding.EVENTS) == [binding.Transfer(alice, bob, 0), wallet_set(0, NOBODY)]
    assert (agent.owner_of(0), agent.get_agent_wallet(0)) == (bob, NOBODY)
    assert (agent.get_metadata(0, "agentWallet"), agent.get_metadata(0, "k")) == (b"", b"kept")
    assert not agent.is_authorized_or_owner(alice, 0)


def test_a_transfer_to_oneself_clears_the_wallet_too(ledger, agent, events):
    alice = ledger.accounts[0]
    ledger.send(agent.transfer_from(alice, alice, 0), alice)
    assert agent.get_agent_wallet(0) == NOBODY
    again = ledger.send(agent.transfer_from(alice, alice, 0), alice)
    assert events(again, binding.EVENTS) == [binding.Transfer(alice, alice, 0)]  # there was no wallet to clear


def test_a_proof_made_under_the_seller_is_worth_nothing_under_the_buyer(ledger, agent, refused):
    alice, bob, carol = ledger.accounts[:3]
    deadline = ledger.time + 200
    proof = wallet_proof(ledger, agent, 0, carol, alice, deadline)
    ledger.send(agent.transfer_from(alice, bob, 0), alice)
    with refused("wallets: wallet has not signed"):
        ledger.send(agent.set_agent_wallet(0, carol, deadline, proof), bob)


def test_ether_is_refused(ledger, agent, refused):
    for data in (b"", agent.register("").data):
        with refused("chain.reverted"):
            ledger.call(agent.address, data, sender=ledger.accounts[0], value=1)
