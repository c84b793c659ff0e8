"""Schedules as JSON."""

from jarvis.kernel.schema import Field
from jarvis.schedules import accounts, actions, fields, store
from jarvis.schedules.store import books
from jarvis.web.parts import Parts
from jarvis.web.replies import as_json, created, no_content, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

SCHEDULES = "/api/v1/schedules"
ONE = f"{SCHEDULES}/{{id}}"


def routes(parts: Parts) -> Routes:
    """The routes of this feature's API."""
    table = Routes("schedules", schemas=fields.SHOWN)
    _list_routes(table)
    _item_routes(table)
    _history_routes(table)
    return table


def _list_routes(table: Routes) -> None:
    @table.get(
        SCHEDULES, Access.USER, "One's own schedules (everybody's for an admin), newest first.",
        query=LIST_QUERY, answers={200: "Schedule[]"},
    )  # fmt: skip
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, actions.scope(request.ctx), limit + 1, before)
        return page_of(found, store.Schedule.as_json, limit, lambda schedule: schedule.seq)

    @table.post(
        SCHEDULES, Access.USER, "Begin a schedule.", body=fields.CREATE,
        answers={201: "Schedule", 403: "Only an admin may schedule a task by name."},
    )  # fmt: skip
    def create(request: Request) -> Reply:
        schedule = actions.create(request.ctx, request.body)
        return created(schedule.as_json(), f"{SCHEDULES}/{schedule.id}")


def _item_routes(table: Routes) -> None:
    @table.get(ONE, Access.USER, "One schedule.", answers={200: "Schedule"})
    def show(request: Request) -> Reply:
        return as_json(actions.read(request.ctx, request.path["id"]).as_json())

    @table.patch(
        ONE, Access.USER, "Change, pause (enabled: false) or resume (enabled: true).", body=fields.CHANGE,
        answers={200: "Schedule", 403: "Only an admin may schedule a task by name.", 409: "It is damaged."},
    )  # fmt: skip
    def change(request: Request) -> Reply:
        return as_json(actions.change(request.ctx, request.path["id"], request.body).as_json())

    @table.delete(ONE, Access.USER, "Remove a schedule with its history.", answers={204: "It is gone."})
    def remove(request: Request) -> Reply:
        actions.remove(request.ctx, request.path["id"])
        return no_content()

    @table.post(
        f"{ONE}/run", Access.USER, "Do once, now, what it does when due.",
        answers={202: "Dispatch", 409: "In lockdown, set aside, or its last run has not ended."},
    )  # fmt: skip
    def run(request: Request) -> Reply:
        return as_json(actions.run_now(request.ctx, request.path["id"]).as_json(), 202)


def _history_routes(table: Routes) -> None:
    outcome = Field(kind="string", choices=("", *books.OUTCOMES), help="Only this outcome.")

    @table.get(
        f"{ONE}/dispatches", Access.USER, "What became of each instant, newest first.",
        query={**LIST_QUERY, "outcome": outcome}, answers={200: "Dispatch[]"},
    )  # fmt: skip
    def dispatches(request: Request) -> Reply:
        limit, before = window(request)
        schedule = actions.read(request.ctx, request.path["id"])
        with request.ctx.db.read() as tx:
            found = books.newest(tx, schedule.id, limit + 1, before, request.query.get("outcome", ""))
        return page_of(found, books.Dispatch.as_json, limit, lambda dispatch: dispatch.seq)

    @table.get(
        f"{ONE}/balance", Access.USER, "Whether every instant is accounted for since the rule came into force.",
        answers={200: "Balance"},
    )  # fmt: skip
    def balance(request: Request) -> Reply:
        return as_json(accounts.balance(request.ctx, request.path["id"]).as_json())
