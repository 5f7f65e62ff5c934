"""Optimistic answers: ask for one, give one under bond, watch what others give, refute what is wrong, settle.

Whoever claims or watches computes the model from the input that the request left on the chain, and needs nothing else.
Each verb can be repeated: what the chain says already is not said again. Where the contract's coin is a token, whoever
pays lets the contract take it first (`desk.coin.approve`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import cached_property

from tallystick.chain.bindings.optimistic_model import Asked, Claimed, OptimisticModel, Refuted, Requested
from tallystick.chain.calls import Call, Log
from tallystick.chain.coin import Coin, read_coin
from tallystick.chain.facts import TxReceipt
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.lithic.assurance.staged import StagedModel
from tallystick.lithic.assurance.trace import Fault, Trace, first_fault, trace
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.integer.reference import pack, unpack
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.optimistic import OptimisticEvidence
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.lithic.receipts.request import optimistic_terms, request_id


class State(IntEnum):
    """How a request stands."""

    OPEN = 1
    CLAIMED = 2
    FINAL = 3
    GIVEN_BACK = 4


class Optimistic:
    """One staged model's answers by one OptimisticModel contract.

    address      of the contract
    first_block  where to begin looking for its events; the block of its deployment saves time on a long chain
    """

    def __init__(self, node: Node, address: str, staged: StagedModel, *, first_block: int = 0) -> None:
        self.contract = OptimisticModel(node, parse_address(address))
        self.staged = staged
        self._node = node
        self._first_block = first_block

    @cached_property
    def coin(self) -> Coin:
        """The coin of fees and bonds."""
        return read_coin(self._node, self.contract.coin())

    # --- verbs

    def ask(
        self, outbox: Outbox, x: Sequence[int], *, fee: int, bond: int, window_s: int, patience_s: int, key: str
    ) -> bytes:
        """Return the id of a request for the answer to `x`, made now or by the same call before.

        fee, bond  in the contract's coin
        key        tells two requests for the same answer apart: the request's nonce is its digest
        raises     InvalidInput "kernel.input", "request.terms", "coin.allowance"; Rejected with the contract's reason;
                   Unavailable "outbox.waiting"
        """
        data, nonce = pack(self.staged.model.input, x), int.from_bytes(sha256(key.encode()))
        terms = optimistic_terms(self.staged.address, fee=fee, bond=bond, window_s=window_s, patience_s=patience_s)
        consumer = outbox.account.address
        asked = request_id(self._node.chain_id, self.contract.address, consumer, nonce, terms, data)
        if not self._events(Requested.topic, asked):
            value = self._value(outbox, fee)
            self._send(outbox, self.contract.ask(nonce, terms, data, value=value), f"ask {asked.hex()}")
        return asked

    def claim(self, outbox: Outbox, request_id: bytes) -> Vector:
        """Return the answer, which this account claims under the request's bond.

        raises  VerificationFailed "report.failed" when the stages on the chain are not what the model compiles to;
                InvalidInput "kernel.request" when the request is for another model, "coin.allowance"; Rejected with
                the reason
        """
        self.staged.check(self._node).require()
        right, asked = self.right(request_id), self.asked(request_id)
        if self.contract.request_of(request_id).claimant != outbox.account.address:
            value = self._value(outbox, asked.bond)
            call = self.contract.claim(asked, right.hashes, right.answer, value=value)
            self._send(outbox, call, self._round("claim", request_id))
        return right.answer

    def refute(self, outbox: Outbox, request_id: bytes) -> Fault | None:
        """Return at which stage the claim that stands is wrong, after showing it to the contract; None if at none."""
        claim = self.standing_claim(request_id)
        fault = None if claim is None else first_fault(self.right(request_id), claim.hashes)
        if fault is not None and claim is not None:
            stages = [stage.address for stage in self.staged.stages]
            call = self.contract.refute(self.asked(request_id), stages, claim.hashes, fault.stage, fault.vector)
            self._send(outbox, call, self._round("refute", request_id))
        return fault

    def settle(self, outbox: Outbox, request_id: bytes) -> None:
        """The request is over, by its claim or without one; nothing is sent when it is already.

        raises  Rejected "optimistic: too early"
        """
        state, asked = self.contract.request_of(request_id).state, self.asked(request_id)
        claim = self.standing_claim(request_id)
        if claim is not None:
            self._send(outbox, self.contract.finalise(asked, claim.hashes), self._round("settle", request_id))
        elif state == State.OPEN:
            self._send(outbox, self.contract.give_back(asked), self._round("settle", request_id))

    # --- what the chain says

    def requested(self, request_id: bytes) -> Requested:
        """Return the event of a request; raises InvalidInput "kernel.request" where it is none of this model."""
        found = self._events(Requested.topic, request_id)
        if not found:
            raise InvalidInput("kernel.request", "there is no such request", got=request_id.hex())
        requested = Requested.decode(found[0])
        if requested.model != self.staged.address:
            raise InvalidInput(
                "kernel.request", "the request is for another model", expected=self.staged.address,
                got=requested.model,
            )  # fmt: skip
        return requested

    def asked(self, request_id: bytes) -> Asked:
        """Return all that is fixed about a request, which every later step shows the contract; as `requested`."""
        return self.requested(request_id).asked

    def right(self, request_id: bytes) -> Trace:
        """Return the right trace of a request, computed here; raises as `requested`."""
        return trace(self.staged.model, unpack(self.staged.model.input, self.requested(request_id).data))

    def standing_claim(self, request_id: bytes) -> Claimed | None:
        """Return the claim that can still be refuted or made final; None if there is none."""
        if self.contract.request_of(request_id).state != State.CLAIMED:
            return None
        return Claimed.decode(self._events(Claimed.topic, request_id)[-1])

    def receipt(self, request_id: bytes) -> AnswerReceipt:
        """Return the receipt of a final answer; raises InvalidInput "receipt.none" when it is not final."""
        requested, request = self.requested(request_id), self.contract.request_of(request_id)
        if request.state != State.FINAL:
            raise InvalidInput("receipt.none", "the answer is not final", expected=State.FINAL, got=request.state)
        claim, asked = Claimed.decode(self._events(Claimed.topic, request_id)[-1]), requested.asked
        answer = AssuredAnswer(
            request_id, asked.consumer, asked.model_digest, asked.input_digest, claim.answer, Mode.OPTIMISTIC,
            asked.fee, request.deadline, asked.nonce,
        )  # fmt: skip
        evidence = OptimisticEvidence(
            requested.model, asked.fee, asked.bond, asked.window, asked.patience, requested.data
        )
        return AnswerReceipt(self._node.chain_id, self.contract.address, answer, evidence)

    # --- parts of the verbs

    def _value(self, outbox: Outbox, amount: int) -> int:
        """Return what a call that pays sends along: the amount, or nothing of a token, which may be taken."""
        self.coin.check_payable(self._node, outbox.account.address, self.contract.address, amount)
        return amount if self.coin.is_native else 0

    def _round(self, verb: str, request_id: bytes) -> str:
        """Name a step so that it is another one after the claim before fell."""
        return f"{verb} {request_id.hex()} {len(self._events(Refuted.topic, request_id))}"

    def _events(self, topic: bytes, request_id: bytes) -> list[Log]:
        return self._node.logs(self.contract.address, (topic, request_id), from_block=self._first_block)

    def _send(self, outbox: Outbox, call: Call, intent: str) -> TxReceipt:
        return outbox.send_and_wait(call, key=f"optimistic {self.contract.address} {intent}")
