"""What an audit goes by: everything that a chain has of one account between two blocks, as values.

Read once, judged by the files beside this one without a node. That a node said it is not yet a proof; `proving.py`
recomputes from the block hash that no event is left out or invented.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tallystick.agents.audit.findings import Link, Place
from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.places import account_logs
from tallystick.agents.policy.nouns import NATIVE, Cause, Level, LinkKind, Role, Scope, Standing
from tallystick.chain.bindings import payment_channels, policy_account, policy_changes, policy_queue, policy_rules
from tallystick.chain.bindings import token as tokens_
from tallystick.chain.calls import BlockId, Log
from tallystick.chain.deploy import find_birth
from tallystick.chain.facts import Transaction
from tallystick.chain.node import Node
from tallystick.chain.wire import read_data, read_quantity, write_block, write_data
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed
from tallystick.core.ids import checksum_address

# of the EntryPoint v0.8: what it keeps of an account
DEPOSITED: Final = keccak(b"Deposited(address,uint256)")
WITHDRAWN: Final = keccak(b"Withdrawn(address,address,uint256)")
CARRIED_OUT: Final = keccak(b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")

ITEM_EVENTS: Final = (policy_queue.Approved.topic, policy_queue.Vetoed.topic, policy_queue.ItemRun.topic)
EVENTS: Final = {
    **policy_account.EVENTS, **policy_rules.EVENTS, **policy_changes.EVENTS, **policy_queue.EVENTS,
}  # fmt: skip
# of any contract of channels: for whom a deposit is, which no movement of coins says
DEPOSITS: Final = (payment_channels.Opened.topic, payment_channels.ToppedUp.topic)
_BALANCE_OF: Final = bytes.fromhex("70a08231")
_ALLOWANCE: Final = bytes.fromhex("dd62ed3e")
_DOMAIN_SEPARATOR: Final = bytes.fromhex("3644e515")
_CLONE: Final = (bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3"))
_IDS_AT_ONCE: Final = 100  # topics of one question for logs; nodes take some hundreds


@dataclass(frozen=True)
class Evidence:
    """Everything about one account in the blocks `first` to `last`.

    block_hash    of the last block: who trusts it can prove the rest
    logs          in chain order: the account's, its companions', the EntryPoint's, those of tokens and channels for it
    head, count   of the audit chain, as the account says at the last block
    tokens        whose every movement must be accounted for
    balances      of these, by block: before the first, at the last, and at every one in which they moved
    allowances    by token and spender: what the account lets others take of these at the last block
    coin          native balance by block, at every block with an event, and at the one before it
    deposit       at the EntryPoint before the first block and at the last; None where there is no such contract
    transactions  in which the account did something
    separators    of the tokens' signing domains, where they have one
    code          of the account, and of the contract that it is a clone of
    others        by name: where the contracts are that it leans on, and their code
    """

    account: str
    chain_id: int
    entry_point: str
    queue: str
    companions: frozenset[str]
    first: int
    last: int
    block_hash: bytes
    logs: tuple[Log, ...]
    head: bytes
    count: int
    tokens: tuple[str, ...]
    balances: Mapping[str, Mapping[int, int]]
    allowances: Mapping[tuple[str, str], int]
    coin: Mapping[int, int]
    deposit: tuple[int, int] | None
    times: Mapping[int, int]
    transactions: Mapping[bytes, Transaction]
    separators: Mapping[str, bytes]
    code: bytes
    implementation: bytes
    others: Mapping[str, tuple[str, bytes]]

    @property
    def word(self) -> bytes:
        """The account as a topic."""
        return bytes(12) + bytes.fromhex(self.account[2:])

    @property
    def opening_block(self) -> int:
        """The block whose balances the account opens with."""
        return max(self.first - 1, 0)

    def time_of(self, block: int) -> int:
        """Return when a block was, or the first one after it whose time is known."""
        return self.times[self._timed[bisect_left(self._timed, block)]]

    @cached_property
    def _timed(self) -> list[int]:
        return sorted(self.times)

    @cached_property
    def items(self) -> frozenset[bytes]:
        """The ids of everything that was proposed."""
        return frozenset(log.topics[1] for log in self.logs if log.topics[0] == policy_queue.Proposed.topic)

    @cached_property
    def events(self) -> tuple[tuple[Log, Any], ...]:
        """The events of the account and its companions, decoded, in chain order; raises as `decode`."""
        own = self.companions | {self.account}
        return tuple(
            (log, decode(log)) for log in self.logs if log.address in own and log.topics and log.topics[0] in EVENTS
        )

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The links of the audit chain in the order in which the chain has them."""
        reasons: dict[tuple[bytes, str], str] = {}
        found = []
        for log, event in self.events:
            if isinstance(event, policy_account.Denied):
                reasons[log.transaction_hash, event.session] = event.reason
            elif isinstance(event, policy_account.ActionLogged) and log.address == self.account:
                key = (log.transaction_hash, event.session)
                reason = "" if event.result else reasons.pop(key, "")
                found.append(Link(event, place_of(log), log.transaction_hash, self.times[log.block_number], reason))
        return tuple(found)


