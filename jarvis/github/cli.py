"""GitHub: what is missing in the set-up, and what was delivered.

Usage:
  jarvis github check
  jarvis github deliveries [--state STATE] [--limit N]

Options:
  --state STATE  waiting, accepted, ignored or failed
  --limit N      how many at most [default: 20]

`check` asks GitHub what the token may do, scope by scope, changes nothing there, and exits 1 when something is
missing that is needed.

Every command also takes --json and --as USER.
"""

from jarvis.github.actions import checks
from jarvis.github.store import deliveries as store
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Usage

MARKS = {checks.OK: "ok", checks.WARNING: "warning", checks.ERROR: "ERROR"}


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `github` command; returns its exit code."""
    ctx = start.context().traced()
    ctx.require_admin()
    return _check(ctx, console) if args["check"] else _deliveries(ctx, args, console)


def _check(ctx: Context, console: Console) -> int:
    found = checks.check(ctx)
    lines = []
    for finding in found:
        lines.append(f"{MARKS[finding.severity]:8} {finding.id}: {finding.message}")
        if finding.fix:
            lines.append(f"{'':8} → {finding.fix}")
    is_ok = all(finding.severity != checks.ERROR for finding in found)
    lines.append("Nothing is missing that is needed." if is_ok else "Something is missing; the arrows say what to do.")
    console.answer({"ok": is_ok, "findings": [finding.as_json() for finding in found]}, "\n".join(lines))
    return 0 if is_ok else 1


def _deliveries(ctx: Context, args: Arguments, console: Console) -> int:
    state, limit = args["--state"] or "", args["--limit"]
    if state not in ("", *store.STATES):
        raise Usage(f"--state takes {', '.join(store.STATES)}.")
    if not limit.isdecimal() or not 1 <= int(limit) <= 200:
        raise Usage("--limit takes a whole number from 1 to 200.")
    with ctx.db.read() as tx:
        found = store.newest(tx, state, int(limit))
    rows = [(d.id, rfc3339(d.received_at), d.name, d.repo, d.state, d.task_id or d.reason) for d in found]
    empty = "GitHub has not delivered anything yet. See docs/github.md, or run: jarvis github check"
    console.answer(
        {"items": [d.as_json() for d in found], "next": None},
        console.table(rows, ("delivery", "received", "event", "repository", "state", "caused"), empty),
    )
    return 0
