"""Tasks on disk: the row, its attempts, and every statement that touches them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

STATES = ("queued", "running", "done", "failed", "cancelled")
ENDED = ("done", "failed", "cancelled")
LAST = 2**62


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work. `payload` and `result` are JSON text; `epoch` is who is running it."""

    seq: int
    id: str
    name: str
    payload: str
    state: str
    is_due: bool
    priority: int
    run_at: int
    attempts: int
    """Since it was enqueued or retried by hand."""
    max_attempts: int
    runs: int
    """How often it began, ever: tells this attempt from every other."""
    is_blocked: bool
    epoch: int | None
    unique_key: str | None
    group_key: str | None
    is_cancel_asked: bool
    actor: str
    user_id: str | None
    trace_id: str
    parent_id: str
    progress: str | None
    result: str | None
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED

    def as_json(self) -> dict[str, Any]:
        times = {name: getattr(self, name) for name in ("run_at", "created_at", "started_at", "finished_at")}
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "payload": json.loads(self.payload),
            "priority": self.priority,
            "attempts": self.attempts,
            "max_attempts": self.max_attempts,
            "actor": self.actor,
            "user_id": self.user_id,
            "trace_id": self.trace_id,
            "progress": self.progress,
            "result": json.loads(self.result) if self.result else None,
            "error": self.error,
            "cancel_requested": bool(self.is_cancel_asked),
            **{name: rfc3339(at) if at is not None else None for name, at in times.items()},
        }


