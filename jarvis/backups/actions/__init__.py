"""What can be done with backups: make one, ask for one, check one, and let old ones go."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jarvis.backups import apart, packing, retention, store
from jarvis.backups.actions import uploading
from jarvis.backups.packing import Made
from jarvis.backups.store import Backup
from jarvis.kernel import events
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.ids import is_id
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
MOST_USERS = 100_000


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
            made = _made(ctx, source, place)
            packing.publish(place / packing.PACKED, target)
    except OSError as error:
        raise Unavailable(f"The backup could not be made in {folder(ctx)}: {error.strerror}.") from error
    try:
        return _note(ctx, target, reason, made, is_new=True)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _made(ctx: Context, source: Path, place: Path) -> Made:
    """In a server's own process it would keep others waiting; a command or a test has nothing else to do."""
    if "checks" in ctx.registry.status:
        return apart.make(source, place, NEWEST_LINKS)
    return packing.make(source, place, ctx.clock, NEWEST_LINKS)


def _note(ctx: Context, target: Path, reason: str, made: Made, *, is_new: bool) -> Backup:
    with ctx.db.write() as tx:
        kept = store.insert(
            tx,
            target.name.removesuffix(".db.gz"),
            ctx.db.redact(reason)[:LONGEST_REASON],
            size=target.stat().st_size,
            database_bytes=made.database_bytes,
            sha256=made.sha256,
            head=made.contents.head,
            counts=json.dumps(made.contents.counts),
        )
        about = {"backup_id": kept.id, "reason": kept.reason, "bytes": kept.bytes, "sha256": kept.sha256}
        head = {"head_seq": kept.head_seq, "head_hash": kept.head_hash}
        tx.record("backup.snapshot", f"backup/{kept.id}", about | head)
        tx.record("backup.verified", f"backup/{kept.id}", {"backup_id": kept.id, "ok": True, "problem": None})
        if is_new:
            uploading.follow(ctx, kept)
        return kept


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
        head = packing.examine(ctx.clock, opened).head
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
            made = Made(opened.stat().st_size, packing.sha256(path), packing.examine(ctx.clock, opened))
    except (OSError, Unavailable) as error:
        log.warning("%s in the backups is left alone: %s", path.name, error)
        return False
    _note(ctx, path, "found in the folder", made, is_new=False)
    return True


@dataclass(frozen=True, slots=True)
class Present:
    """What the database that a restore replaces can still tell: what a past must not undo."""

    lockdown_reason: str = ""
    """Why it is locked down; "" when it is not."""
    last_event: int = 0
    tokens: Mapping[str, int | None] | None = None
    """The API tokens there are now and when each ends; None where that cannot be told."""
    disabled: frozenset[str] = frozenset()
    """Who may not sign in now."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a restored database's past was ended."""

    sessions: int
    tokens: int
    approvals: int
    tasks: int


def present(ctx: Context) -> Present:
    """What has to outlive a restore of this database."""
    with ctx.db.read() as tx:
        state = lockdown.standing(ctx).state
        reason = (state.lockdown_reason or "no reason was given") if state.lockdown else ""
        return Present(reason, events.head(tx)[0], users.token_ends(tx), _disabled(tx))


def settle_restored(ctx: Context, source: str, now: Present) -> Settled:
    """End what a restored past must not go on with, and begin a new epoch of events. All, or nothing.

    Sessions, open approvals and unfinished tasks end. An API token lives on only where the present still knows it, so
    that none comes back that was revoked meanwhile; who was disabled stays so. A lockdown of the present stays.
    """
    with ctx.db.write() as tx:
        events.begin_epoch(tx, now.last_event)
        if now.lockdown_reason:
            lockdown.lock(ctx, f"{now.lockdown_reason} (kept while a backup was restored)")
        for user_id in now.disabled - _disabled(tx):
            users.set_disabled(tx, user_id, True)
        ended = _end_sessions(tx), _end_tokens(tx, now.tokens or {})
        settled = Settled(*ended, _void_approvals(ctx, tx), _cancel_tasks(ctx, tx))
        tx.record("backup.restore", f"backup/{source}", {"source": source, **dataclasses.asdict(settled)})
    queue.take_back(ctx)  # those that ran when the backup was made end as cancelled
    return settled


def _disabled(tx: Tx) -> frozenset[str]:
    return frozenset(user.id for user in users.newest(tx, MOST_USERS) if user.is_disabled)


def _end_tokens(tx: Tx, good: Mapping[str, int | None]) -> int:
    """Revoke what the present does not know; what it ends sooner, as after a rotation, ends then here too."""
    found = users.token_ends(tx)
    for token_id in found.keys() - good.keys():
        users.delete_token(tx, token_id)
    for token_id in found.keys() & good.keys():
        ends = good[token_id]
        if ends is not None:
            users.set_token_end(tx, token_id, ends)
    return len(found.keys() - good.keys())


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
