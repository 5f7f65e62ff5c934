"""The parts of a policy file that repeat: budgets, rules, sessions. `reading.py` reads the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from tallystick.agents.policy.document import Budgets, Constraint, Rates, Rule, Session, Slots, Token
from tallystick.agents.policy.durations import parse_duration, parse_time
from tallystick.agents.policy.names import NameBook
from tallystick.agents.policy.nouns import AMOUNT_MAX, NATIVE, UNLIMITED, Level
from tallystick.agents.policy.signatures import CallForm, parse_call
from tallystick.core.amounts import UINT256_MAX, parse_amount
from tallystick.core.documents import digest, integer, listed, members, text, typed
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

_PERIOD_S_MAX: Final = 10 * 366 * 86_400  # as the contract bounds a bucket's period
_U32: Final = 2**32 - 1
_WORDS_MAX: Final = 64  # of the arguments of one call; 2,048 bytes of calldata hold no more
_LEVELS: Final = {level.name.lower(): level for level in Level}


def address(value: object, what: str) -> str:
    """Return an address that must be written out; raises InvalidInput "address.…"."""
    try:
        return parse_address(value)
    except InvalidInput as error:
        error.message = f"{what}: {error.message}"
        raise


def read_amount(value: object, what: str, token: Token, most: int = AMOUNT_MAX) -> int:
    """Return the smallest units that a decimal string of a token writes; raises InvalidInput "amount.…"."""
    try:
        units = parse_amount(value, token.decimals)
    except InvalidInput as error:
        error.message = f"{what}: {error.message}"
        error.hint = f'a decimal number of {token.name} in quotes, like "2.50", at most {token.decimals} decimals'
        raise
    if units > most:
        raise InvalidInput(
            "policy.range", f"{what} is too large", expected="< 2**128 smallest units", got=str(value)[:80]
        )
    return units


def read_rates(value: object, what: str, token: Token) -> Rates:
    """Return a bucket's rates; raises InvalidInput."""
    found = members(value, what, ("cap", "refill", "period"), ("lifetime",))
    return Rates(
        read_amount(found["cap"], f"{what}.cap", token),
        read_amount(found["refill"], f"{what}.refill", token),
        parse_duration(found["period"], f"{what}.period", 1, _PERIOD_S_MAX),
        read_amount(found["lifetime"], f"{what}.lifetime", token) if "lifetime" in found else UNLIMITED,
    )


def read_budgets(value: object, what: str, units: Mapping[str, Token]) -> Budgets:
    """Return buckets by token; raises InvalidInput "policy.token" for one that the file does not have."""
    found: dict[str, Any] = typed(value, dict, what)
    by_name = {one.name: one for one in units.values()}
    budgets: dict[str, Rates] = {}
    for name, rates in found.items():
        token = _token(name, f"{what}.{name}", by_name)
        budgets[token.address] = read_rates(rates, f"{what}.{name}", token)
    return budgets


def _token(value: object, what: str, by_name: Mapping[str, Token]) -> Token:
    name = text(value, what)
    if name not in by_name:
        known = ", ".join(sorted(by_name)) or "a [tokens] table"
        raise InvalidInput("policy.token", f"{what}: the file has no such token", expected=known, got=ascii(name)[:80])
    return by_name[name]


def read_level(value: object, what: str) -> Level:
    """Return a level by its name; raises InvalidInput "policy.level"."""
    if not isinstance(value, str) or value not in _LEVELS:
        raise InvalidInput("policy.level", f"{what} is no level", expected=", ".join(_LEVELS), got=ascii(value)[:80])
    return _LEVELS[value]


# --- rules

_RULE: Final = ("token", "payee", "amount", "call_cap", "value_cap", "min_level", "pulls", "constraints")


def read_rule(name: str, value: object, units: Mapping[str, Token], book: NameBook) -> Rule:
    """Return one rule; arguments are counted from 0, as the signature has them. Raises InvalidInput."""
    what = f"rules.{name}"
    found = members(value, what, ("target", "call"), _RULE)
    call = parse_call(found["call"], f"{what}.call")
    by_name = {one.name: one for one in units.values()}
    native = next((one for one in units.values() if one.address == NATIVE), Token("native coin", NATIVE))
    token = _token(found["token"], f"{what}.token", by_name) if "token" in found else native
    return Rule(
        name=name,
        target=book.find(found["target"], f"{what}.target"),
        call=call,
        token=token.address,
        payee_word=_argument(found["payee"], f"{what}.payee", call, "address") if "payee" in found else -1,
        amount_word=_argument(found["amount"], f"{what}.amount", call, "uint") if "amount" in found else -1,
        call_cap=read_amount(found.get("call_cap", "0"), f"{what}.call_cap", token),
        value_cap=read_amount(found.get("value_cap", "0"), f"{what}.value_cap", native),
        min_level=read_level(found.get("min_level", "bounded"), f"{what}.min_level"),
        pulls=typed(found.get("pulls", False), bool, f"{what}.pulls"),
        constraints=tuple(
            _constraint(one, f"{what}.constraints", call, book)
            for one in listed(found.get("constraints", []), f"{what}.constraints", _WORDS_MAX)
        ),
    )


