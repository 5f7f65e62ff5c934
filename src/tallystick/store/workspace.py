"""The workspace: one folder that holds everything a user has made, and nothing that only this program can read.

    config.toml      which chain, where the blobs are, contracts that others deployed     read here, strictly
    chain.db         the embedded chain, where there is one                               owned by chain
    outbox.db        transactions on their way                                            owned by chain
    deployments/     contracts deployed from here, a file per chain id                    owned by chain
    keys/            encrypted keys                                                       keys.py
    blobs/           evidence by digest, unless the configuration points elsewhere        blobs.py
    logs/            Merkle logs                                                          owned by inference
    payments/        what agents sold and bought, whose outcome may be unknown            owned by agents
    committee/       what a provider has signed                                           owned by lithic
    index.db         facts from the chain; may be deleted at any time                     owned by index

Opening checks the configuration and nothing else; each part is checked by its owner when it is used.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tallystick.core.documents import integer, members, text, typed
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import CONFIG_BYTES_MAX
from tallystick.store.blobs import BlobStore
from tallystick.store.files import make_folder, read_bounded, write_atomic
from tallystick.store.keys import Keyring
from tallystick.store.locks import FileLock

FOLDER: Final = ".tally"  # the workspace's name inside a project
EMBEDDED: Final = "embedded"
EMBEDDED_CHAIN_ID: Final = 1_337  # not the 31337 of anvil: records of the two never mix

_CONTRACT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z", re.ASCII)
_CHAIN_ID_MAX = 2**53 - 1


@dataclass(frozen=True)
class Config:
    """What config.toml says.

    target       "embedded", or the http(s) URL of a node; it may carry an access token, so it is never shown
    chain_id     the chain that the node must be on
    blobs        a path relative to the workspace, or any blob store URL
    deployments  contract name to checksum address: contracts that others deployed; they go before our own records
    """

    target: str = field(default=EMBEDDED, repr=False)
    chain_id: int = EMBEDDED_CHAIN_ID
    blobs: str = field(default="blobs", repr=False)
    deployments: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.target != EMBEDDED:
            _check_node_url(self.target)
        integer(self.chain_id, "chain id", 1, _CHAIN_ID_MAX)
        if not text(self.blobs, "blob location") or any(ord(char) < 32 for char in self.blobs):
            raise InvalidInput("workspace.blobs", "not a blob location", expected="a path or a URL on one line")
        for name, address in self.deployments.items():
            if not _CONTRACT.match(name) or parse_address(address) != address:
                raise InvalidInput(
                    "workspace.deployments", "not a contract and its checksum address", got=ascii(name)[:80]
                )

    @classmethod
    def from_bytes(cls, data: bytes) -> Config:
        """Read config.toml.

        raises  InvalidInput "workspace.toml" for what is no TOML, "document.unknown" for keys that mean nothing here,
                "document.…" for other shapes, "workspace.chain", "workspace.blobs", "address.…"
        """
        try:
            found = tomllib.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise InvalidInput("workspace.toml", f"config.toml is not TOML: {str(error)[:120]}") from None
        try:
            top = members(found, "config.toml", ("chain", "blobs"), ("deployments",))
            chain = members(top["chain"], "[chain]", ("target", "id"))
            blobs = members(top["blobs"], "[blobs]", ("url",))
        except InvalidInput as error:
            error.hint = 'config.toml has [chain] target and id, [blobs] url, and [deployments] Contract = "0x…"'
            raise
        named = typed(top.get("deployments", {}), dict, "[deployments]")
        deployments = {str(name): parse_address(address) for name, address in named.items()}
        return cls(text(chain["target"], "chain target"), chain["id"], blobs["url"], deployments)

    def to_bytes(self) -> bytes:
        """Return the configuration as config.toml, which `from_bytes` reads back the same."""
        lines = ["[chain]", f"target = {_quoted(self.target)}", f"id = {self.chain_id}", ""]
        lines += ["[blobs]", f"url = {_quoted(self.blobs)}"]
        if self.deployments:
            lines += [
                "",
                "[deployments]",
                *(f"{name} = {_quoted(at)}" for name, at in sorted(self.deployments.items())),
            ]
        return ("\n".join(lines) + "\n").encode()


@dataclass(frozen=True)
class Workspace:
    """An open workspace: its folder and its configuration."""

    path: Path
    config: Config

    @classmethod
    def create(cls, path: Path, config: Config | None = None) -> Workspace:
        """Make a workspace in the folder `path`, which may hold other things but no workspace; of two at once one wins.

        raises  InvalidInput "workspace.exists"; as `write_atomic`
        """
        workspace = cls(path, config or Config())
        make_folder(path, mode=0o700)
        try:
            # 0600: a node's URL may carry an access token
            write_atomic(path / "config.toml", workspace.config.to_bytes(), mode=0o600, new=True)
        except InvalidInput as error:
            if error.code == "files.exists":
                raise InvalidInput(
                    "workspace.exists", f"{path} is a workspace already", hint="open it instead"
                ) from None
            raise
        return workspace

    @classmethod
    def open(cls, path: Path) -> Workspace:
        """Return the workspace in the folder `path`.

        raises  InvalidInput "workspace.missing", and as `Config.from_bytes`
        """
        try:
            data = read_bounded(path / "config.toml", CONFIG_BYTES_MAX)
        except InvalidInput as error:
            if error.code == "files.missing":
                raise InvalidInput(
                    "workspace.missing", f"{path} is no workspace", hint="`tally init` makes one"
                ) from None
            raise
        return cls(path, Config.from_bytes(data))

    def with_config(self, config: Config) -> Workspace:
        """Write another configuration and return the workspace that has it."""
        write_atomic(self.path / "config.toml", config.to_bytes(), mode=0o600)
        return Workspace(self.path, config)

    @property
    def is_embedded(self) -> bool:
        """Whether the chain is the embedded one."""
        return self.config.target == EMBEDDED

    @property
    def chain_target(self) -> str:
        """What chain.connect takes: the path of the embedded chain's file, or the node's URL."""
        return str(self.path / "chain.db") if self.is_embedded else self.config.target

    @property
    def outbox_path(self) -> Path:
        """Where chain keeps transactions on their way; never rebuilt."""
        return self.path / "outbox.db"

    @property
    def index_path(self) -> Path:
        """Where index keeps facts; may be deleted at any time."""
        return self.path / "index.db"

    @property
    def deployments_path(self) -> Path:
        """Where chain records what was deployed on this workspace's chain."""
        return self.path / "deployments" / f"{self.config.chain_id}.json"

    @property
    def openings_path(self) -> Path:
        """Where the salts of agents' intent records lie, for nobody else to read."""
        return self.path / "openings"

    @property
    def payments_path(self) -> Path:
        """Where agents keep what they sold and bought, beside what the chain knows; never rebuilt."""
        return self.path / "payments"

    @property
    def logs_path(self) -> Path:
        """The folder that holds a folder for each Merkle log."""
        return self.path / "logs"

    @property
    def keyring(self) -> Keyring:
        """The workspace's keys."""
        return Keyring(self.path / "keys")

    @property
    def blobs(self) -> BlobStore:
        """The workspace's blobs."""
        return BlobStore(self.config.blobs, base=self.path)

    def lock(self, name: str, what: str, *, wait_s: float = 0.0) -> FileLock:
        """Return the lock `name` of this workspace, not yet held; `what` says what it guards."""
        return FileLock(self.path / "locks" / name, what, wait_s=wait_s)


def _check_node_url(url: str) -> None:
    try:
        parts = urlsplit(text(url, "chain target"))
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f]", url)
    except ValueError:
        fine = False
    if not fine:
        raise InvalidInput("workspace.chain", "not a chain target", expected='"embedded" or the http(s) URL of a node')


def _quoted(value: str) -> str:
    """Return `value` as a TOML basic string."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in plain) + '"'
