"""The books: one row for each due instant, or for a run of skipped ones, and totals that outlive the rows."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.schedules.store import LAST, Schedule

OUTCOMES = ("dispatched", "caught_up", "deferred", "overlap", "missed", "refused", "paused")
RUNS = ("overlap", "missed", "refused", "paused")
"""Outcomes of which neighbouring instants share a row."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What became of an instant, or of `count` neighbouring ones from due_at to last_due_at.

    `state`, `failed`, `started_at` and `finished_at` are those of the work it led to; None without any.
    """

    seq: int
    id: str
    schedule_id: str
    era: int
    due_at: int
    last_due_at: int
    count: int
    outcome: str
    reason: str
    is_by_hand: bool
    task_id: str | None
    trace_id: str
    recorded_at: int
    dispatched_at: int | None
    state: str | None
    error: str | None
    started_at: int | None
    finished_at: int | None

    def as_json(self) -> dict[str, Any]:
        plain = "id schedule_id outcome reason count task_id trace_id error"
        shown: dict[str, Any] = {name: getattr(self, name) for name in plain.split()}
        for name in ("due_at", "last_due_at", "dispatched_at"):
            at = getattr(self, name)
            shown[name] = rfc3339(at) if at is not None else None
        return shown | {"by_hand": bool(self.is_by_hand), "task_state": self.state}


# A prompt's task only posts the question; what counts is the task that answers it.
WITH_WORK = (
    "SELECT d.seq, d.id, d.schedule_id, d.era, d.due_at, d.last_due_at, d.count, d.outcome, d.reason, d.is_by_hand,"
    " d.task_id, d.trace_id, d.recorded_at, d.dispatched_at, coalesce(a.state, t.state), coalesce(a.error, t.error),"
    " t.started_at, coalesce(a.finished_at, CASE WHEN a.id IS NULL THEN t.finished_at END)"
    " FROM dispatches d LEFT JOIN tasks t ON t.id = d.task_id"
    " LEFT JOIN tasks a ON a.id = json_extract(t.result, '$.answer_task_id')"
)


def find(tx: Tx, dispatch_id: str) -> Dispatch | None:
    return tx.one(Dispatch, f"{WITH_WORK} WHERE d.id = :id", id=dispatch_id)


def newest(tx: Tx, schedule_id: str, limit: int, before: int = LAST, outcome: str = "") -> list[Dispatch]:
    """What was recorded last first; empty outcome means any."""
    only = " AND d.outcome = :outcome" if outcome else ""
    sql = f"{WITH_WORK} WHERE d.schedule_id = :id AND d.seq < :before{only} ORDER BY d.seq DESC LIMIT :limit"
    return tx.all(Dispatch, sql, id=schedule_id, before=before, limit=limit, outcome=outcome)


@dataclass(frozen=True, slots=True)
class Work:
    """How far the last thing a schedule handed over is; of a prompt, its answer."""

    state: str
    error: str | None
    started_at: int | None
    finished_at: int | None


def last_work(tx: Tx, task_id: str) -> Work | None:
    """None when the queue has forgotten it."""
    return tx.one(
        Work,
        "SELECT coalesce(a.state, t.state), coalesce(a.error, t.error), t.started_at,"
        " coalesce(a.finished_at, CASE WHEN a.id IS NULL THEN t.finished_at END)"
        " FROM tasks t LEFT JOIN tasks a ON a.id = json_extract(t.result, '$.answer_task_id') WHERE t.id = :id",
        id=task_id,
    )


def insert(
    tx: Tx,
    dispatch_id: str,
    schedule: Schedule,
    outcome: str,
    due_at: int,
    *,
    trace_id: str,
    task_id: str | None = None,
    is_by_hand: bool = False,
) -> None:
    """One instant. Whether it was there already is the unique index's to say."""
    tx.run(
        "INSERT INTO dispatches (id, schedule_id, era, due_at, last_due_at, outcome, is_by_hand, task_id, trace_id,"
        " recorded_at, dispatched_at) VALUES (:id, :schedule, :era, :due, :due, :outcome, :by_hand, :task, :trace,"
        " :now, iif(:task IS NULL, NULL, :now))",
        id=dispatch_id,
        schedule=schedule.id,
        era=schedule.era,
        due=due_at,
        outcome=outcome,
        by_hand=int(is_by_hand),
        task=task_id,
        trace=trace_id,
        now=tx.now,
    )


def insert_run(
    tx: Tx, dispatch_id: str, schedule: Schedule, outcome: str, reason: str, first: int, last: int, count: int
) -> None:
    """Neighbouring instants that were skipped for one reason."""
    tx.run(
        "INSERT INTO dispatches (id, schedule_id, era, due_at, last_due_at, count, outcome, reason, trace_id,"
        " recorded_at) VALUES (:id, :schedule, :era, :first, :last, :count, :outcome, :reason, :trace, :now)",
        id=dispatch_id,
        schedule=schedule.id,
        era=schedule.era,
        first=first,
        last=last,
        count=count,
        outcome=outcome,
        reason=reason,
        trace=tx.who.trace_id,
        now=tx.now,
    )


def extend_run(tx: Tx, schedule: Schedule, outcome: str, reason: str, last: int, count: int) -> bool:
    """Let the newest row take more instants in, when it tells of the same; False when it does not."""
    changed = tx.run(
        "UPDATE dispatches SET last_due_at = :last, count = count + :count WHERE seq ="
        " (SELECT max(seq) FROM dispatches WHERE schedule_id = :schedule)"
        " AND era = :era AND outcome = :outcome AND reason = :reason AND last_due_at < :last AND is_by_hand = 0",
        schedule=schedule.id,
        era=schedule.era,
        outcome=outcome,
        reason=reason,
        last=last,
        count=count,
    )
    return changed == 1


