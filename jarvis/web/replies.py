"""Answers: JSON, pages, redirects and streams, each in one way."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from jarvis.kernel.errors import invalid
from jarvis.web.routes import Reply, Request

T = TypeVar("T")

JSON = {"Content-Type": "application/json"}
PRIVATE = {"Cache-Control": "no-store"}
NEWEST = 2**62
"""Above every sequence number."""


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer that nobody may cache."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Reply(status, body, JSON | PRIVATE | headers)


def created(value: dict[str, Any], location: str) -> Reply:
    """201 with the object and where it is."""
    return as_json(value, 201, Location=location)


def accepted(value: dict[str, Any]) -> Reply:
    """202: stored, and will be done."""
    return as_json(value, 202)


def no_content(**headers: str) -> Reply:
    """204, after a delete."""
    return Reply(204, b"", PRIVATE | headers)


def window(request: Request) -> tuple[int, int]:
    """How many items of a list were asked for, and below which sequence number; raises Invalid."""
    after = request.query.get("after") or str(NEWEST)
    if not after.isdecimal() or not after.isascii() or len(after) > len(str(NEWEST)):
        raise invalid("after", "is no `next` that this list gave out")
    return request.query.get("limit", 50), min(int(after), NEWEST)


def page_of(
    items: Sequence[T], show: Callable[[T], dict[str, Any]], limit: int, cursor: Callable[[T], object]
) -> Reply:
    """A list answer from limit + 1 items: the extra one only tells that there is more."""
    more = len(items) > limit
    shown = items[:limit]
    return as_json({"items": [show(item) for item in shown], "next": str(cursor(shown[-1])) if more else None})


def html(text: str, status: int = 200, **headers: str) -> Reply:
    return Reply(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"} | PRIVATE | headers)


def text(content: str, content_type: str = "text/plain; charset=utf-8") -> Reply:
    return Reply(200, content.encode(), {"Content-Type": content_type} | PRIVATE)


def see_other(location: str, **headers: str) -> Reply:
    """303: the answer to a form that was done."""
    return Reply(303, b"", {"Location": location} | PRIVATE | headers)


def local_path(text: str, otherwise: str) -> str:
    """Where to go next, when it is a plain path on this server; anything else goes `otherwise`.

    Browsers take a backslash for a slash and drop tabs and newlines, so `/\\t/host` is another host.
    """
    is_odd = any(character < "!" or character in "\\\x7f" for character in text)
    if is_odd or not text.startswith("/") or "//" in text.partition("?")[0]:
        return otherwise
    return quote(text, safe="/?&=%#+,:;@!$'()*~[]")


def ndjson(rows: Iterable[dict[str, Any]], filename: str) -> Reply:
    """One JSON object a line, as a download."""
    body = (json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    headers = {
        "Content-Type": "application/x-ndjson",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    return Reply(200, body, headers | PRIVATE)