def decode(log: Log) -> Any:
    """Return what a log of one of this release's contracts says.

    raises  VerificationFailed "audit.event" for what none of them ever says
    """
    try:
        event = EVENTS[log.topics[0]].decode(log)
        _check_words(event)
    except (InvalidInput, ValueError) as error:
        raise VerificationFailed(
            "audit.event", f"log {log.log_index} of block {log.block_number} is none that {log.address} can have made",
            got=str(error)[:120], hint="the node, or who handed the events on, changed it: ask another",
        ) from None  # fmt: skip
    return event


def _check_words(event: Any) -> None:
    """Raise ValueError for a number that stands for nothing."""
    if isinstance(event, policy_account.ActionLogged):
        LinkKind(event.kind)
    elif isinstance(event, policy_account.RoleSet):
        Role(event.role)
    elif isinstance(event, policy_account.LevelSet):
        Level(event.level), Level(event.previous), Cause(event.cause)
    elif isinstance(event, policy_account.BucketSet):
        Scope(event.scope)
    elif isinstance(event, policy_rules.PayeeSet):
        Standing(event.standing)
    elif isinstance(event, policy_account.SessionGranted):
        Level(event.terms.level)
        if event.terms.slots and not event.terms.slot_period_s:
            raise ValueError("slots without a period")


def place_of(log: Log) -> Place:
    """Return where a log lies."""
    return log.block_number, log.log_index


def read_evidence(
    node: Node, address: str, *, first: int | None = None, last: BlockId = "latest", tokens: Sequence[str] = ()
) -> Evidence:
    """Return what a node says of an account.

    first   the block of its creation, or any before; looked for where it is not given
    tokens  more of which every movement must be accounted for, beside those that were ever budgeted or in a link
    raises  what `Node` raises; InvalidInput "chain.no_contract" where there is no account; Unavailable "audit.reorg"
            where the chain changed meanwhile, or the last block is none of it
    """
    end = node.block(last)
    node.check_contract(address, at=end.hash)
    code = node.code(address, end.hash)
    begin = find_birth(node, address) if first is None else first
    contracts = Contracts.of(node, address, at=end.hash)
    account, entry_point = contracts.account, contracts.account.entry_point(at=end.hash)
    logs = _all_logs(node, contracts, entry_point, begin, end.number)
    own = _own_tokens(logs, contracts, (*tokens, *account.tokens(at=end.hash)))
    opening = max(begin - 1, 0)
    blocks = sorted({log.block_number for log in logs})
    asked = sorted({opening, end.number, *blocks, *(block - 1 for block in blocks if block > opening)})
    found = Evidence(
        account=contracts.address,
        chain_id=node.chain_id,
        entry_point=entry_point,
        queue=contracts.queue.address,
        companions=contracts.own - {contracts.address},
        first=begin,
        last=end.number,
        block_hash=end.hash,
        logs=logs,
        head=account.head(at=end.hash),
        count=account.link_count(at=end.hash),
        tokens=own,
        balances={one: _balances(node, one, address, logs, (opening, end.number)) for one in own},
        allowances=_allowances(node, contracts.address, logs, own, end.number),
        coin=_coin(node, address, asked),
        deposit=_deposit(node, entry_point, address, opening, end.number),
        times={block: node.block(block).timestamp for block in blocks} | {end.number: end.timestamp},
        transactions=_transactions(node, logs, contracts.address, own),
        separators={one: _answer(node, one, _DOMAIN_SEPARATOR, end.number) for one in own},
        code=code,
        implementation=node.code(cloned, end.hash) if (cloned := implementation_of(code)) else b"",
        others={name: (one, node.code(one, end.hash)) for name, one in _companions(contracts).items()},
    )
    if node.block(end.number).hash != end.hash:
        raise Unavailable(
            "audit.reorg", f"block {end.number} is another one now", expected=end.hash.hex(),
            hint="audit again, up to a final block",
        )  # fmt: skip
    return found


