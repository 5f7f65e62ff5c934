"""A policy file read: TOML in, `Policy` out, or one InvalidInput that says where.

Bounded and strict: members that mean nothing are refused, so a mistyped limit cannot be no limit. Whether a policy is
wise, and whether a contract would take it, `checking.py` says. The parts of sessions and rules are in their own files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tallystick.agents.policy import reading_parts as parts
from tallystick.agents.policy.document import Newcomers, Payee, Policy, Queue, Terms, Token
from tallystick.agents.policy.durations import parse_duration, parse_time
from tallystick.agents.policy.names import NameBook
from tallystick.agents.policy.nouns import NATIVE, NEVER, Standing
from tallystick.core.amounts import ETHER_DECIMALS
from tallystick.core.documents import integer, listed, members, typed
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import COIN_DECIMALS_MAX, POLICY_BYTES_MAX, POLICY_NUMBER_BITS_MAX, POLICY_PARTS_MAX

FORMAT: Final = "tallystick-policy-1"
_TOP: Final = ("format", "account", "roles", "terms")
_TABLES: Final = ("addresses", "tokens", "payees", "rules", "sessions", "newcomers", "queue")
_DELAY_S_MAX: Final = 366 * 86_400  # as the contract demands


def read_policy(data: bytes) -> Policy:
    """Return the policy that a file holds.

    raises  InvalidInput "policy.toml" for what is no TOML, "policy.…", "document.…", "amount.…", "address.…"
    """
    if len(data) > POLICY_BYTES_MAX:
        raise InvalidInput("policy.size", "policy file is too large", expected=f"≤ {POLICY_BYTES_MAX}", got=len(data))
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "policy.toml", "policy is not TOML", expected="a text in TOML, as UTF-8", got=str(error)[:120]
        ) from None
    _check_numbers(found)
    top = members(found, "policy", _TOP, _TABLES)
    if top["format"] != FORMAT:
        raise InvalidInput("policy.format", "not a policy of this form", expected=FORMAT, got=ascii(top["format"])[:80])
    tables = {name: _table(top, name) for name in _TABLES}
    book = _names(tables)
    tokens = tuple(_token(name, value, book) for name, value in tables["tokens"].items())
    units = {one.address: one for one in tokens}
    account = members(top["account"], "account", ("chain_id", "owner"), ("address",))
    roles = members(top["roles"], "roles", ("guardians",), ("approvers",))
    return Policy(
        chain_id=integer(account["chain_id"], "account.chain_id", 1),
        owner=book.find(account["owner"], "account.owner"),
        guardians=_keys(roles["guardians"], "roles.guardians", book),
        approvers=_keys(roles.get("approvers", []), "roles.approvers", book),
        terms=_terms(top["terms"]),
        account=parse_address(account["address"]) if "address" in account else None,
        tokens=tokens,
        payees=tuple(_payee(name, one, units) for name, one in tables["payees"].items()),
        rules=tuple(parts.read_rule(name, one, units, book) for name, one in tables["rules"].items()),
        sessions=tuple(parts.read_session(name, one, units, book) for name, one in tables["sessions"].items()),
        newcomers=_newcomers(tables["newcomers"], units, book),
        queue=_queue(tables["queue"]),
        addresses={name: parse_address(one) for name, one in tables["addresses"].items()},
    )


def _check_numbers(found: dict[str, Any]) -> None:
    """Refuse floats, which round money, and integers that no word of the EVM holds."""
    rest: list[Any] = [found]
    while rest:
        one = rest.pop()
        rest += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        if isinstance(one, float):
            raise InvalidInput(
                "policy.float", "floats round money", got=one, hint='write amounts in quotes, like "2.50"'
            )
        if isinstance(one, int) and one.bit_length() > POLICY_NUMBER_BITS_MAX:
            raise InvalidInput("policy.range", "an integer is too large", expected=f"≤ {POLICY_NUMBER_BITS_MAX} bits")


def _table(top: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = typed(top.get(name, {}), dict, name)
    if len(found) > POLICY_PARTS_MAX:
        raise InvalidInput("policy.parts", f"{name} has too many parts", expected=f"≤ {POLICY_PARTS_MAX}")
    return found


def _names(tables: Mapping[str, dict[str, Any]]) -> NameBook:
    book = NameBook()
    for kind, member in (("addresses", ""), ("tokens", "address"), ("payees", "address"), ("sessions", "key")):
        for name, value in tables[kind].items():
            what = f"{kind}.{name}"
            raw = typed(value, dict, what).get(member) if member else value
            native = kind == "tokens" and raw == "native"
            book.add(name, NATIVE if native else parts.address(raw, f"{what}.{member}".rstrip(".")), what)
    return book


def _keys(value: object, what: str, book: NameBook) -> tuple[str, ...]:
    return tuple(book.find(one, what) for one in listed(value, what, POLICY_PARTS_MAX))


def _terms(value: object) -> Terms:
    found = members(value, "terms", ("raise_delay",), ("unfreeze_delay",))
    raise_delay_s = _delay(found["raise_delay"], "terms.raise_delay")
    unfreeze = found.get("unfreeze_delay", found["raise_delay"])
    return Terms(raise_delay_s, _delay(unfreeze, "terms.unfreeze_delay"))


def _delay(value: object, what: str) -> int:
    return parse_duration(value, what, 0, _DELAY_S_MAX)


def _queue(value: object) -> Queue:
    found = members(value, "queue", (), ("threshold", "open", "delay", "veto_delay"))
    return Queue(
        integer(found.get("threshold", 0), "queue.threshold", 0, 255),
        integer(found.get("open", 0), "queue.open", 0, 255),
        _delay(found.get("delay", "0s"), "queue.delay"),
        _delay(found.get("veto_delay", "0s"), "queue.veto_delay"),
    )


def _newcomers(value: dict[str, Any], units: Mapping[str, Token], book: NameBook) -> Newcomers:
    if not value:
        return Newcomers()
    found = members(value, "newcomers", ("registry", "cooling_off"), ("budgets",))
    return Newcomers(
        book.find(found["registry"], "newcomers.registry"),
        _delay(found["cooling_off"], "newcomers.cooling_off"),
        parts.read_budgets(found.get("budgets", {}), "newcomers.budgets", units),
    )


def _token(name: str, value: object, book: NameBook) -> Token:
    what = f"tokens.{name}"
    found = members(value, what, ("address",), ("decimals", "cap", "refill", "period", "lifetime"))
    address = book.find(name, what)
    if address == NATIVE and found.get("decimals", ETHER_DECIMALS) != ETHER_DECIMALS:
        raise InvalidInput("policy.decimals", f"{what}: the native coin has 18 decimals", got=found["decimals"])
    if address != NATIVE and "decimals" not in found:
        raise InvalidInput("document.missing", f"{what} lacks members", expected="decimals")
    decimals = integer(found.get("decimals", ETHER_DECIMALS), f"{what}.decimals", 0, COIN_DECIMALS_MAX)
    token = Token(name, address, decimals)
    rates = {one: found[one] for one in ("cap", "refill", "period", "lifetime") if one in found}
    return replace(token, budget=parts.read_rates(rates, what, token)) if rates else token


def _payee(name: str, value: object, units: Mapping[str, Token]) -> Payee:
    what = f"payees.{name}"
    found = members(value, what, ("address",), ("denied", "expires", "budgets"))
    is_denied = typed(found.get("denied", False), bool, f"{what}.denied")
    if is_denied and len(found) > 2:
        raise InvalidInput("policy.denied", f"{what} is denied and has terms", expected="address and denied alone")
    return Payee(
        name,
        parts.address(found["address"], f"{what}.address"),
        Standing.DENIED if is_denied else Standing.ALLOWED,
        parse_time(found["expires"], f"{what}.expires") if "expires" in found else NEVER,
        parts.read_budgets(found.get("budgets", {}), f"{what}.budgets", units),
    )
