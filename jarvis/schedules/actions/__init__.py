"""What can be done with schedules: create, change, pause, resume, remove, run now. Check, store, record."""

import json
from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, Denied, Invalid, NotFound, TryAgain, invalid
from jarvis.schedules import cron, payloads, store
from jarvis.schedules.actions import closing
from jarvis.schedules.actions.carrying import Carrier
from jarvis.schedules.running import Situation, prepare
from jarvis.schedules.store import Schedule, books
from jarvis.schedules.store.books import Dispatch
from jarvis.users import store as users


def read(ctx: Context, schedule_id: str) -> Schedule:
    """A schedule of one's own; any for an admin."""
    with ctx.db.read() as tx:
        schedule = store.get(tx, schedule_id)
    if schedule.user_id != ctx.user_id and not ctx.is_admin:
        raise NotFound("There is no such schedule.")
    return schedule


def scope(ctx: Context) -> str | None:
    """Whose schedules one sees: everybody's (None) for an admin, one's own otherwise."""
    return None if ctx.is_admin else ctx.user_id or "nobody"


def create(ctx: Context, given: dict[str, Any], schedule_id: str = "") -> Schedule:
    """Begin a schedule, under the id it had elsewhere if one is given.

    `@every:N` is first due now, a wall-clock rule at its first instant from now on."""
    assert ctx.user_id is not None
    values = _defaults(ctx) | {name: value for name, value in given.items() if name in store.CHANGEABLE}
    values["cron_expr"] = cron.normal(values["cron_expr"])
    payload = payloads.check(ctx, values["payload"])
    with ctx.db.write() as tx:
        _check_thread(ctx, values["thread_id"], ctx.user_id)
        anchor = tx.now // closing.MILLISECOND * closing.MILLISECOND
        cron.check(values["cron_expr"], values["timezone"], anchor)
        first = cron.rule(values["cron_expr"], values["timezone"], anchor).following(anchor - 1)
        assert first is not None
        values |= {"payload": _dump(payload), "name": _name(given.get("name"), payload)}
        schedule_id = schedule_id or ctx.ids.new("sch")
        store.insert(tx, schedule_id, ctx.user_id, values, anchor_at=anchor, next_due_at=first)
        about = {"name": values["name"], "cron_expr": values["cron_expr"], "timezone": values["timezone"]}
        _record(ctx, "schedule.created", schedule_id, about | {"payload": payload})
        if given.get("enabled") is False:
            pause(ctx, schedule_id, given.get("paused_reason") or "")
        return store.get(tx, schedule_id)


def _defaults(ctx: Context) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "thread_id": None,
        "catchup": "all",
        "max_catchup": ctx.settings.scheduler_max_catchup,
        "grace_seconds": ctx.settings.scheduler_grace_seconds,
        "overlap": "skip",
    }


