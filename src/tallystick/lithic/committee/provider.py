"""A provider at work: one `step` looks at the chain and does whatever is due to every request that names it.

Nothing is remembered between steps but the journal and what the chain says, so any step may be the first after a crash.
The order is: compute, write answer and salt to the journal, commit, reveal, settle, collect. Transactions leave through
an outbox under keys that name the deed, so that doing it again is doing it once. What computes is a port: `Service`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee, Request, RequestOpened, Seat, Terms
from tallystick.chain.calls import Call, Log
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_rows import Row
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable
from tallystick.core.limits import (
    INDEX_RANGE_BLOCKS,
    INDEX_UNSETTLED_BLOCKS,
    NODE_JOBS_MAX,
    NODE_REVEAL_MARGIN_S,
    NODE_SENDS_MAX,
    NODE_SETTLE_TURN_S,
)
from tallystick.lithic.committee.decision import RequestState
from tallystick.lithic.committee.journal import Job, Journal
from tallystick.lithic.committee.request import NOBODY
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain

# The contract's own: how long a request lasts at most, and how long proofs are taken after the end of its reveals.
_REQUEST_S_MAX = 3 * 86_400
_PROOF_S = 3 * 86_400


class Answerer(Protocol):
    """Computes the answer of one model."""

    def answer(self, terms: Terms, data: bytes) -> int:
        """Return the answer to the input `data`, within the terms' bounds.

        raises  TallystickError when there is none; the provider then does not commit
        """
        ...


@dataclass(frozen=True)
class Service:
    """What a provider does for one model.

    answerer   computes
    cost       what it charges for an answer, in the smallest unit of the committee's coin
    stake_max  the most that it puts at risk for one, in the same
    kernel     the contract that it lets judge it, NOBODY for none
    """

    answerer: Answerer
    cost: int = 0
    stake_max: int = 2**256 - 1
    kernel: str = NOBODY


@dataclass(frozen=True)
class Done:
    """One thing that a step did, or would not do: for the operator to read."""

    deed: str
    request_id: bytes
    detail: str = ""


@dataclass
class _Watched:
    terms: Terms
    data: bytes
    refusal: str = ""
    over_since_s: float = 0.0


class Provider:
    """The provider whose account is the outbox's and whose answers `signer` signs.

    services     model digest to what is done for it
    first_block  before it the contract has no event; nothing is read that is older than a request can last
    clock        seconds since 1970. Where the chain stands still and a deadline has passed by the clock, the provider
                 sends itself a transfer of nothing, so that there is a block of that time
    """

    def __init__(
        self,
        contract: Committee,
        outbox: Outbox,
        signer: Account,
        journal: Journal,
        services: Mapping[bytes, Service],
        *,
        clock: Callable[[], float],
        first_block: int = 0,
    ) -> None:
        self._contract = contract
        self._outbox = outbox
        self._signer = signer
        self._journal = journal
        self._services = services
        self._clock = clock
        self._domain = assurance_domain(outbox.node.chain_id, contract.address)
        self._first_block = first_block
        self._next_block: int | None = None
        self._watched: dict[bytes, _Watched] = {}
        self._others: set[bytes] = set()  # requests that do not name us
        self._done: list[Done] = []

    @property
    def account(self) -> str:
        """The provider's address."""
        return self._outbox.account.address

    def step(self) -> list[Done]:
        """Do what is due now, and return what was done; raises Unavailable when the chain does not answer."""
        self._done = []
        self._look()
        self._outbox.work()
        for request_id, watched in list(self._watched.items()):
            state = self._contract.request_at(request_id)
            if state.state != RequestState.OPEN:
                self._note("over", request_id, RequestState(state.state).name.lower())
                del self._watched[request_id]
                continue
            self._serve(request_id, watched, state)
        self._tidy()
        return self._done

    def collect(self) -> int:
        """Take the coins that wait, if any; return how many.

        raises  Rejected "coins: transfer refused", "coins: other amount moved" where the coin is a token that does not
                pay; they wait on
        """
        waiting = self._contract.credit_of(self.account)
        if waiting:
            key = f"collect {waiting} at {self._outbox.node.block_number()}"
            row = self._send(key, self._contract.collect())
            if row.error_code is not None:
                raise Rejected(row.error_code, row.error_message or "")
        return waiting

    # --- seeing

    def _look(self) -> None:
        """Take note of requests that name this provider; the newest blocks are looked at again, they may change."""
        node = self._outbox.node
        head = node.block_number()
        if self._next_block is None:
            self._next_block = first_block_since(node, self._first_block, head, self._clock() - _REQUEST_S_MAX)
        first = max(self._first_block, min(self._next_block, head - INDEX_UNSETTLED_BLOCKS))
        while first <= head:
            last = min(head, first + INDEX_RANGE_BLOCKS - 1)
            for log in node.logs(self._contract.address, [RequestOpened.topic], from_block=first, to_block=last):
                self._watch(log)
            first = self._next_block = last + 1

    def _watch(self, log: Log) -> None:
        opened = RequestOpened.decode(log)
        if opened.request_id in self._watched or opened.request_id in self._others:
            return
        try:
            state = self._contract.request_at(opened.request_id)
        except Rejected:
            return  # a reorganisation took it away
        if state.state != RequestState.OPEN:
            return
        terms = self._contract.terms_of(opened.request_id)
        if self.account in terms.members:
            self._watched[opened.request_id] = _Watched(terms, opened.input)
            self._note("seen", opened.request_id)
        elif len(self._others) < NODE_JOBS_MAX:
            self._others.add(opened.request_id)

    # --- doing

    def _serve(self, request_id: bytes, watched: _Watched, state: Request) -> None:
        seat = self._contract.seat_of(request_id, self.account)
        now_s = self._outbox.node.block().timestamp
        is_committed = any(seat.commitment)
        is_committing_over = now_s > state.commit_until or state.commits == len(watched.terms.members)
        if not is_committed and not is_committing_over:
            self._commit(request_id, watched, state)
        elif is_committed and not seat.revealed and not seat.slashed and is_committing_over:
            self._reveal(request_id, state, seat)
        elif _is_over(watched.terms, state, now_s, is_committing_over=is_committing_over):
            self._settle(request_id, watched, state)
        else:
            self._push_time(state, now_s)

    def _commit(self, request_id: bytes, watched: _Watched, state: Request) -> None:
        job = self._journal.find(request_id, state.reveal_until)
        if job is None:
            output = self._answer(request_id, watched, state)
            if output is None:
                return
            job = self._sign(request_id, watched.terms, state, output)
            self._journal.write(job)
        self._send(f"commit {request_id.hex()} {state.reveal_until}", self._contract.commit(request_id, job.commitment))
        self._note("commit", request_id)

    def _answer(self, request_id: bytes, watched: _Watched, state: Request) -> int | None:
        """Return the answer, or None for a request that is declined, for good or for now."""
        if watched.refusal:
            return None
        watched.refusal = self._refusal(watched, state)
        if not watched.refusal:
            try:
                return self._computed(watched)
            except Unavailable as error:
                self._note("waiting", request_id, str(error))  # it may answer at the next step
                return None
            except TallystickError as error:
                watched.refusal = str(error)
        self._note("declined", request_id, watched.refusal)
        return None

    def _refusal(self, watched: _Watched, state: Request) -> str:
        """Return why this request is not for us, "" if it is."""
        terms = watched.terms
        service = self._services.get(terms.model_digest)
        if service is None:
            return "no such model here"
        if service.cost > terms.fee:
            return "the fee is too low"
        if terms.stake > service.stake_max:
            return "the stake is too high"
        if terms.kernel not in (NOBODY, service.kernel):
            return "another judge than ours"
        if sha256(watched.data) != terms.input_digest:
            return "the node shows another input"
        if self._clock() > state.commit_until - NODE_REVEAL_MARGIN_S:
            return "too late"
        provider = self._contract.provider_at(self.account)
        if provider.signer != self._signer.address:
            return "the chain names another key than ours"
        if provider.bond < provider.locked + provider.leaving + terms.stake:
            return "the bond is in use"
        return ""

    def _computed(self, watched: _Watched) -> int:
        terms = watched.terms
        output = self._services[terms.model_digest].answerer.answer(terms, watched.data)
        if not terms.low <= output <= terms.high:
            raise InvalidInput(
                "node.output", "the answer is out of bounds", expected=f"{terms.low} to {terms.high}", got=output
            )
        return output

    def _sign(self, request_id: bytes, terms: Terms, state: Request, output: int) -> Job:
        cost = self._services[terms.model_digest].cost
        answer = AssuredAnswer(
            request_id, state.consumer, terms.model_digest, terms.input_digest, (output,), Mode.COMMITTEE, cost,
            state.reveal_until, state.nonce,
        )  # fmt: skip
        digest = answer.digest(self._domain)
        signature = self._signer.sign_digest(digest)
        salt = secrets.token_bytes(32)
        return Job(request_id, state.reveal_until, self.account, output, cost, salt, digest, signature)

    def _reveal(self, request_id: bytes, state: Request, seat: Seat) -> None:
        job = self._journal.find(request_id, state.reveal_until)
        if job is None or job.commitment != seat.commitment:
            self._note("lost", request_id, "committed to an answer that is not in the journal")
            return
        call = self._contract.reveal(request_id, self.account, job.output, job.cost, job.salt, job.signature)
        self._send(f"reveal {request_id.hex()} {state.reveal_until}", call)
        self._note("reveal", request_id)

    def _settle(self, request_id: bytes, watched: _Watched, state: Request) -> None:
        """Settle, in turn: members that all called at once would pay for calls that come too late."""
        watched.over_since_s = watched.over_since_s or self._clock()
        turn_s = NODE_SETTLE_TURN_S * watched.terms.members.index(self.account)
        if self._clock() >= watched.over_since_s + turn_s:
            self._send(f"settle {request_id.hex()} {state.reveal_until}", self._contract.settle(request_id))
            self._note("settle", request_id)

    def _push_time(self, state: Request, now_s: int) -> None:
        """Make a block where the next deadline has passed by the clock and the chain stands still before it."""
        deadline = state.commit_until if now_s <= state.commit_until else state.reveal_until
        if now_s <= deadline < int(self._clock()):
            self._send(f"let time pass {deadline} after {now_s}", Call(self.account, b""))

    def _send(self, key: str, call: Call) -> Row:
        """Hand a call to the outbox; one that was mined and reverted, as after a reorganisation, is sent anew."""
        row = self._outbox.send(call, key=key)
        for attempt in range(1, NODE_SENDS_MAX):
            if row.receipt is None or row.receipt.succeeded:
                break
            row = self._outbox.send(call, key=f"{key} again {attempt}")
        return row

    def _tidy(self) -> None:
        """Forget jobs that no proof can reach any more."""
        now_s = self._outbox.node.block().timestamp
        for job in self._journal.jobs():
            if now_s > job.deadline + _PROOF_S:
                self._journal.forget(job)

    def _note(self, deed: str, request_id: bytes, detail: str = "") -> None:
        self._done.append(Done(deed, request_id, detail))


def _is_over(terms: Terms, state: Request, now_s: int, *, is_committing_over: bool) -> bool:
    """Tell whether the contract would settle."""
    if now_s > state.reveal_until:
        return True
    return is_committing_over and (state.commits < terms.threshold or state.commits == state.reveals)


def first_block_since(node: Node, first: int, head: int, time_s: float) -> int:
    """Return the first block from `first` on whose time is `time_s` or later, by bisection; `head` if there is none."""
    last = head
    while first < last:
        middle = (first + last) // 2
        if node.block(middle).timestamp >= time_s:
            last = middle
        else:
            first = middle + 1
    return last
