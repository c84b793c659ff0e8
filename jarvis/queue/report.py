"""The queue's share of the status and of the metrics."""

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Refusals, Refused, StatusPart
from jarvis.queue import actions, store


def counts(ctx: Context) -> dict[str, int]:
    """How many tasks are queued, running and failed."""
    with ctx.db.read() as tx:
        return store.counts(tx)


def held(ctx: Context, since: int) -> list[Refused]:
    """Work that waits in the queue because of a lockdown."""
    with ctx.db.read() as tx:
        names = actions.held(ctx, tx)
        waiting = [one for one in store.waiting_by_name(tx) if one[0] in names] if names else []
    return [Refused("Task", name, f"{count} held until unlocked", "queue", at, count) for name, count, at in waiting]


REFUSED = (Refusals("tasks", held),)
STATUS = (StatusPart("tasks", counts),)
