"""Time, handed in: instants are whole microseconds since 1970 UTC."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jarvis.kernel.errors import Malformed

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]([01]\d:[0-5]\d|2[0-3]:[0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)

Clock = Callable[[], int]
"""Returns the present instant in microseconds. Tests hand in their own."""


def system_clock() -> int:
    """The host's wall clock."""
    return time.time_ns() // 1000


def to_datetime(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def from_datetime(moment: datetime) -> int:
    """The instant of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def rfc3339(instant: int) -> str:
    """RFC 3339 in UTC with milliseconds, such as 2026-11-23T02:44:51.120Z."""
    return to_datetime(instant).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_rfc3339(text: str) -> int:
    """The instant of an RFC 3339 text; raises Malformed without a zone or when it is no time.

    A leap second (RFC 3339, 5.6) is the first instant after it; digits past microseconds are dropped.
    """
    match = RFC3339.fullmatch(text)
    if match is None:
        raise Malformed(f"{text[:40]!r} is not an RFC 3339 time with its zone, such as 2026-11-23T02:44:51Z.")
    date, minute, second, fraction, zone = match.groups()
    is_leap = second == "60"
    try:
        moment = datetime.fromisoformat(f"{date}T{minute}:{'59' if is_leap else second}{zone.upper()}")
        instant = from_datetime(moment) + (SECOND if is_leap else int((fraction or "")[1:7].ljust(6, "0")))
        to_datetime(instant)
    except (ValueError, OverflowError):
        raise Malformed(f"{text[:40]!r} is no date of the calendar.") from None
    return instant
