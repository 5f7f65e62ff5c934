"""Tasks, and who is told of them, in a book: what was asked, done and paid for is there after a restart.

A caller who has no name is shown a task by its id and no list: ids are random, so whoever knows one was told.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from a2a.server.context import ServerCallContext
from a2a.server.owner_resolver import resolve_user_scope
from a2a.server.tasks.push_notification_config_store import (
    PushNotificationConfigStore,
    normalize_push_notification_config,
)
from a2a.server.tasks.task_store import TaskStore
from a2a.types import (
    ListTasksRequest,
    ListTasksResponse,
    Task,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
)
from a2a.utils.errors import InvalidParamsError, PushNotificationNotSupportedError

from tallystick.core.errors import Broken
from tallystick.core.limits import A2A_PAGE_MAX, A2A_PUSHES_MAX, A2A_TASK_BYTES_MAX, A2A_TASKS_MAX
from tallystick.store.book import Book, Form

_UNDER_WAY: Final = (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)
_FORM = Form(
    "tasks",
    0x7453_6B73,
    (
        "CREATE TABLE tasks (id TEXT PRIMARY KEY, owner TEXT NOT NULL, context TEXT NOT NULL, state INTEGER NOT NULL,"
        " changed INTEGER NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE INDEX tasks_by_change ON tasks (changed)",
        "CREATE TABLE pushes (task TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, body BLOB NOT NULL,"
        " PRIMARY KEY (task, id)) STRICT, WITHOUT ROWID",
    ),
)


class TaskBook(TaskStore):
    """The tasks of one agent."""

    def __init__(self, path: Path) -> None:
        self.book = Book(path, _FORM)

    def close(self) -> None:
        """Close the book."""
        self.book.close()

    def recover(self) -> int:
        """Let every task that was under way when the server stopped have failed; return how many there were.

        What was paid for such a task is settled once, or not at all: the same message with the same payment goes on.
        """
        count = 0
        with self.book.changing() as page:
            for row in page.rows("SELECT id, body FROM tasks WHERE state IN (?, ?)", _UNDER_WAY):
                task = Task.FromString(row["body"])
                task.status.CopyFrom(TaskStatus(state=TaskState.TASK_STATE_FAILED))
                task.status.timestamp.GetCurrentTime()
                task.metadata.update({"tallystick.interrupted": True})
                values = (TaskState.TASK_STATE_FAILED, time.time_ns(), task.SerializeToString(), row["id"])
                count += page.change("UPDATE tasks SET state = ?, changed = ?, body = ? WHERE id = ?", values)
        return count

    # --- the protocol's interface

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Keep a task; raises Broken "a2a.task" for one that is too large."""
        await asyncio.to_thread(self._save, task, resolve_user_scope(context))

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """Return a task of the caller's, or None."""
        return await asyncio.to_thread(self._get, task_id, resolve_user_scope(context))

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """Return a page of the caller's tasks, newest first; none to a caller who has no name."""
        return await asyncio.to_thread(self._list, params, resolve_user_scope(context))

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Forget a task of the caller's."""
        await asyncio.to_thread(self._delete, task_id, resolve_user_scope(context))

    # --- parts

    def _save(self, task: Task, owner: str) -> None:
        body = task.SerializeToString()
        if len(body) > A2A_TASK_BYTES_MAX:
            raise Broken("a2a.task", "a task is too large", expected=f"≤ {A2A_TASK_BYTES_MAX}", got=len(body))
        values = (task.id, owner, task.context_id, task.status.state, time.time_ns(), body)
        with self.book.changing() as page:
            page.change(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " context = excluded.context, state = excluded.state, changed = excluded.changed, body = excluded.body"
                " WHERE owner = excluded.owner",
                values,
            )
            surplus = int(page.rows("SELECT count(*) AS n FROM tasks")[0]["n"]) - A2A_TASKS_MAX
            if surplus > 0:
                page.change(
                    "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE state NOT IN (?, ?)"
                    " ORDER BY changed LIMIT ?)",
                    (*_UNDER_WAY, surplus),
                )
                page.change("DELETE FROM pushes WHERE task NOT IN (SELECT id FROM tasks)")

    def _get(self, task_id: str, owner: str) -> Task | None:
        with self.book.reading() as page:
            rows = page.rows("SELECT body FROM tasks WHERE id = ? AND owner = ?", (task_id, owner))
        return Task.FromString(rows[0]["body"]) if rows else None

    def _list(self, params: ListTasksRequest, owner: str) -> ListTasksResponse:
        size = min(params.page_size or A2A_PAGE_MAX, A2A_PAGE_MAX)
        if not owner:
            return ListTasksResponse(page_size=size)
        before = params.page_token or str(2**63 - 1)
        if not before.isdigit() or len(before) > 19:
            raise InvalidParamsError("not a page token")
        after = params.status_timestamp_after.ToNanoseconds() if params.HasField("status_timestamp_after") else 0
        chosen = "owner = ? AND (? = '' OR context = ?) AND (? = 0 OR state = ?) AND changed >= ?"
        values = (owner, params.context_id, params.context_id, params.status, params.status, after)
        with self.book.reading() as page:
            total = page.rows(f"SELECT count(*) AS n FROM tasks WHERE {chosen}", values)[0]["n"]  # noqa: S608  ours
            rows = page.rows(
                f"SELECT body, changed FROM tasks WHERE {chosen} AND changed < ? ORDER BY changed DESC LIMIT ?",  # noqa: S608
                (*values, int(before), size + 1),
            )
        more = str(rows[size - 1]["changed"]) if len(rows) > size else ""
        tasks = [Task.FromString(row["body"]) for row in rows[:size]]
        return ListTasksResponse(tasks=tasks, next_page_token=more, total_size=total, page_size=size)

    def _delete(self, task_id: str, owner: str) -> None:
        with self.book.changing() as page:
            if page.change("DELETE FROM tasks WHERE id = ? AND owner = ?", (task_id, owner)):
                page.change("DELETE FROM pushes WHERE task = ?", (task_id,))


