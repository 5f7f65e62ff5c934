"""The numbers that a policy account gives its nouns, by name; `IPolicyAccount.vyi` says the same at its head."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

NATIVE: Final = "0x" + "00" * 20  # stands for the chain's own coin where a token is asked for
NOBODY: Final = NATIVE  # the holder of buckets that have none
NEVER: Final = 2**64 - 1  # an end that does not come
UNLIMITED: Final = 2**128 - 1  # a lifetime cap that is none
AMOUNT_MAX: Final = 2**128 - 1  # of caps, refills and balances


class Level(IntEnum):
    """What a session may do alone."""

    OBSERVE = 0
    PROPOSE = 1
    BOUNDED = 2
    SUPERVISED = 3
    AUTONOMOUS = 4


class Role(IntEnum):
    """Whose key it is; a key has one role."""

    GUARDIAN = 1
    APPROVER = 2
    OWNER = 3
    SESSION = 4


class Scope(IntEnum):
    """Whose spending a bucket bounds."""

    ACCOUNT = 1
    SESSION = 2
    COUNTERPARTY = 3
    NEWCOMERS = 4


class Standing(IntEnum):
    """Whether a payee may be paid."""

    UNKNOWN = 0
    ALLOWED = 1
    DENIED = 2


class LinkKind(IntEnum):
    """What a link of the audit chain records."""

    CALL = 1
    SIGNED_CALL = 2
    USER_OPERATION = 3
    DELEGATION = 4
    QUEUE_ITEM = 5
    GAS = 6
    OWNER_CALL = 7
    SWEEP = 8
    POLICY_CHANGE = 9
    SESSION_CHANGE = 10
    FREEZE = 11
    UNFREEZE = 12
    EPOCH = 13
    DIGEST = 14
    RULE = 15
    PAYEE = 16
    QUEUE = 17


class Cause(IntEnum):
    """Why a session's level is another one."""

    ASKED = 1
    DENIALS = 2
    OPERATIONS = 3
    HEARTBEAT = 4
