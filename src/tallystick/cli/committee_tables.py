"""How `tally lithic committee` shows providers and requests: tables for people, and the same facts for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from tallystick.cli.output import table
from tallystick.cli.spans import in_words

if TYPE_CHECKING:
    from tallystick.chain.coin import Coin
    from tallystick.tally.lithic.committee import CommitteeDesk, Listed, Opened


def listed_facts(coin: Coin, one: Listed) -> dict[str, object]:
    """Return a provider, fit for JSON; amounts are decimals of the coin."""
    known = one.provider
    offers = [
        {"model_digest": model.hex(), "fee": coin.format(offer.fee_min), "kernel": offer.kernel}
        for model, offer in one.offers.items()
    ]
    return {
        "provider": one.account,
        "signer": known.signer,
        "bond": coin.format(known.bond),
        "locked": coin.format(known.locked),
        "leaving": coin.format(known.leaving),
        "leaves_at": known.leaves_at,
        "offers": offers,
    }


def listed_row(coin: Coin, one: Listed) -> tuple[str, ...]:
    """Return the cells of a provider."""
    offers = [f"{model.hex()[:16]}… for {coin.named(offer.fee_min)}" for model, offer in one.offers.items()]
    known = one.provider
    amounts = (known.bond, known.locked, known.leaving)
    return (one.account, *(coin.named(amount) for amount in amounts), ", ".join(offers))


def listed_told(coin: Coin, one: Listed, now_s: int) -> Table:
    """Return a provider as people read it."""
    known = one.provider
    leaving = f"{coin.named(known.leaving)}, to be taken {in_words(known.leaves_at, now_s)}" if known.leaving else "0"
    pairs = [
        ("provider", one.account), ("signer", known.signer), ("bond", coin.named(known.bond)),
        ("locked", coin.named(known.locked)), ("leaving", leaving),
    ]  # fmt: skip
    offers = [("offer", f"{model.hex()} for {coin.named(offer.fee_min)}") for model, offer in one.offers.items()]
    return table("", ("", ""), [*pairs, *offers])


def opened_facts(desk: CommitteeDesk, one: Opened) -> dict[str, object]:
    """Return a request, fit for JSON; amounts are decimals of the coin."""
    coin, terms, request = desk.place.coin, one.terms, one.request
    members = [
        {
            "provider": member,
            "weight": coin.format(seat.weight),
            "is_committed": any(seat.commitment),
            "output": str(seat.output) if seat.revealed else None,
            "cost": coin.format(seat.cost) if seat.revealed else None,
            "is_slashed": seat.slashed,
        }
        for member, seat in one.seats.items()
    ]
    is_fulfilled = one.state == "fulfilled"
    return {
        "request": one.request_id.hex(),
        "state": one.state,
        "next": opened_next(one, desk.now_s()),
        "output": str(request.output) if is_fulfilled else None,
        "cost": coin.format(request.cost) if is_fulfilled else None,
        "consumer": request.consumer,
        "nonce": str(request.nonce),
        "model_digest": terms.model_digest.hex(),
        "input": one.data.hex(),
        "threshold": terms.threshold,
        "fee": coin.format(terms.fee),
        "stake": coin.format(terms.stake),
        "coin": coin.to_dict(),
        "commit_until": request.commit_until,
        "reveal_until": request.reveal_until,
        "members": members,
        "contract": desk.place.address,
    }


def opened_told(desk: CommitteeDesk, one: Opened) -> list[str | Table]:
    """Return a request as people read it."""
    facts, coin = opened_facts(desk, one), desk.place.coin
    amounts = {"fee": coin.named(one.terms.fee), "stake": coin.named(one.terms.stake)}
    if one.state == "fulfilled":
        amounts["cost"] = coin.named(one.request.cost)
    left_out = ("members", "coin", "input", "nonce", "commit_until", "reveal_until")
    pairs = [
        (name.replace("_", " "), amounts.get(name, value)) for name, value in facts.items() if name not in left_out
    ]
    seats = [
        (member, coin.named(seat.weight), _deed(desk, one, member)) for member, seat in one.seats.items()
    ]  # fmt: skip
    shown = table("", ("", ""), [(name, value) for name, value in pairs if value is not None])
    return [shown, table("members", ("provider", "stake", ""), seats)]


def opened_next(one: Opened, now_s: int) -> str:
    """Return in words what comes next, and when."""
    request, count = one.request, len(one.seats)
    until = in_words(request.commit_until if one.state == "commits" else request.reveal_until, now_s)
    return {
        "commits": f"{request.commits} of {count} committed; the last may {until}",
        "reveals": f"{request.reveals} of {request.commits} revealed; the last may {until}",
        "due": "no answer can come any more: `settle` ends it",
        "fulfilled": "over: the answer is settled",
        "timed out": "over: no answer, and the fees went back",
    }[one.state]


def _deed(desk: CommitteeDesk, one: Opened, member: str) -> str:
    seat = one.seats[member]
    if seat.slashed:
        return "slashed"
    if seat.revealed:
        return f"answered {seat.output} for {desk.place.coin.named(seat.cost)}"
    return "committed" if any(seat.commitment) else "silent so far"
