"""`tally agent identity`, its smaller verbs: URI, values, wallet, name, domain, keys, and giving the agent away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.identity import domains
from tallystick.cli.agent_door import by_option, yes_option
from tallystick.cli.agent_registries import FILE, at_agent, follow, read_file, sync_option, with_registries
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.errors import InvalidInput
from tallystick.store.files import write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.agents.identity.reference import AgentRef


@click.command("set-uri")
@at_agent
@click.argument("uri")
@by_option
def set_uri(output: Output, tally: Tally, agent: AgentRef, uri: str, by: str) -> None:
    """Let the URI of AGENT lead elsewhere; the digest of its file stays as it is."""
    tally.agents.identities.set_uri(agent, uri, by)
    output.result({"agent": str(agent), "uri": uri})


@click.command("set-metadata")
@at_agent
@click.argument("key")
@click.argument("value")
@click.option("--hex", "is_hex", is_flag=True, help="VALUE is hexadecimal; else it is text.")
@by_option
def set_metadata(output: Output, tally: Tally, agent: AgentRef, key: str, value: str, is_hex: bool, by: str) -> None:
    """Keep VALUE under KEY on chain, at most 1,024 bytes; an empty one takes it away."""
    data = _unhex(value) if is_hex else value.encode()
    tally.agents.identities.set_metadata(agent, key, data, by)
    output.result({"agent": str(agent), "key": key, "value": data.hex()})


@click.command("set-wallet")
@at_agent
@click.argument("wallet")
@click.option("--key", "is_key", is_flag=True, help="WALLET is a key of this workspace, and no policy account.")
@click.option("--signature", help="What the wallet signed elsewhere, hexadecimal; 01 for an approved digest.")
@click.option("--deadline", type=click.IntRange(1), help="The deadline in what it signed.")
@by_option
def set_wallet(
    output: Output,
    tally: Tally,
    agent: AgentRef,
    wallet: str,
    is_key: bool,
    signature: str | None,
    deadline: int | None,
    by: str,
) -> None:
    """Let AGENT be paid at WALLET, which has to say so itself.

    A policy account, by name or address, says so because its owner, this workspace's account, approves just that; a key
    of this workspace signs (--key); a wallet elsewhere has signed what `wallet-claim` shows.
    """
    desk = tally.agents
    if (signature is None) != (deadline is None):
        raise InvalidInput("cli.proof", "a signature goes with its deadline", hint="`wallet-claim` shows both")
    if signature is not None and deadline is not None:
        desk.identities.set_wallet_by_proof(agent, desk.address(wallet), deadline, _unhex(signature), by)
    elif is_key:
        desk.identities.set_key_wallet(agent, wallet, by)
    else:
        desk.identities.set_policy_wallet(agent, desk.wallet(wallet).address, by)
    at = desk.registries.identity.get_agent_wallet(agent.agent_id)
    output.result({"agent": str(agent), "wallet": at}, f"agent {agent.agent_id} is paid at {at}")


@click.command("wallet-claim")
@at_agent
@click.argument("wallet")
def wallet_claim(output: Output, tally: Tally, agent: AgentRef, wallet: str) -> None:
    """Show what WALLET has to sign, or the owner of a policy account to approve, within some minutes."""
    claim = tally.agents.identities.wallet_claim(agent, tally.agents.address(wallet))
    output.result({"agent": str(agent), "wallet": claim.wallet, "owner": claim.owner, "deadline": claim.deadline,
                   "digest": claim.digest().hex()})  # fmt: skip


@click.command("unset-wallet")
@at_agent
@by_option
@yes_option
def unset_wallet(output: Output, tally: Tally, agent: AgentRef, by: str, yes: bool) -> None:
    """Let AGENT have no wallet."""
    output.confirm(f"Let agent {agent.agent_id} have no wallet?", yes)
    tally.agents.identities.unset_wallet(agent, by)
    output.result({"agent": str(agent), "wallet": ""})


@click.command("claim-name")
@at_agent
@click.argument("domain")
@by_option
def claim_name(output: Output, tally: Tally, agent: AgentRef, domain: str, by: str) -> None:
    """Claim DOMAIN as the name of AGENT; it counts once the domain's own file lists the agent."""
    tally.agents.identities.claim_name(agent, domain, by)
    output.result({"agent": str(agent), "domain": domain, "serve": f"https://{domain}{domains.PATH}"})


