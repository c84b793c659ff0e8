"""Reading the event log: filters, pages and traces. Writing it is the kernel's."""

import json
from dataclasses import dataclass

from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound
from jarvis.kernel.events import COLUMNS, Event

FULL = ", ".join(f"e.{name.strip()}" for name in COLUMNS.split(","))
LAST = 2**62
MOST_OF_TRACE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to show. Empty means any; `owner_id` limits to that person's threads."""

    type: str = ""
    """The beginning of a type: "auth.", "system.restart"."""
    types: tuple[str, ...] = ()
    """Whole types, any of them."""
    actor: str = ""
    trace_id: str = ""
    thread_id: str = ""
    since: int = 0
    until: int = LAST
    query: str = ""
    """An FTS5 query, as kernel.words makes them."""
    owner_id: str = ""

    @property
    def source(self) -> str:
        """The tables to read, the full-text index first: it gives its rows in order of their number."""
        return "events_fts f CROSS JOIN events e ON e.seq = f.rowid" if self.query else "events e"

    @property
    def key(self) -> str:
        """The column that numbers events."""
        return "f.rowid" if self.query else "e.seq"

    @property
    def conditions(self) -> str:
        """A condition for each thing that is set, so that the planner sees which index fits."""
        known = {
            "type": "e.type >= :type AND e.type < :type_end",
            "types": "e.type IN (SELECT value FROM json_each(:types))",
            "actor": "e.actor = :actor",
            "trace_id": "e.trace_id = :trace_id AND e.trace_id <> ''",
            "thread_id": "e.thread_id = :thread_id",
            "owner_id": "e.thread_id IN (SELECT id FROM threads WHERE user_id = :owner_id)",
            "query": "events_fts MATCH :query",
        }
        found = [sql for name, sql in known.items() if getattr(self, name)]
        if self.since or self.until != LAST:
            found.append("e.at >= :since AND e.at < :until")
        return "".join(f" AND {condition}" for condition in found)

    def parameters(self) -> dict[str, str | int]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"type_end": self.type + "\U0010ffff", "types": json.dumps(self.types)}


@dataclass(frozen=True, slots=True)
class TraceHead:
    """A trace by its first event, with how many there are and when the last one was."""

    first: Event
    count: int
    ended_at: int


def newest(tx: Tx, wanted: Filter, limit: int, before: int = LAST) -> list[Event]:
    """Matching events, newest first."""
    key = wanted.key
    sql = (
        f"SELECT {FULL} FROM {wanted.source} WHERE {key} < :before{wanted.conditions} ORDER BY {key} DESC LIMIT :limit"
    )
    return tx.all(Event, sql, **wanted.parameters(), before=before, limit=limit)


def following(tx: Tx, wanted: Filter, after: int, limit: int) -> list[Event]:
    """Matching events after a sequence number, in order."""
    key = wanted.key
    sql = f"SELECT {FULL} FROM {wanted.source} WHERE {key} > :after{wanted.conditions} ORDER BY {key} LIMIT :limit"
    return tx.all(Event, sql, **wanted.parameters(), after=after, limit=limit)


def get(tx: Tx, event_id: str) -> Event:
    event = tx.one(Event, f"SELECT {FULL} FROM events e WHERE e.id = :id", id=event_id)
    if event is None:
        raise NotFound("There is no such event.")
    return event


def is_owned(tx: Tx, event: Event, user_id: str) -> bool:
    """Whether an event belongs to a thread of this person."""
    sql = "SELECT 1 FROM threads WHERE id = :thread AND user_id = :user"
    return event.thread_id is not None and tx.one(int, sql, thread=event.thread_id, user=user_id) == 1


def chained(tx: Tx, seq: int) -> tuple[str, str]:
    """The hashes of an event and of the one before it ("" where that one is gone)."""
    sql = "SELECT lower(hex(hash)) FROM events WHERE seq = :seq"
    return tx.one(str, sql, seq=seq) or "", tx.one(str, sql, seq=seq - 1) or ""


def of_trace(tx: Tx, trace_id: str, limit: int = MOST_OF_TRACE) -> list[Event]:
    """A trace's events in order."""
    sql = f"SELECT {FULL} FROM events e WHERE e.trace_id = :trace AND e.trace_id <> '' ORDER BY e.seq LIMIT :limit"
    return tx.all(Event, sql, trace=trace_id, limit=limit)


def newest_traces(tx: Tx, limit: int, before: int = LAST) -> list[TraceHead]:
    """Traces by when they began, newest first; a trace pages by its first event."""
    sql = (
        f"SELECT {FULL},"
        " (SELECT count(*) FROM events c WHERE c.trace_id = e.trace_id AND c.trace_id <> ''),"
        " (SELECT max(l.at) FROM events l WHERE l.trace_id = e.trace_id AND l.trace_id <> '')"
        " FROM events e WHERE e.seq < :before AND e.trace_id <> '' AND NOT EXISTS"
        " (SELECT 1 FROM events b WHERE b.trace_id = e.trace_id AND b.trace_id <> '' AND b.seq < e.seq)"
        " ORDER BY e.seq DESC LIMIT :limit"
    )
    return tx.all(lambda *row: TraceHead(Event(*row[:-2]), *row[-2:]), sql, before=before, limit=limit)


def thread_after(tx: Tx, thread_id: str, after: int, limit: int = 1000) -> list[Event]:
    """A thread's events after a sequence number, in order: what a connection missed."""
    return following(tx, Filter(thread_id=thread_id), after, limit)


def newest_seq(tx: Tx) -> int:
    return tx.one(int, "SELECT coalesce(max(seq), 0) FROM events") or 0


def count(tx: Tx) -> int:
    """How many events there are: they are numbered without gaps but those that a restore leaves, which are anchored."""
    oldest = tx.one(int, "SELECT coalesce(min(seq), 0) FROM events")
    left_out = tx.one(
        int,
        "SELECT coalesce(sum(a.seq - (SELECT max(e.seq) FROM events e WHERE e.seq <= a.seq)), 0)"
        " FROM event_anchors a WHERE a.seq >= :oldest",
        oldest=oldest,
    )
    return newest_seq(tx) - oldest + 1 - (left_out or 0) if oldest else 0


def types(tx: Tx, limit: int = 200) -> list[str]:
    """Every type there is, found by leaping along its index."""
    return tx.all(
        str,
        "WITH RECURSIVE found (type) AS (SELECT min(type) FROM events UNION ALL"
        " SELECT (SELECT min(e.type) FROM events e WHERE e.type > found.type) FROM found WHERE found.type IS NOT NULL)"
        " SELECT type FROM found WHERE type IS NOT NULL LIMIT :limit",
        limit=limit,
    )


def actors(tx: Tx, limit: int = 200) -> list[str]:
    """Everybody who did anything, found by leaping along its index."""
    return tx.all(
        str,
        "WITH RECURSIVE found (actor) AS (SELECT min(actor) FROM events UNION ALL"
        " SELECT (SELECT min(e.actor) FROM events e WHERE e.actor > found.actor) FROM found"
        " WHERE found.actor IS NOT NULL) SELECT actor FROM found WHERE actor IS NOT NULL LIMIT :limit",
        limit=limit,
    )
