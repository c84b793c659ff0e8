"""What is kept of a drill, and asking for one: how it is held stands in jarvis/drill.py, which knows every feature."""

from dataclasses import dataclass

from jarvis.backups import store
from jarvis.backups.store import Backup, Drill
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.queue.store import Task

TASK = "jarvis.tasks.backups.drill"
KEY = "backup-drill"
LONGEST_PROBLEM = 500
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Found:
    """What a drill measured. `problem` is None when everything was there and the server became ready."""

    problem: str | None
    events: int = 0
    rows: int = 0
    restore_ms: int = 0
    ready_ms: int = 0
    total_ms: int = 0


def subject(ctx: Context) -> Backup:
    """The backup to hold a drill on: the newest good one. Raises NotFound when there is none."""
    with ctx.db.read() as tx:
        good = next((found for found in store.newest(tx, LOOKED_AT) if found.problem is None), None)
    if good is None:
        raise NotFound("There is no good backup to hold a drill on. Make one: jarvis backup create")
    return good


def keep(ctx: Context, backup: Backup, version: str, found: Found) -> Drill:
    """Write down how a drill went."""
    problem = ctx.db.redact(found.problem)[:LONGEST_PROBLEM] if found.problem else None
    with ctx.db.write() as tx:
        kept = store.insert_drill(
            tx,
            ctx.ids.new("drl"),
            backup.id,
            version,
            problem,
            events=found.events,
            row_count=found.rows,
            restore_ms=found.restore_ms,
            ready_ms=found.ready_ms,
            total_ms=found.total_ms,
        )
        about = kept.as_json()
        tx.record("backup.drill", f"backup/{backup.id}", {"drill_id": about.pop("id"), **about})
        return kept


def ask(ctx: Context) -> Task:
    """Have a server hold one; the task that waits or runs already, when there is one."""
    return queue.enqueue(ctx, TASK, {}, unique_key=KEY, priority=queue.BY_HAND)


def asked(tx: Tx) -> Task | None:
    """The drill that was asked for and is not held yet."""
    return tasks.find_active(tx, KEY)
