"""`tally lithic committee`: answers of named providers under bond, for who asks and for who answers."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.assurance_door import approve_option, at, at_own, coin_option, show_deployed, to_request_id
from tallystick.cli.committee_node import KEY
from tallystick.cli.committee_tables import (
    listed_facts,
    listed_row,
    listed_told,
    opened_facts,
    opened_next,
    opened_told,
)
from tallystick.cli.kernel_inputs import read_artifact, read_inputs
from tallystick.cli.output import Output, table
from tallystick.cli.receipts import give_receipt, out_option
from tallystick.cli.spans import Span
from tallystick.core.digest import parse_hex32
from tallystick.core.documents import decimal
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import COMMITTEE_INPUT_BYTES_MAX
from tallystick.store.files import read_bounded

if TYPE_CHECKING:
    from tallystick.tally.lithic.committee import CommitteeDesk, Wanted

_FILE = click.Path(path_type=Path)
_NO_KERNEL = "0x" + "00" * 20


@click.group("committee")
def committee() -> None:
    """Ask a committee of providers for an answer, or be a provider; `tally lithic node` answers as one.

    REQUEST is the id of a request, or `last` for this account's newest. MODEL is the SHA-256 of a model, or the file of
    its kernel.
    """


@committee.command()
@coin_option
@at_own("committee")
def deploy(output: Output, desk: CommitteeDesk, coin: str) -> None:
    """Put the contract on the chain, or find it there; this workspace asks and answers by it from here on."""
    show_deployed(output, *desk.deploy(coin))


# --- for who answers


@committee.command()
@click.option("--key", "key_name", default=KEY, show_default=True, help="The account key that signs answers.")
@click.option("--bond", default="0", show_default=True, help="The first bond, in the contract's coin; none, no vote.")
@approve_option
@at("committee")
def register(output: Output, desk: CommitteeDesk, key_name: str, bond: str, approve: bool) -> None:
    """Make this account a provider whose answers the key signs; once it is one, another key takes its place."""
    desk.register(key_name, desk.place.coin.parse(bond, "--bond"), approve=approve)
    _show_provider(output, desk)


@committee.command("top-up")
@click.argument("amount")
@approve_option
@at("committee")
def top_up(output: Output, desk: CommitteeDesk, amount: str, approve: bool) -> None:
    """Add AMOUNT of the contract's coin to this provider's bond."""
    desk.top_up(desk.place.coin.parse(amount, "amount"), approve=approve)
    _show_provider(output, desk)


@committee.command("announce-withdrawal")
@click.argument("amount")
@at("committee")
def announce_withdrawal(output: Output, desk: CommitteeDesk, amount: str) -> None:
    """Take AMOUNT of the bond out of work; after seven days `withdraw-bond` pays it out."""
    desk.announce_withdrawal(desk.place.coin.parse(amount, "amount"))
    _show_provider(output, desk)


@committee.command("withdraw-bond")
@at("committee")
def withdraw_bond(output: Output, desk: CommitteeDesk) -> None:
    """Take what was announced, once its time has come."""
    coin, amount = desk.place.coin, desk.withdraw_bond()
    output.result({"withdrawn": coin.format(amount), "coin": coin.to_dict()}, f"withdrawn {coin.named(amount)}")


@committee.command()
@click.argument("model")
@click.option("--fee", default="0", show_default=True, help="The least that an answer costs, in the contract's coin.")
@click.option("--kernel", default=_NO_KERNEL, help="The one contract that may judge the answers; none if left out.")
@at("committee")
def offer(output: Output, desk: CommitteeDesk, model: str, fee: str, kernel: str) -> None:
    """Offer answers of MODEL from here on; `tally lithic node` gives them."""
    digest = _model(model)
    desk.offer(digest, desk.place.coin.parse(fee, "--fee"), parse_address(kernel))
    _show_provider(output, desk, digest)


@committee.command("end-offer")
@click.argument("model")
@at("committee")
def end_offer(output: Output, desk: CommitteeDesk, model: str) -> None:
    """Offer answers of MODEL no longer; requests that are open go on."""
    digest = _model(model)
    desk.end_offer(digest)
    _show_provider(output, desk, digest)


@committee.command()
@click.option("--model", help="Only those who offer this model: its SHA-256, or a kernel's file.")
@at("committee")
def providers(output: Output, desk: CommitteeDesk, model: str | None) -> None:
    """List the providers with their bonds and what they offer, the largest bonds first."""
    found, coin = desk.providers(None if model is None else _model(model)), desk.place.coin
    value = {"contract": desk.place.address, "coin": coin.to_dict()}
    columns = ("provider", "bond", "locked", "leaving", "offers")
    output.result(
        {**value, "providers": [listed_facts(coin, one) for one in found]},
        table("providers", columns, [listed_row(coin, one) for one in found]),
    )


# --- for who asks


@committee.command()
@click.argument("model")
@click.option("--text", help="The input, as UTF-8 text: a question to a language model.")
@click.option("--input", "file", type=_FILE, help="The file that holds the input, byte for byte.")
@click.option("--row", help="Numbers of the input, comma-separated, where MODEL is a kernel's file.")
@click.option("--integers", is_flag=True, help="--row gives the kernel's own integers.")
@click.option("--clip", is_flag=True, help="Take what is outside its range as the range's end, instead of refusing it.")
@click.option("--kind", type=click.Choice(["label", "number"]), default="label", show_default=True, help="Of answer.")
@click.option("--low", default="0", show_default=True, help="The least that an answer can be: an integer.")
@click.option("--high", required=True, help="The most that an answer can be: an integer.")
@click.option("--tolerance", default="0", show_default=True, help="A number so far from the median is still paid.")
@click.option("--index", type=click.IntRange(0, 255), default=0, show_default=True, help="Which of a model's outputs.")
@click.option("--kernel", default=_NO_KERNEL, help="The contract whose word on an answer is final; none if left out.")
@click.option(
    "--member", "members", multiple=True, help="A provider; given again, more. Left out: who offers the model."
)
@click.option("--threshold", type=click.IntRange(1, 15), help="How many must answer; more than half if left out.")
@click.option("--fee", required=True, help="The most that one answer may cost, in the contract's coin.")
@click.option("--stake", default="0", show_default=True, help="What a member puts at risk with its answer.")
@click.option("--commit", "commit_s", type=Span(), default="5m", show_default=True, help="How long answers are taken.")
@click.option("--reveal", "reveal_s", type=Span(), default="5m", show_default=True, help="How long they are opened.")
@click.option("--nonce", help="Tells this request from others of the same terms; asking again with it asks once.")
@approve_option
@at("committee")
def request(output: Output, desk: CommitteeDesk, model: str, nonce: str | None, approve: bool, **options: Any) -> None:
    """Ask a committee what MODEL answers; fee × members is paid now.

    What was not spent goes back when the request ends.
    """
    number = secrets.randbits(64) if nonce is None else decimal(nonce, "--nonce")
    output.note(f"asking under the nonce {number}")
    if not options["members"]:
        output.note("asking whoever offers the model, which may be one person many times; --member names who you know")
    found = desk.request(_wanted(desk, model, options), number, approve=approve)
    _show_request(output, desk, found)


@committee.command()
@click.argument("request", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@at("committee")
def show(output: Output, desk: CommitteeDesk, request: str | None, limit: int) -> None:
    """Show how REQUEST stands, with every member's answer, or the newest requests."""
    if request is not None:
        _show_request(output, desk, to_request_id(request, desk))
        return
    found, now_s = desk.requests(limit), desk.now_s()
    rows = [(one.request_id.hex(), one.state, opened_next(one, now_s)) for one in found]
    value = {"contract": desk.place.address, "requests": [opened_facts(desk, one) for one in found]}
    output.result(value, table("requests", ("request", "", "next"), rows))