def _companions(contracts: Contracts) -> dict[str, str]:
    return {
        "PolicyRules": contracts.rules.address, "PolicyQueue": contracts.queue.address,
        "PolicyChanges": contracts.changes.address, "PolicyRelay": contracts.relay,
    }  # fmt: skip


def implementation_of(code: bytes) -> str | None:
    """Return the contract that code is a clone of (EIP-1167); None for code that is none."""
    if len(code) != 45 or not code.startswith(_CLONE[0]) or not code.endswith(_CLONE[1]):
        return None
    return checksum_address(code[10:30])


def concerns(evidence: Evidence, log: Log) -> bool:
    """Return whether a log is one of those that `read_evidence` asks for."""
    topics, word = log.topics, evidence.word
    if log.address == evidence.account:
        return True
    if not topics or (word not in topics[1:3] and topics[0] not in ITEM_EVENTS):
        return False
    if topics[0] in (tokens_.Transfer.topic, tokens_.Approval.topic, tokens_.AuthorizationUsed.topic):
        return topics[1] == word or topics[0] == tokens_.Transfer.topic
    if topics[0] in DEPOSITS:
        return topics[2] == word
    if log.address == evidence.entry_point:
        return topics[0] in (DEPOSITED, WITHDRAWN, CARRIED_OUT)
    if topics[0] in ITEM_EVENTS:
        return log.address == evidence.queue and topics[1] in evidence.items
    return log.address in evidence.companions and topics[0] in EVENTS


def _all_logs(node: Node, contracts: Contracts, entry_point: str, first: int, last: int) -> tuple[Log, ...]:
    word = bytes(12) + bytes.fromhex(contracts.address[2:])
    found = account_logs(node, contracts, first, last)
    ids = [log.topics[1] for log in found if log.topics[0] == policy_queue.Proposed.topic]
    for start in range(0, len(ids), _IDS_AT_ONCE):
        wanted = ids[start : start + _IDS_AT_ONCE]
        found += node.logs(contracts.queue.address, (ITEM_EVENTS, wanted), from_block=first, to_block=last)
    by_first = (tokens_.Transfer.topic, tokens_.Approval.topic, tokens_.AuthorizationUsed.topic)
    found += node.logs(None, (by_first, word), from_block=first, to_block=last)
    found += node.logs(None, (tokens_.Transfer.topic, None, word), from_block=first, to_block=last)
    found += node.logs(None, (DEPOSITS, None, word), from_block=first, to_block=last)
    found += node.logs(entry_point, ((DEPOSITED, WITHDRAWN), word), from_block=first, to_block=last)
    found += node.logs(entry_point, (CARRIED_OUT, None, word), from_block=first, to_block=last)
    unique = {place_of(log): log for log in found}
    return tuple(unique[place] for place in sorted(unique))


