"""The same life of an agent on the embedded ledger and on anvil: same addresses, events, gas and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import KEYS

from tallystick.agents.identity.reference import AgentRef, RegistryRef
from tallystick.agents.identity.wallets import claim_wallet, set_wallet
from tallystick.chain.accounts import Account
from tallystick.chain.bindings.agent_identity import AgentIdentity, MetadataEntry
from tallystick.chain.bindings.agent_reputation import AgentReputation
from tallystick.chain.bindings.agent_validation import AgentValidation
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import Rejected

SECRETS = [bytes.fromhex(key[2:]) for key in KEYS[:2]]
ALICE, BOB = (Account(secret) for secret in SECRETS)
CHAIN_ID = 31_337


class Life:
    """What two accounts do on one ledger, and what came of it: gas and logs of each step."""

    def __init__(self, target: str, folder: Path) -> None:
        self.node = connect(target)
        self.boxes = {one.address: Outbox(folder / "outbox.db", self.node, one) for one in (ALICE, BOB)}
        self.steps: list[tuple[int, list[tuple[str, tuple[bytes, ...], bytes]]]] = []
        box = self.boxes[ALICE.address]
        identity = deploy(box, "AgentIdentity").address
        beside = [deploy(box, f"Agent{name}", arguments=[identity]).address for name in ("Reputation", "Validation")]
        self.identity = AgentIdentity(self.node, identity)
        self.reputation = AgentReputation(self.node, beside[0])
        self.validation = AgentValidation(self.node, beside[1])
        self.refusals: list[str] = []

    def do(self, call, who=ALICE, *, is_timed=False):
        """Send the call and remember what came of it; of one that holds the time only what does not."""
        receipt = self.boxes[who.address].send_and_wait(call, key=f"step {len(self.steps)}")
        logs = [(log.address, log.topics, log.data) for log in receipt.logs]
        self.steps.append((0 if is_timed else receipt.gas_used, logs))

    def refuse(self, call, who):
        with pytest.raises(Rejected) as caught:
            self.node.call(call.to, call.data, sender=who.address)
        self.refusals.append(caught.value.code)

    def live(self):
        identity, reputation, validation = self.identity, self.reputation, self.validation
        agent = AgentRef(RegistryRef(CHAIN_ID, identity.address), 0)
        asked = bytes(8) + b"w" * 24
        self.do(identity.register("ipfs://a", [MetadataEntry("agentName", b"a.example")]))
        claim = claim_wallet(identity, agent, BOB.address, self.node.block().timestamp)
        self.do(set_wallet(identity, claim, claim.signed(SECRETS[1])), is_timed=True)
        self.refuse(validation.validation_request(BOB.address, 0, "x", asked), ALICE)  # the wallet is its own
        self.do(identity.unset_agent_wallet(0))
        self.do(reputation.give_feedback(0, -9977, 2, "starred", "γ", "e", "u", b"h" * 32), BOB)
        self.do(reputation.append_response(0, BOB.address, 1, "ipfs://refund", b"h" * 32))
        self.do(validation.validation_request(BOB.address, 0, "x", asked))
        self.do(validation.validation_response(asked, 88, "", b"e" * 32, "t"), BOB)
        self.refuse(reputation.give_feedback(0, 1, 0, "", "", "", "", bytes(32)), ALICE)
        self.refuse(identity.set_agent_uri(0, ""), BOB)
        self.do(identity.safe_transfer_from(ALICE.address, BOB.address, 0))
        self.refuse(validation.validation_response(asked, 0, "", b"e" * 32, "t"), BOB)

    def seen(self):
        return (
            self.identity.owner_of(0), self.identity.get_agent_wallet(0), self.identity.get_metadata(0, "agentName"),
            self.reputation.read_all_feedback(0, [], "", "", True),
            self.reputation.get_summary(0, [BOB.address], "starred", ""), self.validation.get_summary(0, [], ""),
        )  # fmt: skip

    def close(self):
        for box in self.boxes.values():
            box.close()
        self.node.close()


@pytest.fixture
def lives(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[Life]]:
    """A life on each ledger, lived."""
    path = tmp_path / "chain.db"
    funded = {bytes.fromhex(one.address[2:]): 10**21 for one in (ALICE, BOB)}
    create(path, Genesis(timestamp=1_700_000_000, chain_id=CHAIN_ID, balances=funded))
    made = []
    try:
        for name, target in (("embedded", str(path)), ("anvil", request.getfixturevalue("anvil").url)):
            (tmp_path / name).mkdir()
            made.append(Life(target, tmp_path / name))
            made[-1].live()
        yield made
    finally:
        for life in made:
            life.close()


@pytest.mark.anvil
def test_an_agents_life_is_the_same_on_both_ledgers(lives):
    one, two = lives
    assert one.identity.address == two.identity.address
    assert one.refusals == two.refusals == [
        "validation: own agent", "feedback: own agent", "identity: not authorized", "validation: own agent",
    ]  # fmt: skip
    assert one.steps == two.steps
    assert one.seen() == two.seen()
    assert one.seen()[4:] == ((1, -9977, 2), (1, 88))
