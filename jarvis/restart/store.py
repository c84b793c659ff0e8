"""Rows of restarts, and the flag that says one is under way."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Restart:
    """One restart; `in_flight` and `outcome` are JSON, a task each."""

    seq: int
    state: str
    reason: str
    asked_by: str
    trace_id: str
    version: str
    in_flight: str
    outcome: str
    error: str | None
    asked_at: int
    ended_at: int | None

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def seconds(self) -> float | None:
        return None if self.ended_at is None else (self.ended_at - self.asked_at) / 1e6

    def tasks(self) -> list[dict[str, Any]]:
        """What was in flight, with what became of it once that is known."""
        found: list[dict[str, Any]] = json.loads(self.outcome if self.is_over else self.in_flight)
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "reason": self.reason,
            "asked_by": self.asked_by,
            "trace_id": self.trace_id,
            "version": self.version,
            "tasks": self.tasks(),
            "error": self.error,
            "asked_at": rfc3339(self.asked_at),
            "ended_at": rfc3339(self.ended_at) if self.ended_at is not None else None,
            "seconds": self.seconds,
        }


RESTART = "seq, state, reason, asked_by, trace_id, version, in_flight, outcome, error, asked_at, ended_at"
OPEN = "state IN ('asked', 'draining', 'leaving')"


def under_way(tx: Tx) -> Restart | None:
    """The restart that has been asked for and is not over."""
    return tx.one(Restart, f"SELECT {RESTART} FROM restarts WHERE {OPEN} ORDER BY seq DESC LIMIT 1")


def get(tx: Tx, seq: int) -> Restart:
    found = tx.one(Restart, f"SELECT {RESTART} FROM restarts WHERE seq = :seq", seq=seq)
    if found is None:
        raise NotFound("There is no such restart.")
    return found


def newest(tx: Tx, limit: int) -> list[Restart]:
    return tx.all(Restart, f"SELECT {RESTART} FROM restarts ORDER BY seq DESC LIMIT :limit", limit=limit)


def insert(tx: Tx, reason: str, version: str, in_flight: str) -> Restart:
    tx.run(
        "INSERT INTO restarts (state, reason, asked_by, trace_id, version, in_flight, asked_at)"
        " VALUES ('asked', :reason, :by, :trace, :version, :in_flight, :now)",
        reason=reason,
        by=tx.who.actor,
        trace=tx.who.trace_id,
        version=version,
        in_flight=in_flight,
        now=tx.now,
    )
    return get(tx, tx.connection.last_insert_rowid())


def set_state(tx: Tx, seq: int, before: str, after: str, in_flight: str) -> bool:
    sql = "UPDATE restarts SET state = :after, in_flight = :in_flight WHERE seq = :seq AND state = :before"
    return tx.run(sql, seq=seq, before=before, after=after, in_flight=in_flight) == 1


def finish(tx: Tx, seq: int, state: str, outcome: str, error: str | None) -> bool:
    sql = (
        "UPDATE restarts SET state = :state, outcome = :outcome, error = :error, ended_at = :now"
        f" WHERE seq = :seq AND {OPEN}"
    )
    return tx.run(sql, seq=seq, state=state, outcome=outcome, error=error, now=tx.now) == 1


def set_flag(tx: Tx) -> None:
    """Say that a restart is under way: no task is claimed from here on."""
    tx.run("UPDATE system_state SET restarting = 1 WHERE id = 1")
