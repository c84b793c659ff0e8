"""The loop that watches the clock for schedules."""

from dataclasses import dataclass, field

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop
from jarvis.kernel.wake import Ear
from jarvis.schedules import store
from jarvis.schedules.actions import dispatching
from jarvis.schedules.store import books

KEEP_SECONDS = 90 * 86_400
PRUNE_EVERY_SECONDS = 600
PRUNE_ROWS = 500
GATHER_SECONDS = 0.05


@dataclass(slots=True)
class Scheduler:
    """Makes a pass whenever something is due; told of changes by commits, and never away longer than a tick."""

    ctx: Context
    ear: Ear = field(init=False)
    _prune_at: int = 0

    def __post_init__(self) -> None:
        self.ear = Ear(self.ctx.db.wake, GATHER_SECONDS)

    def step(self) -> bool:
        """One pass over what is due; always rests afterwards, until the next instant at the latest."""
        self.ear.seen = self.ctx.db.wake.count  # before looking, so that nothing slips in between
        dispatching.tick(self.ctx)
        self._prune()
        return False

    def rest(self, seconds: float) -> None:
        """Wait for the next instant, for a commit, or for so many seconds."""
        self.ear.wait(self.pause(seconds))

    def pause(self, seconds: float) -> float:
        """How long nothing is due, and no longer than so many seconds."""
        with self.ctx.db.read() as tx:
            due, now = store.next_due_at(tx), tx.now
        return seconds if due is None else max(0.0, min(seconds, (due - now) / SECOND))

    def _prune(self) -> None:
        now = self.ctx.clock()
        if now < self._prune_at and self._prune_at - now <= PRUNE_EVERY_SECONDS * SECOND:
            return
        self._prune_at = now + PRUNE_EVERY_SECONDS * SECOND
        with self.ctx.db.write() as tx:
            books.prune(tx, now - KEEP_SECONDS * SECOND, PRUNE_ROWS)


def loops(ctx: Context) -> list[Loop]:
    """The scheduler, resting SCHEDULER_TICK_SECONDS at most."""
    scheduler = Scheduler(ctx)
    return [Loop("scheduler", scheduler.step, float(ctx.settings.scheduler_tick_seconds), scheduler.rest)]
