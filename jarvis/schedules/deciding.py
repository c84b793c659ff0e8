"""What becomes of each instant of one schedule: decided before anything is written."""

from collections.abc import Iterator
from dataclasses import dataclass

from jarvis.kernel.clock import SECOND
from jarvis.schedules import cron, plans
from jarvis.schedules.plans import Plan, Policy
from jarvis.schedules.running import Ready, Situation
from jarvis.schedules.store.books import Deferred

BUSY = "the run before had not ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One instant, or `count` neighbouring ones from first to last, and their outcome."""

    outcome: str
    first: int
    last: int
    count: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Every instant up to `accounted_to` with its outcome, and the first after them."""

    ready: Ready
    accounted_to: int
    next_due_at: int | None
    entries: tuple[Entry, ...]
    plan: Plan | None = None


def decide(ready: Ready, situation: Situation, waiting: int) -> Decision:
    """The outcome of every instant that has come. `waiting` is how many are deferred already."""
    schedule = ready.schedule
    rule = cron.rule_of(schedule)
    now = max(situation.now, schedule.accounted_to)
    first = rule.following(schedule.accounted_to)
    if first is None or first > now:  # the zone's rules have changed since it was reckoned
        return Decision(ready, schedule.accounted_to, first, ())
    last, after = first, rule.following(first)
    if after is not None and after <= now:
        last, after = rule.newest(first, now, 1)[0], rule.following(now)
    if ready.refusal:
        entry = Entry("refused", first, last, rule.count(first, last), ready.refusal)
        return Decision(ready, last, after, (entry,))
    plan = plans.make(rule, Policy(schedule.catchup, schedule.max_catchup, schedule.grace_seconds), first, last, now)
    entries = _deferred(ready, plan, waiting) if situation.is_restarting else _run(ready, plan)
    return Decision(ready, last, after, (*_missed(plan), *entries), plan)


def _missed(plan: Plan) -> Iterator[Entry]:
    if plan.missed:
        yield Entry("missed", plan.first_missed, plan.last_missed, plan.missed, plan.why_missed)


def _run(ready: Ready, plan: Plan) -> Iterator[Entry]:
    """What is caught up stands in line together; what is on time waits for nothing, so it may be skipped."""
    is_single, busy = ready.schedule.overlap == "skip", ready.is_busy
    for due_at in plan.caught_up:
        yield Entry("overlap", due_at, due_at, reason=BUSY) if busy else Entry("caught_up", due_at, due_at)
    busy = busy or (is_single and bool(plan.caught_up))
    for due_at in plan.on_time:
        yield Entry("overlap", due_at, due_at, reason=BUSY) if busy else Entry("dispatched", due_at, due_at)
        busy = is_single


def _deferred(ready: Ready, plan: Plan, waiting: int) -> Iterator[Entry]:
    """During a restart: as many wait as would be caught up."""
    room = max(1, ready.schedule.max_catchup) - waiting
    for index, due_at in enumerate((*plan.caught_up, *plan.on_time)):
        is_too_many = index >= room
        yield (
            Entry("missed", due_at, due_at, reason="the restart lasted too long")
            if is_too_many
            else Entry("deferred", due_at, due_at)
        )


def fate(ready: Ready, waiting: Deferred, now: int, busy: bool) -> tuple[str, str]:
    """Outcome and reason for an instant that was deferred, once the restart is over."""
    if not ready.schedule.is_on:
        return "missed", "set aside while it was deferred"
    if ready.refusal:
        return "refused", ready.refusal
    if now - waiting.due_at > (ready.schedule.grace_seconds + plans.PUNCTUAL_SECONDS) * SECOND:
        return "missed", "the restart lasted longer than the grace"
    if busy:
        return "overlap", BUSY
    return "dispatched", "deferred by a restart"
