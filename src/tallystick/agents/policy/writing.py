"""A policy written as TOML: the file that `reading.py` reads back to an equal policy, and the one to begin with."""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.agents.policy.document import Budgets, Newcomers, Policy, Queue, Rates, Rule, Session, Token
from tallystick.agents.policy.durations import format_duration, format_time
from tallystick.agents.policy.nouns import NATIVE, NEVER, UNLIMITED, Standing
from tallystick.agents.policy.reading import FORMAT
from tallystick.core.amounts import UINT256_MAX, format_amount


def write_policy(policy: Policy) -> bytes:
    """Return the policy as a file: parts in their order, addresses by name where the file names them."""
    return ("\n".join(_lines(policy)) + "\n").encode()


def _lines(policy: Policy) -> Iterator[str]:
    names = policy.names()
    yield f'format = "{FORMAT}"'
    yield from ("", "[account]", f"chain_id = {policy.chain_id}", f"owner = {_named(policy.owner, names)}")
    if policy.account:
        yield f'address = "{policy.account}"'
    yield from ("", "[roles]", f"guardians = {_list(policy.guardians, names)}")
    if policy.approvers:
        yield f"approvers = {_list(policy.approvers, names)}"
    terms = policy.terms
    yield from ("", "[terms]", f'raise_delay = "{format_duration(terms.raise_delay_s)}"')
    yield f'unfreeze_delay = "{format_duration(terms.unfreeze_delay_s)}"'
    if policy.queue != Queue():
        yield from ("", *_queue(policy.queue))
    if policy.addresses:
        yield from ("", "[addresses]", *(f'{name} = "{one}"' for name, one in policy.addresses.items()))
    for token in policy.tokens:
        yield from ("", *_token(token))
    for payee in policy.payees:
        yield from ("", f"[payees.{payee.name}]", f'address = "{payee.address}"')
        if payee.standing is Standing.DENIED:
            yield "denied = true"
        if payee.expires != NEVER:
            yield f"expires = {format_time(payee.expires)}"
        yield from _budgets(payee.budgets, f"payees.{payee.name}", policy)
    for rule in policy.rules:
        yield from ("", *_rule(rule, policy, names))
    for session in policy.sessions:
        yield from ("", *_session(session, policy))
    if policy.newcomers != Newcomers():
        yield from ("", "[newcomers]", f"registry = {_named(policy.newcomers.registry, names)}")
        yield f'cooling_off = "{format_duration(policy.newcomers.cooling_off_s)}"'
        yield from _budgets(policy.newcomers.budgets, "newcomers", policy)


def _named(address: str, names: dict[str, str]) -> str:
    return f'"{names.get(address, address)}"'


def _list(addresses: tuple[str, ...], names: dict[str, str]) -> str:
    return f"[{', '.join(_named(one, names) for one in addresses)}]"


def _queue(queue: Queue) -> Iterator[str]:
    yield from ("[queue]", f"threshold = {queue.threshold}", f"open = {queue.open_max}")
    yield from (f'delay = "{format_duration(queue.delay_s)}"', f'veto_delay = "{format_duration(queue.veto_s)}"')


def _rates(rates: Rates, token: Token) -> Iterator[str]:
    yield f'cap = "{format_amount(rates.cap, token.decimals)}"'
    yield f'refill = "{format_amount(rates.refill, token.decimals)}"'
    yield f'period = "{format_duration(rates.period_s)}"'
    if rates.lifetime != UNLIMITED:
        yield f'lifetime = "{format_amount(rates.lifetime, token.decimals)}"'


def _token(token: Token) -> Iterator[str]:
    yield f"[tokens.{token.name}]"
    yield 'address = "native"' if token.address == NATIVE else f'address = "{token.address}"'
    if token.address != NATIVE:
        yield f"decimals = {token.decimals}"
    if token.budget:
        yield from _rates(token.budget, token)


def _budgets(budgets: Budgets, place: str, policy: Policy) -> Iterator[str]:
    for address, rates in budgets.items():
        token = policy.token(address)
        yield f"[{place}.budgets.{token.name}]"
        yield from _rates(rates, token)


