"""Tasks as JSON, for admins: what waits, runs and failed, with every attempt."""

from typing import Any

from jarvis.kernel.schema import Field, Fields
from jarvis.queue import actions, store
from jarvis.queue.store import Task
from jarvis.web.parts import Parts
from jarvis.web.replies import accepted, as_json, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

API = "/api/v1/tasks"
TEXT = Field(kind="string", is_required=True)
NULLABLE = Field(kind="string", is_required=True, is_nullable=True)
NUMBER = Field(kind="integer", is_required=True)
STATE = Field(kind="string", choices=store.STATES)
TASK: Fields = {
    "id": TEXT,
    "name": Field(kind="string", is_required=True, help="Public dotted name."),
    "state": Field(kind="string", is_required=True, choices=store.STATES),
    "payload": Field(kind="object", is_required=True),
    "priority": Field(kind="integer", is_required=True, help="Higher runs first."),
    "attempts": Field(kind="integer", is_required=True, help="Since it was enqueued or retried by hand."),
    "max_attempts": NUMBER,
    "actor": TEXT,
    "user_id": NULLABLE,
    "trace_id": TEXT,
    "progress": NULLABLE,
    "result": Field(kind="object", is_required=True, is_nullable=True),
    "error": NULLABLE,
    "cancel_requested": Field(kind="boolean", is_required=True),
    "run_at": Field(kind="string", is_required=True, help="Not before; RFC 3339, UTC."),
    "created_at": TEXT,
    "started_at": NULLABLE,
    "finished_at": NULLABLE,
}
ATTEMPT: Fields = {
    "run": NUMBER,
    "attempt": NUMBER,
    "started_at": TEXT,
    "ended_at": TEXT,
    "milliseconds": Field(kind="number", is_required=True),
    "outcome": Field(
        kind="string",
        is_required=True,
        choices=("done", "failed", "cancelled", "given_back", "lost"),
        help="given_back: we restarted; lost: its process died.",
    ),
    "error": NULLABLE,
    "log": Field(kind="array", is_required=True, items=Field(kind="string")),
}
WHOLE: Fields = {
    **TASK,
    "attempt_log": Field(kind="array", is_required=True, items=Field(kind="object", fields=ATTEMPT)),
}


def routes(parts: Parts) -> Routes:
    """The routes of the queue's API."""
    table = Routes("tasks", schemas={"Task": TASK, "TaskWithAttempts": WHOLE})
    filters = {"state": STATE, "name": Field(kind="string", longest=200, help="Exact name.")}

    @table.get(API, Access.ADMIN, "Tasks, newest first.", query={**LIST_QUERY, **filters}, answers={200: "Task[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        state, name = request.query.get("state", ""), request.query.get("name", "")
        with request.ctx.db.read() as tx:
            found = store.newest(tx, state, name, limit + 1, before)
        return page_of(found, Task.as_json, limit, lambda task: task.seq)

    @table.get(f"{API}/{{id}}", Access.ADMIN, "One task with its attempts.", answers={200: "TaskWithAttempts"})
    def show(request: Request) -> Reply:
        return as_json(whole(request))

    @table.post(
        f"{API}/{{id}}/retry", Access.ADMIN, "Run a failed or cancelled task again.",
        answers={202: "Task", 409: "It is neither failed nor cancelled."},
    )  # fmt: skip
    def retry(request: Request) -> Reply:
        return accepted(actions.retry(request.ctx, request.path["id"]).as_json())

    @table.post(
        f"{API}/{{id}}/cancel", Access.ADMIN, "Stop a task: at once when it waits, as soon as it looks when it runs.",
        answers={202: "Task", 409: "It has ended already."},
    )  # fmt: skip
    def cancel(request: Request) -> Reply:
        return accepted(actions.cancel(request.ctx, request.path["id"]).as_json())

    return table


def whole(request: Request) -> dict[str, Any]:
    """A task with the attempts that have ended, newest first."""
    with request.ctx.db.read() as tx:
        task = store.get(tx, request.path["id"])
        found = store.attempts(tx, task.seq)
    return task.as_json() | {"attempt_log": [attempt.as_json() for attempt in found]}
