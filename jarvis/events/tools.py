"""The record for the assistant, as the one who asks may see it."""

from typing import Any

from jarvis.events import filters, sentences, store
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.events import Event
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field, check

MOST = 200
PARAMETERS = {
    **filters.QUERY,
    "type": Field(
        kind="array", longest=50, items=Field(kind="string", longest=100), help="Whole types, any of them; empty: all."
    ),
    "limit": Field(kind="integer", lowest=1, highest=MOST, help="How many at most (50)."),
}


def _search(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    asked = check(PARAMETERS, arguments)
    limit = asked.get("limit", 50)
    with ctx.db.read() as tx:
        found = store.newest(tx, filters.wanted(ctx, asked), limit + 1)
    return {"events": [_shown(event) for event in found[:limit]], "more": len(found) > limit}


def _shown(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "type": event.type,
        "at": rfc3339(event.at),
        "actor": event.actor,
        "subject": event.subject,
        "summary": sentences.summary(event),
        "failed": sentences.is_failure(event),
        "trace_id": event.trace_id,
        "data": event.payload(),
    }


TOOLS = (
    Tool(
        "events.search",
        "What happened in Jarvis: sign-ins, commands, tasks, failures; newest first. Users see their own threads.",
        PARAMETERS,
        "read",
        _search,
    ),
)
