"""Which instants a rule names: counted, listed and looked up by day patterns, never minute by minute.

A rule on the wall clock follows daylight saving as Debian's cron does (cron(8), "DEBIAN SPECIFIC" and the main
loop in cron.c). A rule is *fixed* when neither its minute nor its hour field starts with `*`:

- when the clock jumps forward by less than three hours, a fixed rule whose time was skipped falls due right after
  the jump (once, however many of its times were skipped); other rules simply have no such minute that day;
- when the clock is set back by less than three hours, a fixed rule is not due again in the repeated stretch, other
  rules follow the wall clock and are;
- larger changes (a country moves across the date line) are taken as they come: nothing is made up, nothing held back.
"""

import functools
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from typing import Protocol

from jarvis.kernel.clock import SECOND

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HORIZON_DAYS = 41 * 366
"""29 February on a given weekday can be 40 years away (across 2100); what is further never comes."""
MOST_SHIFT = 3 * 3600
LAST_DAY = (date(9998, 1, 1) - date(1970, 1, 1)).days


class Rule(Protocol):
    """Instants are microseconds; intervals include both ends."""

    def following(self, after: int) -> int | None:
        """The first instant later than `after`; None when there is none within 40 years."""

    def count(self, first: int, last: int) -> int:
        """How many instants there are from first to last."""

    def newest(self, first: int, last: int, most: int) -> list[int]:
        """The last `most` instants from first to last, in order."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many microseconds from an anchor on; the anchor is the first instant."""

    anchor: int
    step: int

    def following(self, after: int) -> int | None:
        if after < self.anchor:
            return self.anchor
        return self.anchor + ((after - self.anchor) // self.step + 1) * self.step

    def count(self, first: int, last: int) -> int:
        return max(0, self._index(last) - self._index(first - 1))

    def newest(self, first: int, last: int, most: int) -> list[int]:
        end, begin = self._index(last), self._index(first - 1)
        return [self.anchor + n * self.step for n in range(max(begin, end - most), end)]

    def _index(self, instant: int) -> int:
        """How many instants there are up to and including this one."""
        return 0 if instant < self.anchor else (instant - self.anchor) // self.step + 1


@dataclass(frozen=True, slots=True)
class Wall:
    """Minutes of the wall clock: `minutes` seconds after midnight on each day (counted from 1970) that matches."""

    minutes: tuple[int, ...]
    is_day: Callable[[int], bool]
    is_fixed: bool
    zone: tzinfo

    def following(self, after: int) -> int | None:
        start = after // SECOND + 1
        for day in range(start // DAY, min(start // DAY + HORIZON_DAYS, LAST_DAY)):
            found = self._first(max(start, day * DAY), day)
            if found is not None:
                return found * SECOND
        return None

    def count(self, first: int, last: int) -> int:
        return sum(self._count(begin, end) for begin, end in _days(first, last))

    def newest(self, first: int, last: int, most: int) -> list[int]:
        return [found * SECOND for found in islice(self._backwards(first, last), most)][::-1]

    def _backwards(self, first: int, last: int) -> Iterator[int]:
        for begin, end in reversed(list(_days(first, last))):
            yield from reversed(self._within(begin, end))

    def _first(self, start: int, day: int) -> int | None:
        """The first instant from a second on, within its UTC day."""
        end = (day + 1) * DAY
        change, offset = _about(self.zone, day)
        if change is not None:
            found = self._within(start, end)
            return found[0] if found else None
        wall = start + offset
        while wall < end + offset:  # two days of the wall clock at most
            midnight = wall // DAY * DAY
            index = bisect_left(self.minutes, wall - midnight)
            if index < len(self.minutes) and self.is_day(midnight // DAY):
                found_at = midnight + self.minutes[index] - offset
                return found_at if found_at < end else None
            wall = midnight + DAY
        return None

    def _count(self, begin: int, end: int) -> int:
        change, offset = _about(self.zone, begin // DAY)
        if change is not None:
            return len(self._within(begin, end))
        return sum(len(wall) for wall in self._wall(begin + offset, end + offset))

    def _within(self, begin: int, end: int) -> list[int]:
        """Every instant from begin up to but without end; both in one UTC day."""
        change, offset = _about(self.zone, begin // DAY)
        if change is None:
            return self._plain(begin, end, offset)
        return [at for at in self._around(change, begin // DAY) if begin <= at < end]

    def _around(self, change: "Shift", day: int) -> list[int]:
        """The instants of a UTC day within, or shortly after, which the clocks change."""
        begin, end, at, shift = day * DAY, (day + 1) * DAY, change.at, change.after - change.before
        early = self._plain(begin, min(at, end), change.before)
        late = self._plain(max(at, begin), end, change.after)
        if self.is_fixed and -MOST_SHIFT < shift < 0:
            late = [instant for instant in late if instant >= at - shift]
        if self.is_fixed and 0 < shift < MOST_SHIFT and at >= begin:
            right_after = -(-at // 60) * 60
            if any(self._wall(at + change.before, at + change.after)) and right_after not in late[:1]:
                late.insert(0, right_after)
        return early + late

    def _plain(self, begin: int, end: int, offset: int) -> list[int]:
        walls = self._wall(begin + offset, end + offset)
        return [minute - offset for wall in walls for minute in wall]

    def _wall(self, begin: int, end: int) -> Iterator["Stretch"]:
        """The matching minutes of the wall clock in [begin, end), a stretch for each day that has any."""
        for day in range(begin // DAY, (end - 1) // DAY + 1) if end > begin else ():
            midnight = day * DAY
            low = bisect_left(self.minutes, begin - midnight)
            high = bisect_left(self.minutes, end - midnight)
            if low < high and self.is_day(day):
                yield Stretch(self.minutes, low, high, midnight)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some minutes of one day, not spelled out until somebody asks."""

    minutes: tuple[int, ...]
    low: int
    high: int
    midnight: int

    def __len__(self) -> int:
        return self.high - self.low

    def __getitem__(self, index: int) -> int:
        return self.midnight + self.minutes[self.low + index]

    def __iter__(self) -> Iterator[int]:
        return (self.midnight + minute for minute in self.minutes[self.low : self.high])


def _days(first: int, last: int) -> Iterator[tuple[int, int]]:
    """[begin, end) in seconds for each UTC day from first to last, in microseconds."""
    begin, end = -(-first // SECOND), last // SECOND + 1
    while begin < end:
        tomorrow = (begin // DAY + 1) * DAY
        yield begin, min(tomorrow, end)
        begin = tomorrow


@dataclass(frozen=True, slots=True)
class Shift:
    """At a second the zone's offset changes, both in seconds."""

    at: int
    before: int
    after: int


@functools.lru_cache(maxsize=8192)
def _about(zone: tzinfo, day: int) -> tuple[Shift | None, int]:
    """The change of offset that touches a UTC day, within it or in the three hours before; and its first offset."""
    low, high = day * DAY - MOST_SHIFT, (day + 1) * DAY - 1
    before, after = _offset(zone, low - 1), _offset(zone, high)
    if before == after:
        return None, before
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _offset(zone, middle) == before else (low, middle)
    return Shift(low, before, after), before


def _offset(zone: tzinfo, second: int) -> int:
    """Seconds to add to UTC for the wall clock."""
    if zone is UTC:
        return 0
    shown = (EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return int(shown.total_seconds()) if shown is not None else 0
