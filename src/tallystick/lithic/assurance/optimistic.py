"""Optimistic answers: ask for one, give one under bond, watch what others give, refute what is wrong, settle.

Whoever claims or watches computes the model from the input that the request left on the chain, and needs nothing else.
Each verb can be repeated: what the chain says already is not said again.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.chain.bindings.optimistic_model import Claimed, OptimisticModel, Refuted, Request, Requested
from tallystick.chain.calls import Call, Log
from tallystick.chain.facts import TxReceipt
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import Broken, InvalidInput
from tallystick.core.ids import parse_address
from tallystick.lithic.assurance.staged import StagedModel
from tallystick.lithic.assurance.trace import Fault, Trace, first_fault, trace
from tallystick.lithic.integer.model import Input, Vector
from tallystick.lithic.integer.reference import pack

_NOBODY = "0x" + "00" * 20


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

    # --- verbs

    def ask(
        self, outbox: Outbox, x: Sequence[int], *, fee: int, bond: int, window_s: int, patience_s: int, key: str
    ) -> int:
        """Return the id of a request for the answer to `x`, made now or by the same call before.

        fee, bond  wei
        key        tells two requests for the same answer apart
        raises     InvalidInput "kernel.input"; Rejected with the contract's reason; Unavailable "outbox.waiting"
        """
        data = pack(self.staged.model.input, x)
        call = self.contract.request(self.staged.address, data, bond, window_s, patience_s, value=fee)
        receipt = self._send(outbox, call, f"ask {key}")
        for log in receipt.logs:
            if log.address == self.contract.address and log.topics[:1] == (Requested.topic,):
                return Requested.decode(log).request_id
        raise Broken("kernel.event", "a request left no event", expected="Requested")

    def claim(self, outbox: Outbox, request_id: int) -> Vector:
        """Return the answer, which this account claims under the request's bond.

        raises  VerificationFailed "report.failed" when the stages on the chain are not what the model compiles to;
                InvalidInput "kernel.request" when the request is for another model; Rejected with the reason
        """
        self.staged.check(self._node).require()
        right = self.right(request_id)
        request = self.contract.request_of(request_id)
        if request.claimant != outbox.account.address:
            call = self.contract.claim(request_id, right.hashes, right.answer, value=request.bond)
            self._send(outbox, call, f"claim {request_id} {len(self._events(Refuted.topic, request_id))}")
        return right.answer

    def refute(self, outbox: Outbox, request_id: int) -> Fault | None:
        """Return at which stage the claim that stands is wrong, after showing it to the contract; None if at none."""
        claim = self.standing_claim(request_id)
        fault = None if claim is None else first_fault(self.right(request_id), claim.hashes)
        if fault is not None and claim is not None:
            stages = [stage.address for stage in self.staged.stages]
            call = self.contract.refute(request_id, stages, claim.hashes, fault.stage, fault.vector)
            self._send(outbox, call, f"refute {request_id} {len(self._events(Refuted.topic, request_id))}")
        return fault

    def settle(self, outbox: Outbox, request_id: int) -> None:
        """The request is over, by its claim or without one; nothing is sent when it is already.

        raises  Rejected "optimistic: too early"
        """
        request = self.contract.request_of(request_id)
        if not request.is_closed:
            is_claimed = request.claimant != _NOBODY
            call = self.contract.finalise(request_id) if is_claimed else self.contract.give_back(request_id)
            self._send(outbox, call, f"settle {request_id} {len(self._events(Refuted.topic, request_id))}")

    # --- what the chain says

    def right(self, request_id: int) -> Trace:
        """Return the right trace of a request, computed here; raises InvalidInput "kernel.request"."""
        (log,) = self._events(Requested.topic, request_id)
        requested = Requested.decode(log)
        if requested.model != self.staged.address:
            raise InvalidInput(
                "kernel.request", "the request is for another model", expected=self.staged.address,
                got=requested.model,
            )  # fmt: skip
        return trace(self.staged.model, unpack(self.staged.model.input, requested.data))

    def standing_claim(self, request_id: int) -> Claimed | None:
        """Return the claim that can still be refuted or made final; None if there is none."""
        request: Request = self.contract.request_of(request_id)
        if request.is_closed or request.claimant == _NOBODY:
            return None
        return Claimed.decode(self._events(Claimed.topic, request_id)[-1])

    # --- parts of the verbs

    def _events(self, topic: bytes, request_id: int) -> list[Log]:
        topics = (topic, request_id.to_bytes(32))
        return self._node.logs(self.contract.address, topics, from_block=self._first_block)

    def _send(self, outbox: Outbox, call: Call, intent: str) -> TxReceipt:
        return outbox.send_and_wait(call, key=f"optimistic {self.contract.address} {intent}")


def unpack(declared: Input, data: bytes) -> Vector:
    """Return the fields of a packed input."""
    size = declared.bits // 8
    return tuple(int.from_bytes(data[at : at + size]) for at in range(0, len(data), size))
