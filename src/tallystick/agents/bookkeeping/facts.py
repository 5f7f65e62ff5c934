"""What the chain has of accounts in a range of blocks: transfers, authorizations, channels, balances, transactions.

All of it is read up to one block, by that block's hash where a balance is asked, and the chain is asked at the end
whether that block is still its own; a ledger of two forks would balance by accident or not at all. Only the logs of
tokens that the ledger is about count, and what a token logs that is no transfer is nobody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tallystick.agents.bookkeeping.books import Books
from tallystick.chain.bindings.payment_channels import (
    Claimed,
    Closed,
    Opened,
    PaymentChannels,
    Refunded,
    ToppedUp,
)
from tallystick.chain.bindings.token import AuthorizationUsed, Token, Transfer
from tallystick.chain.calls import Log
from tallystick.chain.coin import NATIVE
from tallystick.chain.deploy import read_coin_of
from tallystick.chain.facts import Block, TxReceipt
from tallystick.chain.log_query import Topics
from tallystick.chain.node import Node
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import LEDGER_TOPICS_MAX

ChannelEvent: TypeAlias = Opened | ToppedUp | Refunded | Claimed | Closed
_CHANNEL_EVENTS = (Opened, ToppedUp, Refunded, Claimed, Closed)


@dataclass(frozen=True)
class Moved:
    """One transfer of a token as one account has it."""

    account: str
    party: str
    token: str
    amount: int
    is_out: bool
    block: int
    log: int
    transaction: bytes


@dataclass(frozen=True)
class OnChannel:
    """Something that happened to a payment channel."""

    event: ChannelEvent
    contract: str
    coin: str
    block: int
    log: int
    transaction: bytes


@dataclass(frozen=True)
class Held:
    """What a channel has of its payer's, and what its payee had of it, before the first block and at the last."""

    contract: str
    coin: str
    payer: str
    opening: int
    closing: int
    claimed: int
    deposit: int
    is_closed: bool


@dataclass(frozen=True)
class Facts:
    """The blocks `first` to `last`, and the state before and after them.

    is_now    whether `last` was the newest block
    used      by transaction: token, authorizer and nonce of the authorizations that were used in it
    balances  by account and token, before and after; of the native coin too
    counts    by account: how many transactions it had sent before and after, which only keys do
    receipts  of the transactions that the books name; None for one that the chain does not have
    code      accounts that are contracts
    """

    chain_id: int
    first: int
    last: int
    last_at: int
    is_now: bool
    accounts: frozenset[str]
    tokens: tuple[str, ...]
    moves: tuple[Moved, ...]
    used: Mapping[bytes, frozenset[tuple[str, str, bytes]]]
    channels: tuple[OnChannel, ...]
    held: Mapping[bytes, Held]
    balances: Mapping[tuple[str, str], tuple[int, int]]
    counts: Mapping[str, tuple[int, int]]
    receipts: Mapping[bytes, TxReceipt | None]
    times: Mapping[int, int]
    code: frozenset[str]

    @property
    def network(self) -> str:
        """The chain as payments name it."""
        return f"eip155:{self.chain_id}"

    def has_block(self, number: int) -> bool:
        """Whether a block is in the range."""
        return self.first <= number <= self.last


def read_facts(
    node: Node, books: Books, accounts: frozenset[str], tokens: Iterable[str], contracts: Iterable[str], first: int,
    end: Block,
) -> Facts:  # fmt: skip
    """Return what the chain has of accounts in the blocks from `first` to `end`.

    tokens     that the ledger is about; those of channel contracts come along
    contracts  of channels
    raises     what `Node` raises; Unavailable "ledger.reorg" where the chain changed meanwhile
    """
    first = max(first, 1)
    before = node.block(min(first - 1, end.number))
    coins = {one: read_coin_of(node, one) for one in sorted(set(contracts)) if node.code(one, end.hash)}
    own = tuple(sorted({*tokens, *coins.values()} - {NATIVE}))
    moves = tuple(_moves(node, own, accounts, first, end.number))
    channels = tuple(_channels(node, coins, accounts, first, end.number))
    code = frozenset(one for one in accounts if node.code(one, end.hash))
    receipts = _receipts(node, books)
    blocks = {one.block for one in moves} | {one.block for one in channels}
    blocks |= {
        one.block_number for one in receipts.values() if one is not None and first <= one.block_number <= end.number
    }
    facts = Facts(
        chain_id=node.chain_id,
        first=first,
        last=end.number,
        last_at=end.timestamp,
        is_now=node.block_number() <= end.number,
        accounts=accounts,
        tokens=own,
        moves=moves,
        used=_used(node, own, accounts | books.payers(), first, end.number),
        channels=channels,
        held=_held(node, books, coins, accounts, channels, before, end),
        balances=_balances(node, own, accounts, before, end),
        counts={one: (node.nonce(one, before.hash), node.nonce(one, end.hash)) for one in accounts - code},
        receipts=receipts,
        times={number: node.block(number).timestamp for number in blocks},
        code=code,
    )
    if node.block(end.number).hash != end.hash:
        raise Unavailable("ledger.reorg", "the chain changed while it was read", got=end.number, hint="try again")
    return facts


def find_block(node: Node, at: int) -> int:
    """Return the number of the first block that is not earlier than a time, one beyond the newest where there is none.

    Times of blocks never fall, so halving finds it.
    """
    low, high = 0, node.block_number() + 1
    while low < high:
        middle = (low + high) // 2
        if node.block(middle).timestamp < at:
            low = middle + 1
        else:
            high = middle
    return low


