"""/admin/backups: every backup, how the newest stands, and making one now."""

from dataclasses import dataclass
from pathlib import Path

from jarvis.backups import actions, store
from jarvis.backups.store import Backup
from jarvis.kernel.schema import Field
from jarvis.queue.store import Task
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PAGE = "/admin/backups"
SHOWN = 50
BUSY_SECONDS, IDLE_SECONDS = 2, 15
DONE = {"asked": "A backup is on its way; it stands below once it has been made and checked."}


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

    return table


def _page(request: Request) -> BackupsPage:
    ctx = request.ctx
    limit, before = min(window(request)[0], SHOWN), window(request)[1]
    with ctx.db.read() as tx:
        found = store.newest(tx, limit + 1, before)
        task, next_at = actions.asked(tx), actions.next_due_at(ctx, tx)
    settings = ctx.settings
    return BackupsPage(
        found[:limit],
        f"{PAGE}?after={found[limit - 1].seq}" if len(found) > limit else "",
        before >= store.LAST,
        task,
        next_at,
        actions.folder(ctx),
        settings.backup_interval_seconds,
        (settings.backup_retention_hourly, settings.backup_retention_daily, settings.backup_retention_weekly),
        DONE.get(request.query.get("done", ""), ""),
        BUSY_SECONDS if task else IDLE_SECONDS,
    )
