"""Spans of time as people name them: last night, since Monday, in the past 3 hours."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jarvis.kernel.clock import from_datetime, to_datetime

NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30, "couple": 2, "few": 3, "several": 5,
}  # fmt: skip
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_592_000, "y": 31_536_000}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
UNIT = r"(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|wks?|months?|years?|[smhdw])"
COUNT = rf"(?P<count>\d{{1,4}}|{'|'.join(NUMBERS)})(?:\s+of)?"
WITHIN = r"(?:(?:in|over|during|within|for|since)\s+)?"
MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
DAY = rf"(?P<day>{'|'.join(DAYS)})"
MAX_SECONDS = 10 * UNIT_SECONDS["y"]


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` (inclusive) to `until`, which is None for the present; `words` is how it was said."""

    since: int
    until: int | None
    words: str


def zone(name: str) -> tzinfo:
    """The time zone of this name, UTC when the host does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC") if name != "UTC" else to_datetime(0).tzinfo or ZoneInfo("UTC")


def find_period(text: str, now: int, where: tzinfo) -> tuple[Period, tuple[int, int]] | None:
    """The first span of time named in the text, and where it stands there."""
    moment = to_datetime(now).astimezone(where)
    lowered = "".join(char.lower() if char.isascii() else char for char in text)  # keeps every position
    for pattern, make in RULES:
        match = pattern.search(lowered)
        if match is None:
            continue
        span = make(match, moment)
        if span is not None:
            since, until = span
            return Period(from_datetime(since), None if until is None else from_datetime(until), match[0].strip()), (
                match.start(),
                match.end(),
            )
    return None


Span = tuple[datetime, datetime | None] | None


def _midnight(moment: datetime, days_back: int = 0) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_back)


def _length(match: re.Match[str], unit: str = "") -> timedelta:
    count = match.groupdict().get("count") or "1"
    number = int(count) if count.isdigit() else NUMBERS[count]
    name = (match.groupdict().get("unit") or unit).lower()
    short = "mo" if name.startswith("mo") else name[0]
    return timedelta(seconds=min(number * UNIT_SECONDS[short], MAX_SECONDS))


def _rolling(match: re.Match[str], now: datetime) -> Span:
    return now - _length(match), None


def _days(first: int, last: int | None) -> Callable[[re.Match[str], datetime], Span]:
    """Whole days back: from the midnight `first` days ago to the midnight before `last`, or to now."""
    return lambda match, now: (_midnight(now, first), None if last is None else _midnight(now, last))


def _last_night(match: re.Match[str], now: datetime) -> Span:
    """From eight in the evening to eight in the morning, or to now while it still is night."""
    evening = _midnight(now) - timedelta(hours=4)
    morning = _midnight(now) + timedelta(hours=8)
    return evening, morning if now > morning else None


def _weekend(match: re.Match[str], now: datetime) -> Span:
    """The last Saturday and Sunday, the present one while it lasts."""
    saturday = _midnight(now, (now.weekday() - 5) % 7)
    sunday_over = saturday + timedelta(days=2)
    return saturday, sunday_over if sunday_over <= now else None


def _part_of_today(match: re.Match[str], now: datetime) -> Span:
    start, end = {"morning": (5, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (20, 32)}[match["part"]]
    base = _midnight(now, 1 if match["which"] == "yesterday" else 0)
    since, until = base + timedelta(hours=start), base + timedelta(hours=end)
    return (since, until if until < now else None) if since <= now else (_midnight(now), None)


def _this(match: re.Match[str], now: datetime) -> Span:
    today = _midnight(now)
    unit = match["unit"]
    if unit == "week":
        return today - timedelta(days=now.weekday()), None
    return (today.replace(day=1) if unit == "month" else today.replace(day=1, month=1)), None


def _last(match: re.Match[str], now: datetime) -> Span:
    """The calendar week, month or year before this one."""
    this = _this(match, now)
    assert this is not None
    end = this[0]
    unit = match["unit"]
    if unit == "week":
        return end - timedelta(days=7), end
    before = end - timedelta(days=1)
    return (before.replace(day=1) if unit == "month" else before.replace(day=1, month=1)), end


def _weekday(is_since: bool) -> Callable[[re.Match[str], datetime], Span]:
    def span(match: re.Match[str], now: datetime) -> Span:
        back = (now.weekday() - DAYS.index(match["day"])) % 7 or 7
        since = _midnight(now, back)
        return since, None if is_since else since + timedelta(days=1)

    return span


def _calendar_day(is_since: bool) -> Callable[[re.Match[str], datetime], Span]:
    def span(match: re.Match[str], now: datetime) -> Span:
        found = match.groupdict()
        month = int(found["iso_month"]) if found.get("iso_month") else MONTHS.index(found["month"]) + 1
        try:
            day = _midnight(now).replace(year=int(found.get("year") or now.year), month=month, day=int(found["date"]))
        except ValueError:
            return None
        if day > now and not found.get("year"):
            day = day.replace(year=day.year - 1, day=min(day.day, 28) if day.month == 2 else day.day)
        return day, None if is_since else day + timedelta(days=1)

    return span


def _hour(match: re.Match[str], now: datetime) -> Span:
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"] == "pm" else 0)
    if hour > 23 or int(match["minute"] or 0) > 59 or not (match["half"] or match["minute"]):
        return None
    since = _midnight(now) + timedelta(hours=hour, minutes=int(match["minute"] or 0))
    return (since if since <= now else since - timedelta(days=1)), None


def _ago(match: re.Match[str], now: datetime) -> Span:
    """`3 days ago` is that day; `2 hours ago` is from then on."""
    back = _length(match)
    if back < timedelta(days=1):
        return now - back, None
    day = _midnight(now - back)
    return (day, None) if match["since"] else (day, day + timedelta(days=1))


def _lately(match: re.Match[str], now: datetime) -> Span:
    return now - timedelta(days=1), None


def _rule(
    pattern: str, make: Callable[[re.Match[str], datetime], Span]
) -> tuple[re.Pattern[str], Callable[[re.Match[str], datetime], Span]]:
    return re.compile(rf"\b(?:{pattern})(?!\w)", re.ASCII), make


ISO = r"(?P<year>20\d\d)-(?P<iso_month>\d\d)-(?P<date>\d\d)"
WRITTEN = rf"(?:{MONTH}\s+(?:the\s+)?(?P<date>\d{{1,2}})(?:st|nd|rd|th)?)"
WRITTEN_BACK = rf"(?:(?:the\s+)?(?P<date>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH})"
RULES = (
    _rule(rf"(?P<since>since\s+|from\s+)?{COUNT}\s+{UNIT}\s+(?:ago|back)", _ago),
    _rule(rf"{WITHIN}(?:the\s+)?(?:last|past|previous|recent)\s+{COUNT}\s*{UNIT}", _rolling),
    _rule(r"(?:(?:in|over|during|within)\s+)?(?:the\s+)?(?:last|past)\s+(?P<unit>hour|minute|day)", _rolling),
    _rule(r"(?:(?:in|over|during|within)\s+)?(?:the\s+)?past\s+(?P<unit>week|month|year)", _rolling),
    _rule(r"(?:since\s+|during\s+|over\s+)?(?:last\s*night|overnight|the\s+night)", _last_night),
    _rule(r"(?:(?:over|during|on|at)\s+)?(?:the|last|this)\s+weekend", _weekend),
    _rule(r"(?P<which>yesterday)\s+(?P<part>morning|afternoon|evening|night)", _part_of_today),
    _rule(r"(?:since\s+)?(?P<which>this|today)\s+(?P<part>morning|afternoon|evening)", _part_of_today),
    _rule(r"(?:since|from)\s+(?:the\s+day\s+before\s+yesterday)", _days(2, None)),
    _rule(r"(?:the\s+)?day\s+before\s+yesterday", _days(2, 1)),
    _rule(r"(?:since|from)\s+yesterday", _days(1, None)),
    _rule(r"yesterday", _days(1, 0)),
    _rule(r"(?:since\s+)?(?:today|midnight)|tonight", _days(0, None)),
    _rule(r"(?:since\s+)?(?:the\s+start\s+of\s+)?this\s+(?P<unit>week|month|year)", _this),
    _rule(r"since\s+last\s+(?P<unit>week|month|year)", lambda match, now: ((_last(match, now) or (now,))[0], None)),
    _rule(r"(?:(?:in|over|during)\s+)?last\s+(?P<unit>week|month|year)", _last),
    _rule(rf"(?:since|after)\s+(?:last\s+)?{DAY}", _weekday(True)),
    _rule(rf"(?:on\s+|last\s+){DAY}", _weekday(False)),
    _rule(rf"(?:since|after|from)\s+{ISO}", _calendar_day(True)),
    _rule(rf"(?:on\s+)?{ISO}", _calendar_day(False)),
    _rule(rf"(?:since|after|from)\s+(?:{WRITTEN})", _calendar_day(True)),
    _rule(rf"(?:since|after|from)\s+(?:{WRITTEN_BACK})", _calendar_day(True)),
    _rule(rf"(?:on\s+)?(?:{WRITTEN})", _calendar_day(False)),
    _rule(rf"(?:on\s+)?(?:{WRITTEN_BACK})", _calendar_day(False)),
    _rule(r"(?:since|after)\s+(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>am|pm)?", _hour),
    _rule(DAY, _weekday(False)),
    _rule(r"lately|recently|just\s+now", _lately),
)  # fmt: skip
