"""What may be done with the record: looking, by those whose it is. Nobody changes it."""

from collections.abc import Iterator
from dataclasses import dataclass

from jarvis.events import sentences, store, traces
from jarvis.events.store import Filter, TraceHead
from jarvis.kernel.context import Context
from jarvis.kernel.db import Database
from jarvis.kernel.errors import NotFound
from jarvis.kernel.events import Event

BATCH = 500


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A trace in a list."""

    head: TraceHead
    said: str
    is_failure: bool

    @property
    def took(self) -> str:
        return traces.duration(max(self.head.ended_at - self.head.first.at, 0))


def get(ctx: Context, event_id: str) -> Event:
    """One event: of one's own threads, or any for an admin."""
    with ctx.db.read() as tx:
        event = store.get(tx, event_id)
        if not ctx.is_admin and not store.is_owned(tx, event, ctx.user_id or ""):
            raise NotFound("There is no such event.")
        return event


def trace(ctx: Context, trace_id: str) -> traces.Trace:
    """The part of a trace that one may see; NotFound when that is nothing."""
    with ctx.db.read() as tx:
        owner = "" if ctx.is_admin else ctx.user_id or "nobody"
        found = store.following(tx, Filter(trace_id=trace_id, owner_id=owner), 0, store.MOST_OF_TRACE)
    if not found:
        raise NotFound("There is no such trace.")
    return traces.tree(trace_id, found)


def newest_traces(ctx: Context, limit: int, before: int = store.LAST) -> list[TraceSummary]:
    """Traces, newest first, with what began each and whether anything in it failed."""
    ctx.require_admin()
    with ctx.db.read() as tx:
        heads = store.newest_traces(tx, limit, before)
        parts = [store.of_trace(tx, head.first.trace_id, 200) for head in heads]
    return [
        TraceSummary(head, sentences.title(head.first), any(map(sentences.is_failure, part)))
        for head, part in zip(heads, parts, strict=True)
    ]


def stream(ctx: Context, wanted: Filter, after: int = 0) -> Iterator[Event]:
    """Every matching event in order, read in batches: nothing is held while a slow reader takes them."""
    with ctx.db.read() as tx:
        end = store.newest_seq(tx)
    while True:
        with ctx.db.read() as tx:
            found = store.following(tx, wanted, after, BATCH)
        yield from (event for event in found if event.seq <= end)
        if len(found) < BATCH or found[-1].seq >= end:
            return
        after = found[-1].seq


class Tail:
    """Matching events as they are committed, by whichever process."""

    def __init__(self, db: Database, wanted: Filter, after: int) -> None:
        self._db = db
        self._wanted = wanted
        self._after = after
        self._seen = -1

    def step(self, timeout: float) -> list[Event]:
        """What came since the last step; waits for a commit for up to timeout seconds."""
        self._seen = self._db.wake.wait(self._seen, timeout)
        with self._db.read() as tx:
            end = store.newest_seq(tx)
            found = store.following(tx, self._wanted, self._after, BATCH)
        if len(found) == BATCH:
            self._seen = -1  # there may be more: do not wait
        self._after = found[-1].seq if len(found) == BATCH else end
        return found
