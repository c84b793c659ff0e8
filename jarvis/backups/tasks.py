"""The durable task that makes a backup, then lets old ones go."""

from typing import Any

from jarvis.backups import actions
from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun


def _snapshot(ctx: Context, task: TaskRun) -> dict[str, Any]:
    actions.adopt(ctx)
    made = actions.snapshot(ctx, str(task.payload.get("reason", "asked for")))
    return {"backup_id": made.id, "bytes": made.bytes, "removed": actions.prune(ctx)}


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
)
