"""A node that hides an event, invents one or lies about a balance is found out by the hash of one block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tallystick.agents.audit import audit_account
from tallystick.chain.bindings.policy_account import Received
from tallystick.chain.bindings.token import Transfer
from tallystick.chain.node import Node
from tallystick.chain.wire import write_data
from tests.agents.audit.story import Story

RECEIVED, TRANSFER = write_data(Received.topic), write_data(Transfer.topic)


class Liar:
    """A provider that changes what a node says to one method."""

    def __init__(self, provider: Any, method: str, lie: Callable[[Any], Any]) -> None:
        self.provider, self.method, self.lie = provider, method, lie

    def make_request(self, method: str, params: Any) -> Any:
        answer = self.provider.make_request(method, params)
        return {**answer, "result": self.lie(answer["result"])} if method == self.method else answer


def told(story: Story, method: str, lie: Callable[[Any], Any]) -> list[str]:
    """Return the gaps of a proven audit by a node that lies so."""
    node = Node(Liar(story.node.provider, method, lie))
    found = audit_account(node, story.address, is_proven=True)
    return [one.code for one in found.gaps]


def test_an_honest_node_is_believed(story: Story) -> None:
    assert told(story, "eth_getLogs", lambda logs: logs) == []


def test_an_event_that_is_hidden_is_shown(story: Story) -> None:
    def hide(logs: list[Any]) -> list[Any]:
        return [log for log in logs if log["topics"][0] != RECEIVED]

    assert told(story, "eth_getLogs", hide) == ["node.hidden"]
    without_proof = audit_account(Node(Liar(story.node.provider, "eth_getLogs", hide)), story.address)
    assert without_proof.is_balanced  # coin may always come in silently, so only the proof tells


def test_an_event_that_is_changed_is_shown(story: Story) -> None:
    def change(logs: list[Any]) -> list[Any]:
        return [{**log, "data": "0x" + "00" * 32} if log["topics"][0] == TRANSFER else log for log in logs]

    assert "node.invented" in told(story, "eth_getLogs", change)


def test_receipts_are_bound_to_their_headers(story: Story) -> None:
    def change(receipts: list[Any]) -> list[Any]:
        return [{**one, "logs": []} for one in receipts]

    assert told(story, "eth_getBlockReceipts", change) == ["node.proof"]


def test_headers_are_bound_to_each_other(story: Story) -> None:
    def change(block: Any) -> Any:
        return block and {**block, "logsBloom": "0x" + "00" * 256}

    assert told(story, "eth_getBlockByHash", change) == ["node.proof"]


def test_balances_are_bound_to_the_state(story: Story) -> None:
    def more(balance: str) -> str:
        return hex(int(balance, 16) + 1)

    assert set(told(story, "eth_getBalance", more)) == {"node.balance"}


def test_code_is_bound_to_the_state(story: Story) -> None:
    """A node that shows this release's code where there is another is found out."""
    assert set(told(story, "eth_getCode", lambda code: code + "00")) == {"code.other", "node.code"}


def test_a_proof_of_another_account_proves_nothing(story: Story) -> None:
    class Elsewhere:
        """A provider that proves somebody else's account, and tells of its balance."""

        def make_request(self, method: str, params: Any) -> Any:
            if method in ("eth_getProof", "eth_getBalance"):
                params = [story.wallet.stranger, *params[1:]]
            return story.node.provider.make_request(method, params)

    found = audit_account(Node(Elsewhere()), story.address, is_proven=True)
    assert {"node.code", "node.proof"} <= {one.code for one in found.gaps}
