"""What the index says of agents is what the contracts say, after random acts; what the directory answers from it."""

from __future__ import annotations

import itertools
import sqlite3

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallystick.agents.directory import Directory, Listed
from tallystick.agents.projection import projection
from tallystick.agents.scoring import Rating
from tallystick.chain.bindings import agent_credentials, agent_identity, agent_reputation, agent_validation
from tallystick.core.errors import Rejected
from tallystick.index import Index
from tests.contracts.agent_kit import NOBODY, deploy_registries, wallet_proof

_NUMBERS = itertools.count()


def opened(ledger, made, folder):
    addresses = (made.identity, made.reputation, made.validation, made.credentials)
    path = folder / f"{next(_NUMBERS)}.db"
    return Index(path, ledger.node, [projection(*(one.address for one in addresses))])


def test_every_event_but_approvals_is_projected(registries):
    addresses = (registries.identity, registries.reputation, registries.validation, registries.credentials)
    sources = projection(*(one.address for one in addresses)).sources
    projected = {topic for decoders in sources.values() for topic in decoders}
    bindings = (agent_identity, agent_reputation, agent_validation, agent_credentials)
    known = {topic: event for binding in bindings for topic, event in binding.EVENTS.items()}
    left_out = {known[topic].__name__ for topic in known.keys() - projected}
    assert left_out == {"Approval", "ApprovalForAll"}  # who may act is asked of the contract


KINDS = ["register", "uri", "name", "move", "wallet", "say", "revoke", "respond", "ask", "answer", "issue", "end"]
ACTS = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, "say"]),
        st.integers(0, 3), st.integers(0, 2), st.integers(0, 100),
    ),
    min_size=5, max_size=25,
)  # fmt: skip


