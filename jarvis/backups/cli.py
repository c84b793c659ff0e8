"""Copies of the database: make one, list them, check them, keep them elsewhere, try them out.

Usage:
  jarvis backup create [REASON]
  jarvis backup list [--limit N]
  jarvis backup verify [BACKUP]
  jarvis backup upload [BACKUP]
  jarvis backup drill

Options:
  --limit N  how many to show [default: 20]

`create` makes a backup here and now, with or without a server, and returns once it has been opened and found good.
`verify` unpacks a backup (the newest when none is named), checks every page and every event, and exits 1 when
anything is wrong with it. `upload` encrypts one (the newest when none is named) with BACKUP_ENCRYPT_COMMAND and puts it
into the bucket of BACKUP_S3_BUCKET here and now; a server does that by itself after each backup.
`drill` restores the newest into a home of its own, serves it from there, locked down, and compares; exits 1 when
anything was missing. What runs is not touched.

Every command also takes --json and --as USER.
"""

from jarvis.backups import actions, store
from jarvis.backups.actions import drills, uploading
from jarvis.backups.store import Backup
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import NotFound, Usage
from jarvis.kernel.registry import TaskRun


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `backup` command; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    if args["create"]:
        return _create(ctx, args, console)
    if args["list"]:
        return _list(ctx, args, console)
    if args["drill"]:
        return _drill(ctx, console)
    if args["upload"]:
        return _upload(ctx, args, console)
    return _verify(ctx, args, console)


def _create(ctx: Context, args: Arguments, console: Console) -> int:
    made = actions.snapshot(ctx, args["REASON"] or "asked for")
    actions.prune(ctx)
    path = actions.path_of(ctx, made)
    console.answer(made.as_json(), f"Backed up and checked: {path} ({made.bytes:,} bytes)")
    return 0


def _list(ctx: Context, args: Arguments, console: Console) -> int:
    if not args["--limit"].isdecimal() or not 1 <= int(args["--limit"]) <= 200:
        raise Usage("--limit takes a whole number from 1 to 200.")
    with ctx.db.read() as tx:
        found = store.newest(tx, int(args["--limit"]))
    rows = [(b.id, rfc3339(b.created_at), f"{b.bytes:,}", b.reason, b.problem or _kept(b)) for b in found]
    text = console.table(
        rows, ("backup", "made", "bytes", "why", "says"), "No backup yet. Make one: jarvis backup create"
    )
    console.answer({"items": [b.as_json() for b in found], "next": None}, text)
    return 0


def _kept(backup: Backup) -> str:
    return "good, also elsewhere" if backup.uploaded_at is not None else "good"


def _verify(ctx: Context, args: Arguments, console: Console) -> int:
    checked = actions.verify(ctx, args["BACKUP"] or _newest(ctx).id)
    said = checked.problem or f"good, with every event up to {checked.head_seq}"
    console.answer(checked.as_json(), f"{checked.id}: {said}")
    return 1 if checked.problem else 0


def _upload(ctx: Context, args: Arguments, console: Console) -> int:
    sent = uploading.upload(ctx, args["BACKUP"] or _newest(ctx).id)
    how = "encrypted" if ctx.settings.backup_encrypt_command else "NOT encrypted"
    console.answer(sent.as_json(), f"Uploaded, {how}: {sent.upload_key}")
    return 0


def _drill(ctx: Context, console: Console) -> int:
    here = TaskRun("", 1, {}, lambda: False, lambda said: None)
    ctx.registry.tasks[drills.TASK].run(ctx, here)
    with ctx.db.read() as tx:
        (held,) = store.newest_drills(tx, 1)
    said = held.problem or (
        f"restored in {held.restore_ms / 1000:.1f} s, ready {held.ready_ms / 1000:.1f} s after its start;"
        f" {held.row_count:,} rows, {held.events:,} events, nothing missing"
    )
    console.answer(held.as_json(), f"{held.backup_id}: {said}")
    return 1 if held.problem else 0


def _newest(ctx: Context) -> Backup:
    with ctx.db.read() as tx:
        found = store.newest(tx, 1)
    if not found:
        raise NotFound("There is no backup yet. Make one: jarvis backup create")
    return found[0]
