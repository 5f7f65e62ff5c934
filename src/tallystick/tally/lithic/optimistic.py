"""Answers under bond on this workspace's chain: ask, claim, watch, refute, settle, collect, and how requests stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.chain.bindings.optimistic_model import Claimed, OptimisticModel, Refuted, Request, Requested
from tallystick.chain.calls import Log
from tallystick.chain.coin import NATIVE
from tallystick.chain.deploy_code import PlacedCode
from tallystick.chain.deployments import Deployment
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.lithic.assurance.optimistic import Optimistic, State
from tallystick.lithic.assurance.staged import StagedModel, compile_staged
from tallystick.lithic.assurance.trace import Fault
from tallystick.lithic.assurance.watcher import Watcher
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.kernel import Kernel
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.tally.lithic.places import Place, deploy_place, find_place, now_s

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

CONTRACT = "OptimisticModel"


@dataclass(frozen=True)
class Standing:
    """A request as its events have it, and how it stands.

    words   "open" waits for a claim, "late" may go back, "claimed" may be refuted, "due" may become final, "final",
            "given back"
    claim   the last, unless it fell
    fallen  claims that were refuted
    """

    requested: Requested
    request: Request
    words: str
    claim: Claimed | None
    fallen: int


class OptimisticDesk:
    """Answers by one OptimisticModel contract, by default the workspace's.

    Verbs that pay take `approve`: where the coin is a token, let the contract take the amount first.
    """

    def __init__(self, tally: Tally, address: str | None = None) -> None:
        self._tally = tally
        self._address = address

    def deploy(self, coin: str = NATIVE) -> tuple[Place, Deployment]:
        """Return where the contract that counts in this coin is, and how; it is the workspace's from here on."""
        return deploy_place(self._tally, CONTRACT, coin)

    @cached_property
    def place(self) -> Place:
        """Where the contract is; raises InvalidInput "deployments.absent"."""
        return find_place(self._tally, CONTRACT, self._address)

    @cached_property
    def contract(self) -> OptimisticModel:
        """The contract, to read."""
        return OptimisticModel(self._tally.node, self.place.address)

    # --- verbs

    def publish(self, kernel: Kernel) -> tuple[StagedModel, list[PlacedCode]]:
        """Return the stages of a kernel's model and where they are, after putting on the chain what is not there."""
        staged = compile_staged(kernel.model, registry=kernel.registry)
        return staged, staged.deploy(self._tally.outbox)

    def ask(
        self,
        kernel: Kernel,
        x: Sequence[int],
        *,
        fee: int,
        bond: int,
        window_s: int,
        patience_s: int,
        key: str,
        approve: bool = False,
    ) -> bytes:
        """Return the id of a request for the kernel's answer to `x`; as `Optimistic.ask`."""
        desk = self._published(kernel)
        self.place.pay(self._tally, fee, approve=approve)
        return desk.ask(self._tally.outbox, x, fee=fee, bond=bond, window_s=window_s, patience_s=patience_s, key=key)

    def claim(self, kernel: Kernel, request_id: bytes, *, approve: bool = False) -> Vector:
        """Return the answer, which this workspace's account claims under the request's bond; as `Optimistic.claim`."""
        desk = self._of(kernel)
        if self.contract.request_of(request_id).state == State.OPEN:
            self.place.pay(self._tally, desk.asked(request_id).bond, approve=approve)
        return desk.claim(self._tally.outbox, request_id)

    def refute(self, kernel: Kernel, request_id: bytes) -> Fault | None:
        """Return at which stage the claim that stands is wrong, after showing it to the contract; None if at none.

        raises  Rejected "optimistic: no claim" where none stands; as `Optimistic.refute`
        """
        if self.contract.request_of(request_id).state != State.CLAIMED:
            raise Rejected("optimistic: no claim", "no claim stands that could be refuted")
        return self._of(kernel).refute(self._tally.outbox, request_id)

    def watcher(self, kernels: Sequence[Kernel], *, bond_min: int = 0) -> Watcher:
        """Return what watches the claims about these kernels' models; as `Watcher`."""
        desks = [self._published(kernel) for kernel in kernels]
        return Watcher(desks, self._tally.outbox, first_block=self.place.first_block, bond_min=bond_min)

    def settle(self, request_id: bytes) -> Standing:
        """Return the request, which is over, by its claim or without one; raises Rejected "optimistic: too early"."""
        found = self.find(request_id)
        if found.request.state in (State.OPEN, State.CLAIMED):
            asked = found.requested.asked
            call = self.contract.give_back(asked)
            if found.claim is not None:
                call = self.contract.finalise(asked, found.claim.hashes)
            self.place.send(self._tally, call, f"settle {request_id.hex()}")
        return self.find(request_id)

    def collect(self) -> int:
        """Take what the contract owes this workspace's account; return how much that was, 0 where it was nothing."""
        owed = self.contract.owed(self._tally.account.address)
        if owed:
            self.place.send(self._tally, self.contract.collect(), f"collect {owed}")
        return owed

    def receipt(self, kernel: Kernel, request_id: bytes) -> AnswerReceipt:
        """Return the receipt of a final answer; raises InvalidInput "receipt.none" when it is not final."""
        self.contract.request_of(request_id)
        return self._of(kernel).receipt(request_id)

    # --- what the chain says

    def find(self, request_id: bytes) -> Standing:
        """Return a request; raises Rejected "optimistic: unknown request"."""
        self.contract.request_of(request_id)
        (log,) = self._events(Requested.topic, request_id)
        return self._standing(log)

    def last(self) -> bytes:
        """Return the id of this account's newest request; raises InvalidInput "request.none"."""
        return self.place.last(self._tally, Requested.topic)

    def requests(self, limit: int) -> list[Standing]:
        """Return the newest requests, the youngest first."""
        found = self.place.newest(self._tally.node, (Requested.topic,), limit)
        return [self._standing(log) for log in found]

    def now_s(self) -> int:
        """Return the time of the block to come."""
        return now_s(self._tally)

    def _standing(self, log: Log) -> Standing:
        requested = Requested.decode(log)
        request = self.contract.request_of(requested.request_id)
        has_claim = request.state == State.CLAIMED or request.state == State.FINAL
        claims = self._events(Claimed.topic, requested.request_id) if has_claim else []
        fallen = len(self._events(Refuted.topic, requested.request_id))
        claim = Claimed.decode(claims[-1]) if claims else None
        return Standing(requested, request, _words(request, self.now_s()), claim, fallen)

    def _events(self, topic: bytes, request_id: bytes) -> list[Log]:
        return self._tally.node.logs(self.place.address, (topic, request_id), from_block=self.place.first_block)

    def _published(self, kernel: Kernel) -> Optimistic:
        desk = self._of(kernel)
        if not self._tally.node.code(desk.staged.address):
            raise InvalidInput(
                "optimistic.unpublished", f"the stages of {kernel.model.name!r} are not on this chain",
                expected=f"a contract at {desk.staged.address}", got="none",
                hint="`tally lithic optimistic publish` puts them there",
            )  # fmt: skip
        return desk

    def _of(self, kernel: Kernel) -> Optimistic:
        staged = compile_staged(kernel.model, registry=kernel.registry)
        return Optimistic(self._tally.node, self.place.address, staged, first_block=self.place.first_block)


def _words(request: Request, now_s: int) -> str:
    is_over = now_s >= request.deadline
    if request.state == State.OPEN:
        return "late" if is_over else "open"
    if request.state == State.CLAIMED:
        return "due" if is_over else "claimed"
    return "final" if request.state == State.FINAL else "given back"
