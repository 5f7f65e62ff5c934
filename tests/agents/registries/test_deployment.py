"""Deploying all makes the identity registry first, and what keeps facts about agents relies on it."""

from __future__ import annotations

from tallystick.chain.bindings.agent_reputation import AgentReputation
from tallystick.chain.deploy import address_for, relies_on_identity
from tallystick.contracts import names
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


def test_an_identity_registry_that_others_made_is_the_one_relied_on(tmp_path):
    with opened(tmp_path / "one") as tally:
        other = tally.deploy()["ModelRegistry"]  # any contract will do
    path = tmp_path / "one" / "config.toml"
    path.write_text(path.read_text("utf-8") + f'\n[deployments]\nAgentIdentity = "{other}"\n', "utf-8")
    with Tally.open(tmp_path / "one", lambda _: "") as tally:
        made = tally.deploy()
        for name in BESIDE:
            assert AgentReputation(tally.node, made[name]).get_identity_registry() == other
