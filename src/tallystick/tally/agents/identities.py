"""Who agents are: registered, pointed at their files, given a wallet, a name and keys; shown and found.

Verbs of an agent are sent by a key that may act for it, this workspace's account unless another is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from tallystick.agents.directory import Directory, Listed, Wanted
from tallystick.agents.identity import domains, keys, names, wallets
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import (
    DIGEST_KEY,
    Registration,
    check_registration,
    embed,
    embedded_file,
    publish,
)
from tallystick.chain.bindings.agent_identity import Registered
from tallystick.chain.bindings.policy_account import PolicyAccount
from tallystick.chain.facts import TxReceipt
from tallystick.core.checks import Report
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import REGISTRATION_BYTES_MAX
from tallystick.tally.agents import senders

if TYPE_CHECKING:
    from tallystick.tally.agents.registries import Registries
    from tallystick.tally.workspace import Tally

_BY_DIGEST = b"\x01"  # a policy account decodes no signature of this length, and goes by the digests that it approved


@dataclass(frozen=True)
class Published:
    """An agent, and the file that its URI leads to."""

    agent: AgentRef
    uri: str
    data: bytes


@dataclass(frozen=True)
class Profile:
    """An agent as the chain has it now, and its file as far as it is at hand; `report` says whether it is its own."""

    agent: AgentRef
    owner: str
    wallet: str
    domain: str
    uri: str
    file: Registration | None
    report: Report | None

    def to_dict(self) -> dict[str, object]:
        """Return the profile as JSON members."""
        file, report = self.file, self.report
        checks = [] if report is None else [one.to_dict() for one in report.checks]
        return {
            "agent": str(self.agent), "agent_id": self.agent.agent_id, "owner": self.owner, "wallet": self.wallet,
            "domain": self.domain, "uri": self.uri, "name": file.name if file else "",
            "description": file.description if file else "", "services": file_services(file),
            "x402_support": file.x402_support if file else False, "active": file.active if file else False,
            "supported_trust": list(file.supported_trust) if file else [], "is_verified": bool(report and report.ok),
            "checks": checks,
        }  # fmt: skip


class Identities:
    """The agents of this workspace's identity registry."""

    def __init__(self, tally: Tally, registries: Registries) -> None:
        self._tally = tally
        self._registries = registries

    # --- registering

    def register(self, file: Registration, *, uri: str = "", key: str = "", by: str = senders.OWN) -> Published:
        """Return a new agent whose file this is, or the one that the same call made before.

        file    it gets the agent's place among its registrations
        uri     where its user will serve it; in the URI itself if left out
        key     tells two agents of one name and one owner apart
        raises  InvalidInput "agent_file.…", "agent.registered" where it has another file by now; Rejected "identity:
                not authorized" where the agent was sold since

        What is cut short by a crash goes on at the next call: three transactions, registered, pointed at, digest kept.
        """
        _placed(self._registries.agent(2**32), file, uri)  # what would not fit is refused before anything is sent
        with senders.outbox_of(self._tally, by) as outbox:
            call = self._registries.identity.register("")
            intent = f"agents register {file.name} {key} by {outbox.account.address} at {call.to}"
            receipt = outbox.send_and_wait(call, key=intent)
        made = next(Registered.decode(log) for log in receipt.logs if log.topics[0] == Registered.topic)
        agent = self._registries.agent(made.agent_id)
        data, found = _placed(agent, file, uri)
        if self._registries.identity.token_uri(made.agent_id) not in ("", found):
            raise InvalidInput(
                "agent.registered", f"agent {made.agent_id} of this name has another file already",
                hint="`tally agent identity publish` changes it; --key makes another agent of this name",
            )  # fmt: skip
        return self._lead_to(agent, found, data, by)

    def publish(self, agent: AgentRef, file: Registration, *, uri: str = "", by: str = senders.OWN) -> Published:
        """Let the agent's URI and digest lead to this file; what does so already is not sent. Errors as `register`.

        The file is kept among this workspace's evidence, by its SHA-256.
        """
        data, found = _placed(agent, file, uri)
        return self._lead_to(agent, found, data, by)

    def _lead_to(self, agent: AgentRef, uri: str, data: bytes, by: str) -> Published:
        identity, at = self._registries.identity, agent.agent_id
        point, keep = publish(identity, agent, uri, data)
        self._tally.blobs.put(data)
        if identity.get_metadata(at, DIGEST_KEY) != sha256(data):
            self._registries.send(keep, by, f"digest of {agent}")
        if identity.token_uri(at) != uri:
            self._registries.send(point, by, f"file of {agent}")
        return Published(agent, uri, data)

    def set_uri(self, agent: AgentRef, uri: str, by: str = senders.OWN) -> TxReceipt:
        """Let the agent's URI lead elsewhere; its digest stays. Raises Rejected "identity: not authorized"."""
        return self._registries.send(self._registries.identity.set_agent_uri(agent.agent_id, uri), by, f"uri {agent}")

    def set_metadata(self, agent: AgentRef, key: str, value: bytes, by: str = senders.OWN) -> TxReceipt:
        """Keep a value under a key; raises Rejected "metadata: reserved key", "identity: not authorized"."""
        call = self._registries.identity.set_metadata(agent.agent_id, key, value)
        return self._registries.send(call, by, f"metadata {key} of {agent}")

    def transfer(self, agent: AgentRef, receiver: str, by: str = senders.OWN) -> TxReceipt:
        """Give the agent to another owner; its wallet, its key and its credentials end with that."""
        identity = self._registries.identity
        call = identity.safe_transfer_from(identity.owner_of(agent.agent_id), receiver, agent.agent_id)
        return self._registries.send(call, by, f"transfer {agent} to {receiver}")

    # --- its wallet

    def wallet_claim(self, agent: AgentRef, wallet: str) -> wallets.WalletClaim:
        """Return what a wallet has to say yes to now, so that it becomes the agent's; it lasts some minutes."""
        return wallets.claim_wallet(self._registries.identity, agent, wallet, senders.now_s(self._tally))

    def set_key_wallet(self, agent: AgentRef, key: str, by: str = senders.OWN) -> TxReceipt:
        """Let the agent be paid at a key of this workspace, which signs for it."""
        claim = self.wallet_claim(agent, senders.account_of(self._tally, key).address)
        return self.set_wallet(claim, claim.signed(self._tally.secret(key).reveal()), by)

    def set_policy_wallet(self, agent: AgentRef, account: str, by: str = senders.OWN) -> TxReceipt:
        """Let the agent be paid at a policy account of this workspace's, whose owner approves just this digest.

        raises  Rejected "roles: not the owner" where the account is another's; InvalidInput "agent.unsealed"
        """
        if not PolicyAccount(self._tally.node, account).is_sealed():
            raise InvalidInput(
                "agent.unsealed", f"the account {account} is not sealed, and says yes to nothing until it is",
                hint="`tally agent wallet seal` comes first",
            )  # fmt: skip
        claim = self.wallet_claim(agent, account)
        approve = PolicyAccount(self._tally.node, account).approve_digest(claim.digest(), claim.deadline)
        self._registries.send(approve, senders.OWN, f"wallet of {agent}")
        return self.set_wallet(claim, _BY_DIGEST, by)

    def set_wallet(self, claim: wallets.WalletClaim, signature: bytes, by: str = senders.OWN) -> TxReceipt:
        """Use a wallet's own word; raises Rejected "wallets: wallet has not signed", "wallets: proof expired"."""
        call = wallets.set_wallet(self._registries.identity, claim, signature)
        return self._registries.send(call, by, f"wallet {claim.wallet} of {claim.agent}")

    def set_wallet_by_proof(
        self, agent: AgentRef, wallet: str, deadline: int, signature: bytes, by: str = senders.OWN
    ) -> TxReceipt:
        """Use what a wallet elsewhere signed for this deadline; errors as `set_wallet`."""
        return self.set_wallet(replace(self.wallet_claim(agent, wallet), deadline=deadline), signature, by)

    def unset_wallet(self, agent: AgentRef, by: str = senders.OWN) -> TxReceipt:
        """Let the agent have no wallet."""
        return self._registries.send(
            self._registries.identity.unset_agent_wallet(agent.agent_id), by, f"no wallet of {agent}"
        )

    # --- its name and its keys

    def claim_name(self, agent: AgentRef, name: str, by: str = senders.OWN) -> TxReceipt:
        """Claim a domain as the agent's name; raises InvalidInput "agent.domain"."""
        call = names.claim_name(self._registries.identity, agent.agent_id, name)
        return self._registries.send(call, by, f"name {name} of {agent}")

    def resolve(self, name: str, proof: bytes) -> AgentRef:
        """Return the agent that a name means, given the file at its domain; errors as `identity.names.resolve`."""
        listed = domains.read_proof(proof)
        claiming = [self._registries.agent(one.agent_id) for one in self.directory.claiming(domains.check_domain(name))]
        return names.resolve(name, [names.Claim(one, one in listed) for one in claiming])

    def rotate_key(self, agent: AgentRef, key: bytes, by: str = senders.OWN) -> TxReceipt:
        """Let a key sign for the agent from here on, none where it is empty; raises InvalidInput "agent.key"."""
        call = keys.rotate_key(self._registries.identity, agent.agent_id, key)
        return self._registries.send(call, by, f"key of {agent}")

    def key_terms(self, agent: AgentRef) -> list[keys.KeyTerm]:
        """Return which keys signed for the agent, each with its time."""
        identity, first = self._registries.identity, self._registries.first_block
        return keys.read_key_terms(self._tally.node, identity.address, agent.agent_id, first_block=first)

    # --- looking

    def show(self, agent: AgentRef, data: bytes | None = None) -> Profile:
        """Return an agent as the chain has it.

        data    its file, where it was fetched; else from its URI, or from this workspace's evidence
        raises  Rejected "erc721: no such token"
        """
        identity, at = self._registries.identity, agent.agent_id
        owner, uri = identity.owner_of(at), identity.token_uri(at)
        try:
            data = data or embedded_file(uri) or self._kept(identity.get_metadata(at, DIGEST_KEY))
        except InvalidInput:
            data = uri.encode()  # no file; the checks say so
        name = identity.get_metadata(at, names.KEY).decode("utf-8", "backslashreplace")
        report = None if data is None else check_registration(identity, agent, data)
        return Profile(agent, owner, identity.get_agent_wallet(at), name, uri, _read(data), report)

    @property
    def directory(self) -> Directory:
        """Questions to the index; `tally.index.sync()` first."""
        return Directory(self._tally.index)

    def find(self, wanted: Wanted, limit: int = 100) -> list[tuple[Listed, Registration]]:
        """Return the agents of whom all that is wanted is true, newest first; from the index and the evidence here.

        An agent that shows a file which lists others, and not itself, is not among them.
        """
        found = self.directory.find(wanted, self._kept)
        own = (
            (one, file)
            for one, file in found
            if not file.registrations or self._registries.agent(one.agent_id) in file.registrations
        )
        return list(islice(own, limit))

    def _kept(self, digest: bytes) -> bytes | None:
        if len(digest) != 32:
            return None
        try:
            return self._tally.blobs.get(digest, REGISTRATION_BYTES_MAX) if self._tally.blobs.has(digest) else None
        except (Unavailable, VerificationFailed):
            return None


def file_services(file: Registration | None) -> list[dict[str, object]]:
    """Return where an agent says that it is reached, as JSON members."""
    return [one.to_dict() for one in file.services] if file else []


def _placed(agent: AgentRef, file: Registration, uri: str) -> tuple[bytes, str]:
    """Return the file with the agent among its registrations, and the URI that leads to it; others can read it too."""
    others = tuple(one for one in file.registrations if one != agent)
    data = replace(file, registrations=(agent, *others)).to_bytes()
    Registration.from_bytes(data)
    return data, uri or embed(data)


def _read(data: bytes | None) -> Registration | None:
    try:
        return None if data is None else Registration.from_bytes(data)
    except InvalidInput:
        return None
