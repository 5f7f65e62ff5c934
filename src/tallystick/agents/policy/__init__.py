"""What an agent may do, as a file that people read and a contract enforces.

document    the policy as values, and its digest
reading     from TOML, bounded and strict; `writing` writes it, and a first one
checking    what a contract would refuse, and what is unwise
bounds      the most that is lost if every key and the agent's host are an attacker's
explaining  what each agent may do today, in words
engine      the account's decision in Python: same checks, order, reasons and arithmetic
change      from the policy that an account has to the one that is wanted: diff, plan, calls, the live account
replay      what really happened, decided again under another policy
"""

from __future__ import annotations

from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.reading import read_policy
from tallystick.agents.policy.writing import new_policy, write_policy

__all__ = ["Policy", "new_policy", "read_policy", "write_policy"]
