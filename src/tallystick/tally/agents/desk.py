"""The wallets that this workspace's account owns, or any other by its address, and the way to a new one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.agents.bookkeeping.ledger import Ledger
from tallystick.agents.bookkeeping.lines import Period
from tallystick.agents.clones import original_of
from tallystick.agents.intents_openings import OpeningStore
from tallystick.agents.intents_store import IntentStore
from tallystick.chain.bindings.policy_account_factory import AccountCreated, PolicyAccountFactory
from tallystick.chain.deploy import find_birth
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.names import check_name
from tallystick.index import Projection
from tallystick.tally.agents import senders
from tallystick.tally.agents.channels import Channels
from tallystick.tally.agents.credentials import Credentials
from tallystick.tally.agents.feedback import Opinions
from tallystick.tally.agents.identities import Identities
from tallystick.tally.agents.invoices import Invoices
from tallystick.tally.agents.ledger import read_ledger
from tallystick.tally.agents.payments import Payments
from tallystick.tally.agents.registries import Registries
from tallystick.tally.agents.senders import address_of
from tallystick.tally.agents.system import System, deploy_agents, deploy_system, find_system
from tallystick.tally.agents.validations import Validations
from tallystick.tally.agents.wallet import Wallet

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


class Agents:
    """Agents and their wallets."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def deploy(self, entry_point: str | None = None) -> System:
        """Return the contracts that serve all wallets, deployed or found; they are this workspace's from here on.

        entry_point  of ERC-4337; if left out, that of the contracts which this workspace has, at first v0.8's
        """
        wanted = entry_point and parse_address(entry_point)
        if wanted and wanted not in (self._entry_point(), None) and self.wallets():
            raise InvalidInput(
                "agent.entry_point", "this workspace's wallets have another EntryPoint", expected=self._entry_point(),
                got=wanted, hint="make the wallet in another workspace: a name here means one wallet",
            )  # fmt: skip
        self.__dict__.pop("system", None)
        return deploy_system(self._tally, wanted)

    def _entry_point(self) -> str | None:
        try:
            return self.system.entry_point
        except InvalidInput as error:
            if error.code != "deployments.absent":
                raise
            return None

    def deploy_contracts(self) -> dict[str, str]:
        """Return by name where all is that agents need, wallets' contracts and registries, deployed or found."""
        for part in ("system", "registries"):
            self.__dict__.pop(part, None)
        return deploy_agents(self._tally)

    @cached_property
    def system(self) -> System:
        """The contracts that serve all wallets; raises InvalidInput "deployments.absent"."""
        return find_system(self._tally)

    # --- the registries

    @cached_property
    def registries(self) -> Registries:
        """Where agents are registered, rated, validated and attested."""
        return Registries(self._tally)

    @property
    def first_block(self) -> int:
        """The block before which the registries have no event."""
        return self.registries.first_block

    def projection(self) -> Projection | None:
        """Return what the index makes of the registries' events; None where this workspace knows none."""
        return self.registries.projection()

    @cached_property
    def identities(self) -> Identities:
        """Who agents are."""
        return Identities(self._tally, self.registries)

    @cached_property
    def feedback(self) -> Opinions:
        """What clients say of agents, and how far to believe it."""
        return Opinions(self._tally, self.registries)

    @cached_property
    def validations(self) -> Validations:
        """What others checked of an agent's work."""
        return Validations(self._tally, self.registries)

    @cached_property
    def credentials(self) -> Credentials:
        """Who answers for agents."""
        return Credentials(self._tally, self.registries)

    # --- payments

    @cached_property
    def payments(self) -> Payments:
        """What is sold and bought by x402."""
        return Payments(self._tally)

    @cached_property
    def channels(self) -> Channels:
        """Channels that are paid over, and those that pay."""
        return Channels(self._tally)

    @cached_property
    def invoices(self) -> Invoices:
        """What is billed."""
        return Invoices(self._tally)

    def ledger(self, wallet: str | None = None, period: Period | None = None, tokens: Sequence[str] = ()) -> Ledger:
        """Return all that came, went and is promised, held against the chain; as `tally.agents.ledger.read_ledger`."""
        return read_ledger(self._tally, wallet, period, tokens)

    def close(self) -> None:
        """Close the books of payments, channels and invoices."""
        for name in ("payments", "channels", "invoices"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()

    # --- wallets

    @cached_property
    def intents(self) -> IntentStore:
        """The intent records that are kept here."""
        return IntentStore(self._tally.blobs)

    @cached_property
    def openings(self) -> OpeningStore:
        """What opens the commitments of those records; for nobody else to read."""
        return OpeningStore(self._tally.workspace.openings_path)

    def address(self, key_or_address: str) -> str:
        """Return the address of a key of this workspace, or the one that is written out."""
        return address_of(self._tally, key_or_address)

    def create(self, name: str, guardians: Sequence[str], raise_delay_s: int) -> Wallet:
        """Return the wallet `name` of this workspace's account, made now, unsealed, or by the same call before.

        guardians      keys by name, or addresses
        raise_delay_s  how long raises wait once it is sealed; at least an hour
        raises         InvalidInput "names.…"; Rejected with the contracts' reasons
        """
        owner, salt = self._tally.account.address, _salt(name)
        factory = PolicyAccountFactory(self._tally.node, self.system.factory)
        address = factory.address_of(owner, salt)
        if not self._tally.node.code(address):
            held = [address_of(self._tally, one) for one in guardians]
            call = factory.create(owner, salt, held, raise_delay_s)
            senders.send(self._tally, senders.OWN, call, f"create {address}")
        return self.wallet(name)

    def wallet(self, which: str) -> Wallet:
        """Return a wallet: by the name that this workspace's account gave it, or by its address.

        raises  InvalidInput "agent.wallet", "address.…", and by name "deployments.absent"
        """
        address = parse_address(which) if which.startswith("0x") else self._named(which)
        code = self._tally.node.code(address)
        original = original_of(code)
        if original is None:
            raise InvalidInput(
                "agent.wallet", f"there is no wallet {which!r}", expected=f"an account at {address}",
                got="another contract" if code else "none",
                hint="`tally agent wallet show` lists this account's; `tally agent new` makes one",
            )  # fmt: skip
        return Wallet(self._tally, address, self._first_block(address, original), self.intents)

    def _named(self, name: str) -> str:
        factory = PolicyAccountFactory(self._tally.node, self.system.factory)
        return factory.address_of(self._tally.account.address, _salt(name))

    def _first_block(self, address: str, original: str) -> int:
        """Return a block before which a wallet has no event, also of one that another factory made."""
        try:
            if self.system.implementation == original:
                return self.system.first_block
        except InvalidInput as error:
            if error.code != "deployments.absent":
                raise
        return find_birth(self._tally.node, address)

    def wallets(self) -> list[Wallet]:
        """Return the wallets that this workspace's account has made, the oldest first."""
        owner = bytes(12) + bytes.fromhex(self._tally.account.address[2:])
        topics = (AccountCreated.topic, None, owner)
        logs = self._tally.node.logs(self.system.factory, topics, from_block=self.system.first_block)
        made = [AccountCreated.decode(log).account for log in logs]
        return [Wallet(self._tally, one, self.system.first_block, self.intents) for one in made]


def _salt(name: str) -> bytes:
    return keccak(check_name(name).encode())
