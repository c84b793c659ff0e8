"""Rollback drills: hold one, keep what it found, tell of the last."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.registry import TaskRun
from jarvis.queue import actions as queue
from jarvis.queue.store import Task
from jarvis.selfupdate import drilling, store

TASK = "jarvis.tasks.selfupdate.rollback_drill"


def ask(ctx: Context) -> Task:
    """Have the server hold a drill; one that waits or runs already is that one."""
    ctx.require_admin()
    return queue.enqueue(ctx, TASK, {}, unique_key=TASK)


def hold(ctx: Context, task: TaskRun) -> dict[str, Any]:
    """Hold a drill here and now, and keep its report; raises Unavailable in a checkout."""
    forbid_inside_write("a rollback drill")
    report = drilling.drill(ctx, task.progress, task.is_cancelled)
    with ctx.db.write() as tx:
        store.insert_drill(tx, report, is_ok=report["ok"])
        about = {"ok": report["ok"], "seconds": report["seconds"], "problem": report["problem"]}
        tx.record("self_update.drill", "system", about)
    return report


def last(ctx: Context) -> dict[str, Any] | None:
    """The newest drill's report; None when there was none."""
    with ctx.db.read() as tx:
        return store.last_drill(tx)
