"""The scheduler's share of the status: what there is, what waits, and what comes next."""

from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.registry import Refusals, Refused, StatusPart
from jarvis.schedules import store
from jarvis.schedules.store import books

MOST_LOOKED_AT = 200


def backlog(ctx: Context) -> dict[str, Any]:
    """schedules: all there are; due: not dispatched yet; deferred: instants that wait for a restart to end."""
    with ctx.db.read() as tx:
        counts, following = store.backlog(tx), store.next_due_at(tx)
        deferred = books.count_deferred(tx)
    return {
        "schedules": counts.schedules,
        "due": counts.due,
        "deferred": deferred,
        "next_due_at": rfc3339(following) if following is not None else None,
        "paused": counts.paused,
        "set_aside": counts.faulty,
    }


def refused(ctx: Context, since: int) -> list[Refused]:
    """Of each schedule, the instants a lockdown has refused since then."""
    found = []
    with ctx.db.read() as tx:
        for schedule in store.newest(tx, None, MOST_LOOKED_AT):
            for entry in books.newest(tx, schedule.id, 1, outcome="refused"):
                if entry.recorded_at >= since and entry.reason.startswith("lockdown"):
                    told = f"{entry.count} instants" if entry.count > 1 else "1 instant"
                    found.append(
                        Refused("Schedule", schedule.name, told, "scheduler", entry.last_due_at, count=entry.count)
                    )
    return found


REFUSED = (Refusals("schedules", refused),)
STATUS = (StatusPart("scheduler", backlog),)