def perform(ledger, made, act, who, agent_id, number):
    """Do one thing, as somebody who may do it where that is easy to say; what is refused leaves no trace."""
    me, other = ledger.accounts[who], ledger.accounts[(who + 1) % 4]
    identity, reputation, validation, credentials = made.identity, made.reputation, made.validation, made.credentials
    owner = identity.owner_of(agent_id) if agent_id < identity.agent_count() else me
    asked = agent_id.to_bytes(8, "big") + bytes([number % 4]) * 24
    proof = wallet_proof(ledger, identity, agent_id, other, owner, ledger.time + 200)
    calls = {
        "register": (identity.register(f"u{number}"), me),
        "uri": (identity.set_agent_uri(agent_id, f"v{number}"), owner),
        "name": (identity.set_metadata(agent_id, "agentName", b"n%d.example" % (number % 3)), owner),
        "move": (identity.transfer_from(owner, other, agent_id), owner),
        "wallet": (identity.set_agent_wallet(agent_id, other, ledger.time + 200, proof), owner),
        "say": (reputation.give_feedback(agent_id, number * 10, 1, "starred", "", "", "", bytes(32)), me),
        "revoke": (reputation.revoke_feedback(agent_id, 1 + number % 2), me),
        "respond": (reputation.append_response(agent_id, me, 1, "r", bytes(32)), other),
        "ask": (validation.validation_request(ledger.accounts[5], agent_id, "x", asked), owner),
        "answer": (validation.validation_response(asked, number, "", bytes(32), "t"), ledger.accounts[5]),
        "issue": (credentials.issue(agent_id, "operator", "DE", bytes(32), "", 2**40 // 600), ledger.accounts[6]),
        "end": (credentials.revoke(1 + number % 3, ""), ledger.accounts[6]),
    }
    call, sender = calls[act]
    try:
        ledger.send(call, sender)
    except Rejected:
        pass


def compare(ledger, made, index):
    """Hold every view to the contracts."""
    identity, reputation, validation = made.identity, made.reputation, made.validation
    directory, count = Directory(index), identity.agent_count()
    assert [one.agent_id for one in directory.newest()] == list(reversed(range(count)))
    for agent_id in range(count):
        listed = directory.agent(agent_id)
        assert (listed.owner, listed.uri) == (identity.owner_of(agent_id), identity.token_uri(agent_id))
        assert (listed.wallet or NOBODY) == identity.get_agent_wallet(agent_id)
        assert listed.name.encode() == identity.get_metadata(agent_id, "agentName")
        assert listed in directory.owned_by(listed.owner)
        assert listed.wallet == "" or listed in directory.paid_at(listed.wallet)
        assert listed.name == "" or listed in directory.claiming(listed.name)
        rows = index.query("SELECT * FROM agents_feedback_now WHERE agent_id = ? ORDER BY block_number", (agent_id,))
        found = {(row["client"], row["feedback_index"]): row for row in rows}
        columns = reputation.read_all_feedback(agent_id, [], "", "", True)
        assert set(found) == set(zip(columns[0], columns[1], strict=True))
        for client, number, value, decimals, *_, revoked in zip(*columns, strict=True):
            row = found[client, number]
            assert (int(row["value"]), row["decimals"], bool(row["revoked"])) == (value, decimals, revoked)
            assert row["responses"] == reputation.get_response_count(agent_id, client, number, [])
        checked = index.query(
            "SELECT * FROM agents_validations_now WHERE agent_id = ? ORDER BY block_number", (agent_id,)
        )
        assert tuple(row["request_hash"] for row in checked) == validation.get_agent_validations(agent_id)
        for row in checked:
            assert (row["response"] is not None) == validation.has_response(row["request_hash"])
            assert (row["response"] or 0) == validation.get_validation_status(row["request_hash"])[2]
    held = {row["credential_id"] for row in index.query("SELECT * FROM agents_credentials_now")}
    issued = range(1, made.credentials.credential_count() + 1)
    assert held == {one for one in issued if made.credentials.is_valid(one)}


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(acts=ACTS)
def test_the_index_says_what_the_contracts_say(ledger, tmp_path_factory, acts):
    made = deploy_registries(ledger)
    ledger.send(made.credentials.name_issuer("Notary", ""), ledger.accounts[6])
    for who in (0, 1):
        ledger.send(made.identity.register("first"), ledger.accounts[who])
    for act in acts:
        perform(ledger, made, *act)
    index = opened(ledger, made, tmp_path_factory.mktemp("index"))
    index.sync()
    compare(ledger, made, index)


@pytest.fixture
def directory(ledger, registries, tmp_path):
    index = opened(ledger, registries, tmp_path)
    return lambda: (index.sync(), Directory(index))[1]


def test_ratings_are_the_mean_of_what_each_client_said_between_0_and_100(ledger, registries, agent, directory):
    bob, carol, dan = ledger.accounts[1:4]
    said = [
        (bob, 90, 0, "starred"), (bob, 805, 1, "starred"), (carol, 1, 2, "starred"), (carol, 5, 0, "uptime"),
        (dan, 101, 0, "starred"), (dan, -1, 0, "starred"), (dan, 40, 0, "starred"),
    ]  # fmt: skip
    for client, value, decimals, tag in said:
        call = registries.reputation.give_feedback(agent.agent_id, value, decimals, tag, "", "", "", bytes(32))
        ledger.send(call, client)
    ratings = directory().ratings(agent.agent_id)
    assert ratings == [Rating(bob, 852), Rating(carol, 0), Rating(dan, 400)]
    ledger.send(registries.reputation.revoke_feedback(agent.agent_id, 3), dan)
    assert directory().ratings(agent.agent_id) == [Rating(bob, 852), Rating(carol, 0)]
    assert directory().ratings(agent.agent_id, "uptime") == [Rating(carol, 50)]


def test_a_flood_of_feedback_neither_ends_a_list_nor_stops_it(ledger, registries, agent, tmp_path):
    """An index answers 10,000 rows and 50 million steps at once: more feedback than that must not silence a client."""
    index = opened(ledger, registries, tmp_path)
    index.sync()
    flood = sqlite3.connect(index.path)
    hash_, number = flood.execute("SELECT hash, number FROM chain_blocks ORDER BY number DESC LIMIT 1").fetchone()
    place = "block_hash, block_number, log_index, agent_id, client, feedback_index, time"
    rest = "'50', 0, 'starred', '', '', '', x'00'"
    rows = [(hash_, number, 1_000 + one, agent.agent_id, "0xflood", one, 1) for one in range(1, 11_001)]
    columns = f"{place}, value, decimals, tag1, tag2, endpoint, uri, hash"
    flood.executemany(f"INSERT INTO agents_feedback ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, {rest})", rows)
    flood.executemany(f"INSERT INTO agents_revocations ({place}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows[: len(rows) // 2])
    flood.commit()
    flood.close()
    found = Directory(index)
    assert len(found.feedback(agent.agent_id)) == 11_000
    assert found.ratings(agent.agent_id) == [Rating("0xflood", 500)]


def test_an_agent_that_nobody_registered_is_not_listed(directory):
    assert directory().agent(10**6) is None
    assert directory().claiming("nobody.example.com") == []


def test_a_wallet_or_a_name_that_is_no_such_thing_does_not_stop_the_list(ledger, registries, agent, directory):
    alice = ledger.accounts[0]
    ledger.send(registries.identity.set_metadata(agent.agent_id, "agentName", b"\xff\x00"), alice)
    ledger.send(registries.identity.unset_agent_wallet(agent.agent_id), alice)
    listed = directory().agent(agent.agent_id)
    assert isinstance(listed, Listed)
    assert (listed.wallet, listed.name) == ("", "\\xff\x00")
