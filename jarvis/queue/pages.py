"""/admin/tasks: what waits, runs and failed, alive; one task with every attempt; retry and cancel."""

import hashlib
import json
from dataclasses import dataclass
from urllib.parse import urlencode

from jarvis.kernel.errors import JarvisError
from jarvis.kernel.schema import Field
from jarvis.queue import actions, store
from jarvis.queue.store import Attempt, Task
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

TASKS = "/admin/tasks"
MOST_COUNTED = 9999
QUICK_SECONDS, SLOW_SECONDS = 2, 15
STATE = Field(kind="string", choices=("", *store.STATES))
TEXT = Field(kind="string", longest=200)
FILTERS = {"state": STATE, "name": TEXT}
DONE = {
    "retried": "Queued again from the start.",
    "cancelled": "Cancelled.",
    "asked": "It was asked to stop, and does as soon as it looks.",
}


@dataclass(frozen=True, slots=True)
class Live:
    """What is swapped while the page is looked at. Its `mark` changes with what is shown."""

    counts: dict[str, int]
    tasks: list[Task]
    older: str
    state: str
    name: str
    mark: str
    now: int
    every: int


@dataclass(frozen=True, slots=True)
class TasksPage:
    live: Live
    names: list[str]
    done: str
    problems: list[str]


@dataclass(frozen=True, slots=True)
class TaskPage:
    task: Task
    attempts: list[Attempt]
    summary: str
    payload: str
    result: str
    done: str
    problem: str
    mark: str
    every: int


def routes(parts: Parts) -> Routes:
    """The pages of the queue."""
    table = Routes("tasks", pages=True)
    _list_routes(table)
    _one_routes(table)
    return table


def _list_routes(table: Routes) -> None:
    @table.get(
        TASKS, Access.ADMIN, "Tasks: what waits, runs and failed.",
        query={**LIST_QUERY, **FILTERS, "seen": TEXT, "done": TEXT},
    )  # fmt: skip
    def index(request: Request) -> Reply:
        live = _live(request)
        if request.wants_partial:
            return unless_seen(request, live.mark) or request.page("queue/_live.html", {"live": live})
        return _page(request, live)

    body = {"id": Field(kind="string", longest=20_000, is_multiline=True)}

    @table.post(f"{TASKS}/retry", Access.ADMIN, "Retry a selection.", body=body)
    def retry(request: Request) -> Reply:
        chosen = request.body.get("id", "").split()
        done, refused = actions.retry_each(request.ctx, chosen)
        if refused or not chosen:
            problems = refused or ["Tick the tasks to retry first."]
            return _page(request, _live(request), problems, 409)
        return see_other(f"{TASKS}?{urlencode({'state': 'queued', 'done': f'{len(done)}'})}")


def _page(request: Request, live: Live, problems: list[str] | None = None, status: int = 200) -> Reply:
    count = request.query.get("done", "")
    done = f"{count} {'task is' if count == '1' else 'tasks are'} queued again." if count.isdecimal() else ""
    names = sorted(request.ctx.registry.tasks)
    return request.page("queue/index.html", TasksPage(live, names, done, problems or []), status)


def _live(request: Request) -> Live:
    limit, before = window(request)
    state, name = request.query.get("state", ""), request.query.get("name", "")
    with request.ctx.db.read() as tx:
        counts = store.counts(tx, store.STATES, MOST_COUNTED)
        found = store.newest(tx, state, name, limit + 1, before)
        now = tx.now
    tasks = found[:limit]
    asked = {key: value for key, value in (("state", state), ("name", name)) if value}
    older = f"{TASKS}?{urlencode(asked | {'after': tasks[-1].seq})}" if len(found) > limit else ""
    is_busy = counts["running"] > 0 or any(task.state == "queued" and task.run_at <= now for task in tasks)
    shown = [(t.id, t.state, t.attempts, t.progress, t.is_cancel_asked) for t in tasks]
    return Live(counts, tasks, older, state, name, mark(counts, shown), now, QUICK_SECONDS if is_busy else SLOW_SECONDS)


def mark(*shown: object) -> str:
    """A short sign of what a page shows: equal when nothing changed."""
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]


def unless_seen(request: Request, sign: str) -> Reply | None:
    """204 when the browser has just this already."""
    return Reply(204, b"", {"Cache-Control": "no-store"}) if request.query.get("seen") == sign else None


def _one_routes(table: Routes) -> None:
    one = f"{TASKS}/{{id}}"

    @table.get(one, Access.ADMIN, "One task with every attempt.", query={"seen": TEXT, "done": TEXT})
    def show(request: Request) -> Reply:
        return _task_page(request)

    def show_problem(request: Request, error: JarvisError) -> Reply:
        return _task_page(request, str(error), error.status)

    @table.post(f"{one}/retry", Access.ADMIN, "Run it again from the start.", again=show_problem)
    def retry(request: Request) -> Reply:
        task = actions.retry(request.ctx, request.path["id"])
        return see_other(f"{TASKS}/{task.id}?done=retried")

    @table.post(f"{one}/cancel", Access.ADMIN, "Stop it.", again=show_problem)
    def cancel(request: Request) -> Reply:
        task = actions.cancel(request.ctx, request.path["id"])
        return see_other(f"{TASKS}/{task.id}?done={'cancelled' if task.is_ended else 'asked'}")


def _task_page(request: Request, problem: str = "", status: int = 200) -> Reply:
    with request.ctx.db.read() as tx:
        task = store.get(tx, request.path["id"])
        attempts = store.attempts(tx, task.seq)
    handler = request.ctx.registry.tasks.get(task.name)
    page = TaskPage(
        task,
        attempts,
        handler.summary if handler else "This release does not know it.",
        json.dumps(json.loads(task.payload), indent=2, ensure_ascii=False),
        json.dumps(json.loads(task.result), indent=2, ensure_ascii=False) if task.result else "",
        DONE.get(request.query.get("done", ""), ""),
        problem,
        mark(task, len(attempts)),
        0 if task.is_ended else QUICK_SECONDS,
    )
    if request.wants_partial:
        return unless_seen(request, page.mark) or request.page("queue/_task.html", page)
    return request.page("queue/show.html", page, status)
