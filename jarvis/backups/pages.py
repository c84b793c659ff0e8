"""/admin/backups: every backup, how the newest stands, what is kept elsewhere, and making one now."""

from dataclasses import dataclass
from pathlib import Path

from jarvis.backups import actions, store
from jarvis.backups.actions import drills, uploading
from jarvis.backups.actions.standing import Standing, standing
from jarvis.backups.store import Backup, Drill
from jarvis.kernel.schema import Field
from jarvis.queue.store import Task
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PAGE = "/admin/backups"
SHOWN = 50
DRILLS_SHOWN = 5
BUSY_SECONDS, IDLE_SECONDS = 2, 15
DONE = {
    "asked": "A backup is on its way; it stands below once it has been made and checked.",
    "drill": "A drill is on its way; how it went will stand under Drills.",
    "uploading": "The newest backup is on its way into the bucket.",
}


@dataclass(frozen=True, slots=True)
class BackupsPage:
    backups: list[Backup]
    older: str
    is_first: bool
    task: Task | None
    next_at: int | None
    folder: Path
    interval_seconds: int
    kept: tuple[int, int, int]
    standing: Standing
    drills: list[Drill]
    is_drilling: bool
    bucket: str
    upload_setting: str
    """Why nothing can be uploaded as it is set; "" when it can."""
    is_encrypted: bool
    done: str
    every: int


def routes(parts: Parts) -> Routes:
    """The page of backups."""
    table = Routes("backups", pages=True)
    query = {**LIST_QUERY, "done": Field(kind="string", longest=40)}

    @table.get(PAGE, Access.ADMIN, "The backups there are.", query=query)
    def index(request: Request) -> Reply:
        page = _page(request)
        return request.page("backups/_live.html" if request.wants_partial else "backups/index.html", page)

    @table.post(f"{PAGE}/create", Access.ADMIN, "Make a backup now.")
    def create(request: Request) -> Reply:
        actions.ask(request.ctx, "asked for")
        return see_other(f"{PAGE}?done=asked")

    @table.post(f"{PAGE}/drills", Access.ADMIN, "Hold a drill on the newest backup.")
    def drill(request: Request) -> Reply:
        drills.ask(request.ctx)
        return see_other(f"{PAGE}?done=drill")

    @table.post(f"{PAGE}/{{id}}/upload", Access.ADMIN, "Put one into the bucket.")
    def upload(request: Request) -> Reply:
        uploading.ask(request.ctx, request.path["id"])
        return see_other(f"{PAGE}?done=uploading")

    return table


def _page(request: Request) -> BackupsPage:
    ctx = request.ctx
    limit, before = min(window(request)[0], SHOWN), window(request)[1]
    with ctx.db.read() as tx:
        found = store.newest(tx, limit + 1, before)
        held, drilling = store.newest_drills(tx, DRILLS_SHOWN), drills.asked(tx)
        task, next_at = actions.asked(tx), actions.next_due_at(ctx, tx)
    settings, stands = ctx.settings, standing(ctx)
    return BackupsPage(
        found[:limit],
        f"{PAGE}?after={found[limit - 1].seq}" if len(found) > limit else "",
        before >= store.LAST,
        task,
        next_at,
        actions.folder(ctx),
        settings.backup_interval_seconds,
        (settings.backup_retention_hourly, settings.backup_retention_daily, settings.backup_retention_weekly),
        stands,
        held,
        drilling is not None,
        settings.backup_s3_bucket,
        uploading.problem(settings) if stands.is_uploading_wanted else "",
        bool(settings.backup_encrypt_command),
        DONE.get(request.query.get("done", ""), ""),
        BUSY_SECONDS if task or drilling else IDLE_SECONDS,
    )
