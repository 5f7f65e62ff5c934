"""What clients say of agents: given, with the payment that made them clients, taken back, answered; and scored.

Lists and scores come from the index: `tally.index.sync()` first. What is paid over the token of this workspace is in
the index too; a payment in another coin counts where a feedback file proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from tallystick.agents.directory import STARRED, Directory, Said
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import embed, embedded_file
from tallystick.agents.reputation.feedback import Feedback, ProofOfPayment, check_feedback
from tallystick.agents.reputation.payments import NATIVE, PaymentFact, check_payee, in_units, read_payment
from tallystick.agents.scoring import Payment, Seed, Terms
from tallystick.agents.scoring.basis import Basis
from tallystick.chain.bindings.agent_reputation import NewFeedback
from tallystick.core.checks import Check, Report
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.limits import SCORING_PROOFS_MAX
from tallystick.tally.agents import senders

if TYPE_CHECKING:
    from tallystick.chain.facts import TxReceipt
    from tallystick.tally.agents.registries import Registries
    from tallystick.tally.workspace import Tally

NO_HASH: Final = bytes(32)


@dataclass(frozen=True)
class Opinion:
    """What a client says: `amount` in steps of 10**-decimals; ERC-8004's `starred` goes from 0 to 100."""

    amount: int
    decimals: int
    tag1: str = STARRED
    tag2: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Given:
    """A piece of feedback that is on chain, and its file."""

    agent: AgentRef
    client: str
    index: int
    uri: str
    data: bytes


