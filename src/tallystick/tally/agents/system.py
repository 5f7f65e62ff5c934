"""The contracts that agents of a chain need: those that serve all policy accounts, and the registries.

Each is at an address that its code and what it relies on determine, so whoever deploys them again finds them. `tally
chain deploy` and `tally agent new` come here both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.chain.bindings.policy_account import PolicyAccount
from tallystick.chain.bindings.policy_account_factory import PolicyAccountFactory
from tallystick.chain.deploy import deploy, relies_on_identity
from tallystick.chain.deployments import Deployment, record_deployment
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.contracts import names
from tallystick.core.errors import InvalidInput

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

FACTORY: Final = "PolicyAccountFactory"
IDENTITY: Final = "AgentIdentity"

# EntryPoint v0.8 is at this address of every chain that has it (eth-infinitism/account-abstraction, release v0.8.0).
ENTRY_POINT: Final = "0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108"


@dataclass(frozen=True)
class System:
    """Where the contracts are; before `first_block` the factory has made nothing."""

    factory: str
    implementation: str
    rules: str
    queue: str
    changes: str
    relay: str
    entry_point: str
    first_block: int

    def to_dict(self) -> dict[str, object]:
        """Return the addresses as JSON members."""
        return dict(vars(self))


def build_system(outbox: Outbox, entry_point: str = ENTRY_POINT) -> dict[str, Deployment]:
    """Return the contracts by name, after putting on the chain those that it lacks; raises as `chain.deploy.deploy`."""
    made = {name: deploy(outbox, name) for name in ("PolicyRules", "PolicyQueue", "PolicyRelay")}
    rules, queue, relay = (made[name].address for name in ("PolicyRules", "PolicyQueue", "PolicyRelay"))
    made["PolicyChanges"] = deploy(outbox, "PolicyChanges", arguments=[rules, queue])
    around = [entry_point, rules, queue, made["PolicyChanges"].address, relay]
    made["PolicyAccount"] = deploy(outbox, "PolicyAccount", arguments=around)
    made[FACTORY] = deploy(outbox, FACTORY, arguments=[made["PolicyAccount"].address])
    return made


def build_registries(outbox: Outbox, identity: str | None = None) -> dict[str, Deployment]:
    """Return the agents' registries by name, after putting on the chain those that it lacks.

    identity  the identity registry that the others rely on; ours if left out
    raises    as `chain.deploy.deploy`
    """
    made = {IDENTITY: deploy(outbox, IDENTITY)}
    given = [identity or made[IDENTITY].address]
    return made | {name: deploy(outbox, name, arguments=given) for name in names() if relies_on_identity(name)}


def deploy_system(tally: Tally, entry_point: str | None = None) -> System:
    """Return where the contracts of policy accounts are, deployed or found, and recorded as this workspace's.

    entry_point  of ERC-4337; that of the contracts which are recorded already if left out, at first v0.8's
    """
    _record(tally, build_system(tally.outbox, entry_point or _entry_point(tally)))
    return find_system(tally)


def deploy_agents(tally: Tally) -> dict[str, str]:
    """Return by name where everything is that agents need, deployed or found, and recorded as this workspace's."""
    known = tally.workspace.config.deployments.get(IDENTITY)
    made = build_registries(tally.outbox, known) | build_system(tally.outbox, _entry_point(tally))
    return _record(tally, made)


def find_system(tally: Tally) -> System:
    """Return this workspace's contracts; raises InvalidInput "deployments.absent" where there are none."""
    try:
        factory, first_block = tally.address(FACTORY), tally.first_block(FACTORY)
    except InvalidInput as error:
        if error.code == "deployments.absent":
            error.hint = "`tally chain deploy` puts the contracts there, or finds them"
        raise
    return read_system(tally.node, factory, first_block)


def read_system(node: Node, factory: str, first_block: int = 0) -> System:
    """Return the contracts that a factory's accounts lean on, as its implementation names them."""
    implementation = PolicyAccountFactory(node, factory).implementation()
    account = PolicyAccount(node, implementation)
    return System(
        factory, implementation, account.rules(), account.queue(), account.changes(), account.relay(),
        account.entry_point(), first_block,
    )  # fmt: skip


def _entry_point(tally: Tally) -> str:
    """Return what the contracts that this workspace has recorded already were made with, v0.8's where it has none."""
    try:
        return find_system(tally).entry_point
    except InvalidInput as error:
        if error.code != "deployments.absent":
            raise
        return ENTRY_POINT


def _record(tally: Tally, made: Mapping[str, Deployment]) -> dict[str, str]:
    folder, node = tally.workspace.deployments_path.parent, tally.node
    for one in made.values():
        record_deployment(folder, node.chain_id, node.genesis_hash, one)
    return {name: one.address for name, one in made.items()}
