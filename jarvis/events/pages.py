"""The record as pages for admins: events with filters, one event, traces, one trace as a tree."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jarvis.events import actions, filters, sentences, store, traces
from jarvis.events.actions import TraceSummary
from jarvis.kernel import events
from jarvis.kernel.clock import to_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Invalid
from jarvis.kernel.events import Event, Verdict
from jarvis.web.parts import Parts
from jarvis.web.replies import window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

EVENTS, TRACES, EXPORT = "/admin/events", "/admin/traces", "/api/v1/events/export"
LINKS_CHECKED = 1000
SPANS = (("", "Any time"), ("1h", "Last hour"), ("24h", "Last 24 h"), ("7d", "Last 7 d"), ("30d", "Last 30 d"))


@dataclass(frozen=True, slots=True)
class Line:
    """An event in a list."""

    event: Event
    said: str
    is_failure: bool
    time: str
    """The time of day today, with the date before."""


@dataclass(frozen=True, slots=True)
class EventsPage:
    lines: list[Line]
    asked: Mapping[str, str]
    problem: str
    groups: list[tuple[str, list[str]]]
    """Types by their first word."""
    actors: list[str]
    spans: tuple[tuple[str, str], ...]
    older: str
    """Address of the next page, or ""."""
    export: str
    verdict: Verdict
    count: int


@dataclass(frozen=True, slots=True)
class EventPage:
    event: Event
    said: str
    is_failure: bool
    data: str
    hash: str
    previous: str


@dataclass(frozen=True, slots=True)
class TracesPage:
    found: list[TraceSummary]
    next: int | None


@dataclass(frozen=True, slots=True)
class TracePage:
    trace: traces.Trace
    said: str
    is_failure: bool
    took: str
    rows: tuple[traces.Row, ...]


def routes(parts: Parts) -> Routes:
    """The pages of the record."""
    table = Routes("record", pages=True)
    _event_routes(table)
    _trace_routes(table)
    return table


def _event_routes(table: Routes) -> None:
    @table.get(EVENTS, Access.ADMIN, "What happened.", query={**LIST_QUERY, **filters.QUERY})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        asked = {name: request.query[name] for name in filters.QUERY if request.query.get(name)}
        try:
            wanted, problem = filters.wanted(request.ctx, asked), ""
        except Invalid as error:
            wanted, problem = store.Filter(), str(error)
        page = _events_page(request.ctx, asked, wanted, problem, limit, before)
        return request.page("events/index.html", page, 422 if problem else 200)

    @table.get(f"{EVENTS}/{{id}}", Access.ADMIN, "One event.")
    def show(request: Request) -> Reply:
        event = actions.get(request.ctx, request.path["id"])
        with request.ctx.db.read() as tx:
            link, previous = store.chained(tx, event.seq)
        data = json.dumps(event.payload(), ensure_ascii=False, indent=2)
        said = sentences.title(event)
        return request.page(
            "events/show.html", EventPage(event, said, sentences.is_failure(event), data, link, previous)
        )


def _events_page(
    ctx: Context, asked: dict[str, Any], wanted: store.Filter, problem: str, limit: int, before: int
) -> EventsPage:
    with ctx.db.read() as tx:
        found = [] if problem else store.newest(tx, wanted, limit + 1, before)
        lines = [_line(event, tx.now) for event in found[:limit]]
        following = {"after": str(found[limit - 1].seq)} if len(found) > limit else None
        return EventsPage(
            lines,
            asked,
            problem,
            _grouped(store.types(tx)),
            store.actors(tx),
            SPANS,
            f"{EVENTS}?{urlencode(asked | following)}" if following else "",
            f"{EXPORT}?{urlencode(asked)}" if asked else EXPORT,
            events.verify_newest(tx, LINKS_CHECKED),
            store.count(tx),
        )


def _line(event: Event, now: int) -> Line:
    at = to_datetime(event.at)
    is_today = at.date() == to_datetime(now).date()
    time = at.strftime("%H:%M:%S" if is_today else "%d %b %H:%M:%S")
    return Line(event, sentences.summary(event), sentences.is_failure(event), time)


def _grouped(types: list[str]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for type in types:
        groups.setdefault(type.partition(".")[0], []).append(type)
    return list(groups.items())


def _trace_routes(table: Routes) -> None:
    @table.get(TRACES, Access.ADMIN, "What was asked of Jarvis, and what came of it.", query=LIST_QUERY)
    def index(request: Request) -> Reply:
        limit, before = window(request)
        found = actions.newest_traces(request.ctx, limit + 1, before)
        following = found[limit - 1].head.first.seq if len(found) > limit else None
        return request.page("events/traces.html", TracesPage(found[:limit], following))

    @table.get(f"{TRACES}/{{id}}", Access.ADMIN, "One trace as a tree.")
    def show(request: Request) -> Reply:
        trace = actions.trace(request.ctx, request.path["id"])
        said = sentences.title(trace.roots[0].events[0])
        rows = traces.rows(trace)
        took = traces.duration(trace.ended_at - trace.started_at)
        return request.page("events/trace.html", TracePage(trace, said, _has_failure(rows), took, rows))


def _has_failure(rows: tuple[traces.Row, ...]) -> bool:
    return any(row.is_failure or _has_failure(row.rows) for row in rows)
