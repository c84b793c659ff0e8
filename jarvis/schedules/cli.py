"""Schedules, on the database itself.

Usage:
  jarvis schedule list
  jarvis schedule show WHICH
  jarvis schedule add CRON (--prompt TEXT | --task NAME) [--args JSON] [--paused] [options]
  jarvis schedule set WHICH [--cron CRON] [--prompt TEXT | --task NAME] [--args JSON] [options]
  jarvis schedule pause WHICH [--reason TEXT]
  jarvis schedule resume WHICH
  jarvis schedule run WHICH
  jarvis schedule remove WHICH
  jarvis schedule dispatches WHICH [--count N]
  jarvis schedule tick

Options:
  --prompt TEXT     ask this, as if it were typed in the chat
  --task NAME       run a task by its public name (admin)
  --args JSON       what the task is given
  --cron CRON       @every:SECONDS, five fields such as "30 7 * * 1-5", or @hourly, @daily, @weekly, …
  --name NAME       what it is called
  --timezone ZONE   whose wall clock counts [default of add: UTC]
  --thread ID       the conversation it writes in; without it, one of its own
  --catchup WHICH   what it missed is made up for: all, latest or skip
  --max-catchup N   and so many at most
  --grace SECONDS   and no later than this
  --overlap HOW     while the last run goes on: skip, queue or allow
  --reason TEXT     why it is paused
  --paused          begin paused
  --count N         how many dispatches [default: 20]

WHICH is an id or a name. `tick` gives everything that is due its outcome now, whether or not a server runs.
Every command also takes --json and --as USER.
"""

import json
from typing import Any

