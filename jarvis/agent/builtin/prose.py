"""Figures, times and names as people read them; names from outside can never become markup."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from jarvis.kernel.clock import SECOND, parse_rfc3339, to_datetime
from jarvis.kernel.errors import Malformed

SPECIAL = re.compile(r"[\\`*\[\]<>~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|(?<=!)(?=\[)")
LINE_START = re.compile(r"^(?:(#{1,6}|[-+=])(?=\s|$)|(\d{1,9})([.)])(?=\s|$))")
AGO = ((31_536_000, "year"), (2_592_000, "month"), (604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"))
SIZES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def number(value: int) -> str:
    return f"{value:,}"


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 commit`, `2,034 commits`, `no commits`."""
    return f"{number(count) if count else 'no'} {noun if count == 1 else many or noun + 's'}"


def in_words(count: int, noun: str, many: str = "") -> str:
    """Like `plural`, with the numbers below ten as words: for the beginning of a sentence."""
    return f"{SMALL[count]} {noun if count == 1 else many or noun + 's'}" if count < 10 else plural(count, noun, many)


def size(count: int | float) -> str:
    """Bytes in decimal units, as disks are sold and df -H shows: `3.4 GB`."""
    for unit, name in SIZES:
        if count >= unit * 0.9995:
            value = count / unit
            return f"{value:.0f} {name}" if value >= 99.5 else f"{value:.1f} {name}"
    return f"{int(count)} bytes"


def percent(share: float) -> str:
    """A share of 0 to 1; small ones are not rounded away."""
    value = share * 100
    if 0 < value < 1:
        return "under 1 %"
    if 99 < value < 100:
        return "over 99 %"
    return f"{value:.0f} %"


def duration(seconds: float) -> str:
    """The two largest units: `3 days 4 hours`."""
    left = max(int(seconds), 0)
    parts: list[str] = []
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, left = divmod(left, unit)
        if count:
            parts.append(plural(count, name))
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 seconds"


def listing(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def instant(value: Any) -> int | None:
    """An RFC 3339 text from a tool result; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return parse_rfc3339(value)
    except Malformed:
        return None


def ago(at: int, now: int) -> str:
    """`3 hours ago`, `in 2 days`, `just now`."""
    gap = abs(now - at) // SECOND
    for unit, name in AGO:
        if gap >= unit:
            text = plural(gap // unit, name)
            return f"{text} ago" if at <= now else f"in {text}"
    return "just now"


def clock(at: int, zone: tzinfo) -> str:
    return _local(at, zone).strftime("%H:%M")


def zone_name(at: int, zone: tzinfo) -> str:
    return _local(at, zone).tzname() or "UTC"


def day(at: int, now: int, zone: tzinfo) -> str:
    """`22 Nov`, with the year when it is not this one."""
    moment = _local(at, zone)
    text = f"{moment.day} {moment.strftime('%b')}"
    return text if moment.year == _local(now, zone).year else f"{text} {moment.year}"


def when(at: int, now: int, zone: tzinfo) -> str:
    """Short and exact: `02:15` today, `yesterday 23:41`, `20 Nov 09:12`."""
    apart = (_local(now, zone).date() - _local(at, zone).date()).days
    if apart == 0:
        return clock(at, zone)
    return f"{'yesterday' if apart == 1 else day(at, now, zone)} {clock(at, zone)}"


def at_time(at: int, now: int, zone: tzinfo) -> str:
    """`at 02:15` today, else like `when`."""
    text = when(at, now, zone)
    return text if " " in text else f"at {text}"


def spanned(since: int, until: int | None, now: int, zone: tzinfo) -> str:
    """`since yesterday 20:00 UTC`, `between 20:00 and 02:38 UTC`, `on 22 Nov`."""
    if until is None:
        return f"since {when(since, now, zone)} {zone_name(since, zone)}"
    if _local(since, zone).strftime("%H%M%S") == "000000" and until - since == 86_400 * SECOND:
        apart = (_local(now, zone).date() - _local(since, zone).date()).days
        return "yesterday" if apart == 1 else f"on {day(since, now, zone)}"
    return f"between {when(since, now, zone)} and {when(until, now, zone)} {zone_name(until, zone)}"


def safe(text: Any, limit: int = 160) -> str:
    """Foreign text on one line in which no character has a meaning in Markdown."""
    line = " ".join(str(text).split())
    line = line if len(line) <= limit else line[:limit].rstrip() + "…"
    line = SPECIAL.sub(lambda match: "\\" + match[0], line)
    return LINE_START.sub(lambda match: f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}", line)


def code(text: Any, limit: int = 160) -> str:
    """Foreign text as a code span, whatever backticks it holds."""
    line = " ".join(str(text).split()) or " "
    line = line if len(line) <= limit else line[:limit] + "…"
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(text: str, language: str = "") -> str:
    """Foreign text as a code block that nothing inside can close."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _local(at: int, zone: tzinfo) -> datetime:
    return to_datetime(at).astimezone(zone)
