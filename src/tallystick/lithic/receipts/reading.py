"""Reads an answer from the contract that keeps it, by its receipt: the same call whatever the mode."""

from __future__ import annotations

from tallystick.chain.abi import encode_call
from tallystick.chain.calls import BlockId, Caller
from tallystick.core.digest import keccak
from tallystick.lithic.contract import read_answer as read_numbers
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.receipts.answer import AssuredAnswer

ANSWER_ABI = "(bytes32,address,bytes32,bytes32,bytes,uint8,uint256,uint64,uint256)"
READ_ANSWER = keccak(f"read_answer({ANSWER_ABI})".encode())[:4].hex()


def read_answer(
    node: Caller, contract: str, answer: AssuredAnswer, *, reader: str | None = None, at: BlockId = "latest"
) -> Vector:
    """Return what the contract answers to the receipt's consumer: the output, if every field is as it settled.

    reader  who asks; only the consumer is answered
    raises  Rejected with the contract's reason; InvalidInput "kernel.answer", "answer.output"
    """
    data = encode_call(READ_ANSWER, [ANSWER_ABI], [answer.to_abi()])
    return read_numbers(node.call(contract, data, at=at, sender=reader or answer.consumer), len(answer.output))