def _argument(value: object, what: str, call: CallForm, kind: str) -> int:
    """Return the word that an argument fills; where only the selector is known, arguments are words."""
    at = integer(value, what, 0, _WORDS_MAX - 1)
    if not call.is_named:
        return at
    if at >= len(call.kinds) or not call.kinds[at].startswith(kind) or call.kinds[at].endswith("]"):
        got = call.kinds[at] if at < len(call.kinds) else f"{len(call.kinds)} arguments"
        raise InvalidInput("policy.argument", f"{what}: {call.text} has no such argument", expected=kind, got=got)
    return call.words[at]


def _constraint(value: object, what: str, call: CallForm, book: NameBook) -> Constraint:
    found = members(value, what, ("argument",), ("is", "low", "high"))
    if ("is" in found and len(found) > 2) or len(found) == 1:
        raise InvalidInput("policy.constraint", f"{what}: a constraint has `is`, or `low` and `high`, or one of those")
    word = _argument(found["argument"], f"{what}.argument", call, "")
    if "is" in found:
        only = _word(found["is"], f"{what}.is", book)
        return Constraint(word, only, only)
    low = _word(found.get("low", 0), f"{what}.low", book)
    high = _word(found["high"], f"{what}.high", book) if "high" in found else UINT256_MAX
    if low > high:
        raise InvalidInput(
            "policy.constraint", f"{what}: nothing lies between the bounds", expected=f"≥ {low}", got=high
        )
    return Constraint(word, low, high)


def _word(value: object, what: str, book: NameBook) -> int:
    """Return the word that a constraint writes: an integer, one in decimal digits, a truth value, a name or address."""
    is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78
    if isinstance(value, bool | int) or is_digits:
        number = int(cast(str, value))
    else:
        number = int(book.find(value, what), 16)
    if not 0 <= number <= UINT256_MAX:
        raise InvalidInput("policy.range", f"{what} is no word", expected="0 to 2**256 - 1")
    return number


# --- sessions

_SESSION: Final = ("valid_after", "denials", "heartbeat", "slots", "mandate", "budgets")


def read_session(name: str, value: object, units: Mapping[str, Token], book: NameBook) -> Session:
    """Return one session; raises InvalidInput."""
    what = f"sessions.{name}"
    found = members(value, what, ("key", "level", "valid_until", "operations"), _SESSION)
    operations, operations_s = _pace(found["operations"], f"{what}.operations", 2**16 - 1)
    denials, denials_s = _pace(found["denials"], f"{what}.denials", 255) if "denials" in found else (0, 0)
    return Session(
        name=name,
        key=book.find(found["key"], f"{what}.key"),
        level=read_level(found["level"], f"{what}.level"),
        valid_after=parse_time(found.get("valid_after", 0), f"{what}.valid_after"),
        valid_until=parse_time(found["valid_until"], f"{what}.valid_until"),
        operations=operations,
        operations_s=operations_s,
        denials=denials,
        denials_s=denials_s,
        heartbeat_s=parse_duration(found.get("heartbeat", "0s"), f"{what}.heartbeat", 0, _U32),
        slots=_slots(found["slots"], f"{what}.slots", units) if "slots" in found else Slots(),
        mandate=digest(found["mandate"], f"{what}.mandate") if "mandate" in found else bytes(32),
        budgets=read_budgets(found.get("budgets", {}), f"{what}.budgets", units),
    )


def _pace(value: object, what: str, most: int) -> tuple[int, int]:
    found = members(value, what, ("max", "per"))
    return integer(found["max"], f"{what}.max", 1, most), parse_duration(found["per"], f"{what}.per", 1, _U32)


def _slots(value: object, what: str, units: Mapping[str, Token]) -> Slots:
    found = members(value, what, ("token", "max", "per", "cap"))
    token = _token(found["token"], f"{what}.token", {one.name: one for one in units.values()})
    count, period_s = _pace({"max": found["max"], "per": found["per"]}, what, _U32)
    return Slots(count, period_s, read_amount(found["cap"], f"{what}.cap", token), token.address)
