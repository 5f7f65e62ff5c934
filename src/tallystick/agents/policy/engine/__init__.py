"""The account's rules once more, in Python: same checks, same order, same reasons, same arithmetic.

    state     what the account knows: sessions with their counters, buckets, rules, payees
    buckets   token buckets that fill evenly and never forget a remainder
    calldata  what a call means under a rule: payee, token, amount
    decide    may a session do this now? and what the account knows afterwards
    items     the same for an item of the queue, and for EIP-3009 authorizations

Pure: the caller says what time it is. That the contract says the same is tested with random policies, acts and times
(tests/agents/policy/test_engine_equals_contract.py). What only a target decides (does the call succeed, does it move
more than it was given) the caller says too.
"""

from __future__ import annotations