class PushBook(PushNotificationConfigStore):
    """Who is told of which task, in the book of the tasks."""

    def __init__(self, tasks: TaskBook) -> None:
        self._book = tasks.book

    async def set_info(
        self, task_id: str, notification_config: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Keep a place; raises the protocol's error where a task has too many."""
        made = normalize_push_notification_config(task_id, notification_config)
        await asyncio.to_thread(self._set, made, resolve_user_scope(context))
        return made

    async def get_info(self, task_id: str, context: ServerCallContext) -> list[TaskPushNotificationConfig]:
        """Return the places that the caller named."""
        return await asyncio.to_thread(self._get, task_id, resolve_user_scope(context))

    async def get_info_for_dispatch(self, task_id: str) -> list[TaskPushNotificationConfig]:
        """Return every place that is told of a task."""
        return await asyncio.to_thread(self._get, task_id, None)

    async def delete_info(self, task_id: str, context: ServerCallContext, config_id: str | None = None) -> None:
        """Forget a place of the caller's, or all."""
        await asyncio.to_thread(self._delete, task_id, resolve_user_scope(context), config_id)

    def _set(self, made: TaskPushNotificationConfig, owner: str) -> None:
        with self._book.changing() as page:
            known = page.rows("SELECT id FROM pushes WHERE task = ?", (made.task_id,))
            if len(known) >= A2A_PUSHES_MAX and made.id not in [row["id"] for row in known]:
                raise PushNotificationNotSupportedError(f"at most {A2A_PUSHES_MAX} places are told of a task")
            page.change(
                "INSERT INTO pushes VALUES (?, ?, ?, ?) ON CONFLICT (task, id) DO UPDATE SET body = excluded.body"
                " WHERE owner = excluded.owner",
                (made.task_id, made.id, owner, made.SerializeToString()),
            )

    def _get(self, task_id: str, owner: str | None) -> list[TaskPushNotificationConfig]:
        with self._book.reading() as page:
            rows = page.rows(
                "SELECT body FROM pushes WHERE task = ? AND (? IS NULL OR owner = ?)", (task_id, owner, owner)
            )
        return [TaskPushNotificationConfig.FromString(row["body"]) for row in rows]

    def _delete(self, task_id: str, owner: str, config_id: str | None) -> None:
        with self._book.changing() as page:
            page.change(
                "DELETE FROM pushes WHERE task = ? AND owner = ? AND (? IS NULL OR id = ?)",
                (task_id, owner, config_id, config_id),
            )