def _own_tokens(logs: Iterable[Log], contracts: Contracts, named: Iterable[str]) -> tuple[str, ...]:
    """Return the tokens to account for; anybody can make a token that says it moved, so not every one that says so."""
    found = dict.fromkeys(named)
    owners_calls = set()
    for log in logs:
        if log.address != contracts.address or log.topics[0] not in policy_account.EVENTS:
            continue
        event = decode(log)
        if isinstance(event, policy_account.BucketSet | policy_account.ActionLogged | policy_account.Swept):
            found[event.token] = None
        elif isinstance(event, policy_account.SessionGranted):
            found[event.terms.slot_token] = None
        if isinstance(event, policy_account.ActionLogged) and event.kind == LinkKind.OWNER_CALL:
            owners_calls.add(log.transaction_hash)
    for log in logs:
        if log.transaction_hash in owners_calls and is_transfer(log):
            found[log.address] = None
    return tuple(one for one in found if one != NATIVE)


def is_transfer(log: Log) -> bool:
    """Return whether a log is of an ERC-20's transfer; ERC-721 has the same event with one topic more."""
    return log.topics[0] == tokens_.Transfer.topic and len(log.topics) == 3 and len(log.data) == 32


def is_authorization(log: Log) -> bool:
    """Return whether a log is EIP-3009's, as it must be; a token may log whatever it likes under that name."""
    return log.topics[0] == tokens_.AuthorizationUsed.topic and len(log.topics) == 3 and not log.data


def _balances(node: Node, token: str, address: str, logs: Sequence[Log], always: tuple[int, int]) -> dict[int, int]:
    blocks = sorted({*always, *(log.block_number for log in logs if log.address == token and is_transfer(log))})
    return dict(zip(blocks, _numbers(node, [(token, _BALANCE_OF + _word(address), at) for at in blocks]), strict=True))


def _allowances(
    node: Node, account: str, logs: Sequence[Log], tokens: Sequence[str], at: int
) -> dict[tuple[str, str], int]:
    """Return what is left of all that the account's tokens say that it let others take."""
    given = dict.fromkeys(
        (log.address, checksum_address(log.topics[2][12:]))
        for log in logs
        if log.address in tokens and log.topics[0] == tokens_.Approval.topic and len(log.topics) == 3
    )
    calls = [(token, _ALLOWANCE + _word(account) + _word(spender), at) for token, spender in given]
    return dict(zip(given, _numbers(node, calls), strict=True))


def _numbers(node: Node, calls: Sequence[tuple[str, bytes, int]]) -> list[int]:
    """Return the first word of each answer as a number; 0 where there is no such contract or function."""
    requests = [("eth_call", [{"to": to, "data": write_data(data)}, write_block(at)]) for to, data, at in calls]
    found = []
    for answer in node.request_batch(requests, read_data):
        if isinstance(answer, TallystickError) and not isinstance(answer, Rejected | InvalidInput):
            raise answer
        found.append(0 if isinstance(answer, TallystickError) else int.from_bytes(answer[:32], "big"))
    return found


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def _answer(node: Node, contract: str, data: bytes, at: int) -> bytes:
    """Return the first word of an answer; nothing where there is no such contract yet, or no such function."""
    try:
        return node.call(contract, data, at=at)[:32]
    except (Rejected, InvalidInput):
        return b""


def _coin(node: Node, address: str, blocks: Sequence[int]) -> dict[int, int]:
    requests = [("eth_getBalance", [address, write_block(block)]) for block in blocks]
    found: dict[int, int] = {}
    for block, answer in zip(blocks, node.request_batch(requests, read_quantity), strict=True):
        if isinstance(answer, TallystickError):
            raise answer
        found[block] = answer
    return found


def _deposit(node: Node, entry_point: str, address: str, opening: int, last: int) -> tuple[int, int] | None:
    if not node.code(entry_point, last):
        return None
    opened, closed = _numbers(node, [(entry_point, _BALANCE_OF + _word(address), at) for at in (opening, last)])
    return opened, closed


def _transactions(node: Node, logs: Iterable[Log], account: str, tokens: Sequence[str]) -> dict[bytes, Transaction]:
    wanted = dict.fromkeys(
        log.transaction_hash
        for log in logs
        if (log.address == account and log.topics[0] == policy_account.ActionLogged.topic)
        or (log.address in tokens and is_authorization(log))
    )
    found = {one: node.transaction(one) for one in wanted}
    return {one: sent for one, sent in found.items() if sent is not None}
