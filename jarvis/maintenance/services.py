"""What the server does about maintenance by itself: runs when due, a heartbeat, and forgetting."""

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop
from jarvis.maintenance import actions, store

TICK_SECONDS = 1.0
PRUNE_SECONDS = 3600.0


class Upkeep:
    """Looks once a second whether something is due; the database is only asked when it may be."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._run_at = self._beat_at = 0

    def step(self) -> bool:
        """Do what is due now; always False, as there is never more to do at once."""
        now = self._ctx.clock()
        if now >= self._beat_at:
            self._beat(now)
        if self._ctx.settings.maintenance_interval_seconds and now >= self._run_at:
            self._dispatch(now)
        return False

    def _beat(self, now: int) -> None:
        every = self._ctx.settings.maintenance_heartbeat_interval_seconds * SECOND
        with self._ctx.db.read() as tx:
            due = actions.due_at(store.memory(tx).beat_at, every, now)
        if due <= now:
            actions.beat(self._ctx.traced())
            due = now + every
        self._beat_at = due

    def _dispatch(self, now: int) -> None:
        every = self._ctx.settings.maintenance_interval_seconds * SECOND
        with self._ctx.db.read() as tx:
            due = actions.due_at(store.memory(tx).dispatched_at, every, now)
        if due <= now:
            if self._ctx.settings.maintenance_commands:
                actions.dispatch(self._ctx.traced())
            due = now + every
        self._run_at = due


def loops(ctx: Context) -> list[Loop]:
    """The services of this feature; without MAINTENANCE_ENABLED only the one that forgets."""
    forgetting = Loop("maintenance-retention", lambda: actions.prune(ctx) > 0, PRUNE_SECONDS)
    if not ctx.settings.maintenance_enabled:
        return [forgetting]
    return [Loop("maintenance", Upkeep(ctx).step, TICK_SECONDS), forgetting]
