"""Schedules on disk: the row, and every statement that touches it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

CATCHUPS = ("all", "latest", "skip")
OVERLAPS = ("skip", "queue", "allow")
LAST = 2**62
POST_PROMPT = "jarvis.tasks.chat.post_prompt"
"""The task that asks a prompt; the chat brings it. Idempotent by the dispatch_id in its payload."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Something to be done whenever a rule says so. `payload` is JSON text.

    Within an era (one rule in force) every instant in (era_from, accounted_to] has its outcome on record;
    `next_due_at` is the first that has not. A schedule with a `fault` was set aside.
    """

    seq: int
    id: str
    user_id: str
    name: str
    cron_expr: str
    timezone: str
    payload: str
    thread_id: str | None
    is_enabled: bool
    catchup: str
    max_catchup: int
    grace_seconds: int
    overlap: str
    anchor_at: int
    era: int
    era_from: int
    accounted_to: int
    next_due_at: int | None
    last_due_at: int | None
    last_task_id: str | None
    paused_reason: str | None
    paused_by: str | None
    paused_at: int | None
    fault: str | None
    created_at: int
    updated_at: int

    @property
    def is_on(self) -> bool:
        """Whether instants fall due."""
        return bool(self.is_enabled) and self.fault is None

    def payload_of(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.payload)
        return value

    def as_json(self) -> dict[str, Any]:
        plain = (
            "id user_id name cron_expr timezone thread_id catchup max_catchup grace_seconds overlap last_task_id"
            " paused_reason paused_by fault"
        )
        shown: dict[str, Any] = {name: getattr(self, name) for name in plain.split()}
        shown |= {"enabled": bool(self.is_enabled), "payload": self._shown_payload()}
        for name in ("last_due_at", "paused_at", "created_at", "updated_at"):
            at = getattr(self, name)
            shown[name] = rfc3339(at) if at is not None else None
        is_coming = self.is_on and self.next_due_at is not None
        return shown | {"next_due_at": rfc3339(self.next_due_at or 0) if is_coming else None}

    def _shown_payload(self) -> Any:
        try:
            return json.loads(self.payload)
        except ValueError:  # set aside for it: shown as it is
            return {"kind": "damaged", "text": self.payload[:2000]}


COLUMNS = (
    "seq, id, user_id, name, cron_expr, timezone, payload, thread_id, is_enabled, catchup, max_catchup, grace_seconds,"
    " overlap, anchor_at, era, era_from, accounted_to, next_due_at, last_due_at, last_task_id, paused_reason,"
    " paused_by, paused_at, fault, created_at, updated_at"
)


def get(tx: Tx, schedule_id: str) -> Schedule:
    schedule = find(tx, schedule_id)
    if schedule is None:
        raise NotFound("There is no such schedule.")
    return schedule


def find(tx: Tx, schedule_id: str) -> Schedule | None:
    return tx.one(Schedule, f"SELECT {COLUMNS} FROM schedules WHERE id = :id", id=schedule_id)


def newest(tx: Tx, user_id: str | None, limit: int, before: int = LAST) -> list[Schedule]:
    """One person's schedules, or everybody's for None, newest first."""
    mine = "user_id = :user AND " if user_id is not None else ""
    sql = f"SELECT {COLUMNS} FROM schedules WHERE {mine}seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Schedule, sql, user=user_id, before=before, limit=limit)


def named(tx: Tx, user_id: str | None, text: str, limit: int) -> list[Schedule]:
    """Those whose id is `text`, or whose name contains it in any case."""
    mine = "user_id = :user AND " if user_id is not None else ""
    sql = (
        f"SELECT {COLUMNS} FROM schedules WHERE {mine}(id = :text OR instr(lower(name), lower(:text)) > 0)"
        " ORDER BY lower(name) = lower(:text) DESC, seq DESC LIMIT :limit"
    )
    return tx.all(Schedule, sql, user=user_id, text=text, limit=limit)


def insert(tx: Tx, schedule_id: str, user_id: str, values: dict[str, Any], *, anchor_at: int, next_due_at: int) -> None:
    """A new one whose first era begins just before the anchor, so that an instant at the anchor is due."""
    tx.run(
        "INSERT INTO schedules (id, user_id, name, cron_expr, timezone, payload, thread_id, catchup, max_catchup,"
        " grace_seconds, overlap, anchor_at, era_from, accounted_to, next_due_at, created_at, updated_at)"
        " VALUES (:id, :user, :name, :cron_expr, :timezone, :payload, :thread_id, :catchup, :max_catchup,"
        " :grace_seconds, :overlap, :anchor, :anchor - 1, :anchor - 1, :next, :now, :now)",
        id=schedule_id,
        user=user_id,
        anchor=anchor_at,
        next=next_due_at,
        now=tx.now,
        **values,
    )


CHANGEABLE = (
    "name", "cron_expr", "timezone", "payload", "thread_id", "catchup", "max_catchup", "grace_seconds", "overlap",
)  # fmt: skip


def update(tx: Tx, schedule_id: str, values: dict[str, Any]) -> None:
    """Set some of the changeable fields."""
    assert set(values) <= set(CHANGEABLE)
    assignments = ", ".join(f"{name} = :{name}" for name in CHANGEABLE if name in values)
    tx.run(
        f"UPDATE schedules SET {assignments}, updated_at = :now WHERE id = :id", **values, id=schedule_id, now=tx.now
    )


def begin_era(tx: Tx, schedule_id: str, since: int, anchor_at: int, next_due_at: int | None) -> None:
    """Start the books anew: a rule was changed, or the clock was set back by hours."""
    tx.run(
        "UPDATE schedules SET era = era + 1, era_from = :since, accounted_to = :since, anchor_at = :anchor,"
        " next_due_at = :next, last_due_at = NULL, fault = NULL, updated_at = :now WHERE id = :id",
        id=schedule_id,
        since=since,
        anchor=anchor_at,
        next=next_due_at,
        now=tx.now,
    )


def advance(tx: Tx, schedule: Schedule, accounted_to: int, next_due_at: int | None, task_id: str | None) -> bool:
    """Close the books up to an instant; False when somebody else has done so since the row was read."""
    changed = tx.run(
        "UPDATE schedules SET accounted_to = :to, next_due_at = :next,"
        " last_due_at = iif(:to > accounted_to, :to, last_due_at), last_task_id = coalesce(:task, last_task_id)"
        " WHERE id = :id AND era = :era AND accounted_to = :seen",
        id=schedule.id,
        era=schedule.era,
        seen=schedule.accounted_to,
        to=accounted_to,
        next=next_due_at,
        task=task_id,
    )
    return changed == 1


def set_paused(tx: Tx, schedule_id: str, reason: str, by: str) -> bool:
    changed = tx.run(
        "UPDATE schedules SET is_enabled = 0, paused_reason = :reason, paused_by = :by, paused_at = :now,"
        " updated_at = :now WHERE id = :id AND is_enabled = 1",
        id=schedule_id,
        reason=reason,
        by=by,
        now=tx.now,
    )
    return changed == 1


def set_resumed(tx: Tx, schedule_id: str) -> bool:
    changed = tx.run(
        "UPDATE schedules SET is_enabled = 1, paused_reason = NULL, paused_by = NULL, paused_at = NULL,"
        " updated_at = :now WHERE id = :id AND is_enabled = 0",
        id=schedule_id,
        now=tx.now,
    )
    return changed == 1


def set_fault(tx: Tx, schedule_id: str, fault: str) -> None:
    tx.run("UPDATE schedules SET fault = :fault WHERE id = :id", fault=fault, id=schedule_id)


def set_thread(tx: Tx, schedule_id: str, thread_id: str) -> None:
    tx.run("UPDATE schedules SET thread_id = :thread WHERE id = :id", thread=thread_id, id=schedule_id)


def set_last_task(tx: Tx, schedule_id: str, task_id: str) -> None:
    tx.run("UPDATE schedules SET last_task_id = :task WHERE id = :id", task=task_id, id=schedule_id)


def delete(tx: Tx, schedule_id: str) -> None:
    tx.run("DELETE FROM schedules WHERE id = :id", id=schedule_id)


def due(tx: Tx, now: int, limit: int) -> list[Schedule]:
    """Those with an instant not accounted for up to now, longest waiting first."""
    sql = (
        f"SELECT {COLUMNS} FROM schedules INDEXED BY schedules_due WHERE is_enabled = 1 AND fault IS NULL"
        " AND next_due_at <= :now ORDER BY next_due_at LIMIT :limit"
    )
    return tx.all(Schedule, sql, now=now, limit=limit)


def is_due(tx: Tx, now: int) -> bool:
    sql = (
        "SELECT EXISTS (SELECT 1 FROM schedules INDEXED BY schedules_due WHERE is_enabled = 1 AND fault IS NULL"
        " AND next_due_at <= :now)"
    )
    return tx.one(int, sql, now=now) == 1


def ahead(tx: Tx, after: int, limit: int) -> list[Schedule]:
    """Those whose books are closed to beyond an instant: the clock was set back since."""
    sql = (
        f"SELECT {COLUMNS} FROM schedules INDEXED BY schedules_ahead WHERE is_enabled = 1 AND fault IS NULL"
        " AND accounted_to > :after ORDER BY accounted_to LIMIT :limit"
    )
    return tx.all(Schedule, sql, after=after, limit=limit)


def next_due_at(tx: Tx) -> int | None:
    """The first instant at which anything is due."""
    sql = (
        "SELECT next_due_at FROM schedules INDEXED BY schedules_due WHERE is_enabled = 1 AND fault IS NULL"
        " AND next_due_at > 0 ORDER BY next_due_at LIMIT 1"
    )
    return tx.one(int, sql)


def coming(tx: Tx, limit: int) -> list[Schedule]:
    """Those that are due next, the first first."""
    sql = (
        f"SELECT {COLUMNS} FROM schedules INDEXED BY schedules_due WHERE is_enabled = 1 AND fault IS NULL"
        " AND next_due_at > 0 ORDER BY next_due_at LIMIT :limit"
    )
    return tx.all(Schedule, sql, limit=limit)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many schedules there are, and how many of them have something to do."""

    schedules: int
    due: int
    paused: int
    faulty: int


