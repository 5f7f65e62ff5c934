"""`tally lithic optimistic`: answers under bond that stand unless somebody shows the step that is wrong."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from tallystick.cli.assurance_door import approve_option, at, at_own, coin_option, show_deployed, to_request_id
from tallystick.cli.kernel_inputs import checked_kernel, row_input, row_options
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.cli.receipts import give_receipt, out_option
from tallystick.cli.spans import Span, in_words, length
from tallystick.core.limits import NODE_POLL_S

if TYPE_CHECKING:
    from tallystick.services.lithic_node import Deed
    from tallystick.tally.lithic.optimistic import OptimisticDesk, Standing

_FILE = click.Path(path_type=Path)


@click.group("optimistic")
def optimistic() -> None:
    """Ask for answers under bond, give them, watch what others give and refute what is wrong.

    REQUEST is the id of a request, or `last` for this account's newest.
    """


@optimistic.command()
@coin_option
@at_own("optimistic")
def deploy(output: Output, desk: OptimisticDesk, coin: str) -> None:
    """Put the contract on the chain, or find it there; this workspace asks and answers by it from here on."""
    show_deployed(output, *desk.deploy(coin))


@optimistic.command()
@click.argument("kernel", type=_FILE)
@at_own("optimistic")
def publish(output: Output, desk: OptimisticDesk, kernel: Path) -> None:
    """Put the stages of a kernel's model on the chain; what is there already is found and costs nothing."""
    made = checked_kernel(output, kernel)
    output.note("compiling the stages")
    staged, placed = desk.publish(made)
    total = sum(one.gas_used for one in placed)
    contracts = [{"name": one.name, "address": one.address, "gas_used": one.gas_used} for one in placed]
    rows = [(one.name, one.address, f"{one.gas_used:,}" if one.transaction_hash else "there already") for one in placed]
    output.result(
        {"model": staged.address, "model_digest": made.digest.hex(), "contracts": contracts, "gas_used": total},
        [f"model at {staged.address}, {total:,} gas", table("contracts", ("", "address", "gas"), rows)],
    )


@optimistic.command()
@click.argument("kernel", type=_FILE)
@row_options
@click.option("--fee", default="0", show_default=True, help="For a claim that stands, in the contract's coin.")
@click.option("--bond", required=True, help="What a claim puts up: more than a lie would be worth.")
@click.option("--window", type=Span(), default="1h", show_default=True, help="How long a claim can be refuted.")
@click.option("--patience", type=Span(), default="1h", show_default=True, help="How long there may be no claim.")
@click.option("--key", help="Tells this request from others for the same answer; asking again with it asks once.")
@approve_option
@at("optimistic")
def ask(
    output: Output,
    desk: OptimisticDesk,
    kernel: Path,
    row: str,
    integers: bool,
    clip: bool,
    fee: str,
    bond: str,
    window: int,
    patience: int,
    key: str | None,
    approve: bool,
) -> None:
    """Ask what the model of KERNEL, published before, answers to an input; the fee is paid now."""
    made = checked_kernel(output, kernel)
    x = row_input(made, row, integers, clip)
    key, coin = key or secrets.token_hex(8), desk.place.coin
    output.note(f"asking under the key {key}")
    found = desk.ask(
        made, x, fee=coin.parse(fee, "--fee"), bond=coin.parse(bond, "--bond"), window_s=window, patience_s=patience,
        key=key, approve=approve,
    )  # fmt: skip
    output.result({"request": found.hex(), "key": key, **_facts(desk, desk.find(found))}, _told(desk, desk.find(found)))


