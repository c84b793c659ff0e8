"""/admin/schedules: what runs when, alive; one schedule with its books and its picture; new, edit, pause, run."""

import hashlib
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Invalid, JarvisError
from jarvis.kernel.schema import Field
from jarvis.schedules import accounts, actions, editing, fields, picture, store, upcoming, wording
from jarvis.schedules.accounts import Balance
from jarvis.schedules.picture import Picture
from jarvis.schedules.store import Backlog, Schedule, books
from jarvis.schedules.store.books import Dispatch, Work
from jarvis.users import store as users
from jarvis.web.parts import Parts
from jarvis.web.replies import NEWEST, see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

SCHEDULES = "/admin/schedules"
ONE = f"{SCHEDULES}/{{id}}"
SHOWN_DISPATCHES = 12
SHOWN_INSTANTS = 6
EVERY_SECONDS = 5
TEXT = Field(kind="string", longest=200)
DONE = {
    "begun": "Begun. It runs by itself from now on.",
    "changed": "Changed.",
    "paused": "Paused: nothing falls due until somebody resumes it.",
    "resumed": "Resumed: instants fall due again from now on.",
    "ran": "It is in the queue and runs as soon as there is room.",
    "removed": "The schedule and its history are removed.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One schedule in the list."""

    schedule: Schedule
    in_words: str
    owner: str
    work: Work | None
    due: int


@dataclass(frozen=True, slots=True)
class ListLive:
    """What is swapped while the list is looked at. Its `mark` changes with what is shown."""

    rows: list[Row]
    backlog: Backlog
    off: int
    older: int | None
    has_owners: bool
    every: int = EVERY_SECONDS
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    live: ListLive
    done: str


@dataclass(frozen=True, slots=True)
class OneLive:
    """What is swapped while one schedule is looked at."""

    schedule: Schedule
    in_words: str
    owner: str
    does: dict[str, Any]
    picture: Picture | None
    balance: Balance
    upcoming: list[int]
    dispatches: list[Dispatch]
    count: int
    work: Work | None
    every: int = EVERY_SECONDS
    mark: str = ""


@dataclass(frozen=True, slots=True)
class OnePage:
    live: OneLive
    done: str
    problem: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    schedule: Schedule
    dispatches: list[Dispatch]
    older: int | None
    outcome: str


def routes(parts: Parts) -> Routes:
    """The pages of this feature."""
    table = Routes("schedules", pages=True)
    _list_routes(table)
    table.include(editing.routes())
    _one_routes(table)
    _act_routes(table)
    return table


# -- the list


def _list_routes(table: Routes) -> None:
    @table.get(
        SCHEDULES, Access.USER, "Schedules: what runs when and how it went.",
        query={**LIST_QUERY, "seen": TEXT, "done": TEXT},
    )  # fmt: skip
    def index(request: Request) -> Reply:
        live = _list(request)
        if request.wants_partial:
            return _unless_seen(request, live.mark) or request.page("schedules/_list.html", {"live": live})
        return request.page("schedules/index.html", ListPage(live, DONE.get(request.query.get("done", ""), "")))


def _list(request: Request) -> ListLive:
    limit, before = window(request)
    ctx, scope = request.ctx, actions.scope(request.ctx)
    with ctx.db.read() as tx:
        found = store.newest(tx, scope, limit + 1, before)
        days = {s.id: accounts.last_day(tx, s) for s in found[:limit]}
        rows = [_row(tx, schedule, days[schedule.id].due) for schedule in found[:limit]]
        backlog = store.backlog(tx, scope)
    rows.sort(key=_calm)
    older = found[limit - 1].seq if len(found) > limit else None
    off = sum(abs(day.off_by) for day in days.values())
    live = ListLive(rows, backlog, off, older if before == NEWEST else None, ctx.is_admin)
    return ListLive(rows, backlog, off, older, ctx.is_admin, mark=_mark(live))


def _calm(row: Row) -> int:
    """What needs a hand comes first: set aside, then failed last, then the rest as they were."""
    if row.schedule.fault is not None:
        return 0
    return 1 if row.schedule.is_enabled and row.work is not None and row.work.state == "failed" else 2


def _row(tx: Tx, schedule: Schedule, due: int) -> Row:
    work = books.last_work(tx, schedule.last_task_id) if schedule.last_task_id else None
    return Row(schedule, _in_words(schedule), _owner(tx, schedule), work, due)


def _owner(tx: Tx, schedule: Schedule) -> str:
    owner = users.find(tx, schedule.user_id)
    return owner.username if owner else ""


def _in_words(schedule: Schedule) -> str:
    if schedule.fault is not None:
        return ""
    try:
        return wording.in_words(schedule.cron_expr, schedule.timezone)
    except (Invalid, ValueError):  # set aside for it
        return ""


def _mark(*shown: object) -> str:
    """A short sign of what a page shows: equal when nothing changed."""
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]


