"""Carries decisions out in one transaction: rows and tasks first, their events last.

Events go last because their full-text index is flushed at every savepoint after them: 10,000 dispatches
took four times as long with an event after each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx, Who
from jarvis.schedules import store
from jarvis.schedules.deciding import Decision, Entry
from jarvis.schedules.running import Ready
from jarvis.schedules.store import Schedule, books


@dataclass(slots=True)
class Carrier:
    """Writes outcomes through one transaction and keeps the events to be recorded at its end."""

    ctx: Context
    tx: Tx
    outcomes: dict[str, int] = field(default_factory=dict)
    _owners: dict[str, Context] = field(default_factory=dict)
    _told: list[tuple[Who, str, Schedule, dict[str, Any]]] = field(default_factory=list)

    def carry_out(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self._one(decision)
        self.record()

    def _one(self, decision: Decision) -> None:
        schedule, task_id = decision.ready.schedule, None
        for entry in decision.entries:
            if entry.outcome in ("dispatched", "caught_up"):
                _, task_id = self.dispatch(decision.ready, entry.outcome, entry.first)
            elif entry.outcome == "deferred":
                self._defer(schedule, entry.first)
            else:
                self._skip(schedule, entry)
        caught_up = [entry for entry in decision.entries if entry.outcome == "caught_up"]
        if caught_up:
            about: dict[str, Any] = {
                "caught_up": len(caught_up),
                "missed": decision.plan.missed if decision.plan else 0,
            }
            about |= {"first": rfc3339(caught_up[0].first), "last": rfc3339(caught_up[-1].last)}
            self._tell("schedule.catchup", schedule, about)
        moved = store.advance(self.tx, schedule, decision.accounted_to, decision.next_due_at, task_id)
        assert moved, "the row changed within the transaction that read it"

    def dispatch(self, ready: Ready, outcome: str, due_at: int, *, is_by_hand: bool = False) -> tuple[str, str]:
        """Put an instant on record with its task in the queue; returns the ids of both."""
        ids = self.ctx.ids
        trace_id = self.ctx.trace_id if is_by_hand else ids.new("trc")
        run_ctx, dispatch_id = self._for_owner(ready, trace_id), ids.new("dsp")
        task_id = ready.enqueue(run_ctx, dispatch_id)
        books.insert(
            self.tx,
            dispatch_id,
            ready.schedule,
            outcome,
            due_at,
            trace_id=trace_id,
            task_id=task_id,
            is_by_hand=is_by_hand,
        )
        self._trigger(run_ctx, ready.schedule, dispatch_id, due_at, outcome, {"by_hand": True} if is_by_hand else {})
        return dispatch_id, task_id

    def release(self, ready: Ready, waiting: books.Deferred, outcome: str, reason: str) -> str | None:
        """End an instant's waiting for a restart; returns its task, when it runs."""
        if outcome != "dispatched":
            books.settle_deferred(self.tx, waiting.id, outcome, reason, None)
            self.count(outcome)
            return None
        run_ctx = self._for_owner(ready, waiting.trace_id)
        task_id = ready.enqueue(run_ctx, waiting.id)
        books.settle_deferred(self.tx, waiting.id, outcome, reason, task_id)
        self._trigger(run_ctx, ready.schedule, waiting.id, waiting.due_at, outcome, {"deferred": True})
        return task_id

    def _for_owner(self, ready: Ready, trace_id: str) -> Context:
        """The owner's context in the trace of one run."""
        user = ready.owner
        if user.id not in self._owners:
            self._owners[user.id] = self.ctx.acting(
                actor=self.ctx.actor, user_id=user.id, username=user.username, role=user.role
            )
        return self._owners[user.id].traced(trace_id)

    def _trigger(
        self, run_ctx: Context, schedule: Schedule, dispatch_id: str, due_at: int, outcome: str, more: dict[str, Any]
    ) -> None:
        about = {"dispatch_id": dispatch_id, "due_at": rfc3339(due_at), "outcome": outcome}
        self._tell("schedule.trigger", schedule, about | more, run_ctx.db.who)
        self.count(outcome)

    def _defer(self, schedule: Schedule, due_at: int) -> None:
        dispatch_id, ctx = self.ctx.ids.new("dsp"), self.ctx.traced()
        books.insert(self.tx, dispatch_id, schedule, "deferred", due_at, trace_id=ctx.trace_id)
        self._tell("schedule.deferred", schedule, {"dispatch_id": dispatch_id, "due_at": rfc3339(due_at)}, ctx.db.who)
        self.count("deferred")

    def _skip(self, schedule: Schedule, entry: Entry) -> None:
        about = skip(self.ctx, self.tx, schedule, entry)
        if about is not None:
            self._tell("schedule.skipped", schedule, about)
        self.count(entry.outcome, entry.count)

    def count(self, outcome: str, count: int = 1) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    def _tell(self, type: str, schedule: Schedule, about: dict[str, Any], who: Who | None = None) -> None:
        told = {"schedule_id": schedule.id, "name": schedule.name} | about
        self._told.append((who or self.tx.who, type, schedule, told))

    def record(self) -> None:
        """Append the events of everything carried out so far."""
        before = self.tx.who
        try:
            for who, type, schedule, about in self._told:
                self.tx.who = who  # a savepoint each, as another context would open, flushes the index each time
                self.tx.record(type, f"schedule/{schedule.id}", about, thread_id=schedule.thread_id)
        finally:
            self.tx.who = before
            self._told.clear()


def skip(ctx: Context, tx: Tx, schedule: Schedule, entry: Entry) -> dict[str, Any] | None:
    """Put skipped instants on record: with the newest row when that tells of the same, else in a row of their own,
    and then what its event should say is returned."""
    if books.extend_run(tx, schedule, entry.outcome, entry.reason, entry.last, entry.count):
        return None
    dispatch_id = ctx.ids.new("dsp")
    books.insert_run(tx, dispatch_id, schedule, entry.outcome, entry.reason, entry.first, entry.last, entry.count)
    about = {"dispatch_id": dispatch_id, "outcome": entry.outcome, "reason": entry.reason, "count": entry.count}
    return about | {"due_at": rfc3339(entry.first), "last_due_at": rfc3339(entry.last)}
