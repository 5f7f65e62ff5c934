"""A watcher at work: one `step` reads the claims that are new on the chain, computes each again, refutes the wrong.

Nothing is remembered between two watchers but what the chain says, so any step may be the first after a crash: what
was claimed meanwhile is found again, and a refutation that is on its way already is not sent twice. A wrong claim is
looked at until its time is over, whoever refuted it, since a reorganisation may put it back; one that cannot be refuted
now, as when the account is out of coins, is tried again at every step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eth_abi.abi import encode as abi_encode

from tallystick.chain.bindings.optimistic_model import Claimed, Request, Requested
from tallystick.chain.calls import Log
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, Unavailable, VerificationFailed
from tallystick.core.limits import INDEX_RANGE_BLOCKS, INDEX_UNSETTLED_BLOCKS, WATCH_CLAIMS_MAX
from tallystick.lithic.assurance.optimistic import Optimistic, State
from tallystick.lithic.assurance.trace import Fault, first_fault


@dataclass(frozen=True)
class Seen:
    """What a step made of one claim.

    deed    "right"; "left" alone for its small bond; "refuted"; "gone", which is wrong and fell to somebody else;
            "failed", which is wrong and stands and is tried again; "waiting" for the chain; "too late", which is wrong
            and stands for ever
    detail  the stage at which it is wrong, and why it could not be refuted
    """

    deed: str
    request_id: bytes
    detail: str = ""


class Watcher:
    """Watches the claims about some models by one contract, and refutes the wrong ones at the outbox's cost.

    desks        of the models, all by the same contract
    first_block  before it the contract has no event
    bond_min     claims under a smaller bond are left alone: refuting costs gas, and whoever asks sets the bond
    raises       InvalidInput "watch.none"; VerificationFailed "report.failed" when a stage is not on the chain byte for
                 byte: a claim is wrong by what the stages answer
    """

    def __init__(self, desks: Iterable[Optimistic], outbox: Outbox, *, first_block: int = 0, bond_min: int = 0) -> None:
        self._desks = {desk.staged.address: desk for desk in desks}
        if not self._desks:
            raise InvalidInput("watch.none", "there is no model to watch", expected="one or more")
        for desk in self._desks.values():
            desk.staged.check(outbox.node).require()
        self._contract = next(iter(self._desks.values())).contract
        self._outbox = outbox
        self._first_block = first_block
        self._bond_min = bond_min
        self._next_block: int | None = None
        self._judged: set[bytes] = set()  # claims that are right, or over
        self._waiting: dict[bytes, Claimed] = {}
        self._faults: dict[bytes, Fault] = {}

    @property
    def account(self) -> str:
        """Whose coins pay for refutations, and who is rewarded."""
        return self._outbox.account.address

    @property
    def models(self) -> list[str]:
        """The tables of the models that are watched."""
        return sorted(self._desks)

    def step(self) -> list[Seen]:
        """Look at the claims that came since the last step and at the wrong ones; return what was made of them.

        raises  Unavailable when the chain does not answer
        """
        self._outbox.work()
        self._look()
        now_s = self._outbox.node.block().timestamp
        found = []
        for key, claimed in list(self._waiting.items()):
            try:
                found.append(self._judge(key, claimed, now_s))
            except Unavailable as error:
                found.append(Seen("waiting", claimed.request_id, f"{error.code}: {error}"))
        return [one for one in found if one is not None]

    def collect(self) -> int:
        """Take the coins that wait, if any; return how many."""
        owed = self._contract.owed(self._outbox.account.address)
        if owed:
            key = f"optimistic {self._contract.address} collect {owed} at {self._outbox.node.block_number()}"
            self._outbox.send_and_wait(self._contract.collect(), key=key)
        return owed

    # --- seeing

    def _look(self) -> None:
        """Take note of claims; the newest blocks are looked at again, they may change."""
        node = self._outbox.node
        head = node.block_number()
        first = self._first_block if self._next_block is None else self._next_block
        first = max(self._first_block, min(first, head - INDEX_UNSETTLED_BLOCKS))
        while first <= head:
            last = min(head, first + INDEX_RANGE_BLOCKS - 1)
            for log in node.logs(self._contract.address, [Claimed.topic], from_block=first, to_block=last):
                self._take(log)
            first = self._next_block = last + 1

    def _take(self, log: Log) -> None:
        claimed = Claimed.decode(log)
        key = _key(claimed)
        if key not in self._judged:
            self._waiting.setdefault(key, claimed)

    # --- judging

    def _judge(self, key: bytes, claimed: Claimed, now_s: int) -> Seen | None:
        """Return what became of a claim; None for what is not ours to look at, and where nothing is new."""
        request, is_past = self._request(claimed), now_s >= claimed.deadline
        stands = request is not None and _is_standing(request, claimed)
        requested = self._requested(claimed) if stands or (request is not None and not is_past) else None
        desk = None if requested is None else self._desks.get(requested.model)
        if requested is None or desk is None:
            self._forget(key)
            return None
        if requested.asked.bond < self._bond_min:
            self._forget(key)
            return Seen("left", claimed.request_id, "its bond is too small")
        is_new = key not in self._faults
        fault = self._faults.get(key) or first_fault(desk.right(claimed.request_id), claimed.hashes)
        if fault is None:
            self._forget(key)
            return Seen("right", claimed.request_id)
        self._faults[key] = fault
        where = f"wrong at {desk.staged.stages[fault.stage + 1].name}"
        if stands and not is_past:
            return self._refute(desk, claimed, where)
        if is_past:
            self._forget(key)
            return Seen("too late", claimed.request_id, where)
        return Seen("gone", claimed.request_id, where) if is_new else None

    def _refute(self, desk: Optimistic, claimed: Claimed, where: str) -> Seen:
        try:
            is_ours = desk.refute(self._outbox, claimed.request_id) is not None
        except (Rejected, InvalidInput, VerificationFailed) as error:
            request = self._request(claimed)
            if request is not None and _is_standing(request, claimed):
                return Seen("failed", claimed.request_id, f"{where}; {error.code}: {error}")
            is_ours = False
        return Seen("refuted" if is_ours else "gone", claimed.request_id, where)

    def _request(self, claimed: Claimed) -> Request | None:
        try:
            return self._contract.request_of(claimed.request_id)
        except Rejected:
            return None  # a reorganisation took it away

    def _requested(self, claimed: Claimed) -> Requested | None:
        topics = (Requested.topic, claimed.request_id)
        logs = self._outbox.node.logs(self._contract.address, topics, from_block=self._first_block)
        return Requested.decode(logs[0]) if logs else None  # none where a reorganisation is under way

    def _forget(self, key: bytes) -> None:
        self._waiting.pop(key, None)
        self._faults.pop(key, None)
        if len(self._judged) >= WATCH_CLAIMS_MAX:
            self._judged.clear()  # what is in the newest blocks is judged once more, and that is all
        self._judged.add(key)


def _is_standing(request: Request, claimed: Claimed) -> bool:
    """Tell whether this claim is the one that stands."""
    who_and_when = (request.claimant, request.deadline)
    return request.state == State.CLAIMED and who_and_when == (claimed.claimant, claimed.deadline)


def _key(claimed: Claimed) -> bytes:
    """Return what tells a claim from every other."""
    kinds = ["bytes32", "address", "bytes32[]", "uint256"]
    return keccak(abi_encode(kinds, [claimed.request_id, claimed.claimant, claimed.hashes, claimed.deadline]))
