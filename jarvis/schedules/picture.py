"""The run history as a picture and a ledger: every instant of a stretch of time, counted by rule and by record."""

from dataclasses import dataclass

from jarvis.kernel.clock import SECOND, to_datetime
from jarvis.kernel.db import Tx
from jarvis.schedules import cron
from jarvis.schedules.instants import Rule
from jarvis.schedules.store import Schedule, books
from jarvis.schedules.store.books import Dispatch
from jarvis.schedules.wording import span

HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
LENGTHS = (DAY, 7 * DAY, 30 * DAY, 365 * DAY)
TELLING = 12
"""So many instants make a picture; with fewer, a longer stretch is shown."""
SLOTS = 144
GRAVEST = ("refused", "missed", "overlap", "deferred", "caught_up", "dispatched")
SHAPES = {  # outcome → class, y, height; up is a run, down is a failure (ui.md)
    "dispatched": ("run", 8, 20),
    "caught_up": ("late", 0, 28),
    "deferred": ("late", 18, 10),
    "overlap": ("run", 20, 8),
    "missed": ("open", 8, 20),
    "refused": ("fail", 22, 6),
}
WORDS = {
    "dispatched": "Dispatched on time",
    "caught_up": "Caught up",
    "deferred": "Deferred by a restart, waiting",
    "overlap": "Skipped for overlap",
    "missed": "Missed",
    "refused": "Refused",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle: its class and place in a drawing of 144 by 40."""

    kind: str
    x: float
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger."""

    word: str
    note: str
    count: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A stretch of time: bars, and totals that balance with what the rule names (`off_by` 0)."""

    since: int
    until: int
    length: str
    bars: list[Bar]
    axis: list[str]
    ledger: list[Line]
    due: int
    failed: int
    paused: int
    off_by: int

    @property
    def sentence(self) -> str:
        """The picture in words, for who cannot see it."""
        parts = [f"{line.count:,} {line.word[0].lower()}{line.word[1:]}" for line in self.ledger if line.count]
        failed = f", {self.failed:,} of them failed" if self.failed else ""
        return (
            f"{self.due:,} due {'instant' if self.due == 1 else 'instants'}: {', '.join(parts) or 'none yet'}{failed}."
        )


@dataclass(slots=True)
class Slot:
    """What fell into one hundred-and-forty-fourth of the stretch."""

    gravest: str = ""
    failed: int = 0

    def add(self, outcome: str, failed: int = 0) -> None:
        self.failed += failed
        if outcome in GRAVEST and (not self.gravest or GRAVEST.index(outcome) < GRAVEST.index(self.gravest)):
            self.gravest = outcome


def draw(tx: Tx, schedule: Schedule, newest: list[Dispatch]) -> Picture:
    """The picture of a schedule. `newest` are its last dispatches, for the notes. Raises Invalid for a damaged row."""
    rule, now = cron.rule_of(schedule), max(tx.now, schedule.accounted_to)
    length = _length(rule, schedule, now)
    since, width = now - length, length // SLOTS
    slots = [Slot() for _ in range(SLOTS + 1)]
    counts: dict[str, int] = {}
    failed = 0
    for tally in books.tallies(tx, schedule, since, width):
        counts[tally.outcome] = counts.get(tally.outcome, 0) + tally.count
        failed += tally.failed
        slots[min(tally.slot, SLOTS)].add(tally.outcome, tally.failed)
    runs = books.runs(tx, schedule, since)
    for run in runs:
        counts[run.outcome] = counts.get(run.outcome, 0) + _spread(rule, run, since, width, slots)
    named = rule.count(max(since, schedule.era_from + 1), schedule.accounted_to)
    paused = counts.pop("paused", 0)
    ledger = [Line(WORDS[name], _note(name, failed, [*runs, *newest]), counts.get(name, 0)) for name in WORDS]
    due = sum(counts.values())
    words = "last 24 h" if length == DAY else f"last {span(length // SECOND)}"
    return Picture(
        since, now, words, _bars(slots), _axis(since, length), ledger, due, failed, paused, named - due - paused
    )


def _length(rule: Rule, schedule: Schedule, now: int) -> int:
    """The shortest stretch with enough to show, and no longer than the books go back."""
    for length in LENGTHS:
        is_all = now - length <= schedule.era_from
        if is_all or rule.count(max(now - length, schedule.era_from + 1), schedule.accounted_to) >= TELLING:
            return length
    return LENGTHS[-1]


def _spread(rule: Rule, run: Dispatch, since: int, width: int, slots: list[Slot]) -> int:
    """Put a run's instants into their slots; returns how many of them lie within the stretch."""
    first = max(run.due_at, since)
    for index in range((first - since) // width, min((run.last_due_at - since) // width, SLOTS) + 1):
        begin = since + index * width
        if rule.count(max(begin, first), min(begin + width - 1, run.last_due_at)):
            slots[index].add(run.outcome)
    return rule.count(first, run.last_due_at)


def _bars(slots: list[Slot]) -> list[Bar]:
    bars = []
    for index, slot in enumerate(slots):
        x = min(index, SLOTS - 1) + 0.15
        if slot.gravest:
            kind, y, height = SHAPES[slot.gravest]
            bars.append(Bar(kind, x, y, height))
        if slot.failed:
            bars.append(Bar("fail", x, 30, 10))
    return bars


def _axis(since: int, length: int) -> list[str]:
    form = "%H:%M" if length <= DAY else "%-d %b"
    return [*(to_datetime(since + length * part // 4).strftime(form) for part in range(4)), "now"]


def _note(outcome: str, failed: int, rows: list[Dispatch]) -> str:
    """What to say beside a total: how many failed, or the newest stretch and its reason."""
    if outcome == "dispatched":
        return f"{failed:,} {'run' if failed == 1 else 'runs'} failed" if failed else ""
    found = [row for row in rows if row.outcome == outcome and not row.is_by_hand]
    if not found:
        return ""
    row = max(found, key=lambda row: row.due_at)
    when = to_datetime(row.due_at).strftime("%-d %b %H:%M")
    if row.count > 1:
        when += f" to {to_datetime(row.last_due_at).strftime('%-d %b %H:%M')}"
    return f"{when}: {row.reason}" if row.reason else f"last {when}"