@dataclass(frozen=True, slots=True)
class Deferred:
    """An instant that waits for a restart to end."""

    id: str
    schedule_id: str
    due_at: int
    trace_id: str


def deferred(tx: Tx, limit: int) -> list[Deferred]:
    sql = (
        "SELECT id, schedule_id, due_at, trace_id FROM dispatches INDEXED BY dispatches_deferred"
        " WHERE outcome = 'deferred' ORDER BY schedule_id, due_at LIMIT :limit"
    )
    return tx.all(Deferred, sql, limit=limit)


def deferred_of(tx: Tx, schedule_id: str) -> list[Deferred]:
    sql = (
        "SELECT id, schedule_id, due_at, trace_id FROM dispatches"
        " WHERE outcome = 'deferred' AND schedule_id = :id ORDER BY due_at"
    )
    return tx.all(Deferred, sql, id=schedule_id)


def count_deferred(tx: Tx, schedule_id: str | None = None) -> int:
    mine = " AND schedule_id = :id" if schedule_id is not None else ""
    return tx.one(int, f"SELECT count(*) FROM dispatches WHERE outcome = 'deferred'{mine}", id=schedule_id) or 0


def settle_deferred(tx: Tx, dispatch_id: str, outcome: str, reason: str, task_id: str | None) -> bool:
    """A deferred instant's end; False when somebody else settled it."""
    changed = tx.run(
        "UPDATE dispatches SET outcome = :outcome, reason = :reason, task_id = :task,"
        " dispatched_at = iif(:task IS NULL, NULL, :now) WHERE id = :id AND outcome = 'deferred'",
        id=dispatch_id,
        outcome=outcome,
        reason=reason,
        task=task_id,
        now=tx.now,
    )
    return changed == 1


def totals(tx: Tx, schedule_id: str, era: int) -> dict[str, int]:
    """Instants by outcome since the era began."""
    sql = "SELECT outcome, count FROM dispatch_totals WHERE schedule_id = :id AND era = :era"
    return dict(tx.all(lambda outcome, count: (outcome, count), sql, id=schedule_id, era=era))


@dataclass(frozen=True, slots=True)
class Tally:
    """Single instants of one outcome within one slot of time."""

    slot: int
    outcome: str
    count: int
    failed: int


def tallies(tx: Tx, schedule: Schedule, since: int, width: int) -> list[Tally]:
    """Single instants from `since` on by slot (each so many microseconds) and outcome, with how many failed."""
    sql = (
        "SELECT (d.due_at - :since) / :width AS slot, d.outcome, count(*),"
        " sum(coalesce(a.state, t.state, '') = 'failed')"
        " FROM dispatches d LEFT JOIN tasks t ON t.id = d.task_id"
        " LEFT JOIN tasks a ON a.id = json_extract(t.result, '$.answer_task_id')"
        " WHERE d.schedule_id = :id AND d.era = :era AND d.due_at >= :since AND d.count = 1 AND d.is_by_hand = 0"
        " GROUP BY 1, 2"
    )
    return tx.all(Tally, sql, id=schedule.id, era=schedule.era, since=since, width=width)


def straddling(tx: Tx, schedule: Schedule, since: int) -> list[Dispatch]:
    """The row that begins before an instant and reaches it: rows never overlap, so there is one at most."""
    sql = (
        f"{WITH_WORK} WHERE d.schedule_id = :id AND d.era = :era AND d.is_by_hand = 0 AND d.due_at < :since"
        " ORDER BY d.due_at DESC LIMIT 1"
    )
    found = tx.all(Dispatch, sql, id=schedule.id, era=schedule.era, since=since)
    return [row for row in found if row.last_due_at >= since]


def runs(tx: Tx, schedule: Schedule, since: int) -> list[Dispatch]:
    """Rows of more than one instant that reach an instant or begin later."""
    sql = (
        f"{WITH_WORK} WHERE d.schedule_id = :id AND d.era = :era AND d.is_by_hand = 0 AND d.due_at >= :since"
        " AND d.count > 1 ORDER BY d.due_at"
    )
    later = tx.all(Dispatch, sql, id=schedule.id, era=schedule.era, since=since)
    return straddling(tx, schedule, since) + later


def counts_since(tx: Tx, schedule: Schedule, since: int) -> dict[str, int]:
    """Instants by outcome in rows that begin at an instant or later."""
    sql = (
        "SELECT outcome, sum(count) FROM dispatches WHERE schedule_id = :id AND era = :era AND is_by_hand = 0"
        " AND due_at >= :since GROUP BY outcome"
    )
    return dict(tx.all(lambda *row: row, sql, id=schedule.id, era=schedule.era, since=since))


def count_rows(tx: Tx, schedule_id: str) -> int:
    return tx.one(int, "SELECT count(*) FROM dispatches WHERE schedule_id = :id", id=schedule_id) or 0


def prune(tx: Tx, before: int, at_most: int) -> int:
    """Drop up to at_most of the oldest rows when they are older than an instant; the totals stay."""
    return tx.run(
        "DELETE FROM dispatches WHERE seq IN (SELECT seq FROM dispatches ORDER BY seq LIMIT :most)"
        " AND last_due_at < :before AND outcome <> 'deferred'",
        most=at_most,
        before=before,
    )
