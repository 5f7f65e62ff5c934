"""The typed client of one EVM node: everything above this file speaks to a chain through `Node` alone.

A `Node` wraps any web3.py provider (ours over py-evm, ours over HTTP, or another) and uses only its `make_request`
and, where present, `make_batch_request`. Answers are read strictly (`wire.py`, `facts.py`), refusals are sorted by who
must act (`reverts.py`). It believes the node; `evidence.py` recomputes what the node's own answers allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

from tallystick.chain.calls import BlockId, Call, Log
from tallystick.chain.facts import AccountProof, Block, Transaction, TxReceipt, read_log
from tallystick.chain.log_query import LogQuery, Topics
from tallystick.chain.reverts import error_of_answer
from tallystick.chain.trials import WENT_THROUGH, call_object, read_trial, trial
from tallystick.chain.wire import (
    bad_answer,
    read_data,
    read_fixed,
    read_hash,
    read_list,
    read_object,
    read_quantity,
    read_text,
    write_block,
    write_data,
    write_hash,
    write_quantity,
)
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import RPC_BATCH_MAX

T = TypeVar("T")

Reader = Callable[[object, str], T]

_read_word = read_fixed(32)


class Provider(Protocol):
    """What a `Node` needs of a web3.py provider."""

    def make_request(self, method: Any, params: Any) -> Any:
        """Return the JSON-RPC answer object to one request."""
        ...


class Node:
    """One chain, as one node tells it.

    Every method raises Unavailable when the node cannot be reached or is behind, InvalidInput "rpc.answer" when it
    answers nonsense. Blocks are named by number, 32-byte hash, or tag; addresses are checksum strings, hashes bytes.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._contracts: set[str] = set()

    @cached_property
    def chain_id(self) -> int:
        """The chain id that transactions must be signed for."""
        return self.request("eth_chainId", [], read_quantity)

    @cached_property
    def client_version(self) -> str:
        """The node's name for itself; for people, nothing is decided by it."""
        return self.request("web3_clientVersion", [], read_text)

    @cached_property
    def genesis_hash(self) -> bytes:
        """The hash of block 0, which tells two chains of the same id apart."""
        return self.block(0).hash

    def block_number(self) -> int:
        """Return the number of the newest block."""
        return self.request("eth_blockNumber", [], read_quantity)

    def block(self, at: BlockId = "latest", *, full: bool = False, verified: bool = False) -> Block:
        """Return a block; with `full` its transactions too, with `verified` after recomputing its hash.

        raises  Unavailable "rpc.block_unknown" when the node has no such block;
                VerificationFailed "block.hash" when `verified` and the fields do not hash to it,
                "block.other" when the node answers with another block than asked for
        """
        block = self.find_block(at, full=full)
        if block is None:
            raise Unavailable("rpc.block_unknown", "the node has no such block", got=_show(at), hint="it may be behind")
        if verified:
            from tallystick.chain.evidence import verify_block_hash  # its trie library is slow to import

            verify_block_hash(block)
        return block

    def find_block(self, at: BlockId, *, full: bool = False) -> Block | None:
        """Return a block, or None when the node has no such block (not yet, or no longer)."""
        by_hash = isinstance(at, bytes)
        method = "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber"
        name = write_data(at) if isinstance(at, bytes) and write_block(at) else write_block(at)
        block = self.request(method, [name, full], lambda v, w: None if v is None else Block.read(v, full=full, what=w))
        if block is not None and not isinstance(at, str) and (block.hash if by_hash else block.number) != at:
            got = block.hash if by_hash else block.number
            raise VerificationFailed(
                "block.other", "the node answered with another block", expected=_show(at), got=_show(got)
            )
        return block

    def finalized(self) -> Block | None:
        """Return the newest block that the network has declared final, or None where the node knows no finality."""
        return self._tagged("finalized")

    def safe(self) -> Block | None:
        """Return the newest block that the network deems safe, or None where the node knows no such tag."""
        return self._tagged("safe")

    def call(self, to: str, data: bytes, *, at: BlockId = "latest", sender: str | None = None, value: int = 0) -> bytes:
        """Return what the contract at `to` answers to `data`, executed on the state after block `at`.

        raises  Rejected "<reason>" when it reverts; InvalidInput "chain.no_contract" when there is no code at `to`
        """
        params = call_object(to, data, sender, value)
        answer = self.request("eth_call", [params, write_block(at)], read_data)
        if not answer and data:
            self.check_contract(to, at=at)
        return answer

    def check_contract(self, address: str, *, at: BlockId = "latest") -> None:
        """Return if there is code at `address`.

        raises  InvalidInput "chain.no_contract"

        The EVM answers calls to nowhere with success and no bytes, which would read as an answer.
        """
        if address in self._contracts:
            return
        if not self.code(address, at):
            raise InvalidInput(
                "chain.no_contract",
                "there is no contract at this address",
                expected="code",
                got=address,
                hint="check the address and the chain; deploy the contracts first",
            )
        if at in ("latest", "finalized"):
            self._contracts.add(address)

    def code(self, address: str, at: BlockId = "latest") -> bytes:
        """Return the runtime code at `address`, empty for an account without."""
        return self.request("eth_getCode", [parse_address(address), write_block(at)], read_data)

    def balance(self, address: str, at: BlockId = "latest") -> int:
        """Return the balance of `address` in wei."""
        return self.request("eth_getBalance", [parse_address(address), write_block(at)], read_quantity)

    def nonce(self, address: str, at: BlockId = "latest") -> int:
        """Return how many transactions of `address` the chain holds at block `at`."""
        return self.request("eth_getTransactionCount", [parse_address(address), write_block(at)], read_quantity)

    def storage(self, address: str, slot: int, at: BlockId = "latest") -> bytes:
        """Return the 32 bytes in storage slot `slot` of `address`."""
        return self.request(
            "eth_getStorageAt", [parse_address(address), write_quantity(slot), write_block(at)], _read_word
        )

    def logs(
        self,
        addresses: str | Iterable[str] | None = None,
        topics: Topics = (),
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        block_hash: bytes | None = None,
    ) -> list[Log]:
        """Return the logs of a range of blocks, both ends included, or of one block by hash, in chain order.

        addresses  one, several, or None for all
        topics     by position: a 32-byte value, several of which one must match, or None for any
        raises     InvalidInput "rpc.log_range" for a range that is none; "rpc.too_many_logs" beyond LOGS_MAX;
                   VerificationFailed "logs.stray" for a log that does not match what was asked

        A range the node finds too long is halved until it is accepted. Two pages may see two sides of a reorg: who
        cannot bear that asks by `block_hash`.
        """
        query = LogQuery(addresses, topics)
        if block_hash is None:
            last = self.block_number() if to_block is None else to_block
            return query.in_range(self._ask_logs, from_block or 0, last)
        if from_block is not None or to_block is not None:
            raise InvalidInput("rpc.log_range", "a block hash and a range exclude each other")
        return query.in_block(self._ask_logs, block_hash)

    def transaction(self, transaction_hash: bytes) -> Transaction | None:
        """Return a transaction, mined or pending, or None when the node does not know it."""
        return self.request(
            "eth_getTransactionByHash",
            [write_hash(transaction_hash)],
            lambda v, w: None if v is None else Transaction.read(v, w),
        )

    def receipt(self, transaction_hash: bytes) -> TxReceipt | None:
        """Return the receipt of a mined transaction, or None while it is not in the chain."""
        return self.receipts([transaction_hash])[0]

    def receipts(self, transaction_hashes: Sequence[bytes]) -> list[TxReceipt | None]:
        """Return the receipts of several transactions, in the order asked, None for those not in the chain."""

        def read(value: object, what: str) -> TxReceipt | None:
            return None if value is None else TxReceipt.read(value, what)

        requests = [("eth_getTransactionReceipt", [write_hash(h)]) for h in transaction_hashes]
        receipts: list[TxReceipt | None] = []
        for wanted, answer in zip(transaction_hashes, self.request_batch(requests, read), strict=True):
            if isinstance(answer, TallystickError):
                raise answer
            if answer is not None and answer.transaction_hash != wanted:
                raise VerificationFailed(
                    "receipt.other",
                    "the node answered with another receipt",
                    expected=_show(wanted),
                    got=_show(answer.transaction_hash),
                )
            receipts.append(answer)
        return receipts

    def block_receipts(self, at: BlockId) -> tuple[TxReceipt, ...]:
        """Return all receipts of a block in order; `evidence.verify_receipts` proves that they are all.

        raises  Unavailable "rpc.block_unknown"; InvalidInput "rpc.method_unknown" where eth_getBlockReceipts is lacking
        """
        receipts = self.request(
            "eth_getBlockReceipts",
            [write_block(at)],
            lambda v, w: None if v is None else read_list(v, w, TxReceipt.read),
        )
        if receipts is None:
            raise Unavailable("rpc.block_unknown", "the node has no such block", got=_show(at), hint="it may be behind")
        return receipts

    def send_raw(self, raw: bytes) -> bytes:
        """Hand a signed transaction to the node and return its hash; one it already knows counts as handed over.

        raises  Rejected with one of `chain.nonce_too_low`, `chain.nonce_too_high`, `chain.underpriced`,
                `chain.replacement_underpriced`, `chain.insufficient_funds`, …; VerificationFailed "send.hash" when the
                node names another hash. After Unavailable the outcome is unknown: look the hash up.
        """
        answer = self.send_raw_batch([raw])[0]
        if isinstance(answer, TallystickError):
            raise answer
        return answer

    def send_raw_batch(self, raws: Sequence[bytes]) -> list[bytes | TallystickError]:
        """Hand over several signed transactions in order; return for each its hash or what the node said of it."""
        answers = self.request_batch([("eth_sendRawTransaction", [write_data(raw)]) for raw in raws], read_hash)
        outcomes: list[bytes | TallystickError] = []
        for raw, answer in zip(raws, answers, strict=True):
            expected = keccak(raw)
            if isinstance(answer, Rejected) and answer.code == "chain.already_known":
                outcomes.append(expected)
            elif isinstance(answer, bytes) and answer != expected:
                outcomes.append(
                    VerificationFailed(
                        "send.hash", "the node names another hash", expected=_show(expected), got=_show(answer)
                    )
                )
            else:
                outcomes.append(answer)
        return outcomes

    def estimate_gas(self, to: str | None, data: bytes, *, sender: str, value: int = 0, at: BlockId = "latest") -> int:
        """Return the gas that the call would need after block `at`, with no margin.

        raises  Rejected "<reason>" when it would revert
        """
        answer = self.simulate([Call(to, data, value)], sender=sender, at=at)[0]
        if isinstance(answer, TallystickError):
            raise answer
        return answer

    def simulate(
        self, calls: Sequence[Call], *, sender: str, at: BlockId = "latest", gas: Sequence[int | None] = ()
    ) -> list[int | TallystickError]:
        """Return for each call, alone on the state after block `at`, the gas it needs or why it would be refused.

        gas  a limit for each call; one that has a limit is tried once, with it, and the limit is returned
        """
        limits = gas or [None] * len(calls)
        requests = [trial(call, sender, limit, write_block(at)) for call, limit in zip(calls, limits, strict=True)]
        answers = self.request_batch(requests, read_trial)
        return [limit if limit and one == WENT_THROUGH else one for one, limit in zip(answers, limits, strict=True)]

    def tip_suggestion(self) -> int:
        """Return the tip that the node thinks gets a transaction in, in wei per gas; 0 where it has no opinion."""
        try:
            return self.request("eth_maxPriorityFeePerGas", [], read_quantity)
        except (InvalidInput, Rejected):
            return 0

    def gas_price(self) -> int:
        """Return the node's price for a legacy transaction, in wei per gas."""
        return self.request("eth_gasPrice", [], read_quantity)

    def proof(self, address: str, slots: Sequence[int] = (), at: BlockId = "latest") -> AccountProof:
        """Return an account and storage slots with their Merkle-Patricia paths, not yet checked.

        Check it against a block's `state_root` with `evidence.verify_account_proof`.
        """
        words = [write_data(slot.to_bytes(32, "big")) for slot in slots]
        return self.request(
            "eth_getProof", [parse_address(address), words, write_block(at)], lambda v, w: AccountProof.read(v, w)
        )

    def request(self, method: str, params: Sequence[object], read: Reader[T]) -> T:
        """Send one request and return what `read` makes of its result.

        raises  what `error_of_answer` builds, or `read` raises
        """
        answer = _read_answer(method, self.provider.make_request(method, list(params)), read)
        if isinstance(answer, TallystickError):
            raise answer
        return answer

    def request_batch(
        self, requests: Sequence[tuple[str, Sequence[object]]], read: Reader[T]
    ) -> list[T | TallystickError]:
        """Send several requests, a hundred at a time; return for each what was read or the error that answered it."""
        make_batch = getattr(self.provider, "make_batch_request", None)
        if len(requests) < 2 or make_batch is None:
            return [_read_answer(m, self.provider.make_request(m, list(p)), read) for m, p in requests]
        results: list[T | TallystickError] = []
        for start in range(0, len(requests), RPC_BATCH_MAX):
            part = requests[start : start + RPC_BATCH_MAX]
            answers = make_batch([(method, list(params)) for method, params in part])
            if isinstance(answers, Mapping):  # the whole batch was refused with one error
                raise error_of_answer("batch", answers.get("error"))
            if not isinstance(answers, list) or len(answers) != len(part):
                raise bad_answer("batch", f"a list of {len(part)} answers", type(answers).__name__)
            results += [_read_answer(method, answer, read) for (method, _), answer in zip(part, answers, strict=True)]
        return results

    def close(self) -> None:
        """Let go of what the provider holds open: a file or connections."""
        close = getattr(self.provider, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _tagged(self, tag: str) -> Block | None:
        try:
            return self.find_block(tag)
        except (InvalidInput, Rejected) as error:
            if error.code == "rpc.answer":
                raise
            return None
        except Unavailable as error:
            if error.code != "rpc.block_unknown":  # geth before the merge: "finalized block not found"
                raise
            return None

    def _ask_logs(self, params: dict[str, object]) -> list[Log]:
        return self.request("eth_getLogs", [params], lambda v, w: list(read_list(v, w, read_log)))


def _read_answer(method: str, answer: object, read: Reader[T]) -> T | TallystickError:
    fields = read_object(answer, method)
    error = fields.get("error")
    if error is not None:
        return error_of_answer(method, error)
    if "result" not in fields:
        raise bad_answer(method, "a result or an error", sorted(fields))
    return read(fields["result"], method)


def _show(at: BlockId) -> str:
    return write_data(at) if isinstance(at, bytes) else str(at)
