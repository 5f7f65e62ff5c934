"""Deploying all makes the identity registry first, and what keeps facts about agents relies on it."""

from __future__ import annotations

import json

import pytest

from tallystick.agents.identity.registration import Registration
from tallystick.chain.bindings.agent_reputation import AgentReputation
from tallystick.chain.deploy import address_for, deploy, relies_on_identity
from tallystick.contracts import names
from tallystick.core.errors import VerificationFailed
from tallystick.tally.workspace import Tally

BESIDE = ("AgentCredentials", "AgentReputation", "AgentValidation")


def opened(folder):
    return Tally.create(folder, lambda _: "")


def test_three_contracts_rely_on_the_identity_registry():
    assert tuple(name for name in names() if relies_on_identity(name)) == BESIDE


def test_a_workspace_has_registries_that_belong_together(tmp_path):
    with opened(tmp_path / "one") as tally:
        made = tally.deploy()
        assert made["AgentIdentity"] == address_for("AgentIdentity")
        for name in BESIDE:
            assert made[name] == address_for(name, arguments=[made["AgentIdentity"]])
            assert AgentReputation(tally.node, made[name]).get_identity_registry() == made["AgentIdentity"]
        assert tally.deploy() == made


def test_what_agents_need_is_deployed_in_one_way(tmp_path):
    """`tally chain deploy` and `tally agent new` find each other's contracts."""
    with opened(tmp_path / "one") as tally:
        made = tally.deploy()
        before = tally.node.nonce(tally.account.address)
        system = tally.agents.deploy()
        assert tally.node.nonce(tally.account.address) == before
        assert (system.factory, system.implementation) == (made["PolicyAccountFactory"], made["PolicyAccount"])
        assert set(names()) - set(made) <= {"Token"}


def test_another_entry_point_is_kept_when_all_is_deployed_again(tmp_path):
    with opened(tmp_path / "one") as tally:
        ours = tally.deploy()
        system = tally.agents.deploy(ours["ModelRegistry"])  # any contract will do
        assert system.entry_point == ours["ModelRegistry"]
        assert tally.deploy()["PolicyAccountFactory"] == system.factory != ours["PolicyAccountFactory"]
        assert tally.agents.deploy().entry_point == ours["ModelRegistry"]


def test_the_index_carries_the_registries_that_a_workspace_knows(tmp_path):
    with opened(tmp_path / "one") as tally:
        tally.deploy()
        made = tally.deploy_token("Example Dollar", "USD", 6, 10**12)
        assert tally.deploy_token("Example Dollar", "USD", 6, 10**12) == made
        tally.agents.identities.register(Registration("quotes"))
        tally.index.sync()
        (row,) = tally.index.query("SELECT agent_id, name FROM agents_now")
        assert row["agent_id"] == 0
        assert tally.index.verify().ok
        projected = tally.agents.projection()
        assert projected is not None
        assert made in projected.sources


def test_a_workspace_without_registries_has_an_index_all_the_same(tmp_path):
    with opened(tmp_path / "one") as tally:
        tally.deploy()
    recorded = next((tmp_path / "one" / "deployments").glob("*.json"))
    kept = json.loads(recorded.read_bytes())
    kept["contracts"] = {name: one for name, one in kept["contracts"].items() if not name.startswith("Agent")}
    recorded.write_text(json.dumps(kept), "utf-8")
    with Tally.open(tmp_path / "one", lambda _: "") as tally:
        assert tally.agents.projection() is None
        tally.index.sync()
        assert tally.index.query("SELECT * FROM models_now") == []


def test_registries_that_do_not_belong_together_are_refused(tmp_path):
    with opened(tmp_path / "one") as tally:
        tally.deploy()
        made = deploy(tally.outbox, "AgentReputation", arguments=["0x" + "00" * 20]).address
    path = tmp_path / "one" / "config.toml"
    path.write_text(path.read_text("utf-8") + f'\n[deployments]\nAgentReputation = "{made}"\n', "utf-8")
    with Tally.open(tmp_path / "one", lambda _: "") as tally, pytest.raises(VerificationFailed) as caught:
        _ = tally.agents.registries.reputation
    assert caught.value.code == "agent.registries"


def test_an_identity_registry_that_others_made_is_the_one_relied_on(tmp_path):
    with opened(tmp_path / "one") as tally:
        other = tally.deploy()["ModelRegistry"]  # any contract will do
    path = tmp_path / "one" / "config.toml"
    path.write_text(path.read_text("utf-8") + f'\n[deployments]\nAgentIdentity = "{other}"\n', "utf-8")
    with Tally.open(tmp_path / "one", lambda _: "") as tally:
        made = tally.deploy()
        for name in BESIDE:
            assert AgentReputation(tally.node, made[name]).get_identity_registry() == other
