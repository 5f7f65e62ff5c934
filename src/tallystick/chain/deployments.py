"""Where the contracts are: `deployments/<chain-id>.json`, one file a chain, replaced whole or not at all.

The file is a convenience for whoever deployed. It names the chain by its first block as well as its id, because a
development chain started afresh keeps its id. A verifier is given addresses and believes no such file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tallystick.chain.wire import optional, read_address, read_hash, read_object, write_data
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import DEPLOYMENTS_BYTES_MAX, OUTBOX_LOCK_WAIT_S, SAFE_INTEGER_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.store.locks import FileLock


@dataclass(frozen=True)
class Deployment:
    """One contract on one chain.

    integrity         of the artifact's sources, which says what was deployed
    transaction_hash  None when it was there already
    block_number      no event of the contract is older; 0 when nobody knows better
    """

    contract: str
    address: str
    salt: bytes
    integrity: str
    transaction_hash: bytes | None
    block_number: int


@dataclass(frozen=True)
class Deployments:
    """All recorded contracts of one chain, by name."""

    chain_id: int
    genesis_hash: bytes
    contracts: Mapping[str, Deployment] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Deployment:
        """Return the deployment of `name`; raise InvalidInput "deployments.absent"."""
        if name not in self.contracts:
            raise InvalidInput(
                "deployments.absent",
                f"{name} is not recorded on chain {self.chain_id}",
                expected=name,
                got=", ".join(sorted(self.contracts)) or "nothing",
                hint="deploy the contracts first",
            )
        return self.contracts[name]


def load_deployments(folder: Path, chain_id: int, genesis_hash: bytes) -> Deployments:
    """Return what `folder` records of a chain, nothing if it has no file.

    raises  InvalidInput "deployments.form" for a file that is not one; "deployments.other_chain" for one that was
            written on another chain with the same id
    """
    path = folder / f"{chain_id}.json"
    if not path.exists():
        return Deployments(chain_id, genesis_hash)
    recorded = _parse(read_bounded(path, DEPLOYMENTS_BYTES_MAX), chain_id)
    if recorded.genesis_hash != genesis_hash:
        raise InvalidInput(
            "deployments.other_chain",
            f"{path.name} was written on another chain with id {chain_id}",
            expected=write_data(recorded.genesis_hash),
            got=write_data(genesis_hash),
            hint="the chain was started afresh; remove the file and deploy again",
        )
    return recorded


def record_deployment(folder: Path, chain_id: int, genesis_hash: bytes, made: Deployment) -> Deployments:
    """Add one deployment to the file of its chain, durably, and return all that it then records.

    raises  as `load_deployments`; Unavailable "lock.held", "files.full"

    What is recorded of the same contract at the same address already stays, since it knows the transaction.
    """
    with FileLock(folder / f"{chain_id}.lock", "the deployments file", wait_s=OUTBOX_LOCK_WAIT_S):
        recorded = load_deployments(folder, chain_id, genesis_hash)
        known = recorded.contracts.get(made.contract)
        if known is not None and known.address == made.address and made.transaction_hash is None:
            return recorded
        contracts = {**recorded.contracts, made.contract: made}
        updated = Deployments(chain_id, genesis_hash, dict(sorted(contracts.items())))
        write_atomic(folder / f"{chain_id}.json", _render(updated))
    return updated


def _render(recorded: Deployments) -> bytes:
    document = {
        "chain_id": recorded.chain_id,
        "genesis_hash": write_data(recorded.genesis_hash),
        "contracts": {
            name: {
                "address": one.address,
                "salt": write_data(one.salt),
                "integrity": one.integrity,
                "transaction_hash": None if one.transaction_hash is None else write_data(one.transaction_hash),
                "block_number": one.block_number,
            }
            for name, one in recorded.contracts.items()
        },
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _parse(raw: bytes, chain_id: int) -> Deployments:
    try:
        document = read_object(orjson.loads(raw), "document")
        if document.get("chain_id") != chain_id:
            raise _malformed(f"it is of chain {document.get('chain_id')!r}"[:80])
        contracts = read_object(document.get("contracts"), "contracts")
        return Deployments(
            chain_id=chain_id,
            genesis_hash=read_hash(document.get("genesis_hash"), "genesis_hash"),
            contracts={name: _parse_one(name, value) for name, value in contracts.items()},
        )
    except orjson.JSONDecodeError as error:
        raise _malformed("it is not JSON") from error
    except InvalidInput as error:
        raise _malformed(str(error)) from error


def _parse_one(name: str, value: object) -> Deployment:
    entry = read_object(value, name)
    block_number = entry.get("block_number")
    integrity = entry.get("integrity")
    if not isinstance(block_number, int) or not 0 <= block_number <= SAFE_INTEGER_MAX or isinstance(block_number, bool):
        raise _malformed(f"{name}.block_number is not a number")
    if not isinstance(integrity, str):
        raise _malformed(f"{name}.integrity is not a digest")
    return Deployment(
        contract=name,
        address=read_address(entry.get("address"), f"{name}.address"),
        salt=read_hash(entry.get("salt"), f"{name}.salt"),
        integrity=parse_hex32(integrity, f"{name}.integrity").hex(),
        transaction_hash=optional(read_hash)(entry.get("transaction_hash"), f"{name}.transaction_hash"),
        block_number=block_number,
    )


def _malformed(why: str) -> InvalidInput:
    return InvalidInput(
        "deployments.form", f"the deployments file is damaged: {why}", hint="restore it, or remove it and deploy again"
    )
