"""Wallets: what a policy allows, what was done, and spending: by one session of one wallet, as the chain allows.

A caller names payees by their addresses, never by names of this workspace's keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.agents.intents import Payment
from tallystick.agents.policy.bounds import loss_bounds
from tallystick.agents.policy.explaining import explain
from tallystick.agents.policy.nouns import Level
from tallystick.chain.coin import NATIVE, read_coin
from tallystick.core.ids import parse_address
from tallystick.core.limits import INTENT_TEXT_CHARS_MAX, MCP_ROWS_MAX
from tallystick.services.abilities.ability import Ability, Powers
from tallystick.services.abilities.shapes import ADDRESS, HEX, amount, anything, flag, many, record, text, whole
from tallystick.tally import Tally
from tallystick.tally.agents.reasons import Reasons

_DAY_S = 86_400
_WALLET = text("A wallet of this workspace by name, or any by its address", 64)
_PAYMENT = {
    "payee": {**ADDRESS, "description": "Whom to pay: an address"},
    "amount": amount("How much of the coin, such as 0.25"),
    "token": {**ADDRESS, "description": "The token's address; the native coin if left out", "default": NATIVE},
    "purpose": text("What for, in a sentence; kept with the intent record", INTENT_TEXT_CHARS_MAX, minLength=1),
    "asked_by": text("On whose behalf", INTENT_TEXT_CHARS_MAX, default="a caller over MCP"),
    "task": text("The task's id", default=""),
}
_ITEM = record({"item": HEX, "state": text(), "session": text(), "target": text(), "amount": text(),
                "data": text("", 2**16), "token": text(), "max_debit": text(), "approvals": whole(),
                "proposed_at": whole(), "expires": whole()},
               is_open=True)  # fmt: skip


def _explain(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    wallet = tally.agents.wallet(given["wallet"])
    live = wallet.live()
    sections = explain(live.policy, live.at, live.state, live.waiting(live.policy))
    lost = loss_bounds(live.policy, given["window_s"])
    return {
        "wallet": wallet.address, "digest": live.policy.digest().hex(),
        "sections": [one.to_dict() for one in sections], "loss_bounds": [one.to_dict() for one in lost],
    }  # fmt: skip


def _audit(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    found = tally.agents.wallet(given["wallet"]).audit()
    return {
        "wallet": found.account, "balanced": found.is_balanced, "block_hash": found.block_hash.hex(),
        "checks_passed": found.report.passed, "checks_total": found.report.total,
        "gaps": [one.to_dict() for one in found.gaps[:MCP_ROWS_MAX]], "gaps_total": len(found.gaps),
        "tokens": [one.to_dict() for one in found.sheets[:MCP_ROWS_MAX]],
        "timeline": [one.to_dict() for one in found.timeline[-given["rows"] :]],
        "timeline_total": len(found.timeline),
    }  # fmt: skip


def _queue(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    wallet = tally.agents.wallet(given["wallet"])
    items = [one.to_dict() for one in wallet.queue.items() if given["everything"] or one.words == "open"]
    return {"wallet": wallet.address, "items": items[:MCP_ROWS_MAX], "items_total": len(items)}


def _propose(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    wallet, coin = tally.agents.wallet(powers.wallet), read_coin(tally.node, parse_address(given["token"]))
    payee, units = parse_address(given["payee"]), coin.parse(given["amount"], "amount")
    intent = wallet.acting.record(powers.session, _reasons(given), Payment(payee, coin.address, units))
    target, data, value = wallet.acting.payment_call(coin, payee, units)
    item = wallet.queue.propose(powers.session, target, data, value, coin, units, intent, given["valid_s"])
    return {"wallet": wallet.address, **item.to_dict()}


def _pay(tally: Tally, powers: Powers, given: Mapping[str, Any]) -> dict[str, Any]:
    wallet, coin = tally.agents.wallet(powers.wallet), read_coin(tally.node, parse_address(given["token"]))
    units = coin.parse(given["amount"], "amount")
    done = wallet.acting.pay(powers.session, coin, parse_address(given["payee"]), units, _reasons(given))
    return {"wallet": wallet.address, **done.to_dict()}


def _reasons(given: Mapping[str, Any]) -> Reasons:
    return Reasons(asked_by=given["asked_by"], purpose=given["purpose"], task=given["task"])


WALLETS = (
    Ability(
        "explain_wallet", "What a wallet may do",
        "A wallet's policy in words: what each session may do now, what is left, who can stop it, what can be lost.",
        record({"wallet": _WALLET, "window_s": whole("For how long losses are told", 1, 366 * _DAY_S, default=_DAY_S)},
               optional=("window_s",)),
        record({"wallet": ADDRESS, "digest": HEX, "loss_bounds": many(anything("of a token")),
                "sections": many(record({"title": text("", 4_096), "lines": many(text("", 16_384))}))}),
        _explain,
    ),
    Ability(
        "audit_wallet", "Audit a wallet",
        "Reconstruct all that a wallet did and why, reconciled to the last unit; every gap is named.",
        record({"wallet": _WALLET, "rows": whole("Newest events to tell", 1, MCP_ROWS_MAX, default=50)},
               optional=("rows",)),
        record({"wallet": ADDRESS, "balanced": flag(), "block_hash": HEX, "checks_passed": whole(),
                "checks_total": whole(), "gaps": many(anything("a finding"), most=MCP_ROWS_MAX), "gaps_total": whole(),
                "tokens": many(anything("a sheet"), most=MCP_ROWS_MAX), "timeline_total": whole(),
                "timeline": many(anything("an event"), most=MCP_ROWS_MAX)}),
        _audit,
    ),
    Ability(
        "list_queue", "What waits for approval",
        "The items of a wallet's queue, newest first: what its sessions asked for because they may not do it alone.",
        record({"wallet": _WALLET, "everything": flag("Also what is over", default=False)}, optional=("everything",)),
        record({"wallet": ADDRESS, "items": many(_ITEM, most=MCP_ROWS_MAX), "items_total": whole()}),
        _queue,
    ),
    Ability(
        "propose_payment", "Propose a payment",
        "Ask for a payment from this server's wallet that its session may not make alone. Nothing is paid before the "
        "wallet's approvers, or time, let it pass.",
        record({**_PAYMENT, "valid_s": whole("How long it can run", 60, 90 * _DAY_S, default=7 * _DAY_S)},
               optional=("token", "asked_by", "task", "valid_s")),
        record({"wallet": ADDRESS, **_ITEM["properties"]}, is_open=True),
        _propose, Level.PROPOSE, is_read_only=False, is_repeatable=False, needs_wallet=True,
    ),
    Ability(
        "pay", "Pay",
        "Pay from this server's wallet, at once, within its policy. The chain refuses what the policy does not allow; "
        "propose_payment asks for that.",
        record(_PAYMENT, optional=("token", "asked_by", "task")),
        record({"wallet": ADDRESS, "seq": whole(), "session": text(), "target": text(), "token": text(),
                "spent": text(), "head": HEX, "intent": HEX, "transaction": HEX, "gas_used": whole()}),
        _pay, Level.BOUNDED, is_read_only=False, is_repeatable=False, needs_wallet=True,
    ),
)  # fmt: skip
