"""The embedded ledger: a real Ethereum state machine in one SQLite file, behind a web3.py provider.

    create(path, Genesis(timestamp=…, balances={address: wei}))
    web3 = Web3(EmbeddedProvider(path))

`trie`, `accounts` and `rules` are the state machine; `file` and `ledger` keep and check it; `writer` builds blocks;
`provider` answers JSON-RPC with the `rpc_*` modules; `fsck` proves a whole file. docs/spec/chain.md has the reasons.
"""

from tallystick.chain.embedded.genesis import CHAIN_ID, Genesis
from tallystick.chain.embedded.ledger import create
from tallystick.chain.embedded.provider import EmbeddedProvider
from tallystick.chain.embedded.summary import ChainStatus, status

__all__ = [
    "CHAIN_ID",
    "ChainStatus",
    "EmbeddedProvider",
    "Genesis",
    "create",
    "status",
]
