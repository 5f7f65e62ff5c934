"""`tally agent feedback`: what clients say of an agent, and how far to believe it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.directory import STARRED
from tallystick.agents.identity.registration import embed
from tallystick.agents.scoring import Seed, Terms
from tallystick.agents.scoring.basis import Basis
from tallystick.chain.coin import NATIVE, Coin, read_coin
from tallystick.cli.agent_door import by_option, yes_option
from tallystick.cli.agent_registries import FILE, advised, at_agent, digest_of, follow, keep, read_file, sync_option
from tallystick.cli.door import answers, read_id
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.feedback import Opinion

if TYPE_CHECKING:
    from tallystick.agents.identity.reference import AgentRef

_VALUE = re.compile(r"(-?)(0|[1-9][0-9]{0,37})(?:\.([0-9]{1,18}))?\Z", re.ASCII)
token_option = click.option("--token", default="", help="In which token, by its address; the native coin if left out.")


@click.group("feedback")
def feedback() -> None:
    """Say what you think of an agent, take it back, answer it, list it, and score it.

    AGENT is an id of this chain's registry, such as 7, or a whole name, eip155:CHAIN:0x…/7.
    """


@feedback.command("give", context_settings={"ignore_unknown_options": True})  # -3.5 is a value, no option
@at_agent
@click.argument("value")
@click.option("--tag", default=STARRED, show_default=True, help="What is rated; `starred` goes from 0 to 100.")
@click.option("--tag2", default="", help="A second tag.")
@click.option("--endpoint", default="", help="Which of its endpoints it is about.")
@click.option("--paid", help="The transaction by which you paid the agent, which makes you its client.")
@token_option
@click.option("--uri", help="Where you will serve the file; on chain, in the URI, if left out.")
@click.option("--out", type=FILE, help="Write the file here too, to be served at --uri.")
@by_option
def give(
    output: Output, tally: Tally, agent: AgentRef, value: str, tag: str, tag2: str, endpoint: str, paid: str | None,
    token: str, uri: str | None, out: Path | None, by: str,
) -> None:  # fmt: skip
    """Say VALUE, such as 95 or -3.5, of AGENT, as one of your keys.

    A payment that is named is looked at before anything is sent.
    """
    desk, transaction = tally.agents.feedback, None if paid is None else _transaction(paid)
    said = Opinion(*_value(value), tag, tag2, endpoint)
    written = desk.write(agent, said, paid=transaction, coin=token or NATIVE, by=by)
    keep(out, written.to_bytes(), uri)
    given = desk.give(written, uri=uri or "", by=by)
    output.result(
        {"agent": str(agent), "client": given.client, "index": given.index, "value": value, "tag1": tag, "tag2": tag2,
         "uri": given.uri, "file": given.data.decode(), "is_paid": transaction is not None},
        f"{given.client} says {value} of agent {agent.agent_id} under {tag!r}, as its number {given.index}",
    )  # fmt: skip


@feedback.command("revoke")
@at_agent
@click.argument("index", type=click.IntRange(1, 2**64 - 1))
@by_option
@yes_option
def revoke(output: Output, tally: Tally, agent: AgentRef, index: int, by: str, yes: bool) -> None:
    """Take your feedback INDEX on AGENT back; it stays readable and counts no more."""
    output.confirm(f"Take feedback {index} on agent {agent.agent_id} back?", yes)
    tally.agents.feedback.revoke(agent, index, by)
    output.result({"agent": str(agent), "index": index, "revoked": True})


@feedback.command("respond")
@at_agent
@click.argument("client")
@click.argument("index", type=click.IntRange(1, 2**64 - 1))
@click.option("--uri", default="", help="Where your answer is; on chain, in the URI, if left out.")
@click.option("--file", type=FILE, help="Your answer, whose hash is kept; JSON.")
@by_option
def respond(
    output: Output, tally: Tally, agent: AgentRef, client: str, index: int, uri: str, file: Path | None, by: str
) -> None:
    """Answer the feedback INDEX of CLIENT on AGENT; anybody may, and everybody sees who."""
    if not uri and file is None:
        raise InvalidInput("cli.response", "there is no answer", hint="name a --file, or the --uri where it is")
    found, digest = uri or embed(read_file(file)) if file else uri, digest_of(file)
    account = tally.agents.address(client)
    tally.agents.feedback.respond(agent, account, index, found, digest, by)
    output.result({"agent": str(agent), "client": account, "index": index, "uri": found, "hash": digest.hex()})


@feedback.command("list")
@at_agent
@click.option("--tag", default="", help="Only what is said under this tag.")
@sync_option
def list_(output: Output, tally: Tally, agent: AgentRef, tag: str, is_synced: bool) -> None:
    """List what clients say of AGENT, the oldest first, from the index."""
    follow(output, tally, is_synced)
    found = [one for one in tally.agents.feedback.of(agent) if tag in ("", one.tag1)]
    rows = [
        (one.client, one.index, one.words, one.tag1, "revoked" if one.is_revoked else "", one.responses)
        for one in found
    ]
    columns = ("client", "index", "value", "tag", "", "responses")
    output.result({"agent": str(agent), "feedback": [one.to_dict() for one in found]}, table("feedback", columns, rows))


@feedback.command("check")
@at_agent
@click.argument("client")
@click.argument("index", type=click.IntRange(1, 2**64 - 1))
@token_option
@click.option("--file", type=FILE, help="The feedback file, as you fetched it from its URI.")
@sync_option
def check(
    output: Output, tally: Tally, agent: AgentRef, client: str, index: int, token: str, file: Path | None,
    is_synced: bool,
) -> int:  # fmt: skip
    """Check the file of a client's feedback against the chain, and the payment that it names."""
    follow(output, tally, is_synced)
    account, desk = tally.agents.address(client), tally.agents.feedback
    said = next((one for one in desk.of(agent) if (one.client, one.index) == (account, index)), None)
    if said is None:
        raise InvalidInput(
            "feedback.absent", "the index has no such feedback", hint="`tally agent feedback list` shows which there is"
        )
    report = desk.check(agent, said, token or NATIVE, None if file is None else read_file(file))
    output.report(report, said.to_dict(), verbose=True)
    return 0 if report.ok else EXIT_FAULTS_FOUND


