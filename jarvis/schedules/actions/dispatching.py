"""The pass over what is due: each instant gets its outcome, in short writes, however many processes race."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import apsw

from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import JarvisError
from jarvis.schedules import store
from jarvis.schedules.actions import closing
from jarvis.schedules.actions.carrying import Carrier
from jarvis.schedules.deciding import Decision, decide, fate
from jarvis.schedules.instants import MOST_SHIFT
from jarvis.schedules.running import Situation, prepare
from jarvis.schedules.store import Schedule, books

log = logging.getLogger(__name__)

BATCH = 250
"""Schedules settled in one write: some 50 ms."""
MOST_BATCHES = 1000
ACTOR = "scheduler"
SET_BACK = MOST_SHIFT * SECOND
"""A clock set back by more than this starts new books, as cron(8) takes it; by less, it is waited out."""


@dataclass(slots=True)
class Report:
    """What one pass did: instants by outcome, and schedules that were set aside or got new books."""

    outcomes: dict[str, int] = field(default_factory=dict)
    set_aside: int = 0
    rewound: int = 0

    def add(self, outcomes: dict[str, int]) -> None:
        for name, count in outcomes.items():
            self.outcomes[name] = self.outcomes.get(name, 0) + count

    def as_json(self) -> dict[str, int]:
        shown = {name: self.outcomes.get(name, 0) for name in books.OUTCOMES if name != "paused"}
        return shown | {"set_aside": self.set_aside, "rewound": self.rewound}


def tick(ctx: Context) -> Report:
    """Give every instant that is due by now its outcome. Any number may run at once, in any process."""
    scheduler = ctx.acting(actor=ACTOR, user_id=None, username="", role="")
    tick = Tick(scheduler, ctx.clock())
    for work in (tick.rewind, tick.release, tick.settle):
        for _ in range(MOST_BATCHES):
            if not work():
                break
    return tick.report


@dataclass(frozen=True, slots=True)
class Tick:
    """One pass. Each method works on one batch in one write and says whether there may be more."""

    ctx: Context
    began: int
    report: Report = field(default_factory=Report)

    def rewind(self) -> bool:
        """New books for what is ahead of a clock set back by hours: it would be silent for as long."""
        with self.ctx.db.read() as tx:
            if not store.ahead(tx, self.began + SET_BACK, 1):
                return False
        with self.ctx.db.write() as tx:
            found = store.ahead(tx, tx.now + SET_BACK, BATCH)
            for schedule in found:
                self._guarded(schedule, self._start_anew)
        return len(found) == BATCH

    def release(self) -> bool:
        """Let go what waited for a restart to end."""
        with self.ctx.db.read() as tx:
            if not books.deferred(tx, 1) or Situation.read(tx, []).is_restarting:
                return False
        with self.ctx.db.write() as tx:
            waiting = books.deferred(tx, BATCH)
            if Situation.read(tx, []).is_restarting:
                return False
            for schedule_id in dict.fromkeys(item.schedule_id for item in waiting):
                self._guarded(store.get(tx, schedule_id), self._release_one)
        return len(waiting) == BATCH

    def settle(self) -> bool:
        """Give what is due its outcome."""
        with self.ctx.db.read() as tx:
            if not store.is_due(tx, self.began):
                return False
        before = self.report.set_aside
        try:
            return self._settle_batch()
        except apsw.ConstraintError:  # somebody's books contradict themselves: find out whose
            self.report.set_aside = before
            return self._settle_each()

    def _settle_batch(self) -> bool:
        """All in one transaction without a savepoint around: that would copy every page it touches."""
        with self.ctx.db.write() as tx:
            due, decisions = self._due(tx)
            carrier = Carrier(self.ctx, tx)
            carrier.carry_out(decisions)
        self.report.add(carrier.outcomes)
        return len(due) == BATCH

    def _settle_each(self) -> bool:
        """One by one, each within a savepoint."""
        with self.ctx.db.write() as tx:
            due, decisions = self._due(tx)
            for decision in decisions:
                self._guarded(decision.ready.schedule, self._carrying_out(decision))
        return len(due) == BATCH

    def _due(self, tx: Tx) -> tuple[list[Schedule], list[Decision]]:
        due = store.due(tx, self.began, BATCH)
        situation = Situation.read(tx, due)
        return due, [found for each in due if (found := self._decided(tx, each, situation)) is not None]

    def _decided(self, tx: Tx, schedule: Schedule, situation: Situation) -> Decision | None:
        """What to do, or None for a row that had to be set aside."""
        found: list[Decision] = []

        def think(schedule: Schedule) -> None:
            waiting = books.count_deferred(tx, schedule.id) if situation.is_restarting else 0
            found.append(decide(prepare(self.ctx, schedule, situation), situation, waiting))

        self._minding(schedule, think)
        return found[0] if found else None

    def _carrying_out(self, decision: Decision) -> Callable[[Schedule], None]:
        def carry_out(schedule: Schedule) -> None:
            with self.ctx.db.write() as tx:
                carrier = Carrier(self.ctx, tx)
                carrier.carry_out([decision])
            self.report.add(carrier.outcomes)

        return carry_out

    def _start_anew(self, schedule: Schedule) -> None:
        with self.ctx.db.write() as tx:
            closing.begin_era(self.ctx, schedule)
            about = {"schedule_id": schedule.id, "name": schedule.name, "why": "the clock was set back"}
            about |= {"was_at": rfc3339(schedule.accounted_to)}
            tx.record("schedule.changed", f"schedule/{schedule.id}", {**about, "new_books": True})
        self.report.rewound += 1

    def _release_one(self, schedule: Schedule) -> None:
        with self.ctx.db.write() as tx:
            ready = prepare(self.ctx, schedule, Situation.read(tx, [schedule]))
            carrier, busy = Carrier(self.ctx, tx), ready.is_busy
            for waiting in books.deferred_of(tx, schedule.id):
                task_id = carrier.release(ready, waiting, *fate(ready, waiting, tx.now, busy))
                if task_id is not None:
                    store.set_last_task(tx, schedule.id, task_id)
            carrier.record()
        self.report.add(carrier.outcomes)

    def _guarded(self, schedule: Schedule, work: Callable[[Schedule], None]) -> None:
        """Work on one schedule in a savepoint."""

        def within(schedule: Schedule) -> None:
            with self.ctx.db.write():
                work(schedule)

        self._minding(schedule, within)

    def _minding(self, schedule: Schedule, work: Callable[[Schedule], None]) -> None:
        """Work on one schedule; when its row cannot be worked on it is set aside, and the rest goes on."""
        try:
            work(schedule)
        except JarvisError as error:
            if error.status >= 500:  # busy, or the disk is full: not the row's fault
                raise
            self._set_aside(schedule, str(error))
        except apsw.ConstraintError:
            self._set_aside(schedule, "its books contradict themselves: an instant is on record already")
        except Exception as error:
            log.exception("schedule %s could not be reckoned", schedule.id)
            self._set_aside(schedule, f"it cannot be reckoned ({type(error).__name__}); the log says more")

    def _set_aside(self, schedule: Schedule, why: str) -> None:
        with self.ctx.db.write() as tx:
            store.set_fault(tx, schedule.id, why[:1000])
            about = {"schedule_id": schedule.id, "name": schedule.name, "reason": why}
            tx.record("schedule.quarantined", f"schedule/{schedule.id}", about)
        self.report.set_aside += 1
        log.warning("schedule %s was set aside: %s", schedule.id, why)