@committee.command()
@click.argument("request")
@at("committee")
def settle(output: Output, desk: CommitteeDesk, request: str) -> None:
    """End REQUEST once no answer can come any more: it is fulfilled, or timed out and paid back. Anybody may."""
    wanted = to_request_id(request, desk)
    desk.settle(wanted)
    _show_request(output, desk, wanted)


@committee.command()
@click.argument("request")
@out_option
@at("committee")
def receipt(output: Output, desk: CommitteeDesk, request: str, out: Path | None) -> None:
    """Make the receipt of the settled answer to REQUEST, to be rechecked with `tally lithic verify`."""
    give_receipt(output, desk.receipt(to_request_id(request, desk)), out)


@committee.command()
@click.argument("request")
@at("committee")
def contradict(output: Output, desk: CommitteeDesk, request: str) -> None:
    """Have the kernel of REQUEST judge its answers; a member that it contradicts loses its stake, half of it to us."""
    wrong = desk.contradict(to_request_id(request, desk))
    told = table("contradicted", ("member",), [(member,) for member in wrong]) if wrong else "the kernel says the same"
    output.result({"request": to_request_id(request, desk).hex(), "contradicted": wrong}, told)


@committee.command()
@at("committee")
def collect(output: Output, desk: CommitteeDesk) -> None:
    """Take what waits for this account: fees, refunds and rewards."""
    coin, amount = desk.place.coin, desk.collect()
    output.result({"collected": coin.format(amount), "coin": coin.to_dict()}, f"collected {coin.named(amount)}")


