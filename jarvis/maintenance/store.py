"""Runs on disk: a row each, a row for each of their commands, and every statement that touches them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

STATES = ("running", "passed", "failed", "cancelled", "interrupted", "refused")
LAST = 2**62


@dataclass(frozen=True, slots=True)
class Run:
    """One run of all commands. `refused` runs never began; equal ones in a row share one with `repeats`."""

    seq: int
    id: str
    cause: str
    """"interval", or "asked" by somebody."""
    actor: str
    trace_id: str
    task_id: str | None
    state: str
    reason: str | None
    workdir: str
    revision: str | None
    revision_title: str | None
    repeats: int
    started_at: int
    finished_at: int | None

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    @property
    def seconds(self) -> float | None:
        return None if self.finished_at is None else (self.finished_at - self.started_at) / SECOND

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "cause": self.cause,
            "actor": self.actor,
            "trace_id": self.trace_id,
            "task_id": self.task_id,
            "state": self.state,
            "reason": self.reason,
            "workdir": self.workdir,
            "commit": self.revision,
            "repeats": self.repeats,
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at) if self.finished_at is not None else None,
            "seconds": round(self.seconds, 3) if self.seconds is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a run. `excerpt` is JSON text: both ends of its output and the telling lines."""

    run_seq: int
    position: int
    command: str
    state: str
    exit_code: int | None
    killed: int
    error: str | None
    process: str | None
    """By which sign its process can be told from every other, while it runs."""
    output_bytes: int
    output_lines: int
    excerpt: str
    bug_id: str | None
    started_at: int | None
    finished_at: int | None

    @property
    def seconds(self) -> float | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at) / SECOND

    def excerpt_of(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.excerpt) if self.excerpt else {}
        return value

    def as_json(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "command": self.command,
            "state": self.state,
            "exit_code": self.exit_code,
            "killed": self.killed,
            "error": self.error,
            "seconds": round(self.seconds, 3) if self.seconds is not None else None,
            "output": self.excerpt_of() or None,
            "bug_id": self.bug_id,
            "started_at": rfc3339(self.started_at) if self.started_at is not None else None,
            "finished_at": rfc3339(self.finished_at) if self.finished_at is not None else None,
        }


RUN = (
    "seq, id, cause, actor, trace_id, task_id, state, reason, workdir, revision, revision_title, repeats,"
    " started_at, finished_at"
)
STEP = (
    "run_seq, position, command, state, exit_code, killed, error, process, output_bytes, output_lines, excerpt,"
    " bug_id, started_at, finished_at"
)


def get(tx: Tx, run_id: str) -> Run:
    run = tx.one(Run, f"SELECT {RUN} FROM maintenance_runs WHERE id = :id", id=run_id)
    if run is None:
        raise NotFound("There is no such maintenance run.")
    return run


def newest(tx: Tx, limit: int, before: int = LAST) -> list[Run]:
    sql = f"SELECT {RUN} FROM maintenance_runs WHERE seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Run, sql, before=before, limit=limit)


def last_ended(tx: Tx, limit: int = 1) -> list[Run]:
    """The newest runs that began and ended, newest first."""
    return tx.all(
        Run,
        f"SELECT {RUN} FROM maintenance_runs WHERE state IN ('passed', 'failed', 'cancelled', 'interrupted')"
        " ORDER BY seq DESC LIMIT :limit",
        limit=limit,
    )


def running(tx: Tx) -> list[Run]:
    return tx.all(Run, f"SELECT {RUN} FROM maintenance_runs WHERE state = 'running' ORDER BY seq DESC")


def steps(tx: Tx, run_seq: int) -> list[Step]:
    sql = f"SELECT {STEP} FROM maintenance_commands WHERE run_seq = :seq ORDER BY position"
    return tx.all(Step, sql, seq=run_seq)


def insert(
    tx: Tx,
    run_id: str,
    *,
    cause: str,
    task_id: str | None,
    state: str,
    workdir: str,
    reason: str | None = None,
    revision: tuple[str, str] | None = None,
    commands: Sequence[str] = (),
) -> Run:
    commit, title = revision or (None, None)
    run = tx.one(
        Run,
        "INSERT INTO maintenance_runs (id, cause, actor, trace_id, task_id, state, reason, workdir, revision,"
        " revision_title, started_at, finished_at) VALUES (:id, :cause, :actor, :trace, :task, :state, :reason,"
        f" :workdir, :revision, :title, :now, iif(:state = 'running', NULL, :now)) RETURNING {RUN}",
        id=run_id,
        cause=cause,
        actor=tx.who.actor,
        trace=tx.who.trace_id,
        task=task_id,
        state=state,
        reason=reason,
        workdir=workdir,
        revision=commit,
        title=title,
        now=tx.now,
    )
    assert run is not None
    for position, command in enumerate(commands, 1):
        tx.run(
            "INSERT INTO maintenance_commands (run_seq, position, command, state)"
            " VALUES (:seq, :position, :command, 'waiting')",
            seq=run.seq,
            position=position,
            command=command,
        )
    return run