@optimistic.command()
@click.argument("kernel", type=_FILE)
@click.argument("request")
@click.option("--yes", is_flag=True, help="Do not ask before the bond is put up.")
@approve_option
@at("optimistic")
def claim(output: Output, desk: OptimisticDesk, kernel: Path, request: str, yes: bool, approve: bool) -> None:
    """Answer REQUEST with what the model of KERNEL says, under the request's bond.

    Whoever asked set the bond and how long it stays, so both are shown before anything is paid.
    """
    made, wanted = checked_kernel(output, kernel), to_request_id(request, desk)
    found, coin = desk.find(wanted), desk.place.coin
    if found.claim is None:
        asked = found.requested.asked
        terms = f"{coin.named(asked.bond)} for {length(asked.window)} or longer, to earn {coin.named(asked.fee)}"
        output.confirm(f"Put up {terms}?", yes)
    desk.claim(made, wanted, approve=approve)
    _show_one(output, desk, wanted)


@optimistic.command()
@click.argument("kernels", type=_FILE, nargs=-1, required=True)
@click.option("--once", is_flag=True, help="Look once, and end with status 1 if a wrong claim stands.")
@click.option("--min-bond", default="0", show_default=True, help="Leave claims under a smaller bond alone.")
@click.option("--poll", "poll_s", default=NODE_POLL_S, show_default=True, help="Seconds between looks at the chain.")
@at("optimistic")
def watch(
    output: Output, desk: OptimisticDesk, kernels: tuple[Path, ...], once: bool, min_bond: str, poll_s: float
) -> int:
    """Compute every claim about the models of KERNELS again, and refute the wrong ones; stop with Ctrl-C.

    Nothing but the chain is remembered: killed at any point and started again, a watcher finds what was claimed
    meanwhile. Refuting costs gas, and whoever asks sets the bond, so --min-bond says what is worth it. What the account
    is owed is collected every hour. With --json each claim that was looked at is a line.
    """
    bond_min = desk.place.coin.parse(min_bond, "--min-bond")
    watcher = desk.watcher([checked_kernel(output, path) for path in kernels], bond_min=bond_min)
    if once:
        seen = watcher.step()
        wrong = [one for one in seen if one.deed in _STANDS]
        output.result(
            {"contract": desk.place.address, "seen": [_line(one) for one in seen], "wrong_standing": len(wrong)},
            table("claims", ("request", "", ""), [(one.request_id.hex(), one.deed, one.detail) for one in seen]),
        )
        return EXIT_FAULTS_FOUND if wrong else 0
    from tallystick.services.lithic_node import run_node

    output.result({"contract": desk.place.address, "models": watcher.models, "account": watcher.account})
    output.flush()

    def report(one: Deed) -> None:
        line = _line(one)
        if one.deed == "collect":
            line["detail"] = desk.place.coin.named(int(one.detail))
        output.result(line, "  ".join(filter(None, (line["deed"], line["request"], line["detail"]))))
        output.flush()

    run_node(watcher, report=report, clock=time.time, poll_s=poll_s)
    return 0


@optimistic.command()
@click.argument("kernel", type=_FILE)
@click.argument("request")
@at("optimistic")
def refute(output: Output, desk: OptimisticDesk, kernel: Path, request: str) -> int:
    """Show the chain where the claim about REQUEST is wrong; end with status 1 if it is right, and nothing was sent."""
    made, wanted = checked_kernel(output, kernel), to_request_id(request, desk)
    fault = desk.refute(made, wanted)
    if fault is None:
        value = {"request": wanted.hex(), "refuted": False}
        output.result(value, "the claim is right: nothing was sent")
        return EXIT_FAULTS_FOUND
    value = {"request": wanted.hex(), "refuted": True, "stage": fault.stage}
    output.result(value, f"refuted: wrong at stage {fault.stage}; `collect` takes the reward")
    return 0


@optimistic.command()
@click.argument("request")
@at("optimistic")
def settle(output: Output, desk: OptimisticDesk, request: str) -> None:
    """End REQUEST once its time is over: its claim becomes final, or its fee goes back. Anybody may."""
    wanted = to_request_id(request, desk)
    desk.settle(wanted)
    _show_one(output, desk, wanted)


@optimistic.command()
@at("optimistic")
def collect(output: Output, desk: OptimisticDesk) -> None:
    """Take what this account is owed: bonds, fees, rewards and what went back."""
    coin, amount = desk.place.coin, desk.collect()
    output.result({"collected": coin.format(amount), "coin": coin.to_dict()}, f"collected {coin.named(amount)}")