def _rule(rule: Rule, policy: Policy, names: dict[str, str]) -> Iterator[str]:
    yield f"[rules.{rule.name}]"
    yield f"target = {_named(rule.target, names)}"
    yield f'call = "{rule.call.text}"'
    token = policy.token(rule.token)
    if rule.token != NATIVE:
        yield f'token = "{token.name}"'
    for name, word in (("payee", rule.payee_word), ("amount", rule.amount_word)):
        if word >= 0:
            yield f"{name} = {_argument(rule, word)}"
    if rule.call_cap:
        yield f'call_cap = "{format_amount(rule.call_cap, token.decimals)}"'
    if rule.value_cap:
        yield f'value_cap = "{format_amount(rule.value_cap)}"'
    yield f'min_level = "{rule.min_level.name.lower()}"'
    if rule.pulls:
        yield "pulls = true"
    if rule.constraints:
        yield "constraints = ["
        for one in rule.constraints:
            high = f', high = "{one.high}"' if one.high != UINT256_MAX else ""
            yield f'  {{ argument = {_argument(rule, one.word)}, low = "{one.low}"{high} }},'
        yield "]"


def _argument(rule: Rule, word: int) -> int:
    return rule.call.words.index(word) if rule.call.is_named else word


def _session(session: Session, policy: Policy) -> Iterator[str]:
    yield f"[sessions.{session.name}]"
    yield f'key = "{session.key}"'
    yield f'level = "{session.level.name.lower()}"'
    if session.valid_after:
        yield f"valid_after = {format_time(session.valid_after)}"
    yield f"valid_until = {format_time(session.valid_until)}"
    yield f"operations = {_pace(session.operations, session.operations_s)}"
    if session.denials:
        yield f"denials = {_pace(session.denials, session.denials_s)}"
    if session.heartbeat_s:
        yield f'heartbeat = "{format_duration(session.heartbeat_s)}"'
    slots = session.slots
    if slots.count:
        token = policy.token(slots.token)
        pace = f'max = {slots.count}, per = "{format_duration(slots.period_s)}"'
        yield f'slots = {{ token = "{token.name}", {pace}, cap = "{format_amount(slots.cap, token.decimals)}" }}'
    if any(session.mandate):
        yield f'mandate = "{session.mandate.hex()}"'
    yield from _budgets(session.budgets, f"sessions.{session.name}", policy)


def _pace(most: int, period_s: int) -> str:
    return f'{{ max = {most}, per = "{format_duration(period_s)}" }}'


TEMPLATE = """\
# What this agent may do. Words: docs/spec/policy-file.md. Try it: tally agent policy check FILE
format = "tallystick-policy-1"

[account]
chain_id = {chain_id}
owner = "{owner}"

# Any one guardian stops everything at once. Keep its key away from the owner's and from the agent's host.
[roles]
guardians = ["{guardian}"]

# What raises anybody's power waits so long; what lowers it does not wait.
[terms]
raise_delay = "1d"
unfreeze_delay = "1d"

# All sessions together: at most 100 at once, and 50 more each day.
[tokens.USD]
address = "{token}"
decimals = {decimals}
cap = "100"
refill = "50"
period = "1d"

# Whom the agent may pay.
[payees.provider]
address = "{payee}"
expires = {until}

# What it may call. Arguments are counted from 0.
[rules.pay]
target = "USD"
call = "transfer(address,uint256)"
token = "USD"
payee = 0
amount = 1
call_cap = "10"

# The agent's key and what it alone may spend.
[sessions.agent]
key = "{session}"
level = "bounded"
valid_until = {until}
operations = {{ max = 100, per = "1h" }}
denials = {{ max = 5, per = "1h" }}
[sessions.agent.budgets.USD]
cap = "20"
refill = "20"
period = "1d"
"""


def new_policy(
    *, chain_id: int, owner: str, guardian: str, token: str, decimals: int, payee: str, session: str, until: int
) -> bytes:
    """Return a careful policy file to begin with: one guardian, one token, one payee, one session at level bounded.

    until  Unix seconds: when the session and the payee's allowance end
    """
    return TEMPLATE.format(
        chain_id=chain_id, owner=owner, guardian=guardian, token=token, decimals=decimals, payee=payee,
        session=session, until=format_time(until),
    ).encode()  # fmt: skip
