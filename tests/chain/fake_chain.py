"""A chain that forks, drops, delays and lies dead under a seed: the seam at which the outbox meets a node.

It answers the JSON-RPC methods that the outbox uses, in a node's own words. `test_fake_chain.py` holds it to anvil on
a common script. Three addresses have code: `REFUSE` reverts always, `ONCE` on data it has seen, `AFTER` on data that
`ONCE` has not seen. All others take what they are given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import rlp
from eth_account import Account as EthAccount

from tallystick.core.digest import keccak
from tallystick.core.errors import Unavailable
from tallystick.core.ids import checksum_address

REFUSE = checksum_address(b"\xfe" * 20)
ONCE = checksum_address(b"\x0c" * 20)
AFTER = checksum_address(b"\xaf" * 20)
ETHER = 10**18
TRANSFER_GAS = 21_000


@dataclass(frozen=True)
class Sent:
    """A transaction as the pool and the blocks hold it."""

    raw: bytes
    hash: bytes
    sender: str
    nonce: int
    to: str | None
    value: int
    data: bytes
    gas: int
    cap: int
    tip: int


@dataclass(frozen=True)
class State:
    """Accounts after a block."""

    nonces: dict[str, int] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    seen: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class FakeBlock:
    """A block, its transactions with whether each succeeded, and the state after it."""

    number: int
    hash: bytes
    parent_hash: bytes
    base_fee: int
    transactions: tuple[tuple[Sent, bool], ...]
    state: State


class FakeChain:
    """A provider with a chain behind it, and handles to misbehave.

    final_depth   blocks on top that make a block final; a reorganisation never goes deeper
    is_down       every request fails before it arrives
    lost_answers  so many coming requests are carried out and their answers lost
    lag_max       each read sees the chain up to so many blocks late, as behind a balancer
    hurry_max     up to so many blocks are added before each request
    """

    def __init__(
        self, balances: dict[str, int], *, seed: int = 0, final_depth: int = 4, chain_id: int = 31_337
    ) -> None:
        self.random = random.Random(seed)
        self.chain_id = chain_id
        self.final_depth = final_depth
        self.base_fee = 10**9
        self.is_down = False
        self.is_instant = False
        self.lost_answers = 0
        self.lag_max = 0
        self.hurry_max = 0
        self.ever: list[Sent] = []
        self.pool: dict[tuple[str, int], Sent] = {}
        genesis = FakeBlock(0, keccak(b"genesis"), bytes(32), self.base_fee, (), State(balances=dict(balances)))
        self.blocks = [genesis]
        self._final = 0

    # --- what goes wrong

    def mine(self, count: int = 1, *, share: float = 1.0) -> None:
        """Add blocks; each takes what it can from the pool, or leaves a transaction out with chance 1 - `share`."""
        for _ in range(count):
            self._add_block(share)
        self._final = max(self._final, len(self.blocks) - 1 - self.final_depth)

    def reorganize(self, depth: int, *, keep: float = 1.0) -> None:
        """Replace the newest blocks by one more; a transaction returns to the pool with chance `keep`."""
        depth = min(depth, len(self.blocks) - 1 - self._final)
        dropped = self.blocks[len(self.blocks) - depth :]
        del self.blocks[len(self.blocks) - depth :]
        for sent in (sent for block in dropped for sent, _ in block.transactions):
            if self.random.random() < keep:
                self.pool.setdefault((sent.sender, sent.nonce), sent)
        self.mine(depth + 1, share=self.random.choice([0.0, 0.5, 1.0]))

    def drop_pool(self) -> None:
        """Forget every transaction that is not mined."""
        self.pool.clear()

    def place(self, raw: bytes) -> None:
        """Put a transaction into the pool as if it came through another node."""
        sent = _decode(raw)
        self.ever.append(sent)
        if sent.nonce >= self.state.nonces.get(sent.sender, 0):
            self.pool[sent.sender, sent.nonce] = sent

    def remember(self) -> None:
        """Offer again what any pool of the network ever held, one at random for each nonce: nothing sent is unsent."""
        for sent in self.random.sample(self.ever, len(self.ever)):
            if sent.nonce >= self.state.nonces.get(sent.sender, 0):
                self.pool[sent.sender, sent.nonce] = sent

    # --- what is true

    @property
    def state(self) -> State:
        """Accounts at the head."""
        return self.blocks[-1].state

    def executed(self) -> Iterator[tuple[Sent, bool]]:
        """Yield every transaction of the canonical chain and whether it succeeded."""
        for block in self.blocks:
            yield from block.transactions

    # --- as a provider

    def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
        """Answer one request as a node would, or not at all."""
        if self.is_down:
            raise Unavailable("rpc.unreachable", "cannot reach the fake node")
        self.mine(self.random.randint(0, self.hurry_max))
        head = max(len(self.blocks) - 1 - self.random.randint(0, self.lag_max), self._final)
        handler: Callable[..., Any] | None = getattr(self, f"_{method}", None)
        if handler is None:
            answer: dict[str, Any] = {"error": {"code": -32601, "message": "Method not found"}}
        else:
            try:
                answer = {"result": handler(head, *params)}
            except _Fault as fault:
                answer = {"error": fault.error}
        if self.is_instant and method == "eth_sendRawTransaction":
            self.mine()
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("rpc.timeout", "no answer from the fake node")
        return {"jsonrpc": "2.0", "id": 1, **answer}

    def _eth_chainId(self, head: int) -> str:
        return hex(self.chain_id)

    def _eth_blockNumber(self, head: int) -> str:
        return hex(head)

    def _eth_getBlockByNumber(self, head: int, at: str, full: bool) -> dict[str, Any] | None:
        number = self._number(head, at)
        return _render_block(self.blocks[number]) if number <= head else None

    def _eth_getTransactionCount(self, head: int, address: str, at: str) -> str:
        return hex(self._state(head, at).nonces.get(address, 0))

    def _eth_getBalance(self, head: int, address: str, at: str) -> str:
        return hex(self._state(head, at).balances.get(address, 0))

    def _eth_getCode(self, head: int, address: str, at: str) -> str:
        return "0xfe" if address in (REFUSE, ONCE, AFTER) else "0x"

    def _eth_maxPriorityFeePerGas(self, head: int) -> str:
        return hex(10**9)

    def _eth_estimateGas(self, head: int, call: dict[str, str], at: str) -> str:
        self._execute(head, call, at)
        return hex(_gas_of(bytes.fromhex(call["data"][2:])))

    def _eth_call(self, head: int, call: dict[str, str], at: str) -> str:
        self._execute(head, call, at)
        return "0x"

    def _eth_getTransactionByHash(self, head: int, wanted: str) -> dict[str, Any] | None:
        for sent in [*self.pool.values(), *(sent for sent, _ in self.executed())]:
            if "0x" + sent.hash.hex() == wanted:
                return _render_sent(sent)
        return None

    def _eth_getTransactionReceipt(self, head: int, wanted: str) -> dict[str, Any] | None:
        for block in self.blocks[: head + 1]:
            for index, (sent, succeeded) in enumerate(block.transactions):
                if "0x" + sent.hash.hex() == wanted:
                    return _render_receipt(block, index, sent, succeeded)
        return None

    def _eth_sendRawTransaction(self, head: int, raw: str) -> str:
        sent = _decode(bytes.fromhex(raw[2:]))
        place = (sent.sender, sent.nonce)
        known = self.pool.get(place)
        if known is not None and known.hash == sent.hash:
            raise _Fault(-32000, "already known")
        if sent.nonce < self.state.nonces.get(sent.sender, 0):
            raise _Fault(-32000, "nonce too low")
        if self.state.balances.get(sent.sender, 0) < sent.gas * sent.cap + sent.value:
            raise _Fault(-32003, "Insufficient funds for gas * price + value")
        if known is not None and (10 * sent.cap < 11 * known.cap or 10 * sent.tip < 11 * known.tip):
            raise _Fault(-32003, "replacement transaction underpriced")
        self.pool[place] = sent
        self.ever.append(sent)
        return "0x" + sent.hash.hex()

    # --- inside

    def _number(self, head: int, at: str) -> int:
        tags = {"latest": head, "pending": head, "finalized": self._final, "safe": self._final, "earliest": 0}
        return tags[at] if at in tags else int(at, 16)

    def _state(self, head: int, at: str) -> State:
        number = self._number(head, at)
        if number > head:
            raise _Fault(-32602, f"BlockOutOfRangeError: block height is {head} but requested was {number}")
        return self.blocks[number].state

    def _execute(self, head: int, call: dict[str, str], at: str) -> None:
        refusal = _refusal(call.get("to"), bytes.fromhex(call["data"][2:]), self._state(head, at))
        if refusal is not None:
            reason = refusal.encode()
            words = [b"\x20".rjust(32, b"\0"), len(reason).to_bytes(32, "big"), reason.ljust(32, b"\0")]
            data = "0x08c379a0" + b"".join(words).hex()
            raise _Fault(3, f"execution reverted: {refusal}", data)

    def _add_block(self, share: float) -> None:
        parent = self.blocks[-1]
        state, included = parent.state, []
        waiting = True
        while waiting:
            waiting = False
            for place, sent in sorted(self.pool.items()):
                if sent.nonce < state.nonces.get(sent.sender, 0):
                    del self.pool[place]
                    continue
                is_next = sent.nonce == state.nonces.get(sent.sender, 0) and sent.cap >= self.base_fee
                if is_next and self.random.random() < share:
                    state, succeeded = _apply(state, sent, self.base_fee)
                    included.append((sent, succeeded))
                    del self.pool[place]
                    waiting = True
        salt = self.random.randbytes(8)
        name = keccak(parent.hash + salt + b"".join(sent.hash for sent, _ in included))
        block = FakeBlock(parent.number + 1, name, parent.hash, self.base_fee, tuple(included), state)
        self.blocks.append(block)


class _Fault(Exception):
    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


def _gas_of(data: bytes) -> int:
    return TRANSFER_GAS + 16 * len(data)


def _refusal(to: str | None, data: bytes, state: State) -> str | None:
    if to == REFUSE:
        return "refuse: always"
    if to == AFTER and data not in state.seen:
        return "after: not yet"
    return "once: seen already" if to == ONCE and data in state.seen else None


def _apply(state: State, sent: Sent, base_fee: int) -> tuple[State, bool]:
    succeeded = _refusal(sent.to, sent.data, state) is None
    price = min(sent.cap, base_fee + sent.tip)
    balances = dict(state.balances)
    value = sent.value if succeeded else 0
    balances[sent.sender] -= _gas_of(sent.data) * price + value
    if sent.to is not None:
        balances[sent.to] = balances.get(sent.to, 0) + value
    nonces = {**state.nonces, sent.sender: sent.nonce + 1}
    seen = state.seen | {sent.data} if succeeded and sent.to == ONCE else state.seen
    return replace(state, nonces=nonces, balances=balances, seen=seen), succeeded


def _decode(raw: bytes) -> Sent:
    if raw[0] != 2:
        raise _Fault(-32602, "only type 2 here")
    fields = rlp.decode(raw[1:])
    number = [int.from_bytes(item, "big") if isinstance(item, bytes) else 0 for item in fields]
    return Sent(
        raw=raw,
        hash=keccak(raw),
        sender=EthAccount.recover_transaction(raw),
        nonce=number[1],
        to=checksum_address(fields[5]) if fields[5] else None,
        value=number[6],
        data=fields[7],
        gas=number[4],
        cap=number[3],
        tip=number[2],
    )


def _render_block(block: FakeBlock) -> dict[str, Any]:
    zero = "0x" + "00" * 32
    return {
        "number": hex(block.number),
        "hash": "0x" + block.hash.hex(),
        "parentHash": "0x" + block.parent_hash.hex(),
        "timestamp": hex(1_700_000_000 + 12 * block.number),
        "baseFeePerGas": hex(block.base_fee),
        "gasLimit": hex(30_000_000),
        "gasUsed": hex(sum(_gas_of(sent.data) for sent, _ in block.transactions)),
        "miner": "0x" + "00" * 20,
        "stateRoot": zero,
        "transactionsRoot": zero,
        "receiptsRoot": zero,
        "logsBloom": "0x" + "00" * 256,
        "sha3Uncles": zero,
        "difficulty": "0x0",
        "extraData": "0x",
        "mixHash": zero,
        "nonce": "0x" + "00" * 8,
        "transactions": ["0x" + sent.hash.hex() for sent, _ in block.transactions],
    }


def _render_sent(sent: Sent) -> dict[str, Any]:
    return {
        "hash": "0x" + sent.hash.hex(),
        "type": "0x2",
        "from": sent.sender,
        "to": sent.to,
        "nonce": hex(sent.nonce),
        "value": hex(sent.value),
        "input": "0x" + sent.data.hex(),
        "gas": hex(sent.gas),
        "gasPrice": hex(sent.cap),
        "maxFeePerGas": hex(sent.cap),
        "maxPriorityFeePerGas": hex(sent.tip),
    }


def _render_receipt(block: FakeBlock, index: int, sent: Sent, succeeded: bool) -> dict[str, Any]:
    used = [_gas_of(one.data) for one, _ in block.transactions[: index + 1]]
    return {
        "transactionHash": "0x" + sent.hash.hex(),
        "transactionIndex": hex(index),
        "blockHash": "0x" + block.hash.hex(),
        "blockNumber": hex(block.number),
        "from": sent.sender,
        "to": sent.to,
        "contractAddress": None,
        "status": hex(succeeded),
        "type": "0x2",
        "gasUsed": hex(used[-1]),
        "cumulativeGasUsed": hex(sum(used)),
        "effectiveGasPrice": hex(min(sent.cap, block.base_fee + sent.tip)),
        "logsBloom": "0x" + "00" * 256,
        "logs": [],
    }