from jarvis.kernel import schema
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Usage
from jarvis.schedules import actions, fields, store, tools, wording
from jarvis.schedules.actions import dispatching
from jarvis.schedules.store import Schedule, books


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `schedule` command; returns its exit code."""
    ctx = start.context(registry=True)
    for name, command in _COMMANDS.items():
        if args[name]:
            command(ctx, args, console)
    return 0


def _list(ctx: Context, args: Arguments, console: Console) -> None:
    with ctx.db.read() as tx:
        found = store.newest(tx, actions.scope(ctx), 10_000)
    rows = [(s.name, s.cron_expr, s.timezone, _state(s), _next(s), s.id) for s in found]
    empty = 'No schedules. Begin one: jarvis schedule add "30 7 * * 1-5" --prompt "How is the disk?"'
    text = console.table(rows, ("name", "when", "zone", "state", "next", "id"), empty)
    console.answer({"items": [schedule.as_json() for schedule in found], "next": None}, text)


def _state(schedule: Schedule) -> str:
    if schedule.fault is not None:
        return f"set aside: {schedule.fault}"
    if not schedule.is_enabled:
        return f"paused by {schedule.paused_by}" + (f": {schedule.paused_reason}" if schedule.paused_reason else "")
    return "on"


def _next(schedule: Schedule) -> str:
    return rfc3339(schedule.next_due_at) if schedule.is_on and schedule.next_due_at is not None else "-"


def _show(ctx: Context, args: Arguments, console: Console) -> None:
    _answer(console, tools.find(ctx, args["WHICH"]), "")


def _answer(console: Console, schedule: Schedule, done: str) -> None:
    when = "" if schedule.fault else wording.in_words(schedule.cron_expr, schedule.timezone)
    lines = [done] if done else []
    lines += [
        f"{schedule.name} ({schedule.id})",
        f"  when:     {schedule.cron_expr}" + (f" ({when})" if when else ""),
        f"  state:    {_state(schedule)}",
        f"  next:     {_next(schedule)}",
        f"  does:     {_does(schedule)}",
        f"  missed:   catch up {schedule.catchup}, at most {schedule.max_catchup},"
        f" no later than {wording.span(schedule.grace_seconds)}; overlap {schedule.overlap}",
    ]
    console.answer(schedule.as_json(), "\n".join(lines))


def _does(schedule: Schedule) -> str:
    payload = schedule.as_json()["payload"]
    return f"runs {payload['name']}" if payload.get("kind") == "task" else f"asks: {payload.get('text', '')}"


def _add(ctx: Context, args: Arguments, console: Console) -> None:
    given = _given(args) | {"cron_expr": args["CRON"], "enabled": not args["--paused"]}
    if args["--reason"]:
        given["paused_reason"] = args["--reason"]
    schedule = actions.create(ctx, schema.check(fields.CREATE, given))
    _answer(console, schedule, "Begun.")


def _set(ctx: Context, args: Arguments, console: Console) -> None:
    given = _given(args) | ({"cron_expr": args["--cron"]} if args["--cron"] else {})
    if not given:
        raise Usage("Say what to change, such as --cron or --prompt. See: jarvis schedule --help")
    schedule = tools.find(ctx, args["WHICH"])
    _answer(console, actions.change(ctx, schedule.id, schema.check(fields.CHANGE, given)), "Changed.")


def _given(args: Arguments) -> dict[str, Any]:
    plain = {"name": "--name", "timezone": "--timezone", "thread_id": "--thread", "catchup": "--catchup"}
    plain |= {"overlap": "--overlap"}
    given: dict[str, Any] = {name: args[option] for name, option in plain.items() if args[option] is not None}
    for name, option in (("max_catchup", "--max-catchup"), ("grace_seconds", "--grace")):
        if args[option] is not None:
            given[name] = _number(option, args[option])
    if args["--prompt"] is not None:
        given["payload"] = {"kind": "prompt", "text": args["--prompt"]}
    elif args["--task"] is not None:
        given["payload"] = {"kind": "task", "name": args["--task"], "args": _object(args["--args"])}
    return given


def _number(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Usage(f"{option} takes a whole number, not {text!r}.")
    return int(text)


def _object(text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError as error:
        raise Usage(f"--args is no JSON: {error}.") from None


def _pause(ctx: Context, args: Arguments, console: Console) -> None:
    schedule = actions.pause(ctx, tools.find(ctx, args["WHICH"]).id, args["--reason"] or "")
    console.answer(schedule.as_json(), f"{schedule.name} is paused: nothing falls due until it is resumed.")


def _resume(ctx: Context, args: Arguments, console: Console) -> None:
    schedule = actions.resume(ctx, tools.find(ctx, args["WHICH"]).id)
    console.answer(schedule.as_json(), f"{schedule.name} is on, next at {_next(schedule)}.")


def _run(ctx: Context, args: Arguments, console: Console) -> None:
    dispatch = actions.run_now(ctx, tools.find(ctx, args["WHICH"]).id)
    console.answer(dispatch.as_json(), f"In the queue as {dispatch.task_id}; a running server does it.")


def _remove(ctx: Context, args: Arguments, console: Console) -> None:
    schedule = tools.find(ctx, args["WHICH"])
    actions.remove(ctx, schedule.id)
    console.answer({"id": schedule.id, "removed": True}, f"{schedule.name} and its history are removed.")


def _dispatches(ctx: Context, args: Arguments, console: Console) -> None:
    schedule, count = tools.find(ctx, args["WHICH"]), _number("--count", args["--count"])
    with ctx.db.read() as tx:
        found = books.newest(tx, schedule.id, count + 1)
    rows = [(rfc3339(d.due_at), d.outcome, str(d.count), d.state or "-", d.reason or "-", d.id) for d in found[:count]]
    text = console.table(rows, ("due", "outcome", "count", "work", "why", "id"), "Nothing has fallen due yet.")
    following = str(found[count - 1].seq) if len(found) > count > 0 else None
    console.answer({"items": [dispatch.as_json() for dispatch in found[:count]], "next": following}, text)


def _tick(ctx: Context, args: Arguments, console: Console) -> None:
    ctx.require_admin()
    done = dispatching.tick(ctx).as_json()
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.items() if count)
    console.answer(done, told or "Nothing was due.")


_COMMANDS = {
    "list": _list, "show": _show, "add": _add, "set": _set, "pause": _pause, "resume": _resume, "run": _run,
    "remove": _remove, "dispatches": _dispatches, "tick": _tick,
}  # fmt: skip
