"""Whether the books balance: instants the rule names, beside instants on record, counted independently."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Invalid
from jarvis.schedules import actions, cron
from jarvis.schedules.store import Schedule, books

DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Balance:
    """Instants after `since` up to `until`: how many the rule names (None: it is damaged), and where each went."""

    since: int
    until: int
    named: int | None
    outcomes: dict[str, int]

    @property
    def recorded(self) -> int:
        return sum(self.outcomes.values())

    @property
    def due(self) -> int:
        """Instants that fell due: paused ones did not."""
        return self.recorded - self.outcomes.get("paused", 0)

    @property
    def off_by(self) -> int:
        """0 when every instant is accounted for once."""
        return 0 if self.named is None else self.named - self.recorded

    def as_json(self) -> dict[str, Any]:
        return {
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "due": self.due,
            "outcomes": {name: self.outcomes.get(name, 0) for name in books.OUTCOMES},
            "off_by": self.off_by,
            "balances": self.named is not None and self.off_by == 0,
        }


def balance(ctx: Context, schedule_id: str) -> Balance:
    """The books of a schedule since its rule came into force."""
    with ctx.db.read() as tx:
        schedule = actions.read(ctx, schedule_id)
        outcomes = books.totals(tx, schedule_id, schedule.era)
    named = _named(schedule, schedule.era_from)
    return Balance(schedule.era_from, schedule.accounted_to, named, outcomes)


def _named(schedule: Schedule, after: int) -> int | None:
    try:
        return cron.rule_of(schedule).count(after + 1, schedule.accounted_to)
    except (Invalid, ArithmeticError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of a schedule: how many instants fell due, and by how many the books are off."""

    due: int
    off_by: int


def last_day(tx: Tx, schedule: Schedule) -> Day:
    """The rule's count beside the record's. A damaged row has no rule, so nothing to be off from."""
    since = max(tx.now - DAY, schedule.era_from + 1)
    counts = books.counts_since(tx, schedule, since)
    try:
        rule = cron.rule_of(schedule)
        named = rule.count(since, schedule.accounted_to)
        for run in books.straddling(tx, schedule, since):
            counts[run.outcome] = counts.get(run.outcome, 0) + rule.count(since, run.last_due_at)
    except (Invalid, ArithmeticError, ValueError):
        named = sum(counts.values())
    due = sum(count for outcome, count in counts.items() if outcome != "paused")
    return Day(due, named - sum(counts.values()))