def _model(text: str) -> bytes:
    """Return the digest of a model that a user named, by itself or by its kernel's file."""
    if len(text) == 64 and not Path(text).exists():
        return parse_hex32(text, "model")
    artifact = read_artifact(Path(text))
    artifact.check_digest()
    return artifact.digest


def _wanted(desk: CommitteeDesk, model: str, options: dict[str, Any]) -> Wanted:
    from tallystick.lithic.committee.decision import OutputKind
    from tallystick.lithic.receipts.answer import signed_decimal
    from tallystick.tally.lithic.committee import Wanted

    coin = desk.place.coin
    return Wanted(
        model=_model(model),
        data=_data(model, options),
        kind=OutputKind[options["kind"].upper()],
        low=signed_decimal(options["low"], "--low"),
        high=signed_decimal(options["high"], "--high"),
        tolerance=decimal(options["tolerance"], "--tolerance"),
        fee=coin.parse(options["fee"], "--fee"),
        stake=coin.parse(options["stake"], "--stake"),
        commit_s=options["commit_s"],
        reveal_s=options["reveal_s"],
        kernel=parse_address(options["kernel"]),
        output_index=options["index"],
        members=tuple(parse_address(member) for member in options["members"]),
        threshold=options["threshold"],
    )


def _data(model: str, options: dict[str, Any]) -> bytes:
    """Return the input, which exactly one option gives."""
    given = [what for what in ("text", "file", "row") if options[what] is not None]
    if len(given) != 1:
        raise InvalidInput("cli.input", "an input is given once", expected="--text, --input or --row", got=len(given))
    if options["text"] is not None:
        data = str(options["text"]).encode("utf-8", "surrogateescape")
    elif options["file"] is not None:
        data = read_bounded(options["file"], COMMITTEE_INPUT_BYTES_MAX)
    else:
        from tallystick.lithic.integer.reference import pack

        if not Path(model).exists():
            raise InvalidInput("cli.input", "--row is of a kernel", expected="the kernel's file as MODEL", got=model)
        made = read_artifact(Path(model)).kernel
        (x,) = read_inputs(made, (options["row"],), None, is_integers=options["integers"], clip=options["clip"])
        data = pack(made.model.input, x)
    if len(data) > COMMITTEE_INPUT_BYTES_MAX:
        expected = f"≤ {COMMITTEE_INPUT_BYTES_MAX} bytes"
        raise InvalidInput("cli.input", "the input is too long for a request", expected=expected, got=len(data))
    return data


def _show_request(output: Output, desk: CommitteeDesk, wanted: bytes) -> None:
    found = desk.find(wanted)
    output.result(opened_facts(desk, found), opened_told(desk, found))


def _show_provider(output: Output, desk: CommitteeDesk, model: bytes | None = None) -> None:
    found, coin = desk.me(model), desk.place.coin
    told = listed_told(coin, found, desk.now_s())
    output.result({**listed_facts(coin, found), "contract": desk.place.address}, told)
