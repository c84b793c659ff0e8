"""What people ask of the event log, in the words of a URL or a command line, as a filter."""

import re
from collections.abc import Mapping
from typing import Any

from jarvis.events.store import LAST, Filter
from jarvis.kernel import words
from jarvis.kernel.clock import SECOND, parse_rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Malformed, invalid
from jarvis.kernel.schema import Field, Fields

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604_800}
SPAN = re.compile(r"(\d{1,6})\s?(s|min|m|h|d|w)", re.ASCII)
TIME = "RFC 3339, or how long ago: 90s, 15m, 24h, 7d."
QUERY: Fields = {
    "type": Field(kind="string", longest=100, help="Beginning of the type, such as auth."),
    "actor": Field(kind="string", longest=200, help="Who did it."),
    "trace_id": Field(kind="string", longest=40, help="The trace it belongs to."),
    "thread_id": Field(kind="string", longest=40, help="The conversation it belongs to."),
    "since": Field(kind="string", longest=40, help=f"From when on: {TIME}"),
    "until": Field(kind="string", longest=40, help=f"Until when: {TIME}"),
    "q": Field(kind="string", longest=words.LONGEST_QUERY, help='Words, "a phrase", begin*'),
}


def wanted(ctx: Context, asked: Mapping[str, Any]) -> Filter:
    """The filter somebody asked for, limited to what they may see. Raises Invalid naming the field."""
    kinds = asked.get("type") or ""
    return Filter(
        type=kinds if isinstance(kinds, str) else "",
        types=tuple(kinds) if not isinstance(kinds, str) else (),
        actor=asked.get("actor") or "",
        trace_id=asked.get("trace_id") or "",
        thread_id=asked.get("thread_id") or "",
        since=instant(ctx, "since", asked.get("since")) or 0,
        until=instant(ctx, "until", asked.get("until")) or LAST,
        query=query("q", asked.get("q")),
        owner_id="" if ctx.is_admin else ctx.user_id or "nobody",
    )


def query(field: str, text: str | None) -> str:
    """Words as a full-text query, "" for none; raises Invalid when there is nothing to look for."""
    if not text or not text.strip():
        return ""
    found = words.parse(text)
    if not found:
        raise invalid(field, "contains no letters or digits to look for")
    return found.fts


def instant(ctx: Context, field: str, text: str | None) -> int | None:
    """An RFC 3339 time, or a span before now."""
    if not text:
        return None
    span = SPAN.fullmatch(text.strip())
    if span:
        return ctx.clock() - int(span[1]) * UNITS[span[2]] * SECOND
    try:
        return parse_rfc3339(text.strip())
    except Malformed as error:
        raise invalid(field, f"{error} Or say how long ago: 15m, 24h, 7d.") from None
