"""Does a task: reads what is asked, takes the payment where there is a price, runs the verb in a thread, tells.

A task that is to be paid for waits for input; the payment comes with the next message of the task and buys what the
task's first message asked for, nothing else. A task that was begun ends: a verb in a thread cannot be stopped halfway.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from a2a.helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types import Message, Task, TaskState
from a2a.utils.errors import InvalidParamsError, TaskNotCancelableError

from tallystick.core.errors import Broken, InvalidInput, TallystickError
from tallystick.services.a2a import requests
from tallystick.services.a2a.card import X402_EXTENSIONS
from tallystick.services.a2a.requests import Standing, Wanted, metadata_of, read_wanted
from tallystick.services.abilities import ABILITIES
from tallystick.services.abilities.ability import Ability, Powers, find_ability, offered
from tallystick.services.abilities.shapes import check_arguments
from tallystick.services.abilities.till import Given, Pending, Sale, Till
from tallystick.services.bench import Bench

_log = logging.getLogger(__name__)


class Worker(AgentExecutor):
    """Does tasks for one workspace.

    till    takes the prices of skills; without it all are free
    hidden  the path of the workspace, which errors do not tell
    raises  InvalidInput "ability.price"
    """

    def __init__(
        self,
        bench: Bench,
        powers: Powers,
        abilities: tuple[Ability, ...] = ABILITIES,
        *,
        till: Till | None = None,
        hidden: str = "",
    ) -> None:
        self._bench = bench
        self._powers = powers
        self._hidden = hidden
        self._till = till
        self.abilities = offered(abilities, powers)
        if till is not None:
            till.check(self.abilities)

    @property
    def is_paid(self) -> bool:
        """Whether any skill has a price."""
        return self._till is not None and bool(self._till.prices)

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Do what the task asks for, and tell how it stands."""
        if context.message is None:
            raise InvalidParamsError("there is no message")
        task = context.current_task or new_task_from_user_message(context.message)
        if context.current_task is None:
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        try:
            await self._do(_asked(task, context.message), metadata_of(context.message), updater)
        except InvalidInput as error:
            await updater.reject(self._message(updater, error))
        except TallystickError as error:
            await updater.failed(self._message(updater, error))
        except Exception as error:  # noqa: BLE001  a bug of ours must not tell strangers about our insides
            _log.error("task %s failed", task.id, exc_info=error)
            await updater.failed(self._message(updater, Broken("a2a.bug", "internal error")))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Cancel a task that waits for its payment; raises the protocol's error for one that is under way."""
        task = context.current_task
        if task is None or task.status.state != TaskState.TASK_STATE_INPUT_REQUIRED:
            raise TaskNotCancelableError
        await TaskUpdater(event_queue, task.id, task.context_id).cancel()

    # --- parts

    async def _do(self, wanted: Wanted, metadata: Mapping[str, Any], updater: TaskUpdater) -> None:
        ability = find_ability(self.abilities, wanted.skill)
        taken = check_arguments(ability.takes, wanted.arguments)
        terms = self._till.terms(ability) if self._till else None
        if metadata.get(requests.STATUS) == Standing.REJECTED:
            await updater.cancel()
            return
        payment = metadata.get(requests.PAYLOAD)
        if terms is None or payment is not None:
            await updater.start_work()
        if self._till is None or terms is None:
            value = await self._bench.run(lambda tally: ability.verb(tally, self._powers, taken))
            await self._give(updater, value, None)
            return
        till, operation = self._till, wanted.operation()
        sale = await self._bench.run(
            lambda tally: till.sell(tally, terms, operation, payment, lambda: ability.verb(tally, self._powers, taken))
        )
        if isinstance(sale, Given):
            paid = {requests.STATUS: Standing.COMPLETED, requests.RECEIPTS: [sale.settlement]}
            await self._give(updater, sale.answer, paid)
        else:
            await updater.requires_input(_demand(updater, sale))

    async def _give(self, updater: TaskUpdater, value: Mapping[str, Any], paid: Mapping[str, Any] | None) -> None:
        await updater.add_artifact([requests.data_part(value)], name="result")
        message = None
        if paid is not None:
            message = updater.new_agent_message([requests.data_part({"paid": True})], metadata=dict(paid))
            message.extensions.extend(X402_EXTENSIONS)
        await updater.complete(message)

    def _message(self, updater: TaskUpdater, error: TallystickError) -> Message:
        told = error.to_dict()
        if self._hidden:
            told = {name: text.replace(self._hidden, "the workspace") for name, text in told.items()}
        return updater.new_agent_message([requests.data_part(told)])


def _asked(task: Task, message: Message) -> Wanted:
    """Return what a task is about: its first message says so; a later one only pays."""
    return read_wanted([*task.history, message] if task.history else [message])


def _demand(updater: TaskUpdater, sale: Sale) -> Message:
    """Return the message of a task that waits for a payment, or for the same payment again."""
    assert not isinstance(sale, Given)
    if isinstance(sale, Pending):
        metadata: dict[str, Any] = {
            requests.STATUS: Standing.SUBMITTED, requests.ERROR: sale.unknown.reason,
            requests.RECEIPTS: [sale.settlement],
        }  # fmt: skip
        words = {"code": "payment.unknown", "hint": "repeat the same payment; do not make another"}
    else:
        metadata = {requests.STATUS: Standing.REQUIRED, requests.REQUIRED: sale.challenge}
        words = {"code": "payment.required", "message": str(sale.challenge.get("error", ""))}
        if sale.settlement is not None:
            metadata |= {
                requests.ERROR: str(sale.settlement.get("errorReason", "")), requests.RECEIPTS: [sale.settlement]
            }  # fmt: skip
    message = updater.new_agent_message([requests.data_part(words)], metadata=metadata)
    message.extensions.extend(X402_EXTENSIONS)
    return message
