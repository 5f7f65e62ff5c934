"""The report of the agents' story: one HTML file."""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.core.page import document, plain, table
from tallystick.demos.agents_told import AgentsTold, OrderTold


def html_agents(told: AgentsTold) -> str:
    """Return the whole report."""
    parts = (
        '<header><p class="eyebrow">Agents that pay</p>'
        f"<h1>An agent with a budget of {plain(told.budget)} USD, and what it could not be talked into</h1>"
        f"<p>chain {plain(told.chain)} · wallet <code>{plain(told.wallet)}</code></p></header>",
        f'<p class="verdict{"" if told.is_whole else " no"}">{_mark(told.is_whole)} {plain(closing(told), 200)}</p>',
        _figures(told),
        "<h2>What had to come out</h2>",
        table(("", ""), ((_mark(good), plain(words, 300)) for good, words in told.checks())),
        *_found(told),
        *_bought(told),
        "<h2>What a hostile document had it try</h2><p>The planner of this run does whatever a text says. What refused "
        f"it is the contract's own reason. {plain(told.to_thief)} reached the account that the document named.</p>",
        _orders(told.orders),
        "<h2>More than its budget</h2>",
        *_queue(told),
        "<h2>Frozen</h2><p>A guardian's key froze the wallet; then the agent tried both ways to pay.</p>",
        _orders(told.after_freeze),
        *_paid(told),
        "<h2>Look again</h2><p>In this report's folder:</p>"
        f"<p>{''.join(f'<code>{plain(line, 300)}</code><br>' for line in told.commands)}</p>",
        f"<footer>{_times(told)}</footer>",
    )
    return document("Tallystick: agents that pay", parts)


def closing(told: AgentsTold) -> str:
    """Return how the story ended, in a sentence."""
    if told.is_whole:
        return (
            "It bought what it needed, no text could make it pay a thief, people decided the rest, the audit balances."
        )
    return "Not everything came out: see below."


def _figures(told: AgentsTold) -> str:
    summary = told.summary()
    shown = (
        (f"{summary['payments']}", "payments, each with its reason"),
        (f"{told.channel_calls:,}", "answers over a channel"),
        (f"{summary['refused']}", "acts refused on chain"),
        (f"{plain(told.alone)} of {plain(told.budget)}", "spent without a person"),
    )
    return '<div class="figures">' + "".join(f"<div><b>{one}</b>{name}</div>" for one, name in shown) + "</div>"


def _found(told: AgentsTold) -> Iterable[str]:
    yield (
        "<h2>Found, and weighed</h2><p>From the index of the ERC-8004 registries. The score is trust that had to be "
        "paid for, in parts of a thousand; the naive average also counts two clients whom the cheap service made "
        "itself. What decides is the price by the score.</p>"
    )
    rows = (
        ("→" if one.is_best else "", plain(one.name), str(one.agent), plain(one.price), str(one.score), str(one.naive))
        for one in told.services
    )
    yield table(("", "service", "agent", "price", "score", "naive average"), rows, numbers={2, 3, 4, 5})
    yield f'<p class="note">Its answer: {plain(told.answer, 400)}.</p>'


def _bought(told: AgentsTold) -> Iterable[str]:
    yield (
        "<h2>Bought over x402</h2><p>Each answer took a slot of the wallet: an authorization whose nonce names session,"
        " period and slot, judged by the wallet's contract when the token asks it. The ticket was checked against the "
        "keys on chain; the payment receipt against ticket, request, answer and transfer.</p>"
    )
    rows = (
        (
            str(one.entry), plain(one.seller), plain(one.amount), f"{one.benign:.3f}",
            f"{_mark(one.is_verified)} {one.checks_passed} of {one.checks_total} {plain(one.fault, 120)}",
        )
        for one in told.answers
    )  # fmt: skip
    yield table(("entry", "from", "paid", "benign", "checks of its receipts"), rows, numbers={0, 2, 3})
    yield (
        f"<h2>Bought over a channel</h2><p>{told.channel_calls:,} answers for {plain(told.channel_price)} each, "
        f"{told.channel_per_second:,.0f} a second on the machine that also predicted them; each against a voucher for "
        "exactly that request, with the seller's receipt. One transaction then brought the seller "
        f"{plain(told.channel_paid)}.</p>"
    )


def _orders(orders: Iterable[OrderTold]) -> str:
    rows = (
        (
            f"{_mark(bool(one.refused_by))} {plain(one.tool)}",
            plain(one.refused_by or "nothing refused it"),
            f"<code>{plain(one.told, 150)}</code>",
        )
        for one in orders
    )
    return table(("tool", "refused by", "what it was given"), rows)


def _queue(told: AgentsTold) -> Iterable[str]:
    yield (
        f"<p>It wanted {plain(told.wanted)}; the wallet said <code>{plain(told.over_budget)}</code>. So it proposed "
        "the payment to the queue. This is what the command line told a person who was to approve it:</p>"
    )
    yield table(("",), ((f"<code>{plain(line, 400)}</code>",) for line in told.item_words))
    yield f"<p>How it ended: {plain(', '.join(told.items) or 'nothing waited')}.</p>"


def _paid(told: AgentsTold) -> Iterable[str]:
    yield (
        "<h2>Every payment, and why</h2><p>As the audit has it from the chain. Purpose, planner and who asked are in a "
        "record that the session signed before it acted, and that commits to everything the planner had read.</p>"
    )
    rows = (
        (
            plain(one.amount), plain(one.payee), plain(one.how), plain(one.purpose or "nobody knows", 120),
            plain(one.decided_by), plain(one.asked_by),
        )
        for one in told.paid
    )  # fmt: skip
    marks = [not one.purpose for one in told.paid]
    yield table(("paid", "to", "how", "for", "decided by", "asked by"), rows, numbers={0}, marks=marks)
    yield from (f'<p class="down">{plain(gap, 400)}</p>' for gap in told.gaps)


def _times(told: AgentsTold) -> str:
    return plain(", ".join(f"{name} {seconds:.1f} s" for name, seconds in told.seconds.items()), 300)


def _mark(good: bool) -> str:
    return '<span class="up">✓</span>' if good else '<span class="down">✗</span>'
