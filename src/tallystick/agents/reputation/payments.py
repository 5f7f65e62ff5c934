"""Whether a payment was made as a feedback file says: read from the chain, with the fee that was burned for it.

A payment may be washed: sent round and back. What cannot come back is the burned base fee (EIP-1559), so it is read
beside the price. One transaction may carry many transfers, and its fee was burned once: each gets its share. A fee that
somebody else paid, such as a facilitator, cost the payer nothing and does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tallystick.agents.reputation.feedback import ProofOfPayment
from tallystick.agents.scoring.trust import Payment
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.bindings.agent_identity import Transfer as _TokenTransfer
from tallystick.chain.calls import Log
from tallystick.chain.facts import TxReceipt
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, VerificationFailed

NATIVE: Final = "0x" + "00" * 20
TRANSFER: Final = _TokenTransfer.topic  # ERC-20's and ERC-721's Transfer are hashed from the same text


@dataclass(frozen=True)
class PaymentFact:
    """What the chain says of a payment: the price in the coin's smallest units, the burned fee in wei, who paid it."""

    payer: str
    payee: str
    price: int
    burned_wei: int
    fee_payer: str
    block_number: int
    tx_hash: bytes


def read_payment(node: Node, proof: ProofOfPayment, coin: str = NATIVE) -> PaymentFact:
    """Return the payment that a proof names, in the chain's own coin or in the token at `coin`.

    raises  InvalidInput "payment.chain" for another chain's; VerificationFailed "payment.absent", "payment.reverted",
            "payment.amount" when nothing went from the one to the other
    """
    if proof.chain_id != node.chain_id:
        raise InvalidInput(
            "payment.chain", "the payment is on another chain", expected=node.chain_id, got=proof.chain_id
        )
    receipt = node.receipt(proof.tx_hash)
    transaction = node.transaction(proof.tx_hash)
    if receipt is None or transaction is None:
        raise VerificationFailed("payment.absent", "the chain has no such transaction", got=proof.tx_hash.hex())
    if not receipt.succeeded:
        raise VerificationFailed("payment.reverted", "the transaction was undone", got=proof.tx_hash.hex())
    if coin == NATIVE:
        is_it = (transaction.sender, transaction.to) == (proof.from_address, proof.to_address)
        price, transfers = transaction.value if is_it else 0, 1
    else:
        moved = [log for log in receipt.logs if _is_transfer(log, coin)]
        price, transfers = sum(_amount(log, proof) for log in moved), len(moved)
    if price == 0:
        raise VerificationFailed(
            "payment.amount", "the transaction pays nothing of this coin from the one to the other",
            expected=f"{proof.from_address} → {proof.to_address}", got=proof.tx_hash.hex(),
        )  # fmt: skip
    burned = _burned(node, receipt) // transfers
    return PaymentFact(
        proof.from_address, proof.to_address, price, burned, receipt.sender, receipt.block_number, proof.tx_hash
    )


def check_payee(identity: AgentIdentity, agent_id: int, fact: PaymentFact) -> None:
    """Return if the payment went to the wallet that the agent had then, before or after the payment's block.

    raises  VerificationFailed "payment.payee"; what a node without that block's state raises
    """
    wallets = [identity.get_agent_wallet(agent_id, at=max(fact.block_number - back, 0)) for back in (1, 0)]
    if fact.payee not in wallets:
        raise VerificationFailed(
            "payment.payee", "the payment went to somebody else than the agent", expected=wallets[0], got=fact.payee
        )


def in_units(facts: Iterable[PaymentFact], wei_per_unit: Fraction) -> list[Payment]:
    """Return payments in one unit for prices and fees: what is proved twice counts once, a sponsored fee not at all.

    wei_per_unit  what one smallest unit of the coin is worth in wei; 1 where the coin is the chain's own

    raises  InvalidInput "payment.rate"
    """
    if wei_per_unit <= 0:
        raise InvalidInput("payment.rate", "not a rate", expected="> 0", got=wei_per_unit)
    once = {(one.tx_hash, one.payer, one.payee): one for one in facts}
    return [Payment(one.payer, one.payee, one.price, int(_own_fee(one) / wei_per_unit)) for one in once.values()]


def _own_fee(fact: PaymentFact) -> int:
    return fact.burned_wei if fact.fee_payer == fact.payer else 0


def _burned(node: Node, receipt: TxReceipt) -> int:
    return receipt.gas_used * (node.block(receipt.block_hash).base_fee or 0)


def _is_transfer(log: Log, coin: str) -> bool:
    return log.address == coin and len(log.topics) == 3 and log.topics[0] == TRANSFER and len(log.data) == 32


def _amount(log: Log, proof: ProofOfPayment) -> int:
    pair = tuple(bytes(12) + bytes.fromhex(address[2:]) for address in (proof.from_address, proof.to_address))
    return int.from_bytes(log.data, "big") if log.topics[1:] == pair else 0
