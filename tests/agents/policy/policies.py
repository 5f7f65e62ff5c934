"""Policies for tests: one whole file that uses every part, and the small one that a newcomer begins with."""

from __future__ import annotations

from tallystick.agents.policy import Policy, read_policy

AT = 1_800_000_000  # 2027-01-15 08:00 UTC


def address(n: int) -> str:
    """Return a small address: digits only, so it is its own checksum."""
    return f"0x{n:040d}"


OWNER, GUARDIAN, APPROVER, AGENT, HELPER = (address(n) for n in (11, 12, 13, 21, 22))
USD, SHOP, PROVIDER, STRANGER, VAULT, REGISTRY = (address(n) for n in (31, 41, 42, 43, 51, 61))

WHOLE = f'''
format = "tallystick-policy-1"

[account]
chain_id = 1337
owner = "{OWNER}"
address = "{address(99)}"

[roles]
guardians = ["ops", "{address(14)}"]
approvers = ["{APPROVER}"]

[terms]
raise_delay = "1d"
unfreeze_delay = "12h"

[queue]
threshold = 1
open = 5
delay = "1h"
veto_delay = "1d"

[addresses]
ops = "{GUARDIAN}"
vault = "{VAULT}"
registry = "{REGISTRY}"

[tokens.USD]
address = "{USD}"
decimals = 6
cap = "100"
refill = "50"
period = "1d"
lifetime = "5000"

[tokens.ETH]
address = "native"
cap = "0.1"
refill = "0.05"
period = "1d"

[payees.shop]
address = "{SHOP}"
expires = 2027-06-01T00:00:00Z
[payees.shop.budgets.USD]
cap = "40"
refill = "40"
period = "7d"

[payees.provider]
address = "{PROVIDER}"

[payees.vault-itself]
address = "{VAULT}"

[payees.crook]
address = "{STRANGER}"
denied = true

[rules.pay]
target = "USD"
call = "transfer(address,uint256)"
token = "USD"
payee = 0
amount = 1
call_cap = "25"

[rules.deposit]
target = "vault"
call = "deposit(uint256,address)"
token = "USD"
amount = 0
call_cap = "10"
pulls = true
min_level = "supervised"
constraints = [{{ argument = 1, is = "{address(99)}" }}]

[rules.tip]
target = "provider"
call = "native"
value_cap = "0.01"

[sessions.agent]
key = "{AGENT}"
level = "bounded"
valid_after = 2027-01-01T00:00:00Z
valid_until = 2027-05-01T00:00:00Z
operations = {{ max = 100, per = "1h" }}
denials = {{ max = 3, per = "1h" }}
heartbeat = "30d"
slots = {{ token = "USD", max = 10, per = "1d", cap = "0.5" }}
mandate = "{"ab" * 32}"
[sessions.agent.budgets.USD]
cap = "30"
refill = "30"
period = "1d"
[sessions.agent.budgets.ETH]
cap = "0.02"
refill = "0.02"
period = "1d"

[sessions.helper]
key = "{HELPER}"
level = "supervised"
valid_until = 2027-03-01T00:00:00Z
operations = {{ max = 10, per = "1h" }}
denials = {{ max = 3, per = "1h" }}
[sessions.helper.budgets.USD]
cap = "20"
refill = "10"
period = "1d"
lifetime = "400"

[newcomers]
registry = "registry"
cooling_off = "3d"
[newcomers.budgets.USD]
cap = "5"
refill = "5"
period = "1d"
'''.encode()


def transfer(payee: str, amount: int) -> bytes:
    """Return the calldata of an ERC-20 transfer."""
    return bytes.fromhex("a9059cbb") + bytes(12) + bytes.fromhex(payee[2:]) + amount.to_bytes(32, "big")


def whole() -> Policy:
    """Return the policy that uses every part."""
    return read_policy(WHOLE)
