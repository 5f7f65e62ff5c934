"""What the story's answers and payments are worth: both receipts of each answer, and the audit of the wallet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from tallystick.agents.audit import Audit
from tallystick.agents.audit.findings import Movement, Tie
from tallystick.agents.intents import Payment
from tallystick.agents.loop import Run
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.payments.receipts import EXTENSION, SignedReceipt, check_receipt
from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.nouns import LinkKind
from tallystick.core.errors import TallystickError
from tallystick.core.merkle import leaf_hash
from tallystick.demos.agents_sellers import SEQ, Open
from tallystick.demos.agents_setting import WALLET, Setting
from tallystick.demos.agents_told import AgentsTold, AnswerTold, PaidTold
from tallystick.demos.agents_tools import benign_of
from tallystick.services.client import Checker
from tallystick.services.trust import trusted_by_chain

_PAYMENTS_MAX: Final = 1_000  # of one run, which makes two dozen
_HOW: Final = {
    Tie.AUTHORIZATION: "x402, in a slot", Tie.LINK: "a call that the session signed", Tie.NONE: "nobody knows",
}  # fmt: skip


def check_answers(setting: Setting, sellers: Sequence[Open], made: Run) -> list[AnswerTold]:
    """Return every answer of a run that was paid for, with what checking its receipts found."""
    checkers = {
        one.url: (one, Checker(trusted_by_chain(setting.tally, one.model_id, SEQ, one.seller.key))) for one in sellers
    }
    payments = {one.id: one for one in setting.tally.agents.payments.book.newest(_PAYMENTS_MAX)}
    found = []
    for called in made.called:
        answer: dict[str, Any] = orjson.loads(called.answer) if called.call.name == "fetch" else {}
        if not answer.get("paid"):
            continue
        asked = orjson.loads(called.call.arguments)
        seller, checker = checkers[asked["url"]]
        found.append(_checked(setting, seller, checker, asked, answer["body"], payments[answer["paid"]["payment"]]))
    return found


def _checked(
    setting: Setting, seller: Open, checker: Checker, asked: dict[str, str], body: str, booked: Booked
) -> AnswerTold:
    """The ticket is checked against the chain's keys; the payment receipt against it, the request and the transfer."""
    amount, answer = setting.coin.format(booked.amount), body.encode()
    try:
        checked = checker.check_answer(asked["body"].encode(), answer)
        told = {} if booked.settlement is None else booked.settlement.extensions.get(EXTENSION, {})
        receipt = SignedReceipt.read(told.get("info"))
        operation = Operation.of_http("POST", asked["url"], asked["body"].encode()).hash()
        report = check_receipt(
            receipt, operation=operation, answer=answer, entry=leaf_hash(checked.entry), node=setting.tally.node
        )
    except TallystickError as error:
        return AnswerTold(seller.seller.title, amount, -1.0, -1, 0, 0, f"{error.code}: {error}")
    return AnswerTold(
        seller.seller.title, amount, benign_of(answer), checked.index, report.passed, report.total,
        "" if booked.state == "settled" else booked.state,
    )  # fmt: skip


def audit_wallet(setting: Setting, policy: Policy, told: AgentsTold, budget: int) -> None:
    """Fill in all that the audit says: what was spent, by whose decision and what for, and whether it adds up."""
    audit = setting.tally.agents.wallet(WALLET).audit(policy)
    reasons = {(one.seq, one.place) if one.seq == 0 else (one.seq, None): one for one in audit.reasons}
    spent = [one for one in audit.movements if one.is_out and one.token == setting.coin.address]
    for one in spent:
        reason = reasons.get((one.seq, None) if one.seq else (0, one.place))
        intent = None if reason is None else reason.record.intent
        told.paid.append(
            PaidTold(
                setting.coin.format(one.amount),
                _payee(policy, one, intent.payment if intent else None),
                _how(audit, one),
                intent.purpose if intent else "",
                intent.model.name if intent else "",
                intent.asked_by if intent else "",
            )
        )
    told.unexplained = sum(not one.purpose for one in told.paid)
    told.refused_on_chain = [link.reason for link in audit.links if not link.event.result]
    alone = sum(one.amount for one in spent if not _is_approved(audit, one))
    told.alone, told.is_within = setting.coin.format(alone), alone <= budget
    told.audit_balanced, told.audit_links = audit.is_balanced, len(audit.links)
    told.audit_checks = audit.report.passed
    told.gaps = [one.words for one in audit.gaps]


def _payee(policy: Policy, one: Movement, payment: Payment | None) -> str:
    """Return who was paid, and over whom where the coins went to a contract first."""
    name = policy.name_of(one.party)
    if payment is None or payment.payee == one.party:
        return name
    return f"{policy.name_of(payment.payee)}, over {name}"


def _how(audit: Audit, one: Movement) -> str:
    return "an item that a person approved" if _is_approved(audit, one) else _HOW.get(one.tie, one.tie.value)


def _is_approved(audit: Audit, one: Movement) -> bool:
    kinds = {link.event.seq: link.kind for link in audit.links}
    return one.tie is Tie.LINK and kinds.get(one.seq) is LinkKind.QUEUE_ITEM
