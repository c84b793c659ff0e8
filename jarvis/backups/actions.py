"""What can be done with backups: make one, ask for one, check one, and let old ones go."""

import logging
from dataclasses import dataclass
from pathlib import Path

from jarvis.backups import packing, retention, store
from jarvis.backups.store import Backup
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.ids import is_id
from jarvis.kernel.snapshot import snapshot as copy_database
from jarvis.lockdown import actions as lockdown
from jarvis.maintenance.actions import due_at
from jarvis.policy import store as policy
from jarvis.policy.actions import approvals
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.queue.store import Task
from jarvis.users import store as users

log = logging.getLogger(__name__)

TASK = "jarvis.tasks.backups.snapshot"
KEY = "backup"
"""One at a time: the unique key of its task."""
LONGEST_REASON = 200
NEWEST_LINKS = 5000
"""Links of the event chain recomputed at each backup; a check by hand recomputes all."""
MOST_KEPT = 5000
PORTION = 200


def folder(ctx: Context) -> Path:
    """Where backups are kept."""
    return ctx.settings.backup_local_dir


def path_of(ctx: Context, backup: Backup) -> Path:
    return folder(ctx) / backup.name


def snapshot(ctx: Context, reason: str) -> Backup:
    """Back the database up here and now: it is on disk, opened once and found good when this returns.

    Raises TryAgain while another is made, Unavailable when it cannot be made; then nothing is left of it.
    """
    backup_id = ctx.ids.new("bkp")
    target = folder(ctx) / f"{backup_id}.db.gz"
    source = ctx.settings.app_db
    try:
        with packing.workplace(folder(ctx), source.stat().st_size) as place:
            copy, packed, opened = place / "copy.db", place / "packed", place / "opened.db"
            copy_database(source, copy)
            size = copy.stat().st_size
            packing.pack(copy, packed)
            copy.unlink()
            packing.unpack(packed, opened, size)
            head = packing.examine(ctx.clock, opened, NEWEST_LINKS)
            digest = packing.sha256(packed)
            packing.publish(packed, target)
    except OSError as error:
        raise Unavailable(f"The backup could not be made in {folder(ctx)}: {error.strerror}.") from error
    try:
        return _note(ctx, target, reason, size, digest, head)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _note(ctx: Context, target: Path, reason: str, size: int, digest: str, head: tuple[int, str]) -> Backup:
    with ctx.db.write() as tx:
        made = store.insert(
            tx,
            target.name.removesuffix(".db.gz"),
            ctx.db.redact(reason)[:LONGEST_REASON],
            size=target.stat().st_size,
            database_bytes=size,
            sha256=digest,
            head=head,
        )
        about = {"backup_id": made.id, "reason": made.reason, "bytes": made.bytes, "sha256": digest}
        tx.record("backup.snapshot", f"backup/{made.id}", {**about, "head_seq": head[0], "head_hash": head[1]})
        tx.record("backup.verified", f"backup/{made.id}", {"backup_id": made.id, "ok": True, "problem": None})
        return made


def verify(ctx: Context, backup_id: str) -> Backup:
    """Unpack a backup and check all of it; what was found is kept with it, and in `problem`."""
    with ctx.db.read() as tx:
        backup = store.get(tx, backup_id)
    with packing.workplace(folder(ctx), backup.database_bytes) as place:
        problem = _problem_of(ctx, backup, place)
    with ctx.db.write() as tx:
        store.set_verified(tx, backup.id, problem)
        about = {"backup_id": backup.id, "ok": problem is None, "problem": problem}
        tx.record("backup.verified", f"backup/{backup.id}", about)
        return store.get(tx, backup.id)


def _problem_of(ctx: Context, backup: Backup, place: Path) -> str | None:
    path, opened = path_of(ctx, backup), place / "opened.db"
    try:
        if packing.sha256(path) != backup.sha256:
            return "Its file is not the one that was written: the checksum differs."
        packing.unpack(path, opened, backup.database_bytes)
        head = packing.examine(ctx.clock, opened)
    except OSError as error:
        return f"Its file cannot be read: {error.strerror}."
    except Unavailable as error:
        return str(error)[:LONGEST_REASON]
    return None if head == (backup.head_seq, backup.head_hash) else "Its event chain ends elsewhere than it did."


def ask(ctx: Context, reason: str) -> Task:
    """Have a server make a backup; the task that waits or runs already, when there is one."""
    return queue.enqueue(ctx, TASK, {"reason": reason[:LONGEST_REASON]}, unique_key=KEY, priority=queue.BY_HAND)


