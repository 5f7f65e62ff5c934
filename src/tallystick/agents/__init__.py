"""AI programs with a wallet that cannot exceed its mandate, an identity, and a record of all they did.

    policy       what an agent may do: a readable file, checked, explained, compared with and applied to the account
    policy.engine    the account's own decision in Python: same reasons, same arithmetic
    intents      what a session meant by an act: who asked, what for, on what model's word; signed, found by hash
    audit        what its account did and why, from the chain alone, reconciled to the last unit
    rehearsal    the kill switch, tried without being pulled
    identity     who an agent is: registration file, domain, wallet, keys, name (ERC-8004)
    reputation   what clients say of agents, and the payments by which they became clients
    scoring      how far to believe it: ratings weighed by trust that has to be paid for
    validation   what others checked of an agent's work, linked to receipts and model versions
    credentials  who answers for an agent, in the words of issuers; optional
    projection, directory   the registries' events as tables, and questions to them

The wallet is the contract PolicyAccount; its limits hold even if the agent's host, prompt and session keys are an
attacker's. Nothing here can widen them: all of it reads, computes, and builds calls that the owner sends.
"""

from __future__ import annotations
