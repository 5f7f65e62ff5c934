"""Puts code that is no packaged contract on a chain, where `deploy.py` puts the packaged ones: by the same proxy.

Everything that the chain would refuse is looked for before the first transaction: the size of code and initcode, the
gas of each transaction, the balance for all of them. What is there already is compared and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.chain.deploy import PROXY, PROXY_CODE, PROXY_COST_WEI, creation, has_proxy, install_proxy
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.ids import create2_address
from tallystick.core.limits import CODE_BYTES_MAX, INITCODE_BYTES_MAX, OUTBOX_WAIT_S, TRANSACTION_GAS_MAX

NO_SALT = bytes(32)


@dataclass(frozen=True)
class Code:
    """A contract to be: what people call it, what makes it, and the code that must then be there."""

    name: str
    initcode: bytes
    code: bytes

    @property
    def address(self) -> str:
        """Where it is on every chain that has it."""
        return code_address(self.initcode)


@dataclass(frozen=True)
class PlacedCode:
    """A contract that is there, and what putting it there took: no transaction and no gas if it was there before."""

    name: str
    address: str
    transaction_hash: bytes | None
    gas_used: int


def code_address(initcode: bytes) -> str:
    """Return where the proxy puts what `initcode` makes, on every chain."""
    return create2_address(PROXY, NO_SALT, initcode)


def creation_gas(one: Code) -> int:
    """Return the gas of the transaction that makes a contract, the 21,000 and calldata included.

    raises  InvalidInput "deploy.size" when the code or the initcode is larger than any chain takes (EIP-170, EIP-3860)
    """
    from tallystick.chain.scratch import ScratchEvm, transaction_gas  # an EVM takes time to import

    for what, data, most in (("code", one.code, CODE_BYTES_MAX), ("initcode", one.initcode, INITCODE_BYTES_MAX)):
        if len(data) > most:
            raise InvalidInput(
                "deploy.size", f"the {what} of {one.name} is too large", expected=f"≤ {most} bytes", got=len(data)
            )
    evm = ScratchEvm()
    evm.put(PROXY, PROXY_CODE)
    data = NO_SALT + one.initcode
    done = evm.call(PROXY, data)
    if not done.ok:
        raise InvalidInput(
            "deploy.initcode", f"the initcode of {one.name} makes no contract", got=done.output.hex()[:80]
        )
    return transaction_gas(data, done.gas)


def deploy_codes(outbox: Outbox, codes: Sequence[Code], *, timeout_s: float = OUTBOX_WAIT_S) -> list[PlacedCode]:
    """Return where each contract is, after making those that are not there yet, all at once.

    raises  InvalidInput "deploy.outbox" for what is none, "deploy.size", "deploy.gas"; Rejected
            "chain.insufficient_funds" before anything is sent;
            VerificationFailed "deploy.code" when other code is at an address; Unavailable when the chain does not
            answer or mine in time: the same call then goes on
    """
    if not isinstance(outbox, Outbox):
        raise InvalidInput(
            "deploy.outbox", "transactions leave through an outbox", expected="an Outbox", got=type(outbox).__name__,
            hint="`tally.outbox` is a workspace's",
        )  # fmt: skip
    node = outbox.node
    missing = [one for one in {one.address: one for one in codes}.values() if not _is_there(node, one)]
    if missing:
        _check_affordable(outbox, missing)
        install_proxy(outbox, timeout_s=timeout_s)
    rows = outbox.send_many([creation(one.name, one.initcode) for one in missing])
    made = {}
    for one, row in zip(missing, rows, strict=True):
        try:
            receipt = outbox.wait(row, timeout_s)
            made[one.address] = PlacedCode(one.name, one.address, receipt.transaction_hash, receipt.gas_used)
        except Rejected:
            if not node.code(one.address):  # otherwise somebody else was faster, and put the same code there
                raise
    for one in missing:
        if not _is_there(node, one):
            node.check_contract(one.address)
    return [made.get(one.address, PlacedCode(one.name, one.address, None, 0)) for one in codes]


def _check_affordable(outbox: Outbox, missing: Sequence[Code]) -> None:
    node = outbox.node
    most = min(TRANSACTION_GAS_MAX, node.block("latest").gas_limit)
    total = 0
    for one in missing:
        gas = creation_gas(one)
        if gas > most:
            raise InvalidInput(
                "deploy.gas", f"making {one.name} takes more than a transaction may", expected=most, got=gas
            )
        total += gas
    cost = outbox.reserve(total) + (0 if has_proxy(node) else PROXY_COST_WEI)
    balance = node.balance(outbox.account.address)
    if balance < cost:
        raise Rejected(
            "chain.insufficient_funds",
            f"account {outbox.account.address} cannot pay for {len(missing)} contracts",
            expected=f"{cost} wei",
            got=f"{balance} wei",
            hint="fund the account and ask again",
        )


def _is_there(node: Node, one: Code) -> bool:
    """Return whether the contract is there; raises VerificationFailed "deploy.code" when something else is."""
    found = node.code(one.address)
    if found and found != one.code:
        raise VerificationFailed(
            "deploy.code",
            f"the code at {one.address} is not {one.name}",
            expected="0x" + keccak(one.code).hex(),
            got="0x" + keccak(found).hex(),
        )
    return bool(found)
