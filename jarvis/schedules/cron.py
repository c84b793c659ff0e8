"""What people write for "when": `@every:SECONDS`, five cron fields or a name, in a time zone; or why it is refused."""

import difflib
import functools
import zoneinfo
from datetime import UTC, date, datetime, tzinfo

from cronsim import CronSim, CronSimError

from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import Invalid, invalid
from jarvis.schedules.instants import Every, Rule, Wall
from jarvis.schedules.store import Schedule

EVERY = "@every:"
NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST_EVERY = 10 * 366 * 86_400
EXPECTED = "Expected @every:SECONDS, five fields such as 30 7 * * 1-5, or one of " + ", ".join(NAMES) + "."
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
SAMPLE = datetime(2000, 1, 1)


def rule(expr: str, timezone: str, anchor: int) -> Rule:
    """The rule somebody wrote; `@every` counts from the anchor. Raises Invalid naming the field."""
    if expr.startswith(EVERY):
        return Every(anchor, _every_seconds(expr) * SECOND)
    return _wall(expr, timezone)


def rule_of(schedule: Schedule) -> Rule:
    """The rule of a stored schedule; raises Invalid when the row is damaged."""
    return rule(schedule.cron_expr, schedule.timezone, schedule.anchor_at)


def check(expr: str, timezone: str, now: int) -> Rule:
    """The rule, when it is one that will ever fall due; raises Invalid."""
    zone(timezone)
    found = rule(expr, timezone, now)
    if found.following(now) is None:
        raise invalid("cron_expr", f"never falls due: no day in the next 40 years matches {expr!r}")
    return found


def normal(expr: str) -> str:
    """The expression with single spaces, names in lower case."""
    joined = " ".join(expr.split())
    return joined.lower() if joined.startswith("@") else joined


def _every_seconds(expr: str) -> int:
    text = expr[len(EVERY) :]
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= LONGEST_EVERY):
        raise invalid("cron_expr", f"{expr[:40]!r} needs whole seconds from 1 to {LONGEST_EVERY:,} after {EVERY}")
    return int(text)


@functools.lru_cache(maxsize=4096)
def _wall(expr: str, timezone: str) -> Rule:
    fields = fields_of(expr)
    try:
        parsed = CronSim(fields, SAMPLE)
    except (CronSimError, ValueError, TypeError, AssertionError, IndexError) as error:
        raise invalid("cron_expr", f"{expr[:60]!r} is not understood ({error or 'bad field'}). {EXPECTED}") from None
    minutes = tuple(sorted(hour * 3600 + minute * 60 for hour in parsed.hours for minute in parsed.minutes))
    words = fields.split()
    is_fixed = not words[0].startswith("*") and not words[1].startswith("*")

    @functools.lru_cache(maxsize=512)
    def is_day(day: int) -> bool:
        shown = date.fromordinal(EPOCH_ORDINAL + day)
        return shown.month in parsed.months and bool(parsed.match_day(shown))

    return Wall(minutes, is_day, is_fixed, zone(timezone))


def fields_of(expr: str) -> str:
    """The five fields that an expression or a name stands for; raises Invalid."""
    fields = NAMES.get(expr.lower(), expr)
    if fields.startswith("@") or len(fields.split()) != 5 or not fields.isascii():
        raise invalid("cron_expr", f"{expr[:60]!r} is not understood. {EXPECTED}")
    return fields


def zone(name: str) -> tzinfo:
    """The time zone of a name in the host's zone database; raises Invalid. UTC is always there."""
    if name == "UTC":
        return UTC
    try:
        if name.partition("/")[0] in ("right", "posix") or not name.isascii():
            raise ValueError(name)
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _no_zone(name) from None


def _no_zone(name: str) -> Invalid:
    known = zoneinfo.available_timezones()
    if not known:
        return invalid("timezone", "can only be UTC: this host has no time zone database (package tzdata)")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "expected a name such as Europe/Berlin"
    return invalid("timezone", f"{name[:60]!r} is no time zone; {hint}")
