"""Maintenance as JSON, for admins: how it stands, its runs, and asking for one."""

from jarvis.kernel.schema import Field, Fields
from jarvis.maintenance import actions, report, store
from jarvis.maintenance.store import Run
from jarvis.web.parts import Parts
from jarvis.web.replies import accepted, as_json, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

API = "/api/v1/maintenance"
TEXT = Field(kind="string", is_required=True)
NULLABLE = Field(kind="string", is_required=True, is_nullable=True)
NUMBER_OR_NULL = Field(kind="number", is_required=True, is_nullable=True)
COMMAND: Fields = {
    "position": Field(kind="integer", is_required=True),
    "command": TEXT,
    "state": Field(kind="string", is_required=True, help="waiting, running, passed, failed, timed_out, cancelled, …"),
    "exit_code": Field(kind="integer", is_required=True, is_nullable=True, help="128 + n when signal n ended it."),
    "killed": Field(kind="integer", is_required=True, help="Processes that had to be ended."),
    "error": NULLABLE,
    "seconds": NUMBER_OR_NULL,
    "output": Field(kind="object", is_required=True, is_nullable=True, help="Both ends, and the telling lines."),
    "bug_id": NULLABLE,
    "started_at": NULLABLE,
    "finished_at": NULLABLE,
}
RUN: Fields = {
    "id": TEXT,
    "cause": Field(kind="string", is_required=True, choices=("interval", "asked")),
    "actor": TEXT,
    "trace_id": TEXT,
    "task_id": NULLABLE,
    "state": Field(kind="string", is_required=True, choices=store.STATES),
    "reason": NULLABLE,
    "workdir": TEXT,
    "commit": NULLABLE,
    "repeats": Field(kind="integer", is_required=True, help="How often it was refused in a row."),
    "started_at": TEXT,
    "finished_at": NULLABLE,
    "seconds": NUMBER_OR_NULL,
}
WHOLE: Fields = {
    **RUN,
    "commands": Field(kind="array", is_required=True, items=Field(kind="object", fields=COMMAND)),
}
RUN_OR_NULL = Field(kind="object", is_required=True, is_nullable=True)
STANDING: Fields = {
    "enabled": Field(kind="boolean", is_required=True),
    "interval_seconds": Field(kind="integer", is_required=True),
    "commands": Field(kind="array", is_required=True, items=Field(kind="string")),
    "workdir": TEXT,
    "state": TEXT,
    "running": RUN_OR_NULL,
    "last_run": RUN_OR_NULL,
    "next_due_at": NULLABLE,
    "heartbeat_at": NULLABLE,
    "fresh": Field(kind="boolean", is_required=True),
    "runs": Field(kind="array", is_required=True, items=Field(kind="object", fields=WHOLE)),
}
ASKED: Fields = {"task_id": TEXT}


def routes(parts: Parts) -> Routes:
    """The routes of maintenance."""
    schemas = {"Maintenance": STANDING, "MaintenanceRun": RUN, "MaintenanceRunWhole": WHOLE, "MaintenanceAsked": ASKED}
    table = Routes("maintenance", schemas=schemas)

    @table.get(API, Access.ADMIN, "How maintenance stands, with the newest runs.", answers={200: "Maintenance"})
    def standing(request: Request) -> Reply:
        return as_json(report.with_runs(request.ctx))

    @table.post(
        f"{API}/run", Access.ADMIN, "Run every command now.",
        answers={202: "MaintenanceAsked", 409: "None configured, one at work already, locked down or restarting."},
    )  # fmt: skip
    def run(request: Request) -> Reply:
        return accepted({"task_id": actions.ask(request.ctx).id})

    @table.get(f"{API}/runs", Access.ADMIN, "Runs, newest first.", query=LIST_QUERY, answers={200: "MaintenanceRun[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, limit + 1, before)
        return page_of(found, Run.as_json, limit, lambda run: run.seq)

    @table.get(f"{API}/runs/{{id}}", Access.ADMIN, "One run with its commands.", answers={200: "MaintenanceRunWhole"})
    def show(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            found = store.get(tx, request.path["id"])
            return as_json(report.whole(found, store.steps(tx, found.seq)))

    @table.post(
        f"{API}/runs/{{id}}/stop", Access.ADMIN, "Stop a run: what it started is ended.",
        answers={202: "MaintenanceRun", 409: "It is not running."},
    )  # fmt: skip
    def stop(request: Request) -> Reply:
        return accepted(actions.stop(request.ctx, request.path["id"]).as_json())

    return table
