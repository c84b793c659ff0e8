"""Durable tasks: what waits, what runs, what failed; and running one here and now.

Usage:
  jarvis task list [--state STATE] [--name NAME] [--limit N]
  jarvis task show ID
  jarvis task run NAME [PAYLOAD]
  jarvis task retry ID...
  jarvis task cancel ID
  jarvis task names

Options:
  --state STATE  queued, running, done, failed or cancelled
  --name NAME    only tasks of this name
  --limit N      how many at most [default: 50]

`run` does the task in this process, or waits for a server that took it first; it exits 1 when it fails.
NAME may be shortened to its last words. PAYLOAD is a JSON object.

Every command also takes --json and --as USER.
"""

import json
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, NotFound, Usage
from jarvis.kernel.registry import TaskHandler
from jarvis.queue import actions, store
from jarvis.queue.store import Task


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `task` command; returns its exit code."""
    ctx = start.context(registry=True)
    ctx.require_admin()
    for name, command in COMMANDS.items():
        if args[name]:
            return command(ctx, args, console) or 0
    return 64


def _list(ctx: Context, args: Arguments, console: Console) -> None:
    state = args["--state"] or ""
    if state and state not in store.STATES:
        raise Usage(f"--state is one of {', '.join(store.STATES)}, not {state!r}.")
    name = _named(ctx, args["--name"]).name if args["--name"] else ""
    with ctx.db.read() as tx:
        tasks = store.newest(tx, state, name, _limit(args["--limit"]))
    rows = [
        (t.id, t.state, t.name, f"{t.attempts}/{t.max_attempts}", _when(t), t.error or t.progress or "") for t in tasks
    ]
    text = console.table(rows, ("id", "state", "name", "attempt", "at", "says"), "No such task.")
    console.answer({"items": [task.as_json() for task in tasks], "next": None}, text)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise Usage("--limit takes a whole number from 1 to 1000.")
    return int(text)


def _when(task: Task) -> str:
    return rfc3339(task.finished_at or task.started_at or task.run_at)


def _show(ctx: Context, args: Arguments, console: Console) -> None:
    with ctx.db.read() as tx:
        task = store.get(tx, _ids(args)[0])
        found = store.attempts(tx, task.seq)
    shown = task.as_json()
    lines = [f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in shown.items() if value not in (None, "")]
    for attempt in found:
        seconds = (attempt.ended_at - attempt.started_at) / 1e6
        said = f": {attempt.error}" if attempt.error else ""
        ended = f"{attempt.outcome} after {seconds:.2f} s{said}"
        lines += ["", f"attempt {attempt.attempt} at {rfc3339(attempt.started_at)}, {ended}"]
        lines += [f"  {line}" for line in attempt.log.splitlines()]
    console.answer(shown | {"attempt_log": [attempt.as_json() for attempt in found]}, "\n".join(lines))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _run(ctx: Context, args: Arguments, console: Console) -> int:
    handler = _named(ctx, args["NAME"])
    if args["PAYLOAD"] is None and not handler.is_runnable_by_hand:
        raise Usage(f"{handler.name} needs a payload: a JSON object as the last argument.")
    task = actions.run_here(
        ctx.traced(), actions.enqueue(ctx.traced(), handler, _payload(args["PAYLOAD"]), priority=actions.BY_HAND)
    )
    is_done = task.state == "done"
    said = json.dumps(json.loads(task.result), ensure_ascii=False) if task.result else ""
    console.answer(task.as_json(), f"{task.name}: {task.state}{'. ' + said if said else ''}")
    if not is_done and not console.is_json:
        console.say(f"jarvis: {task.error or 'it was cancelled'}")
    return 0 if is_done else 1


def _payload(text: str | None) -> dict[str, Any]:
    try:
        payload = json.loads(text or "{}")
    except ValueError as error:
        raise Usage(f"The payload is not valid JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise Usage("The payload must be a JSON object, such as '{}'.")
    return payload


def _named(ctx: Context, name: str) -> TaskHandler:
    """A handler by its name or the last words of it."""
    found = [h for h in ctx.registry.tasks.values() if h.name == name or h.name.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(handler.name for handler in found or ctx.registry.tasks.values()))
    raise NotFound(f"{'Several tasks are' if found else 'There is no task'} called {name}. Names: {names}.")


def _ids(args: Arguments) -> list[str]:
    return args["ID"] if isinstance(args["ID"], list) else [args["ID"]]


def _retry(ctx: Context, args: Arguments, console: Console) -> int:
    done, refused = actions.retry_each(ctx.traced(), _ids(args))
    text = "\n".join(f"{task.id} is queued again." for task in done)
    console.answer({"retried": [task.as_json() for task in done], "refused": refused}, text)
    for line in refused:
        console.say(f"jarvis: {line}")
    return Conflict.exit_code if refused else 0


def _cancel(ctx: Context, args: Arguments, console: Console) -> None:
    task = actions.cancel(ctx.traced(), _ids(args)[0])
    is_over = task.state == "cancelled"
    console.answer(task.as_json(), f"{task.id} {'is cancelled' if is_over else 'will stop as soon as it looks'}.")


def _names(ctx: Context, args: Arguments, console: Console) -> None:
    handlers = sorted(ctx.registry.tasks.values(), key=lambda handler: handler.name)
    rows = [(h.name, "by hand" if h.is_runnable_by_hand else "", h.summary) for h in handlers]
    shown = [{"name": h.name, "summary": h.summary, "by_hand": h.is_runnable_by_hand} for h in handlers]
    console.answer({"items": shown}, console.table(rows, ("name", "", "what it does"), ""))


COMMANDS = {"list": _list, "show": _show, "run": _run, "retry": _retry, "cancel": _cancel, "names": _names}
