"""The feedback file of ERC-8004: what a client says beside the number, and by which payment it became a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.agents.identity.parsing import load_object, text_of
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import read_reference
from tallystick.chain.bindings.agent_reputation import NewFeedback
from tallystick.core import canonical, documents
from tallystick.core.checks import Check, Report
from tallystick.core.digest import keccak, parse_hex32
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address


@dataclass(frozen=True)
class ProofOfPayment:
    """The transaction by which a client paid an agent, as an x402 receipt names it."""

    from_address: str
    to_address: str
    chain_id: int
    tx_hash: bytes

    def to_dict(self) -> dict[str, object]:
        """Return it as the ERC spells it."""
        return {
            "fromAddress": self.from_address, "toAddress": self.to_address, "chainId": str(self.chain_id),
            "txHash": "0x" + self.tx_hash.hex(),
        }  # fmt: skip


@dataclass(frozen=True)
class Feedback:
    """A feedback file; value, tags and endpoint repeat what is on chain."""

    agent: AgentRef
    client: str
    created_at: str
    amount: int
    decimals: int
    tag1: str = ""
    tag2: str = ""
    endpoint: str = ""
    payment: ProofOfPayment | None = None

    def to_bytes(self) -> bytes:
        """Return the file as canonical JSON; its Keccak-256 goes on chain."""
        made: dict[str, object] = {
            "agentRegistry": str(self.agent.registry), "agentId": str(self.agent.agent_id),
            "clientAddress": f"eip155:{self.agent.registry.chain_id}:{self.client}", "createdAt": self.created_at,
            "value": str(self.amount), "valueDecimals": self.decimals, "tag1": self.tag1, "tag2": self.tag2,
            "endpoint": self.endpoint,
        }  # fmt: skip
        return canonical.encode(made | ({"proofOfPayment": self.payment.to_dict()} if self.payment else {}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Feedback:
        """Read a file that anybody may have written.

        raises  InvalidInput "agent_file.…", "agent.registry", "address.…", "document.…", "digest.hex",
                "canonical.depth"
        """
        found = load_object(data, "feedback file")
        payment = found.get("proofOfPayment")
        return cls(
            agent=read_reference(found),
            client=_account(text_of(found, "clientAddress", 128)),
            created_at=text_of(found, "createdAt", 64),
            amount=_amount(found.get("value")),
            decimals=documents.integer(found.get("valueDecimals"), "valueDecimals", 0, 18),
            tag1=text_of(found, "tag1", 64, ""),
            tag2=text_of(found, "tag2", 64, ""),
            endpoint=text_of(found, "endpoint", 512, ""),
            payment=None if payment is None else _payment(documents.typed(payment, dict, "proofOfPayment")),
        )


def check_feedback(event: NewFeedback, agent: AgentRef, data: bytes) -> Report:
    """Report whether `data` is the file of this feedback, and repeats what the chain says."""
    return Report.of(_checks(event, agent, data))


def _checks(event: NewFeedback, agent: AgentRef, data: bytes) -> Iterator[Check]:
    # 1. the file is the one that was meant
    yield Check.equal("digest", event.feedback_hash, keccak(data), "Keccak-256 on chain")
    # 2. the file is well formed
    try:
        found = Feedback.from_bytes(data)
    except InvalidInput as error:
        yield Check.failed("form", error)
        return
    yield Check("form", True)
    # 3. it is about this agent, by this client, and says what the chain says
    yield Check.equal("agent", str(agent), str(found.agent))
    yield Check.equal("client", event.client_address, found.client)
    said = (event.feedback_value, event.value_decimals, event.tag1, event.tag2)
    yield Check.equal("value", said, (found.amount, found.decimals, found.tag1, found.tag2))
    # 4. the payment it names is the client's
    if found.payment is not None:
        yield Check.equal("payer", event.client_address, found.payment.from_address)


def _payment(found: Mapping[str, Any]) -> ProofOfPayment:
    chain_id = found.get("chainId")
    return ProofOfPayment(
        from_address=parse_address(found.get("fromAddress")),
        to_address=parse_address(found.get("toAddress")),
        chain_id=documents.decimal(chain_id, "chainId", 2**63)
        if isinstance(chain_id, str)
        else documents.integer(chain_id, "chainId", 1),
        tx_hash=parse_hex32(text_of(found, "txHash", 66), "txHash"),
    )


def _account(text: str) -> str:
    """Return the address in `eip155:1:0x…`, or in an address alone."""
    return parse_address(text.rpartition(":")[2])


def _amount(value: object) -> int:
    if isinstance(value, str):
        return (
            -documents.decimal(value[1:], "value", 10**38)
            if value[:1] == "-"
            else documents.decimal(value, "value", 10**38)
        )
    return documents.integer(value, "value", -(2**53) + 1)
