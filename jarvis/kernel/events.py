"""Events are the audit log and the bus: appended with the change they tell of, each chained to the last."""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.wake import Ear

if TYPE_CHECKING:
    from jarvis.kernel.db import Database, Tx

TYPE = re.compile(r"[a-z_]+(\.[a-z_]+)+")
LONGEST_DATA = 64 * 1024  # characters of JSON
LONGEST_SUBJECT = 500
EPOCH_SPAN = 10_000_000
"""Each restore goes on at the next multiple: days of the busiest writing, so that an unknown present is left behind."""
GATHER_SECONDS = 0.01
"""How long a follower lets a stream of commits gather; the first after a quiet time it hears at once."""
COLUMNS = "seq, id, at, type, subject, actor, trace_id, span_id, parent_id, thread_id, data"
CHAINED = f"{COLUMNS}, salt, digest, hash"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `seq` orders all events of a database; `data` is JSON text."""

    seq: int
    id: str
    at: int
    type: str
    subject: str
    actor: str
    trace_id: str
    span_id: str
    parent_id: str
    thread_id: str | None
    data: str

    def payload(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.data) if self.data else {}
        return value

    def as_json(self) -> dict[str, Any]:
        """The event as the API shows it."""
        return {
            "seq": self.seq,
            "id": self.id,
            "at": rfc3339(self.at),
            "type": self.type,
            "subject": self.subject,
            "actor": self.actor,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_id": self.parent_id or None,
            "thread_id": self.thread_id,
            "data": self.payload(),
        }


def append(tx: "Tx", type: str, subject: str, data: dict[str, Any], thread_id: str | None) -> int:
    """Insert one event, redacted and chained; returns its sequence number.

    Raises ValueError for a type that is not dotted and for data that JSON cannot hold.
    """
    if not TYPE.fullmatch(type):
        raise ValueError(f"{type!r} is no dotted event type")
    shared, who = tx.shared, tx.who
    text = _dump(type, shared.redactor.value(data))
    subject = _storable(shared.redactor.text(subject)[:LONGEST_SUBJECT])
    salt = os.urandom(16)
    digest = hashlib.sha256(salt + text.encode()).digest()
    event_id = shared.ids.new("evt")
    chained = (
        event_id,
        tx.now,
        type,
        subject,
        who.actor,
        who.trace_id,
        who.span_id,
        who.parent_id,
        thread_id,
    )
    tx.run(  # not RETURNING seq: that opens a statement journal, which flushes the full-text index at each event
        "INSERT INTO events"
        " (id, at, type, subject, actor, trace_id, span_id, parent_id, thread_id, data, salt, digest, hash)"
        " VALUES (:id, :at, :type, :subject, :actor, :trace, :span, :parent, :thread, :data, :salt, :digest, :hash)",
        id=event_id, at=tx.now, type=type, subject=subject, actor=who.actor, trace=who.trace_id, span=who.span_id,
        parent=who.parent_id, thread=thread_id, data=text, salt=salt, digest=digest,
        hash=_link(_head(tx)[1], chained, digest),
    )  # fmt: skip
    seq = tx.connection.last_insert_rowid()
    tx.run(
        "INSERT INTO events_fts (rowid, body) VALUES (:seq, :body)",
        seq=seq,
        body=f"{type} {subject} {text}"[:4000],
    )
    return seq


def _dump(type: str, data: Any) -> str:
    try:
        text = _storable(json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the data of event {type} is no JSON: {error}") from None
    if len(text) <= LONGEST_DATA:
        return text
    return json.dumps({"truncated": True, "length": len(text), "start": text[: LONGEST_DATA // 2]}, ensure_ascii=False)


def _storable(text: str) -> str:
    """Half a surrogate pair, as in names of odd files, is no text to SQLite or UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _link(previous: bytes, chained: tuple[Any, ...], digest: bytes) -> bytes:
    body = json.dumps([*chained, digest.hex()], ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha256(previous + body).digest()


def _head(tx: "Tx") -> tuple[int, bytes]:
    row = tx.one(lambda *r: r, "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")
    return row or _anchor(tx)


def _anchor(tx: "Tx", before: int | None = None) -> tuple[int, bytes]:
    """The newest anchor, or the newest before an event."""
    sql = "SELECT seq, hash FROM event_anchors WHERE seq < :before ORDER BY seq DESC LIMIT 1"
    return tx.one(lambda *r: r, sql, before=before or 2**62) or (0, b"")


def _leads_to(tx: "Tx", seq: int, link: bytes) -> bool:
    """Whether an epoch began at an event, after the one with this hash."""
    found = tx.one(bytes, "SELECT hash FROM event_anchors WHERE seq = :seq", seq=seq - 1)
    return found == link


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking the chain found. `problems` is empty when it is intact."""

    count: int
    first_seq: int
    head_seq: int
    head_hash: str
    blanked: int
    problems: tuple[str, ...]


def verify(tx: "Tx", heads: Mapping[int, str] | None = None) -> Verdict:
    """Recompute every link from the last anchor on; payloads blanked on purpose still link.

    `heads` are sequence numbers and hashes known from outside (a backup, the log): without
    one, a chain rewritten from some event to its very end looks intact.
    """
    tx.check()
    rows = tx.connection.execute(f"SELECT {CHAINED} FROM events ORDER BY seq")
    first = tx.one(int, "SELECT seq FROM events ORDER BY seq LIMIT 1")
    return _walk(tx, rows, _anchor(tx, first), heads or {})


def verify_newest(tx: "Tx", count: int) -> Verdict:
    """Recompute the links of the newest events alone, trusting the one before them: quick enough for a page."""
    rows = tx.all(lambda *row: row, f"SELECT {CHAINED} FROM events ORDER BY seq DESC LIMIT :n", n=count + 1)[::-1]
    if len(rows) <= count:
        return _walk(tx, rows, _anchor(tx, rows[0][0] if rows else None), {})
    return _walk(tx, rows[1:], (rows[0][0], rows[0][-1]), {})


def _walk(tx: "Tx", rows: Iterable[Any], start: tuple[int, bytes], heads: Mapping[int, str]) -> Verdict:
    """Follow the chain along rows from the event before them."""
    last, previous = start
    count = blanked = first = 0
    problems: list[str] = []
    met: set[int] = set()
    for row in rows:
        seq, *chained, data, salt, digest, link = row
        if seq != last + 1 and not (count and _leads_to(tx, seq, previous)):
            problems.append(f"events {last + 1} to {seq - 1} are missing")
        if (data or salt) and hashlib.sha256(salt + data.encode()).digest() != digest:
            problems.append(f"event {seq}: its data was changed")
        if _link(previous, tuple(chained), digest) != link:
            problems.append(f"event {seq}: it does not follow event {last}; one was changed or removed")
        if heads.get(seq, link.hex()) != link.hex():
            problems.append(f"event {seq}: it is not the one whose hash was kept elsewhere")
        if seq in heads:
            met.add(seq)
        blanked += not data and not salt
        first, last, previous, count = first or seq, seq, link, count + 1
    ended = tx.one(int, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") or 0
    if ended > last:
        problems.append(f"events {last + 1} to {ended} are missing at the end")
    problems += [
        f"event {seq}, whose hash was kept elsewhere, is missing" for seq in heads if start[0] < seq not in met
    ]
    return Verdict(count, first, last, previous.hex(), blanked, tuple(problems[:20]))


def head(tx: "Tx") -> tuple[int, str]:
    """Sequence number and hash of the newest event, for backups and the log."""
    seq, link = _head(tx)
    return seq, link.hex()


def begin_epoch(tx: "Tx", at_least: int = 0) -> int:
    """Let the next event be numbered far beyond any that was ever numbered, here or up to `at_least`; returns it.

    After a restore the numbers of the future that was given up are not used again: nobody takes a new event for the
    one that had its number. The gap is an anchor, so the chain goes on over it.
    """
    seq, link = _head(tx)
    before = (max(seq, at_least) // EPOCH_SPAN + 1) * EPOCH_SPAN
    tx.run("INSERT INTO event_anchors (seq, hash, at) VALUES (:seq, :hash, :at)", seq=before, hash=link, at=tx.now)
    if not tx.run("UPDATE sqlite_sequence SET seq = :seq WHERE name = 'events'", seq=before):
        tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', :seq)", seq=before)
    return before + 1


def blank(tx: "Tx", seq: int) -> bool:
    """Remove an event's payload (a leaked secret) without breaking the chain."""
    tx.run("DELETE FROM events_fts WHERE rowid = :seq", seq=seq)
    return tx.run("UPDATE events SET data = '', salt = x'' WHERE seq = :seq", seq=seq) == 1


def prune(tx: "Tx", before: int, at_most: int) -> int:
    """Drop up to at_most events older than an instant, oldest first, leaving an anchor.

    Stops at the first that is younger, whatever comes after it (a clock may have been set
    back); one dated in the future counts as old, or it would keep all that follow for ever.
    """
    oldest = tx.all(lambda *row: row, "SELECT seq, hash, at FROM events ORDER BY seq LIMIT :n", n=at_most)
    past = list(itertools.takewhile(lambda row: row[2] < before or row[2] > tx.now, oldest))
    if not past:
        return 0
    seq, link, _ = past[-1]
    tx.run("INSERT INTO event_anchors (seq, hash, at) VALUES (:seq, :hash, :at)", seq=seq, hash=link, at=tx.now)
    tx.run("DELETE FROM events_fts WHERE rowid <= :seq", seq=seq)
    return tx.run("DELETE FROM events WHERE seq <= :seq", seq=seq)


class Follower:
    """Reads events in order as they are committed, by whichever process."""

    def __init__(self, db: "Database", after: int) -> None:
        self._db = db
        self.after = after
        self._ear = Ear(db.wake, GATHER_SECONDS)

    def next(self, timeout: float, limit: int = 500) -> list[Event]:
        """The next events; waits for a commit up to timeout seconds, and may come back with none."""
        self._ear.wait(timeout)
        with self._db.read() as tx:
            found = tx.all(
                Event,
                f"SELECT {COLUMNS} FROM events WHERE seq > :after ORDER BY seq LIMIT :limit",
                after=self.after,
                limit=limit,
            )
        if found:
            self.after = found[-1].seq
        if len(found) == limit:
            self._ear.seen = -1  # there may be more: do not wait
        return found


def latest_seq(db: "Database") -> int:
    """Where the log ends now; follow from here to hear only what comes."""
    with db.read() as tx:
        return _head(tx)[0]


def each(tx: "Tx", after: int = 0) -> Iterator[Event]:
    """Every event in order, for export."""
    tx.check()
    for row in tx.connection.execute(f"SELECT {COLUMNS} FROM events WHERE seq > :after ORDER BY seq", {"after": after}):
        yield Event(*row)
