"""/admin/selfupdate: what was proposed and how far it is; one update with its proof, its diff and its steps."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.errors import FieldError, Invalid, JarvisError
from jarvis.kernel.schema import Field, Fields
from jarvis.selfupdate import diffs, fields, shown, states, store
from jarvis.selfupdate.actions import applying, approving, drills, moving, proposing, testing, validating
from jarvis.selfupdate.diffs import Diff
from jarvis.selfupdate.shown import Checked, Point, Row
from jarvis.selfupdate.store import Update
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import no_content, see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PAGE = "/admin/selfupdate"
ONE = f"{PAGE}/{{id}}"
SHOWN = 25
BUSY_SECONDS, IDLE_SECONDS = 1, 10
WORD = Field(kind="string", longest=80)
FORM: Fields = {"patch": fields.PATCH, "rationale": fields.RATIONALE, **fields.EVIDENCE}
MOST_BYTES = 8 << 20
DONE = {
    "proposed": "Proposed. Nothing of it runs before you say so; next it is validated.",
    "validated": "Validated: it applies to what runs here.",
    "testing": "The test is on its way; what it sees stands below as it comes.",
    "rejected": "Rejected.",
    "applying": "It is put in place now: snapshot, rename, restart, trial. This page follows it.",
    "going-back": "It is taken back now: the old archive is put in place and has to be ready again.",
    "drilling": "The drill has begun; it takes a minute or two on a copy, and nothing here is touched.",
    "approved": "Approved. It is not applied yet: that is the next step, and yours too.",
}


@dataclass(frozen=True, slots=True)
class ListPage:
    rows: list[Row]
    drill: dict[str, Any] | None
    """The last rollback drill."""
    waiting: int
    older: str
    done: str


@dataclass(frozen=True, slots=True)
class NewPage:
    form: Form


@dataclass(frozen=True, slots=True)
class Live:
    """What is swapped while an update is looked at."""

    update: Update
    row: Row
    points: list[Point]
    checks: list[tuple[str, Checked]]
    may_reject: bool
    may_go_back: bool
    mark: str
    every: int


@dataclass(frozen=True, slots=True)
class OnePage:
    live: Live
    diff: Diff
    done: str
    problem: str
    is_code_wrong: bool


def routes(parts: Parts) -> Routes:
    """The pages of self-update."""
    table = Routes("selfupdate", pages=True)
    _list_routes(table)
    _one_routes(table)
    _step_routes(table)
    _live_routes(table)
    return table


def _list_routes(table: Routes) -> None:
    @table.get(PAGE, Access.ADMIN, "Updates, newest first.", query={**LIST_QUERY, "done": WORD})
    def index(request: Request) -> Reply:
        limit, before = min(window(request)[0], SHOWN), window(request)[1]
        with request.ctx.db.read() as tx:
            found = store.newest(tx, limit + 1, before)
            rows, waiting = [shown.row(tx, update) for update in found[:limit]], store.waiting(tx)
        older = f"{PAGE}?after={found[limit - 1].seq}" if len(found) > limit else ""
        done = DONE.get(request.query.get("done", ""), "")
        found_by_drill = drills.last(request.ctx)
        return request.page("selfupdate/index.html", ListPage(rows, found_by_drill, waiting, older, done))

    @table.post(f"{PAGE}/drill", Access.ADMIN, "Hold a rollback drill.")
    def drill(request: Request) -> Reply:
        drills.ask(request.ctx)
        return see_other(f"{PAGE}?done=drilling")

    @table.get(f"{PAGE}/new", Access.ADMIN, "The form to propose an update.")
    def new(request: Request) -> Reply:
        return request.page("selfupdate/new.html", NewPage(EMPTY))

    def again(request: Request, error: JarvisError) -> Reply:
        flat = [FieldError(fault.field.removeprefix("evidence."), fault.message) for fault in error.fields]
        shown_error = Invalid(fields=flat) if flat else error
        return request.page("selfupdate/new.html", NewPage(refused(request.typed, shown_error)), error.status)

    @table.post(PAGE, Access.ADMIN, "Propose an update.", body=FORM, most_bytes=MOST_BYTES, again=again)
    def create(request: Request) -> Reply:
        wish = request.body
        evidence = {name: wish[name] for name in fields.EVIDENCE}
        made = proposing.propose(request.ctx, wish["patch"], wish["rationale"], evidence)
        return see_other(f"{PAGE}/{made.id}?done=proposed")


def _one_routes(table: Routes) -> None:
    @table.get(ONE, Access.ADMIN, "One update.", query={"done": WORD, "seen": WORD})
    def show(request: Request) -> Reply:
        if not request.wants_partial:
            return _page(request)
        live = _live(request)
        if live.mark == request.query.get("seen"):
            return no_content()
        return request.page("selfupdate/_live.html", {"live": live})


def _step_routes(table: Routes) -> None:
    def again(request: Request, error: JarvisError) -> Reply:
        is_code = error.status == 403 or any(fault.field == "code" for fault in error.fields)
        return _page(request, error, is_code_wrong=is_code)

    @table.post(f"{ONE}/validate", Access.ADMIN, "Check it against what runs.", again=again)
    def validate(request: Request) -> Reply:
        done = validating.validate(request.ctx, request.path["id"])
        return _back(request, "validated" if done.state == states.VALIDATED else "")

    @table.post(
        f"{ONE}/test",
        Access.ADMIN,
        "Build it and try it in a cage.",
        body={"without_sandbox": Field(kind="boolean")},
        again=again,
    )
    def test(request: Request) -> Reply:
        testing.ask(request.ctx, request.path["id"], is_uncaged=request.body.get("without_sandbox", False))
        return _back(request, "testing")

    @table.post(f"{ONE}/stop", Access.ADMIN, "Stop what is being done with it.", again=again)
    def stop(request: Request) -> Reply:
        moving.stop(request.ctx, request.path["id"])
        return _back(request, "")

    @table.post(
        f"{ONE}/approve",
        Access.ADMIN,
        "Approve the exact bytes that were tested.",
        body={"code": Field(kind="string", longest=40)},
        again=again,
    )
    def approve(request: Request) -> Reply:
        approving.approve(request.ctx, request.path["id"], request.body.get("code", ""))
        return _back(request, "approved")

    @table.post(
        f"{ONE}/reject",
        Access.ADMIN,
        "Say no.",
        body={"reason": Field(kind="string", longest=500)},
        again=again,
    )
    def reject(request: Request) -> Reply:
        moving.reject(request.ctx, request.path["id"], request.body.get("reason", ""))
        return _back(request, "rejected")


def _live_routes(table: Routes) -> None:
    def again(request: Request, error: JarvisError) -> Reply:
        return _page(request, error)

    @table.post(f"{ONE}/apply", Access.ADMIN, "Put an approved update in place.", again=again)
    def apply(request: Request) -> Reply:
        applying.ask_apply_here(request.ctx, request.path["id"])
        return _back(request, "applying")

    @table.post(f"{ONE}/rollback", Access.ADMIN, "Take an update back.", again=again)
    def rollback(request: Request) -> Reply:
        applying.ask_rollback_here(request.ctx, request.path["id"])
        return _back(request, "going-back")


def _back(request: Request, done: str) -> Reply:
    return see_other(f"{PAGE}/{request.path['id']}?done={done}")


def _live(request: Request) -> Live:
    with request.ctx.db.read() as tx:
        update = store.get(tx, request.path["id"])
        row, points = shown.row(tx, update), shown.timeline(update, store.moves(tx, update.id))
    seen = [update.state, update.checks, update.changed_at, update.error, row.doing, update.marker]
    mark = hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]
    every = BUSY_SECONDS if row.doing or update.state == states.APPLIED else IDLE_SECONDS
    may_reject, may_go_back = (states.may(step, update.state) for step in ("reject", "rollback"))
    return Live(update, row, points, shown.checks(update), may_reject, may_go_back, mark, every)


def _page(request: Request, error: JarvisError | None = None, *, is_code_wrong: bool = False) -> Reply:
    live = _live(request)
    with request.ctx.db.read() as tx:
        diff = diffs.read(store.patch_of(tx, live.update.id).decode("utf-8", "replace"))
    done = DONE.get(request.query.get("done", ""), "")
    problem = str(error) if error else ""
    page = OnePage(live, diff, done, problem, is_code_wrong)
    return request.page("selfupdate/show.html", page, error.status if error else 200)