COLUMNS = (
    "seq, id, name, payload, state, is_due, priority, run_at, attempts, max_attempts, runs, is_blocked, epoch,"
    " unique_key, group_key, is_cancel_asked, actor, user_id, trace_id, parent_id, progress, result, error,"
    " created_at, started_at, finished_at"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has ended: how, and what was logged meanwhile."""

    run: int
    attempt: int
    epoch: int
    started_at: int
    ended_at: int
    outcome: str
    """"done", "failed", "cancelled", "given_back" (we were restarting) or "lost" (its process died)."""
    error: str | None
    log: str

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "attempt": self.attempt,
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "milliseconds": round((self.ended_at - self.started_at) / 1000, 1),
            "outcome": self.outcome,
            "error": self.error,
            "log": self.log.splitlines(),
        }


def payload_of(task: Task) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(task.payload)
    return payload


def get(tx: Tx, task_id: str) -> Task:
    task = find(tx, task_id)
    if task is None:
        raise NotFound("There is no such task.")
    return task


def find(tx: Tx, task_id: str) -> Task | None:
    return tx.one(Task, f"SELECT {COLUMNS} FROM tasks WHERE id = :id", id=task_id)


def find_active(tx: Tx, unique_key: str) -> Task | None:
    """The queued or running task with this key."""
    sql = f"SELECT {COLUMNS} FROM tasks WHERE unique_key = :key AND state IN ('queued', 'running')"
    return tx.one(Task, sql, key=unique_key)


def insert(
    tx: Tx,
    task_id: str,
    name: str,
    payload: dict[str, Any],
    *,
    run_at: int,
    max_attempts: int,
    priority: int,
    unique_key: str | None,
    group_key: str | None,
    user_id: str | None,
) -> Task:
    task = tx.one(
        Task,
        "INSERT INTO tasks (id, name, payload, is_due, priority, run_at, max_attempts, unique_key, group_key,"
        " is_blocked, actor, user_id, trace_id, parent_id, created_at)"
        " VALUES (:id, :name, :payload, :due, :priority, :run_at, :most, :unique, :group,"
        f" {BLOCKED.format(group=':group')}, :actor, :user, :trace, :parent, :now) RETURNING {COLUMNS}",
        id=task_id,
        name=name,
        payload=json.dumps(payload, ensure_ascii=False),
        due=int(run_at <= tx.now),
        priority=priority,
        run_at=run_at,
        most=max_attempts,
        unique=unique_key,
        group=group_key,
        actor=tx.who.actor,
        user=user_id,
        trace=tx.who.trace_id,
        parent=tx.who.span_id,
        now=tx.now,
    )
    assert task is not None
    return task


BLOCKED = (
    "({group} IS NOT NULL AND EXISTS (SELECT 1 FROM tasks g WHERE g.group_key = {group}"
    " AND g.state IN ('queued', 'running')))"
)
FROM_READY = "FROM tasks INDEXED BY tasks_ready WHERE state = 'queued' AND is_due = 1 AND is_blocked = 0"
READY = "state = 'queued' AND is_due = 1 AND is_blocked = 0"


def next_run_at(tx: Tx) -> int | None:
    """When the next task that waits for its time is due."""
    sql = "SELECT run_at FROM tasks WHERE state = 'queued' AND is_due = 0 ORDER BY run_at LIMIT 1"
    return tx.one(int, sql)


def promote(tx: Tx, at_most: int) -> int:
    """Let tasks whose time has come stand in line; returns how many."""
    return tx.run(
        "UPDATE tasks SET is_due = 1 WHERE seq IN (SELECT seq FROM tasks"
        " WHERE state = 'queued' AND is_due = 0 AND run_at <= :now ORDER BY run_at LIMIT :most)",
        now=tx.now,
        most=at_most,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """The task that is next, among those whose name has room."""

    seq: int
    name: str
    priority: int


def head(tx: Tx, names_at_limit: Iterable[str]) -> Head | None:
    """The first ready task by priority and age: one seek a name, however many wait behind it."""
    return tx.one(
        Head,
        "WITH RECURSIVE names (name) AS ("
        f"SELECT (SELECT name {FROM_READY} ORDER BY name LIMIT 1) UNION ALL"
        f" SELECT (SELECT name {FROM_READY} AND name > names.name ORDER BY name LIMIT 1)"
        " FROM names WHERE names.name IS NOT NULL)"
        " SELECT t.seq, t.name, t.priority FROM names JOIN tasks t ON t.seq ="
        f" (SELECT seq {FROM_READY} AND name = names.name ORDER BY priority DESC, seq LIMIT 1)"
        " WHERE names.name IS NOT NULL AND names.name NOT IN (SELECT value FROM json_each(:full))"
        " ORDER BY t.priority DESC, t.seq LIMIT 1",
        full=json.dumps(list(names_at_limit)),
    )


def claim_head(tx: Tx, first: Head, epoch: int, most: int) -> list[Task]:
    """Queued → running under an epoch: the head, and fresh tasks of its name and priority behind it.

    A task that was held when its process died is only ever claimed as a head, so one that kills
    the process takes the others with it once at most; so is one that has a single attempt.
    """
    claimed = tx.all(
        Task,
        f"UPDATE tasks SET {BEGUN} WHERE seq IN (SELECT seq FROM tasks WHERE {READY}"
        " AND name = :name AND priority = :priority ORDER BY seq LIMIT :most)"
        f" AND (seq = :head OR (attempts = 0 AND max_attempts > 1)) RETURNING {COLUMNS}",
        epoch=epoch,
        now=tx.now,
        name=first.name,
        priority=first.priority,
        most=most,
        head=first.seq,
    )
    return sorted(claimed, key=lambda task: task.seq)


BEGUN = (
    "state = 'running', epoch = :epoch, attempts = attempts + 1, runs = runs + 1, started_at = :now, progress = NULL"
)


def claim(tx: Tx, task_id: str, epoch: int) -> Task | None:
    """Queued → running, this very one; None when it is not free to run."""
    sql = f"UPDATE tasks SET {BEGUN} WHERE id = :id AND state = 'queued' AND is_blocked = 0 RETURNING {COLUMNS}"
    return tx.one(Task, sql, id=task_id, epoch=epoch, now=tx.now)


def running_by_name(tx: Tx) -> dict[str, int]:
    sql = "SELECT name, count(*) FROM tasks WHERE state = 'running' GROUP BY name"
    return dict(tx.all(lambda name, count: (name, count), sql))


def running(tx: Tx) -> list[Task]:
    return tx.all(Task, f"SELECT {COLUMNS} FROM tasks WHERE state = 'running' ORDER BY name, epoch")


OURS = "id = :id AND state = 'running' AND epoch = :epoch AND runs = :run"


def finish(tx: Tx, task: Task, state: str, *, result: str | None = None, error: str | None = None) -> bool:
    """Running → an end, only for the attempt that was claimed."""
    changed = tx.run(
        "UPDATE tasks SET state = :state, epoch = NULL, result = :result, error = :error, finished_at = :now"
        f" WHERE {OURS}",
        id=task.id,
        epoch=task.epoch,
        run=task.runs,
        state=state,
        result=result,
        error=error,
        now=tx.now,
    )
    return changed == 1


def put_back(tx: Tx, task: Task, run_at: int, error: str | None, *, uncounted: bool = False) -> bool:
    """Running → queued again for later, only for the attempt that was claimed.

    Uncounted when the attempt was ended by us (a restart) and not by the work.
    """
    changed = tx.run(
        "UPDATE tasks SET state = 'queued', epoch = NULL, run_at = :run_at, is_due = :due, error = :error,"
        f" attempts = max(0, attempts - :less) WHERE {OURS}",
        id=task.id,
        epoch=task.epoch,
        run=task.runs,
        run_at=run_at,
        due=int(run_at <= tx.now),
        error=error,
        less=int(uncounted),
    )
    return changed == 1


def retry(tx: Tx, task_id: str) -> bool:
    """Failed or cancelled → queued from the start."""
    changed = tx.run(
        "UPDATE tasks SET state = 'queued', is_due = 1, attempts = 0, run_at = :now, is_cancel_asked = 0, error = NULL,"
        f" finished_at = NULL, progress = NULL, is_blocked = {BLOCKED.format(group='tasks.group_key')}"
        " WHERE id = :id AND state IN ('failed', 'cancelled')",
        id=task_id,
        now=tx.now,
    )
    return changed == 1


def cancel_queued(tx: Tx, task_id: str) -> bool:
    sql = "UPDATE tasks SET state = 'cancelled', finished_at = :now WHERE id = :id AND state = 'queued'"
    return tx.run(sql, id=task_id, now=tx.now) == 1


def ask_cancel(tx: Tx, task_id: str) -> bool:
    return tx.run("UPDATE tasks SET is_cancel_asked = 1 WHERE id = :id AND state = 'running'", id=task_id) == 1


def is_cancel_asked(tx: Tx, task_id: str) -> bool:
    return tx.one(int, "SELECT is_cancel_asked FROM tasks WHERE id = :id", id=task_id) == 1


def set_progress(tx: Tx, task: Task, progress: str) -> None:
    sql = f"UPDATE tasks SET progress = :progress WHERE {OURS}"
    tx.run(sql, id=task.id, epoch=task.epoch, run=task.runs, progress=progress)


def insert_attempt(tx: Tx, task: Task, outcome: str, error: str | None, log: str) -> None:
    """Keep how an attempt ended. `task` is as it was claimed."""
    tx.run(
        "INSERT INTO task_attempts (task_seq, run, attempt, epoch, started_at, ended_at, outcome, error, log)"
        " VALUES (:seq, :run, :attempt, :epoch, :started, :now, :outcome, :error, :log)",
        seq=task.seq,
        run=task.runs,
        attempt=task.attempts,
        epoch=task.epoch,
        started=task.started_at,
        now=max(tx.now, task.started_at or 0),
        outcome=outcome,
        error=error,
        log=log,
    )


def attempts(tx: Tx, task_seq: int, limit: int = 50) -> list[Attempt]:
    """The attempts of a task that have ended, newest first."""
    columns = "run, attempt, epoch, started_at, ended_at, outcome, error, log"
    sql = f"SELECT {columns} FROM task_attempts WHERE task_seq = :seq ORDER BY run DESC LIMIT :limit"
    return tx.all(Attempt, sql, seq=task_seq, limit=limit)


def counts(tx: Tx, states: Sequence[str] = ("queued", "running", "failed"), most: int = LAST) -> dict[str, int]:
    """How many there are in each state, counting no further than `most`."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE state = :state LIMIT :most)"
    return {state: tx.one(int, sql, state=state, most=most) or 0 for state in states}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many tasks ended so within one hour; `hour` counts them from the epoch."""

    hour: int
    state: str
    count: int


def outcomes_by_hour(tx: Tx, since: int) -> list[Outcomes]:
    """What ended after an instant, by hour and state."""
    sql = (
        "SELECT finished_at / 3600000000 AS hour, state, count(*) FROM tasks INDEXED BY tasks_finished"
        " WHERE finished_at > :since GROUP BY hour, state ORDER BY hour"
    )
    return tx.all(Outcomes, sql, since=since)


def newest(tx: Tx, state: str, name: str, limit: int, before: int = LAST) -> list[Task]:
    """Tasks, newest first; empty state and name mean any."""
    where = "".join((" AND state = :state" if state else "", " AND name = :name" if name else ""))
    sql = f"SELECT {COLUMNS} FROM tasks WHERE seq < :before{where} ORDER BY seq DESC LIMIT :limit"
    return tx.all(Task, sql, state=state, name=name, before=before, limit=limit)


def delete_ended(tx: Tx, state: str, before: int, at_most: int) -> int:
    """Forget tasks that ended in this state before an instant, with their attempts; returns how many."""
    return tx.run(
        "DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks"
        " WHERE finished_at < :before AND state = :state ORDER BY finished_at LIMIT :most)",
        state=state,
        before=before,
        most=at_most,
    )


def insert_epoch(tx: Tx, kind: str, pid: int, version: str) -> int:
    epoch = tx.one(
        int,
        "INSERT INTO epochs (kind, pid, version, started_at) VALUES (:kind, :pid, :version, :now) RETURNING epoch",
        kind=kind,
        pid=pid,
        version=version,
        now=tx.now,
    )
    assert epoch is not None
    return epoch


def newest_epoch(tx: Tx) -> int:
    return tx.one(int, "SELECT coalesce(max(epoch), 0) FROM epochs") or 0


def epoch_kind(tx: Tx, number: int) -> str:
    return tx.one(str, "SELECT kind FROM epochs WHERE epoch = :number", number=number) or ""


def running_epochs(tx: Tx) -> list[int]:
    return tx.all(int, "SELECT DISTINCT epoch FROM tasks WHERE state = 'running'")


def running_under(tx: Tx, epoch: int) -> list[Task]:
    return tx.all(Task, f"SELECT {COLUMNS} FROM tasks WHERE state = 'running' AND epoch = :epoch", epoch=epoch)


def is_restarting(tx: Tx) -> bool:
    return tx.one(int, "SELECT restarting FROM system_state WHERE id = 1") == 1


def is_locked(tx: Tx) -> bool:
    return tx.one(int, "SELECT lockdown FROM system_state WHERE id = 1") == 1


def waiting_by_name(tx: Tx) -> list[tuple[str, int, int]]:
    """Of each name: how many tasks could run at once if it were their turn, and since when the newest waits."""
    sql = f"SELECT name, count(*), max(run_at) {FROM_READY} GROUP BY name"
    return tx.all(lambda name, count, at: (name, count, at), sql)
