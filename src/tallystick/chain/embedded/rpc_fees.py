"""RPC methods about fees, and the one that sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tallystick.chain.embedded.header import next_base_fee
from tallystick.chain.embedded.ledger import Block, Body
from tallystick.chain.embedded.node import EmbeddedNode
from tallystick.chain.embedded.params import BlockId, Params, data, hex_of, invalid, quantity
from tallystick.chain.embedded.render import effective_gas_price
from tallystick.core.errors import TallystickError
from tallystick.core.limits import LEDGER_FEE_HISTORY_MAX, LEDGER_FEE_PERCENTILES_MAX

TIP: Final = 1  # wei per gas: there is no queue to jump


def gas_price(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return hex_of(next_base_fee(node.ledger.head().header) + TIP)


def max_priority_fee(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return hex_of(TIP)


def blob_base_fee(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return "0x1"  # EIP-4844's minimum: no blob was ever taken


def fee_history(node: EmbeddedNode, values: Sequence[Any]) -> dict[str, Any]:
    params = Params(values, 3)
    wanted = params.value(0)
    # geth takes the count as a number too
    count = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else quantity(wanted, "argument 0", 64)
    percentiles = _percentiles(params.optional(2))
    params.value(1)
    newest = node.require(params.block(1))
    count = max(0, min(count, LEDGER_FEE_HISTORY_MAX, newest.number + 1))
    first = newest.number - count + 1
    blocks = [node.require(BlockId(number=number)) for number in range(first, newest.number + 1)]
    fees = [block.header.base_fee for block in blocks]
    shown: dict[str, Any] = {
        "oldestBlock": hex_of(first if count else 0),
        "baseFeePerGas": [hex_of(fee) for fee in [*fees, next_base_fee(newest.header)]] if count else None,
        "gasUsedRatio": [block.header.gas_used / block.header.gas_limit for block in blocks] if count else None,
        "baseFeePerBlobGas": ["0x1"] * (count + 1) if count else None,
        "blobGasUsedRatio": [0.0] * count if count else None,
    }
    if percentiles:
        shown["reward"] = [_rewards(block, node.ledger.body(block), percentiles) for block in blocks]
    return shown


def send_raw_transaction(node: EmbeddedNode, values: Sequence[Any]) -> str:
    (outcome,) = node.writer.submit([data(Params(values, 1).value(0), "argument 0")])
    if isinstance(outcome, TallystickError):
        raise outcome
    return hex_of(outcome)


def _percentiles(value: object) -> list[float]:
    if value is None:
        return []
    good = isinstance(value, list) and len(value) <= LEDGER_FEE_PERCENTILES_MAX
    if not isinstance(value, list) or not good:
        raise invalid(f"invalid argument 2: want a list of at most {LEDGER_FEE_PERCENTILES_MAX} percentiles")
    numbers = [item for item in value if isinstance(item, int | float) and not isinstance(item, bool)]
    if len(numbers) != len(value) or any(not 0 <= item <= 100 for item in numbers) or numbers != sorted(numbers):
        raise invalid("invalid reward percentile: want ascending numbers from 0 to 100")
    return [float(item) for item in numbers]


def _rewards(block: Block, body: Body, percentiles: list[float]) -> list[str]:
    """Return the tip per gas at each percentile of the block's gas."""
    base_fee = block.header.base_fee
    tips = sorted(
        (effective_gas_price(tx, base_fee) - base_fee, body.gas_used(index))
        for index, tx in enumerate(body.transactions)
    )
    if not tips:
        return ["0x0"] * len(percentiles)
    rewards: list[str] = []
    index, passed = 0, tips[0][1]
    for percentile in percentiles:
        threshold = block.header.gas_used * percentile / 100
        while passed < threshold and index < len(tips) - 1:
            index += 1
            passed += tips[index][1]
        rewards.append(hex_of(tips[index][0]))
    return rewards


METHODS = {
    "eth_gasPrice": gas_price,
    "eth_maxPriorityFeePerGas": max_priority_fee,
    "eth_blobBaseFee": blob_base_fee,
    "eth_feeHistory": fee_history,
    "eth_sendRawTransaction": send_raw_transaction,
}