def _dump(payload: dict[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False)


def _name(given: str | None, payload: dict[str, Any]) -> str:
    """The name given, or one that says what it does."""
    text = given if given is not None else payload.get("text") or payload["name"].rpartition(".")[2].replace("_", " ")
    line = " ".join(text.split())
    if not line:
        raise invalid("name", "may not be empty")
    return line if len(line) <= 80 or given is not None else line[:79].rstrip() + "…"


def _check_thread(ctx: Context, thread_id: str | None, owner_id: str) -> None:
    if thread_id is None:
        return
    with ctx.db.read() as tx:
        if store.thread_owner(tx, thread_id) != owner_id:
            raise invalid("thread_id", "is no conversation of the schedule's owner")


def _record(ctx: Context, type: str, schedule_id: str, about: dict[str, Any], thread_id: str | None = None) -> None:
    with ctx.db.write() as tx:
        tx.record(type, f"schedule/{schedule_id}", {"schedule_id": schedule_id, **about}, thread_id=thread_id)


def change(ctx: Context, schedule_id: str, given: dict[str, Any]) -> Schedule:
    """Change some fields. A new rule starts new books; one that was set aside is taken up again."""
    with ctx.db.write() as tx:
        schedule = read(ctx, schedule_id)
        values = _changed(ctx, schedule, given)
        if values or schedule.fault is not None:
            _store_change(ctx, schedule, values)
        if given.get("enabled") is False:
            pause(ctx, schedule_id, given.get("paused_reason") or "")
        elif given.get("enabled") is True:
            resume(ctx, schedule_id)
        return store.get(tx, schedule_id)


def _changed(ctx: Context, schedule: Schedule, given: dict[str, Any]) -> dict[str, Any]:
    """The fields that would differ, checked and as stored."""
    values = {name: value for name, value in given.items() if name in store.CHANGEABLE}
    if "cron_expr" in values:
        values["cron_expr"] = cron.normal(values["cron_expr"])
    if "name" in values:
        values["name"] = _name(values["name"], {})
    if "payload" in values:
        values["payload"] = _dump(_checked_for_owner(ctx, schedule, values["payload"]))
    _check_thread(ctx, values.get("thread_id"), schedule.user_id)
    return {name: value for name, value in values.items() if getattr(schedule, name) != value}


def _checked_for_owner(ctx: Context, schedule: Schedule, payload: dict[str, Any]) -> dict[str, Any]:
    checked = payloads.check(ctx, payload)
    if checked["kind"] == "task":
        with ctx.db.read() as tx:
            owner = users.get(tx, schedule.user_id)
        if owner.role != "admin":
            raise Denied(f"It would run as {owner.username}, who is no admin, and only admins run tasks by name.")
    return checked


def _store_change(ctx: Context, schedule: Schedule, values: dict[str, Any]) -> None:
    with ctx.db.write() as tx:
        is_new_rule = bool({"cron_expr", "timezone"} & set(values)) or schedule.fault is not None
        if is_new_rule:
            expr, zone = (values.get(name, getattr(schedule, name)) for name in ("cron_expr", "timezone"))
            cron.check(expr, zone, tx.now)
            payloads.read(values.get("payload", schedule.payload))
            closing.write_off(ctx, schedule, "the rule was changed before it could run")
        if values:
            store.update(tx, schedule.id, values)
        if is_new_rule:
            closing.begin_era(ctx, store.get(tx, schedule.id))
        was = {name: getattr(schedule, name) for name in values}
        about = {"changed": _told(values), "was": _told(was), "new_books": is_new_rule}
        _record(ctx, "schedule.changed", schedule.id, about)


def _told(values: dict[str, Any]) -> dict[str, Any]:
    try:
        return values | ({"payload": json.loads(values["payload"])} if "payload" in values else {})
    except ValueError:
        return values


def pause(ctx: Context, schedule_id: str, reason: str = "") -> Schedule:
    """Let nothing fall due until resumed. What was due and not run yet is written off. Idempotent."""
    with ctx.db.write() as tx:
        schedule = read(ctx, schedule_id)
        why = " ".join(reason.split())[:500]
        if schedule.is_enabled and schedule.fault is None:
            closing.write_off(ctx, schedule, "paused before it could run")
        if store.set_paused(tx, schedule_id, why, ctx.actor):
            _record(ctx, "schedule.paused", schedule_id, {"name": schedule.name, "reason": why})
        return store.get(tx, schedule_id)


def resume(ctx: Context, schedule_id: str) -> Schedule:
    """Let instants fall due again, from now on. Also takes up what was set aside, when it is well again. Idempotent."""
    with ctx.db.write() as tx:
        schedule = read(ctx, schedule_id)
        if schedule.is_on:
            return schedule
        _check_well(ctx, schedule)
        if schedule.fault is not None:
            closing.begin_era(ctx, schedule)
        else:
            closing.write_off(ctx, schedule, "")
        store.set_resumed(tx, schedule_id)
        was = {"paused_by": schedule.paused_by, "reason": schedule.paused_reason, "fault": schedule.fault}
        _record(ctx, "schedule.resumed", schedule_id, {"name": schedule.name, "was": was})
        return store.get(tx, schedule_id)


def _check_well(ctx: Context, schedule: Schedule) -> None:
    try:
        cron.check(schedule.cron_expr, schedule.timezone, ctx.clock())
        payloads.work_of(ctx, payloads.read(schedule.payload))
    except Invalid as error:
        raise Conflict(f"It cannot be resumed as it is: {error}. Change it first.") from None


def remove(ctx: Context, schedule_id: str) -> None:
    """Delete a schedule and its history; the events stay, and so does work already handed over."""
    with ctx.db.write() as tx:
        schedule = read(ctx, schedule_id)
        totals = books.totals(tx, schedule_id, schedule.era)
        store.delete(tx, schedule_id)
        about = {"name": schedule.name, "cron_expr": schedule.cron_expr, "totals": totals}
        _record(ctx, "schedule.removed", schedule_id, about)


def run_now(ctx: Context, schedule_id: str) -> Dispatch:
    """Do once, now, what it does when due; no instant of the rule is used up. Raises Conflict when it may not."""
    with ctx.db.write() as tx:
        schedule = read(ctx, schedule_id)
        situation = Situation.read(tx, [schedule])
        if schedule.fault is not None:
            raise Conflict(f"It was set aside: {schedule.fault}")
        ready = prepare(ctx, schedule, situation)
        if ready.refusal:
            raise Conflict(f"It may not run: {ready.refusal}.")
        if situation.is_restarting:
            raise TryAgain("Restarting: try again in a moment.", retry_after_seconds=5)
        if ready.is_busy:
            raise Conflict("Its last run has not ended yet.")
        carrier = Carrier(ctx, tx)
        dispatch_id, task_id = carrier.dispatch(ready, "dispatched", tx.now, is_by_hand=True)
        store.set_last_task(tx, schedule_id, task_id)
        carrier.record()
        found = books.find(tx, dispatch_id)
        assert found is not None
        return found


def adopt_thread(ctx: Context, schedule_id: str, thread_id: str) -> None:
    """Remember the conversation a schedule writes in from now on."""
    with ctx.db.write() as tx:
        read(ctx, schedule_id)
        store.set_thread(tx, schedule_id, thread_id)
