"""Reading the parts of a tool's result that repository answers share."""

from collections.abc import Mapping, Sequence
from typing import Any

from jarvis.agent.builtin.intents import Telling
from jarvis.agent.builtin.prose import (
    code,
    instant,
    plural,
    safe,
    spanned,
    when,
)

Row = Mapping[str, Any]


def rows_of(value: Any) -> list[Row]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def inner(found: Row, name: str) -> Row:
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}


def sum_of(rows: Sequence[Row], key: str) -> int:
    return sum(int(row.get(key) or 0) for row in rows)


def spaced(text: str) -> str:
    return f"\n\n{text}" if text else ""


def span_of(telling: Telling) -> str:
    since, until = instant(telling.arguments.get("since")), instant(telling.arguments.get("until"))
    return "" if since is None else spanned(since, until, telling.now, telling.zone)


def commit_line(row: Row, telling: Telling, is_named: bool = True) -> str:
    at, files = instant(row.get("at")), row.get("files_changed")
    facts = [safe(row.get("author"), 40)] if is_named else []
    facts += [when(at, telling.now, telling.zone)] if at is not None else []
    facts += [plural(files, "file")] if isinstance(files, int) and files else []
    return f"{code(row.get('id', '?'))} {safe(row.get('subject') or '(no message)', 100)} ({', '.join(facts)})"


def project_name(found: Row) -> str:
    return f"**{safe(found.get('name') or 'The repository', 60)}**"