@click.command("resolve")
@click.argument("domain")
@click.argument("file", type=FILE)
@sync_option
@with_registries
def resolve(output: Output, tally: Tally, domain: str, file: Path, is_synced: bool) -> None:
    """Say which agent DOMAIN means, given FILE, as fetched from its /.well-known/agent-registration.json."""
    follow(output, tally, is_synced)
    found = tally.agents.identities.resolve(domain, read_file(file))
    output.result({"domain": domain, "agent": str(found), "agent_id": found.agent_id})


@click.command("domain-proof")
@click.argument("agents", nargs=-1, required=True)
@click.option("--out", type=FILE, required=True, help="Where the file goes.")
@with_registries
def domain_proof(output: Output, tally: Tally, agents: tuple[str, ...], out: Path) -> None:
    """Write the file by which a domain says that AGENTS are its own.

    Serve it at https://DOMAIN/.well-known/agent-registration.json.
    """
    listed = [tally.agents.registries.agent(one) for one in agents]
    write_atomic(out, domains.build_proof(listed))
    output.result({"agents": [str(one) for one in listed], "file": str(out), "path": domains.PATH})


@click.command("check-domain")
@at_agent
@click.argument("domain")
@click.argument("file", type=FILE)
def check_domain(output: Output, tally: Tally, agent: AgentRef, domain: str, file: Path) -> int:
    """Check that FILE, as fetched from DOMAIN's /.well-known/agent-registration.json, lists AGENT."""
    report = domains.check_proof(agent, domains.check_domain(domain), read_file(file))
    output.report(report, {"agent": str(agent), "domain": domain}, verbose=True)
    return 0 if report.ok else EXIT_FAULTS_FOUND


@click.command("set-key")
@at_agent
@click.argument("signer", default="")
@click.option("--public", help="An Ed25519 key that is elsewhere, 64 hexadecimal digits.")
@click.option("--revoke", is_flag=True, help="No key signs for the agent any more.")
@by_option
def set_key(
    output: Output, tally: Tally, agent: AgentRef, signer: str, public: str | None, revoke: bool, by: str
) -> None:
    """Let SIGNER, an Ed25519 key of this workspace, sign for AGENT from here on; the key before keeps its time."""
    if [bool(signer), public is not None, revoke].count(True) != 1:
        raise InvalidInput("cli.key", "one of three is meant", expected="SIGNER, --public or --revoke")
    key = b"" if revoke else _unhex(public) if public else tally.signer(signer).public_key().public_bytes_raw()
    tally.agents.identities.rotate_key(agent, key, by)
    output.result(
        {"agent": str(agent), "key": key.hex()}, f"{key.hex()} signs for it" if key else "no key signs for it"
    )


@click.command("keys")
@at_agent
def keys(output: Output, tally: Tally, agent: AgentRef) -> None:
    """List the keys that ever signed for AGENT, each with its time; a sale ends a key too."""
    terms = tally.agents.identities.key_terms(agent)
    listed = [{"key": one.key.hex(), "since_block": one.since[0], "until_block": one.until and one.until[0]}
              for one in terms]  # fmt: skip
    rows = [(one.key.hex(), one.since[0], one.until[0] if one.until else "") for one in terms]
    output.result({"agent": str(agent), "keys": listed}, table("keys", ("key", "since block", "until block"), rows))


@click.command("transfer")
@at_agent
@click.argument("receiver")
@by_option
@yes_option
def transfer(output: Output, tally: Tally, agent: AgentRef, receiver: str, by: str, yes: bool) -> None:
    """Give AGENT to RECEIVER; its wallet, its key and its credentials end with that."""
    to = tally.agents.address(receiver)
    output.confirm(f"Give agent {agent.agent_id} to {to}?", yes)
    tally.agents.identities.transfer(agent, to, by)
    output.result({"agent": str(agent), "owner": to})


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise InvalidInput("cli.hex", "not hexadecimal", expected="pairs of digits", got=ascii(text)[:80]) from None
