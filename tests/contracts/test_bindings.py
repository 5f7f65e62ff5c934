"""Bindings: exact in what goes out, strict and calm about what comes in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.bindings import (
    agent_credentials,
    agent_identity,
    agent_reputation,
    agent_validation,
    committee,
    direct_model,
    kernel_directory,
    log_anchor,
    model_registry,
    optimistic_model,
    payment_channels,
    policy_account,
    policy_account_factory,
    policy_changes,
    policy_queue,
    policy_relay,
    policy_rules,
    signed_feeds,
    token,
)
from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.bindings.model_registry import KeyRevoked, KeyRotated, ModelRegistry, Roots
from tallystick.chain.calls import Call, Log
from tallystick.contracts import artifact, names
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
ROOTS = Roots(b"m" * 32, b"a" * 32, b"p" * 32, b"d" * 32, 400, b"c" * 32)
MODULES = {
    "AgentCredentials": agent_credentials,
    "AgentIdentity": agent_identity,
    "AgentReputation": agent_reputation,
    "AgentValidation": agent_validation,
    "Committee": committee,
    "DirectModel": direct_model,
    "KernelDirectory": kernel_directory,
    "LogAnchor": log_anchor,
    "ModelRegistry": model_registry,
    "OptimisticModel": optimistic_model,
    "PaymentChannels": payment_channels,
    "PolicyAccount": policy_account,
    "PolicyAccountFactory": policy_account_factory,
    "PolicyChanges": policy_changes,
    "PolicyQueue": policy_queue,
    "PolicyRelay": policy_relay,
    "PolicyRules": policy_rules,
    "SignedFeeds": signed_feeds,
    "Token": token,
}


class Canned:
    """A caller whose every answer is the same bytes."""

    def __init__(self, answer):
        self.answer = answer

    def call(self, to, data, *, at="latest", sender=None, value=0):
        self.asked = (to, data, at)
        return self.answer


def a_log(topics, data):
    return Log(ADDRESS, tuple(topics), data, 1, b"b" * 32, b"t" * 32, 0, 0)


def test_every_contract_has_a_binding_with_every_event():
    assert sorted(MODULES) == list(names())
    for name, module in MODULES.items():
        listed = {entry["name"] for entry in artifact(name).abi if entry["type"] == "event"}
        assert {event.__name__ for event in module.EVENTS.values()} == listed
        for topic, event in module.EVENTS.items():
            assert topic == event.topic == keccak(event.signature.encode())


def test_a_write_is_a_call_that_people_can_read():
    registry = ModelRegistry(Canned(b""), ADDRESS)
    call = registry.set_delegate(7, ADDRESS, True)
    selector = keccak(b"set_delegate(uint256,address,bool)")[:4]
    words = [(7).to_bytes(32, "big"), bytes(12) + bytes.fromhex(ADDRESS[2:]), (1).to_bytes(32, "big")]
    arguments = {"model_id": 7, "account": ADDRESS, "allowed": True}
    assert call == Call(ADDRESS, selector + b"".join(words), 0, "ModelRegistry", "set_delegate", arguments)


def test_only_a_function_that_takes_coins_can_be_sent_any():
    contract = committee.Committee(Canned(b""), ADDRESS)
    call = contract.top_up(ADDRESS, 5, value=5)
    assert (call.value, call.arguments) == (5, {"provider": ADDRESS, "amount": 5})
    with pytest.raises(TypeError):
        contract.collect(value=5)
    with pytest.raises(TypeError):  # nor is it left to chance how many
        contract.top_up(ADDRESS, 5)


def test_a_read_asks_at_the_block_it_was_given():
    caller = Canned((5).to_bytes(32, "big"))
    assert ModelRegistry(caller, ADDRESS).model_count(at=b"h" * 32) == 5
    assert caller.asked == (ADDRESS, keccak(b"model_count()")[:4], b"h" * 32)


def test_structs_go_out_in_lists_up_to_their_bound_and_none_need_be_given():
    identity = agent_identity.AgentIdentity(Canned(b""), ADDRESS)
    entries = [agent_identity.MetadataEntry("k", b"v"), agent_identity.MetadataEntry("l", b"")]
    expected = keccak(b"register(string,(string,bytes)[])")[:4]
    expected += abi_encode(["string", "(string,bytes)[]"], ["u", [("k", b"v"), ("l", b"")]])
    assert identity.register("u", entries).data == expected
    assert identity.register().data == identity.register("", []).data
    with pytest.raises(InvalidInput) as caught:
        identity.register("", entries * 17)
    assert caught.value.code == "abi.length"


def test_of_indexed_text_a_log_holds_the_hash_alone():
    event = agent_identity.MetadataSet
    data = abi_encode(["string", "bytes"], ["key", b"value"])
    log = a_log([event.topic, bytes(32), keccak(b"key")], data)
    assert event.decode(log) == event(0, keccak(b"key"), "key", b"value")


def test_lists_of_texts_come_in_as_tuples():
    answer = abi_encode(
        ["address[]", "uint64[]", "int128[]", "uint8[]", "string[]", "string[]", "bool[]"],
        [[ADDRESS], [1], [-5], [2], ["a"], [""], [True]],
    )
    reputation = agent_reputation.AgentReputation(Canned(answer), ADDRESS)
    assert reputation.read_all_feedback(0, [], "", "", True) == (
        (ADDRESS,), (1,), (-5,), (2,), ("a",), ("",), (True,),
    )  # fmt: skip


def test_a_caller_may_leave_the_data_of_a_safe_transfer_away():
    registry = ModelRegistry(Canned(b""), ADDRESS)
    assert registry.safe_transfer_from(ADDRESS, ADDRESS, 1) == registry.safe_transfer_from(ADDRESS, ADDRESS, 1, b"")
    with_data = registry.safe_transfer_from(ADDRESS, ADDRESS, 1, b"hello")
    assert with_data.arguments["data"] == b"hello"


@pytest.mark.parametrize(
    "write",
    [
        lambda r: r.rotate_key(b"k" * 31),
        lambda r: r.rotate_key(b"k" * 33),
        lambda r: r.rotate_key("k" * 32),
        lambda r: r.set_uri(-1, ""),
        lambda r: r.set_uri(2**256, ""),
        lambda r: r.set_uri("1", ""),
        lambda r: r.set_uri(1, b"bytes"),
        lambda r: r.set_uri(1, "\ud800"),
        lambda r: r.add_version(1, 2**32, [], b"s" * 32, ROOTS, 0),
        lambda r: r.add_version(1, 1, [b"short"], b"s" * 32, ROOTS, 0),
        lambda r: r.add_version(1, 1, [], b"s" * 32, replace(ROOTS, data_size=-1), 0),
        lambda r: r.add_version(1, 1, [], b"s" * 32, ROOTS, 256),
    ],
)
def test_an_argument_that_does_not_fit_its_type_never_leaves(write):
    with pytest.raises(InvalidInput) as caught:
        write(ModelRegistry(Canned(b""), ADDRESS))
    assert caught.value.code == "abi.argument"


@pytest.mark.parametrize(
    ("write", "bound"),
    [
        (lambda r, n: r.register("n" * n, ""), 64),
        (lambda r, n: r.register("n", "u" * n), 256),
        (lambda r, n: r.release(1, "c" * n, 1), 32),
        (lambda r, n: r.set_status(1, 1, 2, "é" * (n // 2)), 160),
        (lambda r, n: r.safe_transfer_from(ADDRESS, ADDRESS, 1, b"d" * n), 1024),
        (lambda r, n: r.add_version(1, 1, [b"p" * 32] * n, b"s" * 32, ROOTS, 0), 8),
    ],
)
def test_what_exceeds_a_contracts_bound_is_refused_here_where_there_is_a_reason(write, bound):
    registry = ModelRegistry(Canned(b""), ADDRESS)
    write(registry, bound)
    with pytest.raises(InvalidInput) as caught:
        write(registry, bound + 2)
    assert caught.value.code == "abi.length"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address.checksum"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA", "address.form"),
        ("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address.form"),
        (bytes(20), "address.form"),
        (None, "address.form"),
    ],
)
def test_a_mistyped_address_never_leaves(address, code):
    with pytest.raises(InvalidInput) as caught:
        ModelRegistry(Canned(b""), ADDRESS).set_delegate(1, address, True)
    assert caught.value.code == code


def reads(contract):
    return [
        lambda: contract.model(1),
        lambda: contract.version(1, 1),
        lambda: contract.key_at(ADDRESS, 0),
        lambda: contract.released_version(1, "production"),
        lambda: contract.token_uri(1),
        lambda: contract.owner_of(1),
        lambda: contract.is_delegate(1, ADDRESS),
        lambda: contract.status_of(1, 1),
    ]


words = st.lists(
    st.one_of(st.integers(0, 700), st.integers(2**255, 2**256 - 1)).map(lambda n: n.to_bytes(32, "big")), max_size=24
)


@settings(max_examples=150, deadline=None)
@given(answer=st.one_of(st.binary(max_size=100), words.map(b"".join)), which=st.integers(0, 7))
def test_whatever_a_node_answers_is_a_value_or_invalid_input(answer, which):
    try:
        reads(ModelRegistry(Canned(answer), ADDRESS))[which]()
    except InvalidInput as error:
        assert error.code == "abi.answer"  # noqa: PT017  the property is about what escapes


@settings(max_examples=150, deadline=None)
@given(
    event=st.sampled_from([event for module in MODULES.values() for event in module.EVENTS.values()]),
    topics=st.lists(st.one_of(st.binary(min_size=32, max_size=32), st.binary(max_size=33)), max_size=4),
    data=st.one_of(st.binary(max_size=100), words.map(b"".join)),
)
def test_whatever_log_comes_is_an_event_or_invalid_input(event, topics, data):
    for first in (topics[:1], [event.topic]):
        try:
            event.decode(a_log([*first, *topics[1:]], data))
        except InvalidInput as error:
            assert error.code == "abi.log"  # noqa: PT017  the property is about what escapes


def test_a_log_of_another_event_is_refused():
    topic, account = KeyRotated.topic, bytes(12) + bytes.fromhex(ADDRESS[2:])
    data = (3).to_bytes(32, "big") + b"k" * 32
    good = a_log([topic, account], data)
    assert KeyRotated.decode(good) == KeyRotated(ADDRESS, 3, b"k" * 32)
    for bad in (
        replace(good, topics=(KeyRevoked.topic, account)),
        replace(good, topics=(topic,)),
        replace(good, topics=(topic, account, account)),
        replace(good, topics=()),
        replace(good, topics=(topic, b"\x01" + account[1:])),  # not an address
        replace(good, topics=(topic, account[1:])),
        replace(good, data=data[:-1]),
        replace(good, data=(2**32).to_bytes(32, "big") + data[32:]),  # not a uint32
    ):
        with pytest.raises(InvalidInput) as caught:
            KeyRotated.decode(bad)
        assert caught.value.code == "abi.log"


def test_two_reads_at_one_block_agree_while_the_chain_moves_on(ledger, anchor):
    alice = ledger.accounts[0]
    ledger.send(anchor.open_log("example.com/log", b"v" * 32, alice, alice), alice)
    before = ledger.node.block()
    ledger.send(anchor.anchor(1, 4, b"r" * 32, []), alice)
    assert anchor.latest(1, at=before.number) == anchor.latest(1, at=before.hash)
    assert anchor.latest(1, at=before.number)[0] == 0
    assert anchor.latest(1)[0] == 4
    assert LogAnchor(ledger.node, anchor.address).latest(1)[0] == 4
