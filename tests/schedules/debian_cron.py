"""Debian's cron, minute by minute: its own loop over virtual time, written down independently of ours.

The main loop of cron.c (package cron 3.0pl1) keeps a virtual time in minutes of the wall clock. Each minute it
compares that with the real wall clock and decides, by how far they are apart, whether to run jobs with a star in
the minute or hour field ("wild") and those without ("fixed").
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

WAY_OFF = 3 * 60


def numbers(field: str, low: int, high: int) -> set[int]:
    """The numbers of a field made of `*`, a-b, lists and steps."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (int(edge) for edge in span.split("-"))
        else:
            first = int(span)
            last = high if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return found


class Job:
    """One crontab line."""

    def __init__(self, expr: str) -> None:
        minute, hour, day, month, weekday = expr.split()
        self.minutes, self.hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
        self.days, self.months = numbers(day, 1, 31), numbers(month, 1, 12)
        self.weekdays = {number % 7 for number in numbers(weekday, 0, 7)}
        self.is_wild = minute.startswith("*") or hour.startswith("*")
        self.needs_both = day.startswith("*") or weekday.startswith("*")

    def matches(self, wall: datetime) -> bool:
        is_day, is_weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        on_day = (is_day and is_weekday) if self.needs_both else (is_day or is_weekday)
        return wall.minute in self.minutes and wall.hour in self.hours and wall.month in self.months and on_day


def runs(expr: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """Every minute (UTC) in [begin, end] at which cron would start the job; several starts in one are one."""
    return sorted(set(_runs(Job(expr), ZoneInfo(zone), begin, end)))


def _runs(job: Job, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    now = begin
    virtual = _wall(now, zone) - timedelta(minutes=1)
    while now <= end:
        wall = _wall(now, zone)
        apart = (wall - virtual) // timedelta(minutes=1)
        if apart == 1 or apart > WAY_OFF or apart <= -WAY_OFF:
            virtual = wall
            if job.matches(wall):
                yield now
        elif apart > 1:
            if job.is_wild and job.matches(wall):
                yield now
            while virtual < wall:
                virtual += timedelta(minutes=1)
                if not job.is_wild and job.matches(virtual):
                    yield now
        elif job.is_wild and job.matches(wall):  # set back a little: what is fixed has run already
            yield now
        now += timedelta(minutes=1)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]
