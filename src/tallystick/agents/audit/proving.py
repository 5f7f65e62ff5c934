"""Proof that a node left no event out and invented none, from one block hash that the auditor trusts.

Every header from the last block back to the first names the one before it, so all are bound by the last one's hash. A
header's bloom says surely where no event of the account can be; every other block's receipts are hashed against its
header. So hiding an event takes another header, and another header another hash. The native balances are proven by the
state roots, and so is the code of the account and of all that it leans on but the EntryPoint. What remains believed:
what tokens and the EntryPoint answer, and transactions' inputs.
"""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.agents.audit.evidence import Evidence, concerns, implementation_of, place_of
from tallystick.agents.audit.findings import Area, Finding
from tallystick.chain.calls import Log
from tallystick.chain.evidence import may_hold, verify_account_proof, verify_block_hash, verify_receipts
from tallystick.chain.facts import Block
from tallystick.chain.node import Node
from tallystick.core.digest import keccak
from tallystick.core.errors import TallystickError, VerificationFailed


def check_node(node: Node, evidence: Evidence) -> Iterator[Finding]:
    """Yield what the node said otherwise than the hash of the last block has it.

    raises  what `Node` raises; a node that cannot show what it said is a finding
    """
    proven: dict[tuple[int, int], Log] = {}
    try:
        for block in _headers(node, evidence):
            if _may_concern(block, evidence):
                receipts = node.block_receipts(block.hash)
                verify_receipts(block, receipts)
                logs = (log for receipt in receipts for log in receipt.logs)
                proven |= {place_of(log): log for log in logs if concerns(evidence, log)}
            if block.number == evidence.last:
                yield from _check_codes(node, evidence, block)
            if block.number in evidence.coin:
                yield from _check_coin(node, evidence, block)
    except VerificationFailed as error:
        yield Finding(Area.NODE, "node.proof", f"{error.code}: {error}")
        return
    said = {place_of(log): log for log in evidence.logs}
    for place in sorted(proven.keys() - said.keys()):
        words = f"the node did not tell of log {place[1]} of block {place[0]}, by {proven[place].address}"
        yield Finding(Area.NODE, "node.hidden", words, transaction=proven[place].transaction_hash)
    for place in sorted(said.keys()):
        if proven.get(place) != said[place]:
            words = f"log {place[1]} of block {place[0]} is not what the chain has there"
            yield Finding(Area.NODE, "node.invented", words, transaction=said[place].transaction_hash)


def _headers(node: Node, evidence: Evidence) -> Iterator[Block]:
    """Yield the headers from the last to the one before the first, each proven by the one after it."""
    wanted = evidence.block_hash
    for number in range(evidence.last, max(evidence.first - 2, -1), -1):
        block = node.block(wanted)
        verify_block_hash(block)
        if block.number != number:
            raise VerificationFailed("node.block", "a header says another number", expected=number, got=block.number)
        yield block
        wanted = block.parent_hash


def _may_concern(block: Block, evidence: Evidence) -> bool:
    ids = evidence.items
    address = bytes.fromhex(evidence.account[2:])
    return block.number >= evidence.first and any(
        may_hold(block.logs_bloom, item) for item in (address, evidence.word, *ids)
    )


def _check_codes(node: Node, evidence: Evidence, block: Block) -> Iterator[Finding]:
    codes = {evidence.account: evidence.code, **dict(evidence.others.values())}
    if (cloned := implementation_of(evidence.code)) is not None:
        codes[cloned] = evidence.implementation
    for address, code in codes.items():
        proof = node.proof(address, (), at=block.hash)
        verify_account_proof(block.state_root, proof)
        if proof.address != address or proof.code_hash != keccak(code):
            yield Finding(Area.NODE, "node.code", f"the code of {address} is not what the node said")


def _check_coin(node: Node, evidence: Evidence, block: Block) -> Iterator[Finding]:
    try:
        proof = node.proof(evidence.account, (), at=block.hash)
        verify_account_proof(block.state_root, proof)
    except TallystickError as error:
        yield Finding(Area.NODE, "node.proof", f"the balance at block {block.number} is not shown: {error.code}")
        return
    if proof.address != evidence.account:
        yield Finding(Area.NODE, "node.proof", f"the balance at block {block.number} is shown of {proof.address}")
    elif proof.balance != evidence.coin[block.number]:
        words = f"the node said {evidence.coin[block.number]} wei at block {block.number}, and it was {proof.balance}"
        yield Finding(Area.NODE, "node.balance", words)
