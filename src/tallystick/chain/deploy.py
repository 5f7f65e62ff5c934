"""Puts packaged contracts on a chain, each at the address that its code and salt determine, and nowhere else.

Deployment goes through the deterministic-deployment proxy that most public chains carry; where it is absent, its
well-known transaction is sent first, which nobody holds a key for and anybody may send. So the same release has the
same addresses on every chain, whoever deploys, and deploying twice is finding once. `deployments.py` remembers where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError

from tallystick.chain.abi import read
from tallystick.chain.calls import Call
from tallystick.chain.coin import NATIVE
from tallystick.chain.deployments import Deployment
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.contracts import Artifact, artifact
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, Unavailable, VerificationFailed
from tallystick.core.ids import create2_address
from tallystick.core.limits import OUTBOX_POLL_S_MAX, OUTBOX_POLL_S_MIN, OUTBOX_WAIT_S

NO_SALT = bytes(32)
_COIN = "11df9995"  # coin()

# github.com/Arachnid/deterministic-deployment-proxy: the address, its code, and the transaction that made it. The
# signature's r and s are 0x22…22, so that nobody can have the key: it can only ever deploy this code.
PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f580151560395781"
    "82fd5b8082525050506014600cf3"
)
PROXY_TRANSACTION = (
    bytes.fromhex("f8a58085174876e800830186a08080b853604580600e600039806000f350fe")
    + PROXY_CODE
    + bytes.fromhex("1ba0" + "22" * 32 + "a0" + "22" * 32)
)
PROXY_DEPLOYER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
PROXY_COST_WEI = 100_000 * 100 * 10**9  # its gas limit at its gas price


def address_for(name: str, *, salt: bytes = NO_SALT, arguments: Sequence[object] = ()) -> str:
    """Return where the contract `name` is on every chain that has it.

    salt       32 bytes; another salt makes another instance
    arguments  of the constructor, where it takes any
    raises     InvalidInput "contracts.unknown", "deploy.arguments", "digest.length"
    source     EIP-1014
    """
    return create2_address(PROXY, salt, _initcode(artifact(name), arguments))


def deploy(
    outbox: Outbox,
    name: str,
    *,
    salt: bytes = NO_SALT,
    arguments: Sequence[object] = (),
    timeout_s: float = OUTBOX_WAIT_S,
) -> Deployment:
    """Return where the contract `name` is on the outbox's chain, after deploying it if it is not there yet.

    raises  VerificationFailed "deploy.code" when other code is at the address; Rejected "chain.insufficient_funds";
            Unavailable when the chain does not answer or mine in time

    The code found there is compared with the artifact's in every case.
    """
    node = outbox.node
    made = artifact(name)
    address = address_for(name, salt=salt, arguments=arguments)
    transaction_hash, block_number = None, None
    if not node.code(address):
        install_proxy(outbox, timeout_s=timeout_s)
        key, call = creation(name, _initcode(made, arguments), salt)
        try:
            receipt = outbox.send_and_wait(call, key=key, timeout_s=timeout_s)
            transaction_hash, block_number = receipt.transaction_hash, receipt.block_number
        except Rejected:
            if not node.code(address):  # otherwise somebody else was faster, and put the same code there
                raise
    check_code(node, name, address, has_immutables=bool(arguments))
    return Deployment(
        contract=name,
        address=address,
        salt=salt,
        integrity=made.integrity,
        transaction_hash=transaction_hash,
        block_number=find_birth(node, address) if block_number is None else block_number,
    )


def takes_arguments(name: str) -> bool:
    """Return whether the constructor of the contract `name` takes any."""
    return bool(_constructor(artifact(name)))


def has_coin(name: str) -> bool:
    """Return whether the contract `name` holds money: then its constructor takes the one coin that it counts in."""
    return [one["name"] for one in _constructor(artifact(name))] == ["coin"]


def relies_on_identity(name: str) -> bool:
    """Return whether the contract `name` is made with the identity registry whose agents it keeps facts about."""
    return [one["name"] for one in _constructor(artifact(name))] == ["identity_registry"]


def read_coin_of(node: Node, address: str) -> str:
    """Return the coin that the contract at `address` counts in; NATIVE for one of a release that knew no other."""
    try:
        (coin,) = read(node, address, _COIN, (), (), ("address",), "latest")
    except (InvalidInput, Rejected):
        return NATIVE
    return str(coin)


def creation(name: str, initcode: bytes, salt: bytes = NO_SALT) -> tuple[str, Call]:
    """Return the key and the call under which the outbox asks the proxy to make a contract of `initcode`."""
    address = create2_address(PROXY, salt, initcode)
    call = Call(PROXY, salt + initcode, 0, name, "constructor", {"address": address, "salt": salt})
    return f"deploy {name} {address}", call


def check_code(node: Node, name: str, address: str, *, has_immutables: bool = False) -> None:
    """Return if the code at `address` is that of the contract `name`.

    has_immutables  Vyper appends them to the code, so only what precedes them is compared
    raises          VerificationFailed "deploy.code"; InvalidInput "chain.no_contract" when there is none
    """
    code = node.code(address)
    if not code:
        node.check_contract(address)
    expected = artifact(name).runtime_bytecode
    if code != expected and not (has_immutables and code.startswith(expected)):
        raise VerificationFailed(
            "deploy.code",
            f"the code at {address} is not {name}",
            expected="0x" + keccak(expected).hex(),
            got="0x" + keccak(code).hex(),
            hint="another release, or another contract; check the address and the chain",
        )


def find_birth(node: Node, address: str) -> int:
    """Return the block in which `address` got its code, by bisection; 0 where the node has forgotten old states."""
    first, last = 0, node.block_number()
    try:
        while first < last:
            middle = (first + last) // 2
            if node.code(address, middle):
                last = middle
            else:
                first = middle + 1
    except Unavailable:
        return 0
    return first


def install_proxy(outbox: Outbox, *, timeout_s: float = OUTBOX_WAIT_S) -> None:
    """Return when the deployment proxy is on the chain, after paying for its transaction if it was not.

    raises  VerificationFailed "deploy.proxy" when its address holds other code; Rejected or InvalidInput when the node
            refuses transactions without a chain id; Unavailable "deploy.proxy_waiting"
    """
    node = outbox.node
    if not has_proxy(node):
        lacking = PROXY_COST_WEI - node.balance(PROXY_DEPLOYER)
        if lacking > 0:
            fund = Call(PROXY_DEPLOYER, b"", lacking, "deterministic-deployment-proxy", "fund")
            outbox.send_and_wait(fund, key=f"fund the deployment proxy with {lacking}", timeout_s=timeout_s)
        node.send_raw(PROXY_TRANSACTION)
        _wait_for_proxy(outbox, timeout_s)


def has_proxy(node: Node) -> bool:
    """Return whether the deployment proxy is there; raises VerificationFailed "deploy.proxy" when other code is."""
    code = node.code(PROXY)
    if code and code != PROXY_CODE:
        raise VerificationFailed(
            "deploy.proxy",
            "the deployment proxy's address holds other code",
            expected="0x" + PROXY_CODE.hex(),
            got="0x" + code.hex()[:160],
            hint="this chain cannot have deterministic addresses",
        )
    return bool(code)


def _wait_for_proxy(outbox: Outbox, timeout_s: float) -> None:
    clock = outbox.clock
    deadline = clock.monotonic_s() + timeout_s
    pause_s = OUTBOX_POLL_S_MIN
    while not has_proxy(outbox.node):
        if clock.monotonic_s() >= deadline:
            raise Unavailable(
                "deploy.proxy_waiting",
                "the deployment proxy's transaction was sent and is not mined",
                hint="its price is 100 gwei and cannot be raised; wait until the base fee is below",
            )
        clock.pause(pause_s)
        pause_s = min(2 * pause_s, OUTBOX_POLL_S_MAX)


def _initcode(made: Artifact, arguments: Sequence[object]) -> bytes:
    types = [str(one["type"]) for one in _constructor(made)]
    try:
        return made.bytecode + abi_encode(types, list(arguments))
    except (EncodingError, ValueError, TypeError) as error:
        raise InvalidInput(
            "deploy.arguments",
            f"not the constructor arguments of {made.name}",
            expected=f"({', '.join(types)})",
            got=f"{len(arguments)} arguments",
        ) from error


def _constructor(made: Artifact) -> list[Mapping[str, Any]]:
    return [one for entry in made.abi if entry["type"] == "constructor" for one in entry["inputs"]]