def word(address: str) -> bytes:
    """Return an address as a topic."""
    return bytes(12) + bytes.fromhex(address[2:])


def _parts(addresses: Iterable[str]) -> Iterator[list[bytes]]:
    words = [word(one) for one in sorted(addresses)]
    for at in range(0, len(words), LEDGER_TOPICS_MAX):
        yield words[at : at + LEDGER_TOPICS_MAX]


def _logs(node: Node, addresses: Sequence[str], topics: Topics, first: int, last: int) -> list[Log]:
    """Return the logs of a range, of which an empty one has none."""
    return node.logs(addresses, topics, from_block=first, to_block=last) if first <= last else []


def _moves(node: Node, tokens: Sequence[str], accounts: frozenset[str], first: int, last: int) -> Iterator[Moved]:
    """Yield each side of each transfer, in chain order; one between two accounts has both."""
    found: dict[tuple[int, int], Log] = {}
    for part in _parts(accounts) if tokens else ():
        for topics in ((Transfer.topic, part), (Transfer.topic, None, part)):
            for log in _logs(node, tokens, topics, first, last):
                found[log.block_number, log.log_index] = log
    for (block, at), log in sorted(found.items()):
        try:
            one = Transfer.decode(log)
        except InvalidInput:
            continue
        for account, party, is_out in ((one.sender, one.receiver, True), (one.receiver, one.sender, False)):
            if account in accounts:
                yield Moved(account, party, log.address, one.amount, is_out, block, at, log.transaction_hash)


def _used(
    node: Node, tokens: Sequence[str], payers: frozenset[str], first: int, last: int
) -> dict[bytes, frozenset[tuple[str, str, bytes]]]:
    found: dict[bytes, set[tuple[str, str, bytes]]] = defaultdict(set)
    for part in _parts(payers) if tokens else ():
        for log in _logs(node, tokens, (AuthorizationUsed.topic, part), first, last):
            try:
                one = AuthorizationUsed.decode(log)
            except InvalidInput:
                continue
            found[log.transaction_hash].add((log.address, one.authorizer, one.nonce))
    return {transaction: frozenset(names) for transaction, names in found.items()}


def _channels(
    node: Node, coins: Mapping[str, str], accounts: frozenset[str], first: int, last: int
) -> Iterator[OnChannel]:
    topics = [one.topic for one in _CHANNEL_EVENTS]
    found: dict[tuple[int, int], Log] = {}
    for part in _parts(accounts) if coins else ():
        for asked in ((topics, None, part), (topics, None, None, part)):
            for log in _logs(node, tuple(coins), asked, first, last):
                found[log.block_number, log.log_index] = log
    kinds = {one.topic: one for one in _CHANNEL_EVENTS}
    for (block, at), log in sorted(found.items()):
        event = kinds[log.topics[0]].decode(log)
        yield OnChannel(event, log.address, coins[log.address], block, at, log.transaction_hash)


def _held(
    node: Node, books: Books, coins: Mapping[str, str], accounts: frozenset[str], channels: Sequence[OnChannel],
    before: Block, end: Block,
) -> dict[bytes, Held]:  # fmt: skip
    known = {one.event.channel_id: one.contract for one in channels}
    known |= {one.id: one.contract for one in books.paying if one.terms.payer in accounts}
    known |= {one.id: books.contract[one.id] for one in books.paid if one.id in books.contract}
    found: dict[bytes, Held] = {}
    for name, address in known.items():
        if address not in coins:
            continue
        contract = PaymentChannels(node, address)
        now = contract.channel_of(name, at=end.hash)
        if int(now.payer, 16) == 0:
            continue
        opening = 0
        if node.code(address, before.hash):
            then = contract.channel_of(name, at=before.hash)
            opening = 0 if then.is_closed else then.deposit - then.claimed
        closing = 0 if now.is_closed else now.deposit - now.claimed
        found[name] = Held(
            address, coins[address], now.payer, opening, closing, now.claimed, now.deposit, now.is_closed
        )
    return found


def _balances(
    node: Node, tokens: Sequence[str], accounts: frozenset[str], before: Block, end: Block
) -> dict[tuple[str, str], tuple[int, int]]:
    found = {(one, NATIVE): (node.balance(one, before.hash), node.balance(one, end.hash)) for one in accounts}
    for token in tokens:
        there = [bool(node.code(token, block.hash)) for block in (before, end)]
        contract = Token(node, token)
        for account in accounts:
            opening = contract.balance_of(account, at=before.hash) if there[0] else 0
            closing = contract.balance_of(account, at=end.hash) if there[1] else 0
            found[account, token] = opening, closing
    return found


def _receipts(node: Node, books: Books) -> dict[bytes, TxReceipt | None]:
    named = [one.settlement.transaction for one in books.bought if one.settlement is not None]
    named += [str(one.settlement.get("transaction", "")) for one in books.sold]
    named += [one.refunded for one in books.sold] + [one.paid_by for one in books.invoices]
    hashes = {one.receipt.transaction_hash for one in books.sent if one.receipt is not None}
    hashes |= {found for found in map(read_transaction, named) if found}
    wanted = sorted(hashes)
    found: dict[bytes, TxReceipt | None] = {}
    for at in range(0, len(wanted), LEDGER_TOPICS_MAX):
        part = wanted[at : at + LEDGER_TOPICS_MAX]
        found |= zip(part, node.receipts(part), strict=True)
    return found


def read_transaction(name: str) -> bytes:
    """Return the hash of a transaction as a book names it; b"" for what is none."""
    try:
        return parse_hex32(name, "transaction")
    except InvalidInput:
        return b""
