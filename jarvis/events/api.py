"""The record as JSON: events and traces, one's own threads' or, for admins, everything."""

from jarvis.events import actions, filters, store, traces
from jarvis.kernel.schema import Field, Fields
from jarvis.web.parts import Parts
from jarvis.web.replies import as_json, ndjson, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

API = "/api/v1"
TEXT = Field(kind="string", is_required=True)
NULLABLE = Field(kind="string", is_required=True, is_nullable=True)
NUMBER = Field(kind="number", is_required=True)
EVENT: Fields = {
    "seq": Field(kind="integer", is_required=True, help="Position in the record; pages go by it."),
    "id": TEXT,
    "at": TEXT,
    "type": TEXT,
    "subject": TEXT,
    "actor": TEXT,
    "trace_id": TEXT,
    "span_id": TEXT,
    "parent_id": NULLABLE,
    "thread_id": NULLABLE,
    "data": Field(kind="object", is_required=True),
    "summary": Field(kind="string", is_required=True, help="The event in a sentence."),
}
SPAN: Fields = {
    "span_id": TEXT,
    "parent_id": NULLABLE,
    "name": Field(kind="string", is_required=True, help="Type of its first event."),
    "actor": TEXT,
    "started_at": TEXT,
    "offset_milliseconds": NUMBER,
    "milliseconds": NUMBER,
    "events": Field(kind="array", is_required=True, items=Field(kind="object", fields=EVENT)),
    "children": Field(kind="array", is_required=True, help="Spans like this one.", items=Field(kind="object")),
}
TRACE: Fields = {
    "trace_id": TEXT,
    "started_at": TEXT,
    "ended_at": TEXT,
    "milliseconds": NUMBER,
    "count": Field(kind="integer", is_required=True, help="Events in it."),
    "spans": Field(kind="array", is_required=True, items=Field(kind="object", fields=SPAN)),
}


def routes(parts: Parts) -> Routes:
    """The routes of the record."""
    table = Routes("events", schemas={"Event": EVENT, "Trace": TRACE})

    @table.get(
        f"{API}/events", Access.USER, "What happened, newest first.",
        query={**LIST_QUERY, **filters.QUERY}, answers={200: "Event[]"},
    )  # fmt: skip
    def index(request: Request) -> Reply:
        limit, before = window(request)
        wanted = filters.wanted(request.ctx, request.query)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, wanted, limit + 1, before)
        return page_of(found, traces.shown, limit, lambda event: event.seq)

    @table.get(
        f"{API}/events/export", Access.USER, "Events as NDJSON, oldest first.",
        query=filters.QUERY, answers={200: "One event a line."},
    )  # fmt: skip
    def export(request: Request) -> Reply:
        found = actions.stream(request.ctx, filters.wanted(request.ctx, request.query))
        return ndjson((traces.shown(event) for event in found), "events.ndjson")

    @table.get(f"{API}/events/{{id}}", Access.USER, "One event.", answers={200: "Event"})
    def show(request: Request) -> Reply:
        return as_json(traces.shown(actions.get(request.ctx, request.path["id"])))

    @table.get(f"{API}/traces/{{id}}", Access.USER, "A trace as a tree of spans.", answers={200: "Trace"})
    def trace(request: Request) -> Reply:
        return as_json(actions.trace(request.ctx, request.path["id"]).as_json())

    return table
