"""The fake chain says what anvil says: one script, told to both, answered alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from anvil_node import Anvil, running_anvil

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.connect import connect
from tallystick.chain.fees import Fees
from tallystick.chain.node import Node
from tallystick.core.digest import keccak
from tallystick.core.errors import TallystickError
from tests.chain.fake_chain import ETHER, ONCE, REFUSE, FakeChain

ACCOUNT = Account(b"\x33" * 32)
POOR = Account(b"\x34" * 32)
TO = "0x" + "22" * 20
LOW, HIGH = Fees(12 * 10**9, 2 * 10**9), Fees(24 * 10**9, 4 * 10**9)


@dataclass
class Told:
    """A node and what only its owner can do to it."""

    node: Node
    mine: Callable[[int], object]
    reorganize: Callable[[int], object]


@pytest.fixture
def both() -> Iterator[tuple[Told, Told]]:
    """The fake chain and anvil, with the same contracts and balances."""
    chain = FakeChain({ACCOUNT.address: ETHER})
    fake = Told(Node(chain), chain.mine, lambda depth: chain.reorganize(depth, keep=0.0))
    with running_anvil("--no-mining") as anvil, connect(anvil.url) as node:
        anvil.rpc("anvil_setBalance", ACCOUNT.address, hex(ETHER))
        anvil.rpc("anvil_setCode", REFUSE, "0x" + reverting("refuse: always").hex())
        anvil.rpc("anvil_setCode", ONCE, "0x" + once().hex())
        yield fake, Told(node, lambda count: anvil.rpc("anvil_mine", hex(count)), lambda depth: reorg(anvil, depth))


def reorg(anvil: Anvil, depth: int) -> None:
    anvil.rpc("anvil_reorg", depth, [])
    anvil.rpc("anvil_dropAllTransactions")
    anvil.rpc("anvil_mine", "0x1")


def reverting(reason: str) -> bytes:
    """Return code that reverts with Error(reason)."""
    text = reason.encode()
    data = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + len(text).to_bytes(32, "big") + text.ljust(32, b"\0")
    padded = data.ljust(128, b"\0")
    store = b"".join(b"\x7f" + padded[at : at + 32] + b"\x60" + bytes([at]) + b"\x52" for at in range(0, 128, 32))
    return store + bytes.fromhex("60645ffd")


def once() -> bytes:
    """Return code that reverts when it has seen the first word of its calldata, and remembers it otherwise."""
    return bytes.fromhex("5f3554600c5760015f3555005b") + reverting("once: seen already")


def sign(
    nonce: int, fees: Fees = LOW, to: str = TO, data: bytes = b"", value: int = 1, account: Account = ACCOUNT
) -> bytes:
    return account.sign_transaction(TransactionFields(31_337, nonce, to, value, data, 100_000, fees)).raw


def said(act: Callable[[], object]) -> object:
    """Return what came of an act, an error as its class and code."""
    try:
        return act()
    except TallystickError as error:
        return type(error).__name__, error.code


def script(told: Told) -> Iterator[object]:
    """Tell the chain everything that the outbox relies on, and yield each answer."""
    node = told.node
    first, better, second, third = sign(0), sign(0, HIGH), sign(1), sign(2, to=ONCE, data=b"z" * 32, value=0)
    yield node.nonce(ACCOUNT.address), node.balance(TO), node.block_number(), node.receipt(keccak(first))
    yield said(lambda: node.send_raw(first) == keccak(first))
    yield said(lambda: node.send_raw(first) == keccak(first))
    yield said(lambda: node.send_raw(sign(0, value=2)))
    yield said(lambda: node.send_raw(better) == keccak(better))
    yield said(lambda: node.send_raw(sign(0, account=POOR)))
    yield said(lambda: node.send_raw(third) == keccak(third))
    yield node.receipt(keccak(better)), node.nonce(ACCOUNT.address)
    told.mine(1)
    yield outcome(node, better), node.receipt(keccak(first)), node.receipt(keccak(third)), node.nonce(ACCOUNT.address)
    yield said(lambda: node.send_raw(first)), node.balance(TO), node.transaction(keccak(first))
    yield said(lambda: node.send_raw(second) == keccak(second))
    told.mine(1)
    yield outcome(node, second), outcome(node, third), node.nonce(ACCOUNT.address), node.nonce(ACCOUNT.address, 1)
    yield said(lambda: node.call(REFUSE, b"1")), said(lambda: node.estimate_gas(REFUSE, b"1", sender=ACCOUNT.address))
    yield said(lambda: node.estimate_gas(ONCE, b"z" * 32, sender=ACCOUNT.address))
    yield said(lambda: node.estimate_gas(TO, b"", sender=ACCOUNT.address)), said(lambda: node.call(TO, b"1"))
    again = sign(3, to=ONCE, data=b"z" * 32, value=0)
    yield said(lambda: node.send_raw(again) == keccak(again))
    told.mine(1)
    yield outcome(node, again), node.nonce(ACCOUNT.address), node.find_block(99)
    told.reorganize(1)
    yield node.receipt(keccak(again)), node.nonce(ACCOUNT.address), outcome(node, third)
    yield said(lambda: node.nonce(ACCOUNT.address, 99))
    yield said(lambda: node.send_raw(again) == keccak(again))
    told.mine(1)
    yield outcome(node, again), node.nonce(ACCOUNT.address), node.balance(TO)


def outcome(node: Node, raw: bytes) -> tuple[object, ...] | None:
    receipt = node.receipt(keccak(raw))
    return None if receipt is None else (receipt.succeeded, receipt.block_number, receipt.sender, receipt.to)


def test_the_fake_chain_and_anvil_answer_one_script_alike(both: tuple[Told, Told]) -> None:
    fake, real = both
    for number, (ours, theirs) in enumerate(zip(script(fake), script(real), strict=True)):
        assert ours == theirs, f"step {number}"