def backlog(tx: Tx, user_id: str | None = None) -> Backlog:
    mine = " WHERE user_id = :user" if user_id is not None else ""
    found = tx.one(
        Backlog,
        "SELECT count(*), coalesce(sum(is_enabled = 1 AND fault IS NULL AND next_due_at <= :now), 0),"
        " coalesce(sum(is_enabled = 0), 0), coalesce(sum(fault IS NOT NULL), 0)"
        f" FROM schedules{mine}",
        now=tx.now,
        user=user_id,
    )
    assert found is not None
    return found


def thread_owner(tx: Tx, thread_id: str) -> str | None:
    """Whose conversation it is; None when there is none."""
    return tx.one(str, "SELECT user_id FROM threads WHERE id = :id", id=thread_id)


def busy(tx: Tx, schedules: Sequence[Schedule]) -> frozenset[str]:
    """Ids of those of which a run waits or works in the queue, or whose last prompt is being answered."""
    groups = json.dumps([f"schedule:{schedule.id}" for schedule in schedules])
    tasks = json.dumps([schedule.last_task_id for schedule in schedules if schedule.last_task_id])
    found = tx.all(
        str,
        "SELECT substr(group_key, length('schedule:') + 1) FROM tasks"
        " WHERE group_key IN (SELECT value FROM json_each(:groups)) AND state IN ('queued', 'running')",
        groups=groups,
    )
    answering = tx.all(
        str,
        "SELECT json_extract(t.payload, '$.schedule_id') FROM json_each(:tasks) j JOIN tasks t ON t.id = j.value"
        " JOIN tasks a ON a.id = json_extract(t.result, '$.answer_task_id') WHERE a.state IN ('queued', 'running')",
        tasks=tasks,
    )
    return frozenset((*found, *answering))