class Opinions:
    """Feedback on the agents of this workspace's registry."""

    def __init__(self, tally: Tally, registries: Registries) -> None:
        self._tally = tally
        self._registries = registries

    # --- saying

    def write(
        self, agent: AgentRef, opinion: Opinion, *, paid: bytes | None = None, coin: str = NATIVE, by: str = senders.OWN
    ) -> Feedback:  # fmt: skip
        """Return the feedback file of a key of this workspace: to be kept, then given.

        paid    the transaction by which this client paid the agent, looked at now; it goes into the file
        coin    in which it paid
        raises  VerificationFailed "payment.…"
        """
        client = senders.account_of(self._tally, by).address
        at = datetime.fromtimestamp(senders.now_s(self._tally), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        proof = None if paid is None else self.prove(agent, client, paid, coin)
        said = (opinion.amount, opinion.decimals, opinion.tag1, opinion.tag2, opinion.endpoint)
        return Feedback(agent, client, at, *said, payment=proof)

    def give(self, file: Feedback, *, uri: str = "", by: str = senders.OWN) -> Given:
        """Return the feedback that a key has given, with its file in the URI, or to be served at `uri`.

        raises  Rejected "feedback: own agent", …; InvalidInput "agent_file.embedded", "feedback.client"
        """
        client = senders.account_of(self._tally, by).address
        if client != file.client:
            raise InvalidInput("feedback.client", "another client's file", expected=client, got=file.client)
        agent, data = self._registries.agent(str(file.agent)), file.to_bytes()
        said = (file.amount, file.decimals, file.tag1, file.tag2, file.endpoint)
        found = uri or embed(data)
        call = self._registries.reputation.give_feedback(agent.agent_id, *said, found, keccak(data))
        receipt = self._registries.send(call, by, f"feedback on {agent}")
        made = next(NewFeedback.decode(log) for log in receipt.logs if log.topics[0] == NewFeedback.topic)
        return Given(agent, client, made.feedback_index, found, data)

    def prove(self, agent: AgentRef, client: str, transaction: bytes, coin: str = NATIVE) -> ProofOfPayment:
        """Return the proof that a client paid the agent's wallet, after looking at the chain.

        raises  VerificationFailed "payment.absent", "payment.reverted", "payment.amount", "payment.payee"
        """
        node, identity = self._tally.node, self._registries.identity
        receipt = node.receipt(transaction)
        at = node.block_number() if receipt is None else max(receipt.block_number - 1, 0)
        wallet = identity.get_agent_wallet(agent.agent_id, at=at)
        proof = ProofOfPayment(client, wallet, node.chain_id, transaction)
        check_payee(identity, agent.agent_id, read_payment(node, proof, coin))
        return proof

    def revoke(self, agent: AgentRef, index: int, by: str = senders.OWN) -> TxReceipt:
        """Take feedback back; raises Rejected "feedback: no such feedback", "feedback: already revoked"."""
        call = self._registries.reputation.revoke_feedback(agent.agent_id, index)
        return self._registries.send(call, by, f"revoke {index} of {agent}")

    def respond(
        self, agent: AgentRef, client: str, index: int, uri: str, digest: bytes = NO_HASH, by: str = senders.OWN
    ) -> TxReceipt:  # fmt: skip
        """Answer a client's feedback with what is at a URI, whose Keccak-256 is `digest`."""
        call = self._registries.reputation.append_response(agent.agent_id, client, index, uri, digest)
        return self._registries.send(call, by, f"respond to {client} {index} of {agent}")

    # --- reading

    @property
    def directory(self) -> Directory:
        """Questions to the index."""
        return Directory(self._tally.index)

    def of(self, agent: AgentRef) -> list[Said]:
        """Return all that clients said of an agent, the oldest first."""
        return self.directory.feedback(agent.agent_id)

    def check(self, agent: AgentRef, said: Said, coin: str = NATIVE, data: bytes | None = None) -> Report:
        """Report whether a piece of feedback has the file that it says, and whether the payment in it was made.

        data  the file, where it was fetched; else from the URI itself
        """
        data = data or _embedded(said.uri)
        if data is None:
            return Report((Check("file", False, "it is elsewhere: fetch it", said.uri),))
        event = NewFeedback(
            agent.agent_id, said.client, said.index, said.amount, said.decimals, keccak(said.tag1.encode()), said.tag1,
            said.tag2, said.endpoint, said.uri, said.digest,
        )  # fmt: skip
        report = check_feedback(event, agent, data)
        proof = _proof(data)
        return report if proof is None else report + Report((self._payment_check(agent, proof, coin),))

    def _payment_check(self, agent: AgentRef, proof: ProofOfPayment, coin: str) -> Check:
        try:
            fact = read_payment(self._tally.node, proof, coin)
            check_payee(self._registries.identity, agent.agent_id, fact)
        except (InvalidInput, VerificationFailed, Rejected) as error:
            return Check.failed("payment", error)
        return Check("payment", True, f"{fact.price} of {coin}, {fact.burned_wei} wei burned by {fact.fee_payer}")

    # --- scoring

    @property
    def coin(self) -> str:
        """What prices are counted in unless the reader says otherwise: this workspace's token, or the native coin."""
        return self._registries.token or NATIVE

    def basis(
        self, agent: AgentRef, seeds: Sequence[Seed], *, terms: Terms | None = None, coin: str = "", tag: str = STARRED
    ) -> Basis:  # fmt: skip
        """Return all that the agent's score is computed from.

        Payments in this workspace's token are in the index; those in another coin are read from the chain, as feedback
        on any agent proves them.

        seeds  accounts that the reader knows
        coin   in which prices are counted: this workspace's token if left out, the native one where it has none
        raises InvalidInput "agent.unindexed"

        Fees count where prices are in the chain's own coin, since there is no rate between fees and a token.
        """
        directory, chosen = self.directory, coin or self.coin
        if directory.agent(agent.agent_id) is None:
            raise InvalidInput(
                "agent.unindexed", f"the index knows no agent {agent.agent_id}", hint="`tally index sync`"
            )
        if chosen == self._registries.token:
            payments = [Payment(payer, payee, price, 0) for payer, payee, price, _ in directory.payments(chosen)]
        else:
            proved = self._proved(chosen)
            payments = in_units(proved if chosen == NATIVE else _free(proved), Fraction(1))
        cursor = self._tally.index.status().cursor
        return Basis(
            agent, cursor.number if cursor else 0, chosen, directory.own(agent.agent_id),
            tuple(directory.ratings(agent.agent_id, tag)), _summed(payments), tuple(seeds), terms or Terms(),
        )  # fmt: skip

    def _proved(self, coin: str) -> list[PaymentFact]:
        """Return the payments that the feedback on all agents proves: of its clients, to the agents, made.

        raises  InvalidInput "scoring.size" where that is too much to read
        """
        found, seen = [], set[tuple[bytes, str]]()
        for one in self.directory.said():
            data = _embedded(one.uri)
            proof = None if data is None or keccak(data) != one.digest else _proof(data)
            if proof is None or proof.from_address != one.client or (proof.tx_hash, one.client) in seen:
                continue
            seen.add((proof.tx_hash, one.client))
            if len(seen) > SCORING_PROOFS_MAX:
                raise InvalidInput(
                    "scoring.size", "feedback names too many payments to be read", expected=f"≤ {SCORING_PROOFS_MAX}",
                    hint="score in a token that the index follows: [deployments] Token in config.toml",
                )  # fmt: skip
            try:
                fact = read_payment(self._tally.node, proof, coin)
                check_payee(self._registries.identity, one.agent_id, fact)
            except (InvalidInput, VerificationFailed):
                continue
            found.append(fact)
        return found


def _summed(payments: Iterable[Payment]) -> tuple[Payment, ...]:
    """Return one payment for each pair of accounts: the sum of theirs."""
    found: dict[tuple[str, str], Payment] = {}
    for one in payments:
        before = found.get((one.payer, one.payee), Payment(one.payer, one.payee, 0, 0))
        found[one.payer, one.payee] = replace(before, price=before.price + one.price, burned=before.burned + one.burned)
    return tuple(found[pair] for pair in sorted(found))


def _free(facts: Iterable[PaymentFact]) -> list[PaymentFact]:
    return [replace(one, burned_wei=0) for one in facts]


def _embedded(uri: str) -> bytes | None:
    try:
        return embedded_file(uri)
    except InvalidInput:
        return None


def _proof(data: bytes) -> ProofOfPayment | None:
    try:
        return Feedback.from_bytes(data).payment
    except InvalidInput:
        return None
