"""Identity and reputation against a ghost copy of themselves: random people do random things, most of them not allowed.

Every step is judged twice: the ghost says from its own state whether it is allowed, or the exact reason why not, and
the contracts must say the same. In the end every view equals the ghost, and so does a copy made from events alone.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tallystick.chain.bindings import agent_identity, agent_reputation
from tallystick.core.errors import Rejected
from tests.contracts.agent_ghost import Agent, Ghost, Said, rebuilt
from tests.contracts.agent_kit import NOBODY, deploy_registries, wallet_proof

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
EVENTS = {**agent_identity.EVENTS, **agent_reputation.EVENTS}
KEYS = ["name", "signingKey", "agentWallet"]

people = st.integers(0, 3)
agent_ids = st.sampled_from([0, 0, 0, 1, 1, 2, 9])
keys = st.sampled_from(KEYS)
texts = st.sampled_from(["", "a", "β" * 10])
tags = st.sampled_from(["", "x", "y"])
indexes = st.sampled_from([1, 1, 1, 2, 0, 7])


class AgentMachine(RuleBasedStateMachine):
    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.people = ledger.accounts[:4]
        made = deploy_registries(ledger)
        self.identity, self.reputation = made.identity, made.reputation
        self.ghost = Ghost()
        self.events = []
        for who in (0, 1):
            self.register(who, "start", [])

    def act(self, call, who, reason):
        """Let `who` try; return whether it was allowed, after comparing a refusal with `reason`."""
        refusal = None
        try:
            mined = self.ledger.send(call, self.people[who])
        except Rejected as error:
            refusal = error.code
        assert refusal == reason, f"{call.function}{dict(call.arguments)}"
        if refusal is None:
            self.events += [EVENTS[log.topics[0]].decode(log) for log in mined.logs]
        return refusal is None

    @rule(who=people, uri=texts, entries=st.lists(st.tuples(keys, st.binary(max_size=3)), max_size=2))
    def register(self, who, uri, entries):
        reason = "metadata: reserved key" if any(key == "agentWallet" for key, _ in entries) else None
        given = [agent_identity.MetadataEntry(key, content) for key, content in entries]
        if self.act(self.identity.register(uri, given), who, reason):
            me = self.people[who]
            self.ghost.agents.append(Agent(me, uri, me, metadata=dict(entries)))

    @rule(who=people, agent_id=agent_ids, uri=texts)
    def set_uri(self, who, agent_id, uri):
        reason = self.ghost.why_not_edit(self.people[who], agent_id)
        if self.act(self.identity.set_agent_uri(agent_id, uri), who, reason):
            self.ghost.agents[agent_id].uri = uri

    @rule(who=people, agent_id=agent_ids, key=keys, content=st.binary(max_size=40))
    def set_metadata(self, who, agent_id, key, content):
        reason = self.ghost.why_not_edit(self.people[who], agent_id)
        reason = reason or ("metadata: reserved key" if key == "agentWallet" else None)
        if self.act(self.identity.set_metadata(agent_id, key, content), who, reason):
            self.ghost.agents[agent_id].metadata[key] = content

    @rule(
        who=people, agent_id=agent_ids, to=people, signer=people, claimed=st.sampled_from([None, None, None, 0, 1, 2]),
        lasting=st.sampled_from([100, 100, 100, 400, -20]),
    )  # fmt: skip
    def set_wallet(self, who, agent_id, to, signer, claimed, lasting):
        ghost, agent = self.ghost, self.ghost.agent(agent_id)
        owner = agent.owner if agent else NOBODY
        signer = to if claimed is None else signer
        named = owner if claimed is None else self.people[claimed]
        deadline, wallet = self.ledger.time + lasting, self.people[to]
        proof = wallet_proof(self.ledger, self.identity, agent_id, self.people[signer], named, deadline)
        reason = ghost.why_not_edit(self.people[who], agent_id)
        if reason is None and lasting != 100:
            reason = "wallets: deadline too far" if lasting > 300 else "wallets: proof expired"
        if reason is None and (signer != to or named != owner):
            reason = "wallets: wallet has not signed"
        if self.act(self.identity.set_agent_wallet(agent_id, wallet, deadline, proof), who, reason):
            agent.wallet = wallet

    @rule(who=people, agent_id=agent_ids)
    def unset_wallet(self, who, agent_id):
        reason = self.ghost.why_not_edit(self.people[who], agent_id)
        if self.act(self.identity.unset_agent_wallet(agent_id), who, reason):
            self.ghost.agents[agent_id].wallet = NOBODY

    @rule(who=people, agent_id=agent_ids, to=st.sampled_from([0, 1, 2, 3, None]))
    def approve(self, who, agent_id, to):
        agent, me = self.ghost.agent(agent_id), self.people[who]
        approved = NOBODY if to is None else self.people[to]
        reason = None
        if agent is None:
            reason = "erc721: no such token"
        elif me != agent.owner and (agent.owner, me) not in self.ghost.operators:
            reason = "erc721: not owner or operator"
        if self.act(self.identity.approve(approved, agent_id), who, reason):
            agent.approved = approved

    @rule(who=people, to=people, allowed=st.booleans())
    def set_approval_for_all(self, who, to, allowed):
        pair = (self.people[who], self.people[to])
        self.act(self.identity.set_approval_for_all(pair[1], allowed), who, None)
        (self.ghost.operators.add if allowed else self.ghost.operators.discard)(pair)

    @rule(who=people, claimed=st.sampled_from([None, None, 0, 1]), to=people, agent_id=agent_ids, safe=st.booleans())
    def transfer(self, who, claimed, to, agent_id, safe):
        agent = self.ghost.agent(agent_id)
        sender = self.people[claimed] if claimed is not None else agent.owner if agent else self.people[0]
        reason = None
        if agent is None:
            reason = "erc721: no such token"
        elif not self.ghost.acts_for(self.people[who], agent_id):
            reason = "erc721: not owner or approved"
        elif sender != agent.owner:
            reason = "erc721: wrong owner"
        send = self.identity.safe_transfer_from if safe else self.identity.transfer_from
        if self.act(send(sender, self.people[to], agent_id), who, reason):
            agent.owner, agent.approved, agent.wallet = self.people[to], NOBODY, NOBODY

    @rule(
        who=people, agent_id=agent_ids, amount=st.sampled_from([100, 0, -7, 10**38, 10**38 + 1]),
        decimals=st.sampled_from([0, 0, 2, 18, 19]), tag1=tags, tag2=tags,
    )  # fmt: skip
    def give_feedback(self, who, agent_id, amount, decimals, tag1, tag2):
        reason, me = None, self.people[who]
        if decimals > 18:
            reason = "feedback: too many decimals"
        elif abs(amount) > 10**38:
            reason = "feedback: value out of range"
        elif self.ghost.agent(agent_id) is None:
            reason = "erc721: no such token"
        elif self.ghost.acts_for(me, agent_id):
            reason = "feedback: own agent"
        call = self.reputation.give_feedback(agent_id, amount, decimals, tag1, tag2, "", "", bytes(32))
        if self.act(call, who, reason):
            self.ghost.said.setdefault((agent_id, me), []).append(Said(amount, decimals, tag1, tag2))

    def why_not_known(self, agent_id, client, index):
        known = 0 < index <= len(self.ghost.said.get((agent_id, client), []))
        return None if known else "feedback: no such feedback"

    @rule(who=people, agent_id=agent_ids, index=indexes)
    def revoke(self, who, agent_id, index):
        me = self.people[who]
        reason = self.why_not_known(agent_id, me, index)
        if reason is None and self.ghost.said[agent_id, me][index - 1].revoked:
            reason = "feedback: already revoked"
        if self.act(self.reputation.revoke_feedback(agent_id, index), who, reason):
            self.ghost.said[agent_id, me][index - 1].revoked = True

    @rule(who=people, client=people, agent_id=agent_ids, index=indexes, uri=st.sampled_from(["u", "u", ""]))
    def respond(self, who, client, agent_id, index, uri):
        said_by = self.people[client]
        reason = self.why_not_known(agent_id, said_by, index) or (None if uri else "responses: empty uri")
        call = self.reputation.append_response(agent_id, said_by, index, uri, bytes(32))
        if self.act(call, who, reason):
            self.ghost.said[agent_id, said_by][index - 1].responders.append(self.people[who])

    def teardown(self):
        self.check_agents()
        for agent_id in range(len(self.ghost.agents)):
            self.check_feedback(agent_id)
        copy = rebuilt(self.events)
        assert (copy.agents, copy.operators) == (self.ghost.agents, self.ghost.operators)
        assert copy.said == self.ghost.said

    def check_agents(self):
        ghost, identity = self.ghost, self.identity
        assert identity.agent_count() == len(ghost.agents)
        for account in self.people:
            assert identity.balance_of(account) == sum(agent.owner == account for agent in ghost.agents)
            for other in self.people:
                assert identity.is_approved_for_all(account, other) == ((account, other) in ghost.operators)
        for agent_id, agent in enumerate(ghost.agents):
            assert identity.owner_of(agent_id) == agent.owner
            assert identity.get_approved(agent_id) == agent.approved
            assert identity.token_uri(agent_id) == agent.uri
            assert identity.get_agent_wallet(agent_id) == agent.wallet
            for key in KEYS[:2]:
                assert identity.get_metadata(agent_id, key) == agent.metadata.get(key, b"")
            for account in self.people:
                assert identity.is_authorized_or_owner(account, agent_id) == ghost.acts_for(account, agent_id)

    def check_feedback(self, agent_id):
        ghost, reputation = self.ghost, self.reputation
        assert reputation.get_clients(agent_id) == tuple(ghost.clients(agent_id))
        rows = []
        for client in ghost.clients(agent_id):
            pieces = ghost.said[agent_id, client]
            assert reputation.get_last_index(agent_id, client) == len(pieces)
            for index, one in enumerate(pieces, 1):
                columns = (one.amount, one.decimals, one.tag1, one.tag2, one.revoked)
                assert reputation.read_feedback(agent_id, client, index) == columns
                assert reputation.get_response_count(agent_id, client, index, []) == len(one.responders)
                rows.append((client, index, *columns))
        assert list(zip(*reputation.read_all_feedback(agent_id, [], "", "", True), strict=True)) == rows
        kept = [row for row in rows if not row[-1] and row[4] == "x"]
        assert list(zip(*reputation.read_all_feedback(agent_id, [], "x", "", False), strict=True)) == kept
        if rows:
            counted = reputation.get_summary(agent_id, ghost.clients(agent_id), "x", "")[0]
            assert counted == len(kept)


def test_the_registries_do_what_their_ghost_does(ledger):
    run_state_machine_as_test(
        lambda: AgentMachine(ledger),
        settings=settings(
            max_examples=30 if LONG else 8,
            stateful_step_count=100 if LONG else 60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