def _unless_seen(request: Request, sign: str) -> Reply | None:
    """204 when the browser has just this already."""
    return Reply(204, b"", {"Cache-Control": "no-store"}) if request.query.get("seen") == sign else None


# -- one schedule


def _one_routes(table: Routes) -> None:
    @table.get(ONE, Access.USER, "One schedule with its books.", query={"seen": TEXT, "done": TEXT})
    def show(request: Request) -> Reply:
        live = _one(request)
        if request.wants_partial:
            return _unless_seen(request, live.mark) or request.page("schedules/_one.html", {"live": live})
        return request.page("schedules/show.html", OnePage(live, DONE.get(request.query.get("done", ""), ""), ""))

    outcome = Field(kind="string", choices=("", *books.OUTCOMES))

    @table.get(
        f"{ONE}/dispatches", Access.USER, "What became of every instant.", query={**LIST_QUERY, "outcome": outcome}
    )
    def history(request: Request) -> Reply:
        limit, before = window(request)
        schedule, wanted = actions.read(request.ctx, request.path["id"]), request.query.get("outcome", "")
        with request.ctx.db.read() as tx:
            found = books.newest(tx, schedule.id, limit + 1, before, wanted)
        older = found[limit - 1].seq if len(found) > limit else None
        return request.page("schedules/history.html", HistoryPage(schedule, found[:limit], older, wanted))


def _one(request: Request) -> OneLive:
    ctx = request.ctx
    schedule = actions.read(ctx, request.path["id"])
    with ctx.db.read() as tx:
        dispatches = books.newest(tx, schedule.id, SHOWN_DISPATCHES)
        drawn = _drawn(tx, schedule, dispatches)
        row, count = _row(tx, schedule, 0), books.count_rows(tx, schedule.id)
        balance = accounts.balance(ctx, schedule.id)
    following = upcoming.instants(schedule, ctx.clock(), SHOWN_INSTANTS)
    does = schedule.as_json()["payload"]
    about = (schedule, row.in_words, row.owner, does, drawn, balance, following, dispatches, count, row.work)
    return OneLive(*about, mark=_mark(schedule, dispatches, row.work, drawn.due if drawn else 0))


def _drawn(tx: Tx, schedule: Schedule, newest: list[Dispatch]) -> Picture | None:
    try:
        return picture.draw(tx, schedule, newest)
    except (Invalid, ArithmeticError, ValueError):  # a row that was, or will be, set aside
        return None


def _show_problem(request: Request, error: JarvisError) -> Reply:
    return request.page("schedules/show.html", OnePage(_one(request), "", str(error)), error.status)


def _act_routes(table: Routes) -> None:
    @table.post(f"{ONE}/pause", Access.USER, "Pause it.", body={"reason": fields.REASON}, again=_show_problem)
    def pause(request: Request) -> Reply:
        actions.pause(request.ctx, request.path["id"], request.body.get("reason", ""))
        return _back(request, "paused")

    @table.post(f"{ONE}/resume", Access.USER, "Resume it.", again=_show_problem)
    def resume(request: Request) -> Reply:
        actions.resume(request.ctx, request.path["id"])
        return _back(request, "resumed")

    @table.post(f"{ONE}/run", Access.USER, "Run it once, now.", again=_show_problem)
    def run(request: Request) -> Reply:
        actions.run_now(request.ctx, request.path["id"])
        return _back(request, "ran")

    @table.post(f"{ONE}/remove", Access.USER, "Remove it.", again=_show_problem)
    def remove(request: Request) -> Reply:
        actions.remove(request.ctx, request.path["id"])
        return see_other(f"{SCHEDULES}?done=removed")


def _back(request: Request, done: str) -> Reply:
    return see_other(f"{SCHEDULES}/{request.path['id']}?done={done}")