def repeat_refused(tx: Tx, cause: str, reason: str) -> Run | None:
    """Count once more on the newest row when it is the same refusal; None when it is not."""
    return tx.one(
        Run,
        "UPDATE maintenance_runs SET repeats = repeats + 1, finished_at = max(:now, started_at)"
        " WHERE seq = (SELECT seq FROM maintenance_runs ORDER BY seq DESC LIMIT 1) AND state = 'refused'"
        f" AND cause = :cause AND reason = :reason RETURNING {RUN}",
        cause=cause,
        reason=reason,
        now=tx.now,
    )


def finish(tx: Tx, run_id: str, state: str, reason: str | None) -> bool:
    """Running → an end; what had not ended by then is skipped or ended likewise."""
    run = get(tx, run_id)
    changed = tx.run(
        "UPDATE maintenance_runs SET state = :state, reason = :reason, finished_at = max(:now, started_at)"
        " WHERE id = :id AND state = 'running'",
        id=run_id,
        state=state,
        reason=reason,
        now=tx.now,
    )
    if changed:
        tx.run(
            "UPDATE maintenance_commands SET state = iif(state = 'waiting', 'skipped', :ended), process = NULL,"
            " finished_at = iif(state = 'waiting', NULL, :now)"
            " WHERE run_seq = :seq AND state IN ('waiting', 'running')",
            seq=run.seq,
            ended="cancelled" if state == "cancelled" else "interrupted",
            now=tx.now,
        )
    return changed == 1


def start_step(tx: Tx, run_seq: int, position: int) -> None:
    tx.run(
        "UPDATE maintenance_commands SET state = 'running', started_at = :now"
        " WHERE run_seq = :seq AND position = :position AND state = 'waiting'",
        seq=run_seq,
        position=position,
        now=tx.now,
    )


def set_process(tx: Tx, run_seq: int, position: int, process: str) -> None:
    sql = "UPDATE maintenance_commands SET process = :process WHERE run_seq = :seq AND position = :position"
    tx.run(sql, seq=run_seq, position=position, process=process)


def finish_step(
    tx: Tx,
    run_seq: int,
    position: int,
    *,
    state: str,
    exit_code: int | None,
    killed: int,
    error: str | None,
    excerpt: dict[str, Any],
) -> bool:
    changed = tx.run(
        "UPDATE maintenance_commands SET state = :state, exit_code = :exit_code, killed = :killed, error = :error,"
        " process = NULL, output_bytes = :bytes, output_lines = :lines, excerpt = :excerpt,"
        " finished_at = max(:now, started_at) WHERE run_seq = :seq AND position = :position AND state = 'running'",
        seq=run_seq,
        position=position,
        state=state,
        exit_code=exit_code,
        killed=killed,
        error=error,
        bytes=excerpt.get("bytes", 0),
        lines=excerpt.get("lines", 0),
        excerpt=json.dumps(excerpt, ensure_ascii=False),
        now=tx.now,
    )
    return changed == 1


def set_bug(tx: Tx, run_seq: int, position: int, bug_id: str) -> None:
    sql = "UPDATE maintenance_commands SET bug_id = :bug WHERE run_seq = :seq AND position = :position"
    tx.run(sql, bug=bug_id, seq=run_seq, position=position)


def delete_before(tx: Tx, instant: int, at_most: int) -> list[str]:
    """Forget runs that began before an instant, but no running one; returns their ids."""
    return tx.all(
        str,
        "DELETE FROM maintenance_runs WHERE seq IN (SELECT seq FROM maintenance_runs"
        " WHERE started_at < :instant AND state <> 'running' ORDER BY started_at LIMIT :most) RETURNING id",
        instant=instant,
        most=at_most,
    )


def delete_beyond(tx: Tx, keep: int, at_most: int) -> list[str]:
    """Forget the oldest runs beyond a number, but no running one; returns their ids."""
    newest = tx.one(int, "SELECT seq FROM maintenance_runs ORDER BY seq DESC LIMIT 1") or 0
    return tx.all(
        str,
        "DELETE FROM maintenance_runs WHERE seq IN (SELECT seq FROM maintenance_runs"
        " WHERE seq <= :last AND state <> 'running' ORDER BY seq LIMIT :most) RETURNING id",
        last=newest - keep,
        most=at_most,
    )


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives the process: when the interval last started a run, and when it last beat."""

    dispatched_at: int | None
    beat_at: int | None


def memory(tx: Tx) -> Memory:
    found = tx.one(Memory, "SELECT dispatched_at, beat_at FROM maintenance_state WHERE id = 1")
    assert found is not None
    return found


def set_dispatched(tx: Tx) -> None:
    tx.run("UPDATE maintenance_state SET dispatched_at = :now WHERE id = 1", now=tx.now)


def set_beat(tx: Tx) -> None:
    tx.run("UPDATE maintenance_state SET beat_at = :now WHERE id = 1", now=tx.now)
