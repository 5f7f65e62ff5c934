"""The contracts that serve all policy accounts of a chain: rules, queue, changes, relay, implementation, factory.

Each is at an address that its code and what it relies on determine, so whoever deploys them again finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.chain.bindings.policy_account import PolicyAccount
from tallystick.chain.bindings.policy_account_factory import PolicyAccountFactory
from tallystick.chain.deploy import deploy
from tallystick.chain.deployments import Deployment, record_deployment
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import InvalidInput

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

FACTORY: Final = "PolicyAccountFactory"

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


def deploy_system(tally: Tally, entry_point: str = ENTRY_POINT) -> System:
    """Return where the contracts are, deployed or found, and recorded as this workspace's."""
    folder, node = tally.workspace.deployments_path.parent, tally.node
    for one in build_system(tally.outbox, entry_point).values():
        record_deployment(folder, node.chain_id, node.genesis_hash, one)
    return find_system(tally)


def find_system(tally: Tally) -> System:
    """Return this workspace's contracts; raises InvalidInput "deployments.absent" where there are none."""
    try:
        factory, first_block = tally.address(FACTORY), tally.first_block(FACTORY)
    except InvalidInput as error:
        if error.code == "deployments.absent":
            error.hint = "`tally agent new` puts the contracts there, or finds them"
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
