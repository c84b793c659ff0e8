"""Backups as JSON, for admins: those there are, and asking for one."""

from jarvis.backups import actions, store
from jarvis.backups.actions import drills, uploading
from jarvis.backups.store import Backup, Drill
from jarvis.kernel.schema import Field, Fields
from jarvis.web.parts import Parts
from jarvis.web.replies import accepted, as_json, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

API = "/api/v1/backups"
TEXT = Field(kind="string", is_required=True)
MAYBE = Field(kind="string", is_required=True, is_nullable=True)
BACKUP: Fields = {
    "id": TEXT,
    "reason": TEXT,
    "actor": TEXT,
    "file": Field(kind="string", is_required=True, help="Its name in BACKUP_LOCAL_DIR."),
    "bytes": Field(kind="integer", is_required=True),
    "database_bytes": Field(kind="integer", is_required=True, help="What it unpacks to."),
    "sha256": TEXT,
    "head_seq": Field(kind="integer", is_required=True, help="The newest event in it."),
    "head_hash": TEXT,
    "ok": Field(kind="boolean", is_required=True, help="Whether the last check found it good."),
    "problem": Field(kind="string", is_required=True, is_nullable=True),
    "created_at": TEXT,
    "verified_at": TEXT,
    "uploaded_at": MAYBE,
    "upload_key": MAYBE,
    "upload_problem": MAYBE,
}
DRILL: Fields = {
    "id": TEXT,
    "backup_id": TEXT,
    "actor": TEXT,
    "version": Field(kind="string", is_required=True, help="The release that restored it."),
    "ok": Field(kind="boolean", is_required=True),
    "problem": MAYBE,
    "events": Field(kind="integer", is_required=True),
    "rows": Field(kind="integer", is_required=True),
    "restore_ms": Field(kind="integer", is_required=True),
    "ready_ms": Field(kind="integer", is_required=True, help="From the start of the server until it was ready."),
    "total_ms": Field(kind="integer", is_required=True),
    "created_at": TEXT,
}
ASKED: Fields = {"task_id": TEXT}


def routes(parts: Parts) -> Routes:
    """The routes of backups."""
    table = Routes("backups", schemas={"Backup": BACKUP, "BackupAsked": ASKED, "BackupDrill": DRILL})

    @table.get(API, Access.ADMIN, "Backups, newest first.", query=LIST_QUERY, answers={200: "Backup[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, limit + 1, before)
        return page_of(found, Backup.as_json, limit, lambda backup: backup.seq)

    @table.post(API, Access.ADMIN, "Make a backup now.", answers={202: "BackupAsked"})
    def create(request: Request) -> Reply:
        return accepted({"task_id": actions.ask(request.ctx, "asked for").id})

    @table.post(f"{API}/{{id}}/upload", Access.ADMIN, "Put one into the bucket.", answers={202: "BackupAsked"})
    def upload(request: Request) -> Reply:
        return accepted({"task_id": uploading.ask(request.ctx, request.path["id"]).id})

    @table.get(f"{API}/drills", Access.ADMIN, "Drills, newest first.", query=LIST_QUERY, answers={200: "BackupDrill[]"})
    def all_drills(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest_drills(tx, limit + 1, before)
        return page_of(found, Drill.as_json, limit, lambda drill: drill.seq)

    @table.post(f"{API}/drills", Access.ADMIN, "Hold a drill on the newest.", answers={202: "BackupAsked"})
    def drill(request: Request) -> Reply:
        return accepted({"task_id": drills.ask(request.ctx).id})

    @table.get(f"{API}/{{id}}", Access.ADMIN, "One backup.", answers={200: "Backup"})
    def show(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            return as_json(store.get(tx, request.path["id"]).as_json())

    return table
