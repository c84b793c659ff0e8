"""Copies of the database: make one, list them, check them.

Usage:
  jarvis backup create [REASON]
  jarvis backup list [--limit N]
  jarvis backup verify [BACKUP]

Options:
  --limit N  how many to show [default: 20]

`create` makes a backup here and now, with or without a server, and returns once it has been opened and found good.
`verify` unpacks a backup (the newest when none is named), checks every page and every event, and exits 1 when
anything is wrong with it.

Every command also takes --json and --as USER.
"""

from jarvis.backups import actions, store
from jarvis.backups.store import Backup
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import NotFound, Usage


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `backup` command; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    if args["create"]:
        return _create(ctx, args, console)
    if args["list"]:
        return _list(ctx, args, console)
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
    rows = [(b.id, rfc3339(b.created_at), f"{b.bytes:,}", b.reason, b.problem or "good") for b in found]
    text = console.table(
        rows, ("backup", "made", "bytes", "why", "says"), "No backup yet. Make one: jarvis backup create"
    )
    console.answer([b.as_json() for b in found], text)
    return 0


def _verify(ctx: Context, args: Arguments, console: Console) -> int:
    checked = actions.verify(ctx, args["BACKUP"] or _newest(ctx).id)
    said = checked.problem or f"good, with every event up to {checked.head_seq}"
    console.answer(checked.as_json(), f"{checked.id}: {said}")
    return 1 if checked.problem else 0


def _newest(ctx: Context) -> Backup:
    with ctx.db.read() as tx:
        found = store.newest(tx, 1)
    if not found:
        raise NotFound("There is no backup yet. Make one: jarvis backup create")
    return found[0]