def asked(tx: Tx) -> Task | None:
    """The backup that was asked for and is not made yet."""
    return tasks.find_active(tx, KEY)


def next_due_at(ctx: Context, tx: Tx) -> int | None:
    """When the interval asks for the next; None when there is no interval."""
    every = ctx.settings.backup_interval_seconds * SECOND
    return due_at(store.dispatched_at(tx), every, tx.now) if every else None


def dispatch(ctx: Context) -> Task | None:
    """The interval: ask for a backup when one is due. One instant is never done twice, whoever looks."""
    with ctx.db.write() as tx:
        due = next_due_at(ctx, tx)
        if due is None or due > tx.now:
            return None
        store.set_dispatched(tx)
        return queue.enqueue(ctx, TASK, {"reason": "interval"}, unique_key=KEY)


def prune(ctx: Context) -> int:
    """Let go of the backups that retention does not keep; returns how many."""
    settings = ctx.settings
    rule = retention.Rule(
        settings.backup_retention_hourly, settings.backup_retention_daily, settings.backup_retention_weekly
    )
    with ctx.db.read() as tx:
        gone = retention.superfluous(store.newest(tx, MOST_KEPT), rule, tx.now)
    for backup in gone:
        path_of(ctx, backup).unlink(missing_ok=True)
        with ctx.db.write() as tx:
            store.delete(tx, backup.id)
    return len(gone)


def adopt(ctx: Context) -> int:
    """Take up good backups in the folder that the database does not know, as after a restore; returns how many."""
    with ctx.db.read() as tx:
        known = {backup.name for backup in store.newest(tx, MOST_KEPT)}
    found = [path for path in folder(ctx).glob("bkp_*.db.gz") if path.name not in known]
    return sum(_take_up(ctx, path) for path in found if is_id(path.name.removesuffix(".db.gz"), "bkp"))


def _take_up(ctx: Context, path: Path) -> bool:
    try:
        with packing.workplace(folder(ctx), ctx.settings.app_db.stat().st_size) as place:
            opened = place / "opened.db"
            packing.unpack(path, opened, 64 * max(path.stat().st_size, 1 << 20))
            head, size = packing.examine(ctx.clock, opened), opened.stat().st_size
        digest = packing.sha256(path)
    except (OSError, Unavailable) as error:
        log.warning("%s in the backups is left alone: %s", path.name, error)
        return False
    _note(ctx, path, "found in the folder", size, digest, head)
    return True


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a restored database's past was ended."""

    sessions: int
    approvals: int
    tasks: int


def settle_restored(ctx: Context, source: str, locked: str = "") -> Settled:
    """End what a restored past must not go on with: sessions, open approvals, unfinished tasks. All, or nothing.

    `locked` is why the present is locked down, "" when it is not: a backup from before must not lift that.
    """
    with ctx.db.write() as tx:
        if locked:
            lockdown.lock(ctx, f"{locked} (kept while a backup was restored)")
        settled = Settled(_end_sessions(tx), _void_approvals(ctx, tx), _cancel_tasks(ctx, tx))
        about = {"source": source, "sessions": settled.sessions, "approvals": settled.approvals, "tasks": settled.tasks}
        tx.record("backup.restore", f"backup/{source}", about)
    queue.take_back(ctx)  # those that ran when the backup was made end as cancelled
    return settled


def _end_sessions(tx: Tx) -> int:
    count = 0
    while found := users.sessions(tx, None, PORTION):
        for session in found:
            users.delete_session(tx, session.id)
        count += len(found)
    return count


def _void_approvals(ctx: Context, tx: Tx) -> int:
    """Nobody may use what was approved in another present; the replies that waited are resumed, to be cancelled."""
    count = 0
    for state in ("pending", "approved"):
        while found := policy.newest_approvals(tx, PORTION, state):
            for approval in found:
                policy.set_state(tx, approval.id, state, "expired", "A backup was restored.")
                if state == "pending":
                    queue.enqueue(ctx, approvals.RESUME, {"reply_id": approval.reply_id})
            count += len(found)
    return count


def _cancel_tasks(ctx: Context, tx: Tx) -> int:
    count = 0
    while found := tasks.newest(tx, "queued", "", PORTION):
        for task in found:
            queue.cancel(ctx, task.id)
        count += len(found)
    running = tasks.running(tx)
    for task in running:
        if not task.is_cancel_asked:
            queue.cancel(ctx, task.id)
    return count + len(running)
