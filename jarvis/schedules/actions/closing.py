"""Closing the books: instants that will not run any more, and new books for a new rule."""

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.schedules import cron, store
from jarvis.schedules.store import Schedule, books

MILLISECOND = SECOND // 1000


def write_off(ctx: Context, schedule: Schedule, reason: str) -> int:
    """Close the books up to now without running anything: missed, or paused while nothing fell due.

    Returns how many instants that were.
    """
    if schedule.fault is not None:
        return 0
    with ctx.db.write() as tx:
        for waiting in books.deferred_of(tx, schedule.id):
            books.settle_deferred(tx, waiting.id, "missed", reason, None)
        rule = cron.rule_of(schedule)
        first, newest = rule.following(schedule.accounted_to), rule.newest(schedule.accounted_to + 1, tx.now, 1)
        if first is None or not newest:
            return 0
        outcome, why = ("missed", reason) if schedule.is_enabled else ("paused", "")
        count = rule.count(first, newest[0])
        store.advance(tx, schedule, newest[0], rule.following(newest[0]), None)
        if not books.extend_run(tx, schedule, outcome, why, newest[0], count):
            books.insert_run(tx, ctx.ids.new("dsp"), schedule, outcome, why, first, newest[0], count)
        return count


def begin_era(ctx: Context, schedule: Schedule) -> None:
    """Start new books from now: only what comes later is due. `@every` counts from here."""
    with ctx.db.write() as tx:
        anchor = tx.now // MILLISECOND * MILLISECOND
        rule = cron.rule(schedule.cron_expr, schedule.timezone, anchor)
        store.begin_era(tx, schedule.id, tx.now, anchor, rule.following(tx.now))