@optimistic.command()
@click.argument("kernel", type=_FILE)
@click.argument("request")
@out_option
@at("optimistic")
def receipt(output: Output, desk: OptimisticDesk, kernel: Path, request: str, out: Path | None) -> None:
    """Make the receipt of the final answer to REQUEST, to be rechecked with `tally lithic verify`."""
    give_receipt(output, desk.receipt(checked_kernel(output, kernel), to_request_id(request, desk)), out)


@optimistic.command()
@click.argument("request", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@at("optimistic")
def show(output: Output, desk: OptimisticDesk, request: str | None, limit: int) -> None:
    """Show how REQUEST stands and what comes next, or the newest requests."""
    if request is not None:
        _show_one(output, desk, to_request_id(request, desk))
        return
    found, now_s = desk.requests(limit), desk.now_s()
    rows = [(one.requested.request_id.hex(), one.words, _next(one, now_s)) for one in found]
    value = {"contract": desk.place.address, "requests": [_facts(desk, one) for one in found]}
    output.result(value, table("requests", ("request", "", "next"), rows))


def _show_one(output: Output, desk: OptimisticDesk, wanted: bytes) -> None:
    found = desk.find(wanted)
    output.result(_facts(desk, found), _told(desk, found))


def _facts(desk: OptimisticDesk, one: Standing) -> dict[str, object]:
    """Return a request, fit for JSON; amounts are decimals of the coin."""
    asked, request, coin = one.requested.asked, one.request, desk.place.coin
    return {
        "request": asked.request_id.hex(),
        "state": one.words,
        "next": _next(one, desk.now_s()),
        "deadline": request.deadline,
        "consumer": asked.consumer,
        "model": one.requested.model,
        "model_digest": asked.model_digest.hex(),
        "input": one.requested.data.hex(),
        "fee": coin.format(asked.fee),
        "bond": coin.format(asked.bond),
        "coin": coin.to_dict(),
        "window_s": asked.window,
        "patience_s": asked.patience,
        "claimant": None if one.claim is None else one.claim.claimant,
        "answer": None if one.claim is None else [str(number) for number in one.claim.answer],
        "claims_refuted": one.fallen,
        "contract": desk.place.address,
    }


def _told(desk: OptimisticDesk, one: Standing) -> Table:
    """Return a request as people read it."""
    asked, coin, claim = one.requested.asked, desk.place.coin, one.claim
    claimed = [] if claim is None else [("answer", ", ".join(map(str, claim.answer))), ("claimant", claim.claimant)]
    pairs: list[tuple[str, object]] = [
        ("request", asked.request_id.hex()),
        ("state", one.words),
        ("next", _next(one, desk.now_s())),
        *claimed,
        ("consumer", asked.consumer),
        ("model", one.requested.model),
        ("model digest", asked.model_digest.hex()),
        ("fee", coin.named(asked.fee)),
        ("bond", coin.named(asked.bond)),
        ("window", length(asked.window)),
        ("patience", length(asked.patience)),
        ("claims refuted", one.fallen),
        ("contract", desk.place.address),
    ]
    return table("", ("", ""), pairs)


def _next(one: Standing, now_s: int) -> str:
    """Return in words what comes next, and when."""
    when = in_words(one.request.deadline, now_s)
    return {
        "open": f"a claim is waited for; the fee can go back {when}",
        "late": f"nobody claimed before its patience ended {when}: `settle` gives the fee back",
        "claimed": f"final {when}, unless somebody refutes it",
        "due": f"nobody refuted it before its window ended {when}: `settle` makes it final",
        "final": "over: the answer is final",
        "given back": "over: the fee went back",
    }[one.words]


def _line(one: Deed) -> dict[str, str]:
    return {"request": one.request_id.hex(), "deed": one.deed, "detail": one.detail}


_STANDS = ("failed", "too late", "waiting")