@feedback.command("score")
@at_agent
@click.option("--seed", "seeds", multiple=True, required=True, metavar="ACCOUNT[=AMOUNT]",
              help="An account you know, a key or an address, and the most it may vouch for.")  # fmt: skip
@click.option("--allotment", default="100", show_default=True, help="Of each seed that says none, in the coin.")
@click.option("--share", type=click.IntRange(0, 1_000), default=100, show_default=True,
              help="Parts of a thousand of a price that count as given away.")  # fmt: skip
@click.option("--prior", default="1", show_default=True,
              help="Weight of the opinion that an unknown agent is worth nothing, in the coin.")  # fmt: skip
@click.option("--tag", default=STARRED, show_default=True, help="Which ratings, from 0 to 100.")
@click.option("--token", default="", help="In which coin prices count; this workspace's token if left out.")
@click.option("--basis", type=FILE, help="Write all that it was computed from here, for `rescore`.")
@sync_option
def score(
    output: Output, tally: Tally, agent: AgentRef, seeds: tuple[str, ...], allotment: str, share: int, prior: str,
    tag: str, token: str, basis: Path | None, is_synced: bool,
) -> None:  # fmt: skip
    """Score AGENT by trust that had to be paid for, beside the averages that anybody can make what he likes.

    Trust begins at the seeds, which you choose, and flows over payments; how, and what it withstands, says
    docs/spec/agent-scoring.md. Payments in this workspace's token are in the index; in another coin, those count that
    feedback proves.
    """
    follow(output, tally, is_synced)
    desk = tally.agents.feedback
    coin = read_coin(tally.node, token or desk.coin)
    chosen = [_seed(tally, one, coin, allotment) for one in seeds]
    terms = Terms(share, coin.parse(prior, "--prior"))
    found = desk.basis(agent, chosen, terms=terms, coin=coin.address, tag=tag)
    if basis is not None:
        write_atomic(basis, found.to_bytes())
    _say(output, found, coin)


@feedback.command("rescore")
@click.argument("basis", type=FILE)
@answers
@advised
def rescore(output: Output, basis: Path) -> None:
    """Compute a score again from the file that `score --basis` wrote: no chain, no index, the same figures."""
    _say(output, Basis.from_bytes(read_bounded(basis, CANONICAL_BYTES_MAX)))


def _say(output: Output, basis: Basis, coin: Coin | None = None) -> None:
    found = basis.compute()
    told = {"agent": str(basis.agent), "block": basis.block, "coin": basis.coin, **found.to_dict()}
    words = found.explain(coin.named if coin else str)
    output.result({**told, "explanation": words}, [f"agent {basis.agent.agent_id} at block {basis.block}", *words])


def _seed(tally: Tally, text: str, coin: Coin, allotment: str) -> Seed:
    account, _, amount = text.partition("=")
    return Seed(tally.agents.address(account), coin.parse(amount or allotment, "--seed"))


def _value(text: str) -> tuple[int, int]:
    """Return the amount and the decimals of a number; raises InvalidInput "cli.value"."""
    match = _VALUE.match(text)
    if match is None:
        raise InvalidInput("cli.value", "not a value", expected="such as 95 or -3.5", got=ascii(text)[:80])
    fraction = match[3] or ""
    return int(match[1] + match[2] + fraction), len(fraction)


def _transaction(text: str) -> bytes:
    found = read_id(text)
    if found is None:
        raise InvalidInput(
            "cli.transaction", "not a transaction", expected="64 hexadecimal digits", got=ascii(text)[:80]
        )
    return found
