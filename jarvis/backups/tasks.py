"""The durable tasks: one makes a backup and lets old ones go, one puts a backup into the bucket."""

from typing import Any

from jarvis.backups import actions, packing, store
from jarvis.backups.actions import uploading
from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun

NEWEST = 20


def _snapshot(ctx: Context, task: TaskRun) -> dict[str, Any]:
    packing.sweep(actions.folder(ctx))
    actions.adopt(ctx)
    made = actions.snapshot(ctx, str(task.payload.get("reason", "asked for")))
    return {"backup_id": made.id, "bytes": made.bytes, "removed": actions.prune(ctx)}


def _upload(ctx: Context, task: TaskRun) -> dict[str, Any]:
    """A backup that a newer good one has followed is passed over, unless somebody asked for that very one."""
    with ctx.db.read() as tx:
        backup = store.find(tx, str(task.payload.get("backup_id", "")))
        good = [found for found in store.newest(tx, NEWEST) if found.problem is None]
    if backup is None:
        return {"skipped": "it is no longer kept"}
    if not task.payload.get("asked") and good and good[0].seq > backup.seq:
        return {"skipped": "a newer one follows", "superseded_by": good[0].id}
    if backup.uploaded_at is None:
        backup = uploading.upload(ctx, backup.id)
    return {"backup_id": backup.id, "key": backup.upload_key}


TASKS = (
    TaskHandler(
        actions.TASK,
        _snapshot,
        "Backs the database up, checks the backup, and lets old ones go.",
        max_attempts=3,
        concurrency=1,
        is_runnable_by_hand=True,
        runs_in_lockdown=True,  # it only reads, and a lockdown is when a backup may be needed
    ),
    TaskHandler(
        uploading.TASK,
        _upload,
        "Encrypts a backup and puts it into the bucket.",
        max_attempts=12,  # some two hours of a lost network; the next backup brings a task of its own
        concurrency=1,
    ),
)
