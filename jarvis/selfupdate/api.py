"""Self-update as JSON, for admins: propose, each step, the diff and the timeline."""

from jarvis.kernel.schema import Field, Fields
from jarvis.selfupdate import fields, store
from jarvis.selfupdate.actions import applying, approving, moving, proposing, testing, validating
from jarvis.selfupdate.store import Update
from jarvis.web.parts import Parts
from jarvis.web.replies import accepted, as_json, created, page_of, text, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

API = "/api/v1/selfupdate/patches"
ONE = f"{API}/{{id}}"
MOST_BYTES = 8 << 20
"""A patch within its limit, as JSON writes it."""
TEXT = Field(kind="string", is_required=True)
MAYBE = Field(kind="string", is_required=True, is_nullable=True)
LIST = Field(kind="array", is_required=True)
UPDATE: Fields = {
    "id": TEXT,
    "trace_id": TEXT,
    "state": Field(kind="string", is_required=True, help="proposed, validated, tested, approved, applied, …"),
    "next_step": Field(kind="string", is_required=True, is_nullable=True, help="The step that leads on."),
    "rationale": TEXT,
    "evidence": Field(kind="object", is_required=True),
    "proposed_by": TEXT,
    "patch_sha256": TEXT,
    "patch_bytes": Field(kind="integer", is_required=True),
    "base": Field(kind="string", is_required=True, is_nullable=True, help="The tree it applies to."),
    "base_version": MAYBE,
    "tree": Field(kind="string", is_required=True, is_nullable=True, help="The tree it makes."),
    "files": LIST,
    "checks": Field(kind="object", is_required=True, help="Each check by its name: {ok, detail, seconds}."),
    "is_protected": Field(kind="boolean", is_required=True, help="Whether approving takes the unlock code too."),
    "protected_why": LIST,
    "report_sha256": MAYBE,
    "candidate_version": MAYBE,
    "candidate_sha256": MAYBE,
    "candidate_bytes": Field(kind="integer", is_required=True, is_nullable=True),
    "approved_by": MAYBE,
    "approved_at": MAYBE,
    "expires_at": Field(kind="string", is_required=True, is_nullable=True, help="When the approval ends."),
    "marker": Field(kind="object", is_required=True, help="{active_sha256, previous_sha256, outcome, readyz}."),
    "error": MAYBE,
    "created_at": TEXT,
    "changed_at": TEXT,
}
TIMELINE: Fields = {
    "state": TEXT,
    "next_step": MAYBE,
    "history": Field(kind="array", is_required=True, help="Each {state, at, by, detail}, in order."),
    "checks": Field(kind="object", is_required=True),
}
CODE: Fields = {"code": Field(kind="string", longest=40, help="The unlock code, for a protected patch.")}
REASON: Fields = {"reason": Field(kind="string", longest=500)}
TEST: Fields = {
    "without_sandbox": Field(kind="boolean", help="Run it with all the rights of Jarvis, where no cage works."),
}
ASKED: Fields = {"task_id": TEXT}
OUT_OF_ORDER = "It is not the time for this step; says which one is."


def routes(parts: Parts) -> Routes:
    """The routes of self-update."""
    table = Routes("selfupdate", schemas={"Update": UPDATE, "UpdateTimeline": TIMELINE, "UpdateStep": ASKED})
    _reading_routes(table)
    _step_routes(table)
    _live_routes(table)

    @table.post(
        API,
        Access.ADMIN,
        "Propose a patch to Jarvis itself.",
        body=fields.PROPOSAL,
        answers={201: "Update"},
        most_bytes=MOST_BYTES,
    )
    def create(request: Request) -> Reply:
        wish = request.body
        made = proposing.propose(request.ctx, wish["patch"], wish["rationale"], wish["evidence"])
        return created(made.as_json(), f"{API}/{made.id}")

    return table


def _reading_routes(table: Routes) -> None:
    @table.get(API, Access.ADMIN, "Updates, newest first.", query=LIST_QUERY, answers={200: "Update[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, limit + 1, before)
        return page_of(found, Update.as_json, limit, lambda update: update.seq)

    @table.get(ONE, Access.ADMIN, "One update, by its id or its trace.", answers={200: "Update"})
    def show(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            return as_json(store.get(tx, request.path["id"]).as_json())

    @table.get(f"{ONE}/diff", Access.ADMIN, "The proposed bytes.", answers={200: "The patch as text."})
    def diff(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            raw = store.patch_of(tx, store.get(tx, request.path["id"]).id)
        return text(raw.decode(), "text/x-diff; charset=utf-8")

    @table.get(f"{ONE}/timeline", Access.ADMIN, "Every state it reached.", answers={200: "UpdateTimeline"})
    def timeline(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            update = store.get(tx, request.path["id"])
            history = [move.as_json() for move in store.moves(tx, update.id)]
        told = {"state": update.state, "next_step": update.next_step or None, "history": history}
        return as_json({**told, "checks": update.checks_of()})


def _step_routes(table: Routes) -> None:
    @table.post(
        f"{ONE}/validate",
        Access.ADMIN,
        "Check it against what runs: validated or rejected afterwards.",
        answers={200: "Update", 409: OUT_OF_ORDER},
    )
    def validate(request: Request) -> Reply:
        return as_json(validating.validate(request.ctx, request.path["id"]).as_json())

    @table.post(
        f"{ONE}/test",
        Access.ADMIN,
        "Build it and try it in a cage.",
        body=TEST,
        answers={202: "UpdateStep", 409: OUT_OF_ORDER, 503: "There is no archive to build with, or no cage."},
    )
    def test(request: Request) -> Reply:
        is_uncaged = request.body.get("without_sandbox", False)
        return accepted({"task_id": testing.ask(request.ctx, request.path["id"], is_uncaged=is_uncaged).id})

    @table.post(
        f"{ONE}/approve",
        Access.ADMIN,
        "Approve the exact bytes that were tested.",
        body=CODE,
        answers={200: "Update", 403: "The code is wrong, used up or expired.", 409: OUT_OF_ORDER},
    )
    def approve(request: Request) -> Reply:
        code = request.body.get("code", "")
        return as_json(approving.approve(request.ctx, request.path["id"], code).as_json())

    @table.post(
        f"{ONE}/reject",
        Access.ADMIN,
        "Say no: there is no way back.",
        body=REASON,
        answers={200: "Update", 409: OUT_OF_ORDER},
    )
    def reject(request: Request) -> Reply:
        reason = request.body.get("reason", "")
        return as_json(moving.reject(request.ctx, request.path["id"], reason).as_json())


def _live_routes(table: Routes) -> None:
    @table.post(
        f"{ONE}/apply",
        Access.ADMIN,
        "Put an approved update in place; it is on trial until it is verified or taken back.",
        answers={202: "UpdateStep", 409: OUT_OF_ORDER},
    )
    def apply(request: Request) -> Reply:
        return accepted({"task_id": applying.ask_apply_here(request.ctx, request.path["id"]).id})

    @table.post(
        f"{ONE}/rollback",
        Access.ADMIN,
        "Put the archive from before an update back; a lockdown is no obstacle.",
        answers={202: "UpdateStep", 409: OUT_OF_ORDER},
    )
    def rollback(request: Request) -> Reply:
        return accepted({"task_id": applying.ask_rollback_here(request.ctx, request.path["id"]).id})
