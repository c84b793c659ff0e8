"""Change Jarvis itself: propose a patch, prove it, approve it.

Usage:
  jarvis selfupdate propose FILE --rationale TEXT --evidence FILE
  jarvis selfupdate validate ID
  jarvis selfupdate test ID [--without-sandbox]
  jarvis selfupdate approve ID [--code CODE]
  jarvis selfupdate reject ID [REASON...]
  jarvis selfupdate apply ID [--wait]
  jarvis selfupdate rollback ID [--wait]
  jarvis selfupdate drill
  jarvis selfupdate list [--limit N]
  jarvis selfupdate show ID

Options:
  --rationale TEXT  what it changes and why; the first line is its title
  --evidence FILE   JSON with failure, prediction, falsifier, files and tests
  --without-sandbox  run the candidate with all the rights of Jarvis, where no cage works
  --code CODE       the unlock code, which a protected patch needs to be approved
  --wait            stay until it is verified or taken back, and exit 1 unless that is what was asked for
  --limit N         how many to show [default: 20]

FILE is a unified diff, - for standard input. ID is the upd_ id or the trace id. A step out of order exits 65 and names
the next one. `validate` exits 1 when it is rejected, `test` when it fails. `test` runs here, or in the server that
takes it first, and needs an archive: python3 jarvis.pyz selfupdate test ID. `apply` and `rollback` are done by the
server: it restarts into the other archive. `drill` tries a harmless and a broken update on a copy of this
installation, and the way back from both.

Every command also takes --json and --as USER.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Malformed, NotFound, Usage, invalid
from jarvis.kernel.registry import TaskRun
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.queue.store import Task
from jarvis.selfupdate import states, store
from jarvis.selfupdate.actions import applying, approving, drills, moving, proposing, testing, validating
from jarvis.selfupdate.store import Move, Update

EXCERPT = 400
PATIENCE_SECONDS, LOOK_SECONDS = 180.0, 0.25


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `selfupdate` command; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    for name, command in COMMANDS.items():
        if args[name]:
            return command(ctx, args, console)
    return 64


def _propose(ctx: Context, args: Arguments, console: Console) -> int:
    patch, evidence = _read(args["FILE"]), _json(_read(args["--evidence"]))
    made = proposing.propose(ctx, patch, args["--rationale"], evidence)
    console.answer(made.as_json(), f"Proposed: {made.id}\n  next: jarvis selfupdate validate {made.id}")
    return 0


def _read(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise NotFound(f"{name} cannot be read: {error.strerror}.") from None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{name} is not UTF-8.") from None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Malformed(f"The evidence is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise invalid("evidence", "must be an object")
    return found


def _validate(ctx: Context, args: Arguments, console: Console) -> int:
    update = validating.validate(ctx, args["ID"])
    return _answer(ctx, update.id, console, ok=update.state == states.VALIDATED)


def _test(ctx: Context, args: Arguments, console: Console) -> int:
    task = queue.run_here(ctx, testing.ask(ctx, args["ID"], is_uncaged=args["--without-sandbox"]))
    with ctx.db.read() as tx:
        update = store.get(tx, args["ID"])
    if task.state != "done" and task.error:
        console.say(f"jarvis: {task.error}")
    return _answer(ctx, update.id, console, ok=update.state == states.TESTED)


def _answer(ctx: Context, update_id: str, console: Console, *, ok: bool) -> int:
    with ctx.db.read() as tx:
        update = store.get(tx, update_id)
        history = store.moves(tx, update.id)
    console.answer(update.as_json(), "\n".join(_lines(update, history)))
    return 0 if ok else 1


def _approve(ctx: Context, args: Arguments, console: Console) -> int:
    update = approving.approve(ctx, args["ID"], args["--code"] or "")
    until = rfc3339(update.expires_at or 0)
    told = f"Approved until {until}, for exactly these bytes.\n  next: jarvis selfupdate apply {update.id}"
    console.answer(update.as_json(), told)
    return 0


def _reject(ctx: Context, args: Arguments, console: Console) -> int:
    update = moving.reject(ctx, args["ID"], " ".join(args["REASON"]))
    console.answer(update.as_json(), f"Rejected: {update.id}")
    return 0


def _list(ctx: Context, args: Arguments, console: Console) -> int:
    if not args["--limit"].isdecimal() or not 1 <= int(args["--limit"]) <= 200:
        raise Usage("--limit takes a whole number from 1 to 200.")
    with ctx.db.read() as tx:
        found = store.newest(tx, int(args["--limit"]))
    rows = [(u.id, u.state, u.next_step or "–", rfc3339(u.changed_at), u.title) for u in found]
    text = console.table(rows, ("update", "state", "next", "changed", "title"), "Nothing has been proposed yet.")
    console.answer({"items": [u.as_json() for u in found], "next": None}, text)
    return 0


def _show(ctx: Context, args: Arguments, console: Console) -> int:
    with ctx.db.read() as tx:
        update = store.get(tx, args["ID"])
        history = store.moves(tx, update.id)
    shown = {**update.as_json(), "history": [move.as_json() for move in history]}
    console.answer(shown, "\n".join(_lines(update, history)))
    return 0


def _lines(update: Update, history: list[Move]) -> list[str]:
    lines = [update.title, f"  {update.id}, trace {update.trace_id}, {update.state}"]
    lines += [f"  {rfc3339(m.at)}  {m.state}  by {m.by}{f': {m.detail}' if m.detail else ''}" for m in history]
    checks = sorted(update.checks_of().items(), key=lambda item: item[1].get("order", 0))
    lines += [f"  {'ok  ' if check['ok'] else 'FAIL'}  {name}: {check['detail'][:EXCERPT]}" for name, check in checks]
    lines += [f"  protected: {why}" for why in update.why_protected()]
    lines += [f"  error: {update.error}"] if update.error else []
    return lines + ([f"  next: jarvis selfupdate {update.next_step} {update.id}"] if update.next_step else [])


def _apply(ctx: Context, args: Arguments, console: Console) -> int:
    return _asked(ctx, args, console, applying.ask_apply(ctx, args["ID"]), states.VERIFIED)


def _rollback(ctx: Context, args: Arguments, console: Console) -> int:
    return _asked(ctx, args, console, applying.ask_rollback(ctx, args["ID"]), states.ROLLED_BACK)


def _asked(ctx: Context, args: Arguments, console: Console, task: Task, wanted: str) -> int:
    if not args["--wait"]:
        told = f"The server is at it: {task.id}\n  next: jarvis selfupdate show {args['ID']}"
        console.answer({"task_id": task.id}, told)
        return 0
    update = _settled(ctx, args["ID"], task.id)
    why = f": {update.error}" if update.error else ""
    console.answer({"task_id": task.id, **update.as_json()}, f"{update.id} is {update.state.replace('_', ' ')}{why}")
    return 0 if update.state == wanted else 1


def _settled(ctx: Context, reference: str, task_id: str) -> Update:
    """The update once its task is over and nothing is on its way, or when patience is at an end."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        with ctx.db.read() as tx:
            update, task = store.get(tx, reference), tasks.get(tx, task_id)
        is_on_its_way = update.state == states.APPLIED or (update.state == states.VERIFIED and _goes_back(update, task))
        is_over = task.state not in ("queued", "running") and not is_on_its_way
        if is_over or time.monotonic() > end:
            return update
        time.sleep(LOOK_SECONDS)


def _goes_back(update: Update, task: Task) -> bool:
    return task.name == applying.ROLLBACK and task.state != "failed"


def _drill(ctx: Context, args: Arguments, console: Console) -> int:
    run = TaskRun("", 1, {}, lambda: False, console.say)
    report = drills.hold(ctx, run)
    console.answer(report, f"The drill went well in {report['seconds']} s." if report["ok"] else report["problem"])
    return 0 if report["ok"] else 1


COMMANDS = {
    "propose": _propose,
    "validate": _validate,
    "test": _test,
    "approve": _approve,
    "reject": _reject,
    "apply": _apply,
    "rollback": _rollback,
    "drill": _drill,
    "list": _list,
    "show": _show,
}
