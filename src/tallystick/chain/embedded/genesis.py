"""The first block: who holds what, and the two contracts that a Prague network starts with.

Everything here is fixed by `Genesis`, which is stored in the chain file as canonical JSON, so the first state root can
be computed again. There is no beacon chain, so the contracts of EIP-4788, 7002 and 7251 are
absent, as they are on anvil.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tallystick.chain.embedded.accounts import Accounts, Fresh, Source
from tallystick.chain.embedded.header import ZERO_HASH, Header
from tallystick.chain.embedded.rules import HISTORY_ADDRESS
from tallystick.chain.embedded.trie import BLANK_ROOT, Node
from tallystick.core.canonical import decode, encode
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import LEDGER_BLOCK_GAS

CHAIN_ID: Final = 1_337  # local development, and not the 31337 of anvil and hardhat: records of the two never mix
INITIAL_BASE_FEE: Final = 10**9  # wei, EIP-1559

# EIP-2935 as deployed on mainnet
HISTORY_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff"
    "9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
# https://github.com/Arachnid/deterministic-deployment-proxy as deployed on mainnet
DEPLOYER_ADDRESS: Final = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
DEPLOYER_CODE: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f5801515603957"
    "8182fd5b8082525050506014600cf3"
)


@dataclass(frozen=True)
class Genesis:
    """The parameters of a chain; `balances` in wei by 20-byte address, `timestamp` in seconds since 1970."""

    timestamp: int
    chain_id: int = CHAIN_ID
    gas_limit: int = LEDGER_BLOCK_GAS
    base_fee: int = INITIAL_BASE_FEE
    coinbase: bytes = bytes(20)
    balances: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.chain_id < 2**53:
            raise InvalidInput("chain.id", "chain id is out of range", expected="1 to 2**53 - 1", got=self.chain_id)
        if not 0 <= self.timestamp < 2**40 or not 21_000 <= self.gas_limit < 2**53 or not 0 <= self.base_fee < 2**53:
            raise InvalidInput("genesis.range", "genesis timestamp, gas limit or base fee is out of range")
        if len(self.coinbase) != 20 or any(len(address) != 20 for address in self.balances):
            raise InvalidInput("genesis.range", "genesis address is not 20 bytes")
        if any(not 0 <= balance < 2**200 for balance in self.balances.values()):
            raise InvalidInput("genesis.range", "genesis balance is out of range", expected="0 ≤ wei < 2**200")

    def to_bytes(self) -> bytes:
        """Return the canonical JSON that the chain file keeps."""
        return encode(
            {
                "balances": {address.hex(): str(wei) for address, wei in self.balances.items()},
                "base_fee": self.base_fee,
                "chain_id": self.chain_id,
                "coinbase": self.coinbase.hex(),
                "gas_limit": self.gas_limit,
                "timestamp": self.timestamp,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Genesis:
        """Read what `to_bytes` wrote; raises VerificationFailed "chain.genesis" for anything else."""
        try:
            value = decode(data, "genesis")
            if isinstance(value, dict) and isinstance(value["balances"], dict):
                genesis = cls(
                    balances={bytes.fromhex(key): int(str(wei)) for key, wei in value["balances"].items()},
                    base_fee=int(str(value["base_fee"])),
                    chain_id=int(str(value["chain_id"])),
                    coinbase=bytes.fromhex(str(value["coinbase"])),
                    gas_limit=int(str(value["gas_limit"])),
                    timestamp=int(str(value["timestamp"])),
                )
                if genesis.to_bytes() == data:
                    return genesis
        except (InvalidInput, KeyError, ValueError):
            pass
        raise VerificationFailed("chain.genesis", "stored genesis parameters are malformed", got=data[:80])

    def allocation(self) -> dict[bytes, tuple[int, int, bytes]]:
        """Return (nonce, balance, code) of every account that exists at the start."""
        accounts = {address: (0, balance, b"") for address, balance in self.balances.items()}
        for address, code in ((HISTORY_ADDRESS, HISTORY_CODE), (DEPLOYER_ADDRESS, DEPLOYER_CODE)):
            accounts[address] = (1, self.balances.get(address, 0), code)
        return accounts

    def header(self, state_root: bytes) -> Header:
        """Return the header of block 0 over this state."""
        return Header(
            parent_hash=ZERO_HASH,
            coinbase=self.coinbase,
            state_root=state_root,
            number=0,
            gas_limit=self.gas_limit,
            timestamp=self.timestamp,
            base_fee=self.base_fee,
        )

    def build(self) -> tuple[Header, Fresh, dict[bytes, bytes]]:
        """Return block 0's header, the nodes of its state and the code in it."""
        accounts = Accounts(Source(_nothing, _no_value), BLANK_ROOT)
        for address, (nonce, balance, code) in self.allocation().items():
            accounts.set_balance(address, balance)
            accounts.set_nonce(address, nonce)
            if code:
                accounts.set_code(address, code)
        root, nodes, codes = accounts.seal()
        return self.header(root), nodes, codes


def _nothing(digest: bytes) -> Node:
    raise VerificationFailed("chain.node", "there is nothing before the first block", expected=digest.hex())


def _no_value(digest: bytes) -> bytes:
    raise VerificationFailed("chain.node", "there is nothing before the first block", expected=digest.hex())
