"""`Tally`: a workspace with its chain, its account, its outbox and its evidence, each opened when it is first used."""

from __future__ import annotations

import importlib
import pkgutil
import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tallystick.chain.accounts import Account
from tallystick.chain.coin import NATIVE
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy, find_birth, has_coin, read_coin_of, takes_arguments
from tallystick.chain.deployments import load_deployments, record_deployment
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.contracts import names
from tallystick.core.errors import InvalidInput
from tallystick.index import Index
from tallystick.store.blobs import BlobStore
from tallystick.store.keys import PassphrasePort, SecretKey
from tallystick.store.workspace import Config, Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from tallystick.tally.agents import Agents
    from tallystick.tally.inference import Logs
    from tallystick.tally.lithic import Kernels
    from tallystick.tally.models import Models

ACCOUNT = "main"  # the account that sends transactions
SIGNER = "signer"  # the Ed25519 key that signs statements of versions

DEVELOPMENT_WEI = 10**24  # a million coins worth nothing: no local experiment runs dry


class Tally:
    """An open workspace. Not safe to share between threads, but for what its parts promise.

    passphrase  asked for each key that is encrypted with a passphrase of its own
    """

    if TYPE_CHECKING:
        agents: Agents
        models: Models
        inference: Logs
        lithic: Kernels

    def __init__(self, workspace: Workspace, passphrase: PassphrasePort) -> None:
        self.workspace = workspace
        self._passphrase = passphrase

    @classmethod
    def open(cls, path: Path, passphrase: PassphrasePort) -> Tally:
        """Open the workspace at `path`; nothing is asked of its chain yet.

        raises  InvalidInput "workspace.missing" and the errors of a malformed configuration
        """
        return cls(Workspace.open(path), passphrase)

    @classmethod
    def create(cls, path: Path, passphrase: PassphrasePort, config: Config | None = None) -> Tally:
        """Make a workspace at `path` and open it; raises InvalidInput "workspace.exists"."""
        return cls(Workspace.create(path, config), passphrase)

    @staticmethod
    def chain_id_of(target: str) -> int:
        """Ask the node at the URL `target` which chain it is on."""
        with connect(target) as node:
            return node.chain_id

    def __getattr__(self, name: str) -> Any:
        """Return the desk of the room `name`: the file of that name in this package, opened once."""
        if name.startswith("_") or name not in _desks():
            raise AttributeError(f"{type(self).__name__!r} has no room {name!r}")
        desk = importlib.import_module(f"{__package__}.{name}").open_desk(self)
        setattr(self, name, desk)
        return desk

    # --- keys

    def secret(self, name: str) -> SecretKey:
        """Return the secp256k1 key `name`; on the embedded chain a development key of that name is made at need."""
        keys = self.workspace.keyring
        if self.workspace.is_embedded and not self._has_key(name):
            return keys.development_account(name, chain_is_embedded=True)
        return keys.account(name, self._passphrase, chain_is_embedded=self.workspace.is_embedded)

    def signer(self, name: str = SIGNER) -> Ed25519PrivateKey:
        """Return the Ed25519 key `name`; on the embedded chain a development key of that name is made at need."""
        keys = self.workspace.keyring
        if self.workspace.is_embedded and not self._has_key(name):
            return keys.development_signer(name, chain_is_embedded=True)
        return keys.signer(name, self._passphrase, chain_is_embedded=self.workspace.is_embedded)

    def _has_key(self, name: str) -> bool:
        return any(key.name == name for key in self.workspace.keyring.list())

    # --- chain

    @cached_property
    def account(self) -> Account:
        """The account that sends this workspace's transactions."""
        return Account(self.secret(ACCOUNT).reveal())

    @cached_property
    def node(self) -> Node:
        """The chain. The embedded one is made at first use, with coins for the development account.

        raises  InvalidInput "tally.chain" when the node is on another chain than the workspace
        """
        workspace = self.workspace
        if workspace.is_embedded and not Path(workspace.chain_target).exists():
            self._create_chain()
        node = connect(workspace.chain_target)
        if node.chain_id != workspace.config.chain_id:
            raise InvalidInput(
                "tally.chain",
                "the node is on another chain than this workspace",
                expected=workspace.config.chain_id,
                got=node.chain_id,
                hint="check [chain] in config.toml",
            )
        return node

    def _create_chain(self) -> None:
        from tallystick.chain.embedded import Genesis, create

        funded = {bytes.fromhex(self.account.address[2:]): DEVELOPMENT_WEI}
        genesis = Genesis(timestamp=int(time.time()), chain_id=self.workspace.config.chain_id, balances=funded)
        create(Path(self.workspace.chain_target), genesis)

    @cached_property
    def outbox(self) -> Outbox:
        """Where transactions leave through."""
        return Outbox(self.workspace.outbox_path, self.node, self.account)

    def deploy(self) -> dict[str, str]:
        """Put each packaged contract on the chain that lacks it, record where, and return the addresses by name.

        Contracts that hold money count in the coin of the one that is recorded already, at first in the native coin.
        A desk deploys what its room's contracts are made with. What nobody does, as a token with its name, somebody
        makes for a purpose, and not here.
        """
        folder, node = self.workspace.deployments_path.parent, self.node
        recorded = load_deployments(folder, node.chain_id, node.genesis_hash).contracts
        addresses = {}
        for name in names():
            arguments = []
            if has_coin(name):
                known = recorded.get(name)
                arguments = [NATIVE if known is None else read_coin_of(node, known.address)]
            elif takes_arguments(name):
                continue
            made = deploy(self.outbox, name, arguments=arguments)
            record_deployment(folder, node.chain_id, node.genesis_hash, made)
            addresses[name] = made.address
        for desk in self._all_desks():
            if hasattr(desk, "deploy_contracts"):
                addresses |= desk.deploy_contracts()
        return dict(sorted(addresses.items()))

    def deploy_token(self, name: str, symbol: str, decimals: int, supply: int) -> str:
        """Return the address of a token whose whole supply, in smallest units, is this account's; found if made before.

        It is this workspace's token from here on: the one that agents are paid in.
        """
        arguments = [name, symbol, decimals, supply, self.account.address]
        made = deploy(self.outbox, "Token", arguments=arguments)
        folder = self.workspace.deployments_path.parent
        record_deployment(folder, self.node.chain_id, self.node.genesis_hash, made)
        return made.address

    def address(self, contract: str) -> str:
        """Return where `contract` is on this chain, from the configuration or else from our own deployments.

        raises  InvalidInput "deployments.absent" when neither knows
        """
        configured = self.workspace.config.deployments.get(contract)
        if configured is not None:
            return configured
        folder = self.workspace.deployments_path.parent
        return load_deployments(folder, self.node.chain_id, self.node.genesis_hash)[contract].address

    def first_block(self, contract: str) -> int:
        """Return a block before which `contract` has no event, so that no history is searched from the beginning.

        raises  InvalidInput "deployments.absent" as `address`
        """
        configured = self.workspace.config.deployments.get(contract)
        if configured is not None:
            return find_birth(self.node, configured)
        folder = self.workspace.deployments_path.parent
        return load_deployments(folder, self.node.chain_id, self.node.genesis_hash)[contract].block_number

    @cached_property
    def index(self) -> Index:
        """The facts of this chain's events, for lists and searches; `sync` it before asking."""
        indexed = [desk for desk in self._all_desks() if hasattr(desk, "projection")]
        projected = [(desk, made) for desk in indexed if (made := desk.projection()) is not None]
        first_block = min(desk.first_block for desk, _ in projected)
        projections = [made for _, made in projected]
        return Index(self.workspace.index_path, self.node, projections, first_block=first_block)

    def _all_desks(self) -> list[Any]:
        return [getattr(self, name) for name in sorted(_desks())]

    # --- evidence

    @cached_property
    def blobs(self) -> BlobStore:
        """Where evidence is kept."""
        return self.workspace.blobs

    # --- end

    def close(self) -> None:
        """Close what was opened; transactions on their way go on when the workspace is next opened."""
        for name in ("inference", "agents", "outbox", "node"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()

    def __enter__(self) -> Tally:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _desks() -> set[str]:
    from tallystick import tally

    return {module.name for module in pkgutil.iter_modules(tally.__path__)} - {"workspace", "audit"}
