"""The two averages that everybody begins with, kept to be compared: neither withstands anybody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tallystick.agents.scoring.trust import Payment, Rating


def naive_average(ratings: Iterable[Rating]) -> int:
    """Return the mean of what the clients said last, each as much as the other; 0 of none."""
    said = {one.client: one.permille for one in ratings}
    return sum(said.values()) // len(said) if said else 0


def paid_average(own: Collection[str], ratings: Iterable[Rating], payments: Sequence[Payment]) -> int:
    """Return the mean weighed by what each client paid the agent's own accounts, price and fee; 0 of none."""
    said = {one.client: one.permille for one in ratings}
    mine = frozenset(own)
    paid = dict.fromkeys(said, 0)
    for one in payments:
        if one.payee in mine and one.payer in paid:
            paid[one.payer] += one.price + one.burned
    whole = sum(paid.values())
    return sum(said[client] * amount for client, amount in paid.items()) // whole if whole else 0
