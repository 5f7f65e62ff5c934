# pragma version 0.4.3
"""
@title   PolicyQueue
@license Apache-2.0
@notice  The queues of all policy accounts. The interface IPolicyQueue.vyi teaches the contract, its module holds all.
@custom:invariant What is kept for an account changes only by its own keys and sessions, as the account knows them.
@custom:kill      There is none: no administrator, no pause, no upgrade. An account's freeze kills all its items.
@custom:security  Anybody can pretend to be an account here, and then asks itself alone.
"""

from ..interfaces import IPolicyQueue
from .agents.policy import queue

implements: IPolicyQueue

initializes: queue

exports: (
    queue.set_queue,
    queue.propose,
    queue.approve,
    queue.veto,
    queue.run,
    queue.item_id,
    queue.item_of,
    queue.has_approved,
    queue.queue_of,
    queue.open_items_of,
)
