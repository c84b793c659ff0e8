"""Schedules for the assistant: looking is offered to everybody, changing is for the policy to allow."""

from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, NotFound
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.schedules import accounts, actions, fields, store, upcoming, wording
from jarvis.schedules.store import Schedule, books

MOST = 200
NEXT_INSTANTS = 5
RECENT = 10
WHICH = Field(kind="string", is_required=True, shortest=1, longest=fields.LONGEST_NAME, help="Its id, or its name.")


def _list(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    with ctx.db.read() as tx:
        found = store.newest(tx, actions.scope(ctx), MOST)
        return {"schedules": [_told(schedule) | {"last_run": _last_run(tx, schedule)} for schedule in found]}


def _show(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    schedule = find(ctx, arguments["schedule"])
    with ctx.db.read() as tx:
        recent = books.newest(tx, schedule.id, RECENT)
    following = [rfc3339(at) for at in upcoming.instants(schedule, ctx.clock(), NEXT_INSTANTS)]
    return {
        "schedule": _told(schedule),
        "next": following,
        "dispatches": [dispatch.as_json() for dispatch in recent],
        "balance": accounts.balance(ctx, schedule.id).as_json(),
    }


def find(ctx: Context, which: str) -> Schedule:
    """The one schedule of this id or name; raises NotFound, or Conflict when it could be several."""
    with ctx.db.read() as tx:
        found = store.named(tx, actions.scope(ctx), which.strip(), 6)
    exact = [s for s in found if which.strip().lower() in (s.id.lower(), s.name.lower())]
    if len(exact) == 1 or len(found) == 1:
        return (exact or found)[0]
    if not found:
        raise NotFound(f"There is no schedule called {which.strip()[:60]!r}.")
    names = ", ".join(f"{s.name} ({s.id})" for s in found[:5])
    raise Conflict(f"{which.strip()[:60]!r} could be any of {names}.")


def _told(schedule: Schedule) -> dict[str, Any]:
    words = {} if schedule.fault else {"in_words": wording.in_words(schedule.cron_expr, schedule.timezone)}
    return schedule.as_json() | words


def _last_run(tx: Tx, schedule: Schedule) -> dict[str, Any] | None:
    work = books.last_work(tx, schedule.last_task_id) if schedule.last_task_id else None
    if work is None:
        return None
    finished = rfc3339(work.finished_at) if work.finished_at else None
    return {"state": work.state, "error": work.error, "finished_at": finished}


def _create(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in arguments.items() if name in fields.CREATE}
    return {"schedule": _told(actions.create(ctx, given))}


def _pause(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    schedule = find(ctx, arguments["schedule"])
    return {"schedule": _told(actions.pause(ctx, schedule.id, arguments.get("reason") or ""))}


def _resume(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"schedule": _told(actions.resume(ctx, find(ctx, arguments["schedule"]).id))}


def _run(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"dispatch": actions.run_now(ctx, find(ctx, arguments["schedule"]).id).as_json()}


def _remove(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    schedule = find(ctx, arguments["schedule"])
    actions.remove(ctx, schedule.id)
    return {"removed": _told(schedule)}


ONE = {"schedule": WHICH}
TOOLS = (
    Tool("schedules.list", "Schedules: what runs when, what is next, what is paused, how it went.", {}, "read", _list),
    Tool("schedules.show", "One schedule with its next instants, last dispatches and totals.", ONE, "read", _show),
    Tool("schedules.create", "Begin a schedule.", fields.CREATE, "write", _create),
    Tool("schedules.pause", "Pause a schedule.", {**ONE, "reason": fields.REASON}, "write", _pause),
    Tool("schedules.resume", "Resume a paused schedule.", ONE, "write", _resume),
    Tool("schedules.run", "Run a schedule once, now.", ONE, "write", _run),
    Tool("schedules.remove", "Remove a schedule with its history.", ONE, "write", _remove),
)
