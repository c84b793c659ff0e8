"""/logs: the record in the chat, as the one who asks may see it."""

from jarvis.events import actions, filters, sentences, store, traces
from jarvis.events.traces import Row
from jarvis.kernel.clock import to_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.events import Event
from jarvis.kernel.registry import SlashCommand
from jarvis.kernel.words import as_markdown

USAGE = "`/logs trace ID` shows what came of one request; `/logs search WORDS` looks through the record."
MOST_FOUND = 20
MOST_LINES = 60


def _logs(ctx: Context, arguments: str, thread_id: str) -> str:
    what, _, rest = arguments.strip().partition(" ")
    if what.lower() == "trace" and rest.strip():
        return _trace(ctx, rest.strip())
    if what.lower() == "search" and rest.strip():
        return _search(ctx, rest.strip())
    return USAGE


def _search(ctx: Context, text: str) -> str:
    wanted = filters.wanted(ctx, {"q": text})
    with ctx.db.read() as tx:
        found = store.newest(tx, wanted, MOST_FOUND + 1)
    if not found:
        return f"No event{'' if ctx.is_admin else ' of your conversations'} mentions {as_markdown(text)}."
    more = f"\n\nThe newest {MOST_FOUND} are shown." if len(found) > MOST_FOUND else ""
    return "\n".join(_line(event) for event in found[:MOST_FOUND]) + more


def _line(event: Event) -> str:
    at = to_datetime(event.at).strftime("%d %b %H:%M:%S")
    trace = f" · `{event.trace_id}`" if event.trace_id else ""
    return f"- {at} `{event.type}` {as_markdown(sentences.summary(event))}{trace}"


def _trace(ctx: Context, trace_id: str) -> str:
    trace = actions.trace(ctx, trace_id)
    began = to_datetime(trace.started_at).strftime("%d %b %H:%M:%S UTC")
    took = traces.duration(trace.ended_at - trace.started_at)
    lines = [line for row in traces.rows(trace) for line in _rows(row, 0)]
    more = f"\n\n{len(lines) - MOST_LINES} more lines are left out." if len(lines) > MOST_LINES else ""
    head = f"**{as_markdown(sentences.summary(trace.roots[0].events[0]))}**, {began}, {trace.count} events in {took}"
    return f"{head}\n\n" + "\n".join(lines[:MOST_LINES]) + more


def _rows(row: Row, depth: int) -> list[str]:
    took = f", {row.took}" if row.took else ""
    failed = "**failed** " if row.is_failure else ""
    line = f"{'  ' * depth}- {failed}`{row.event.type}` {as_markdown(row.summary)}{took}"
    return [line, *(inner for below in row.rows for inner in _rows(below, depth + 1))]


SLASH = (SlashCommand("logs", "/logs trace ID | /logs search WORDS", "look into the record", False, _logs),)
