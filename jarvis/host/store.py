"""Rows of the programs that were run."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class HostRun:
    """One program: what was run for whom, and how it ended. `argv` is JSON."""

    seq: int
    id: str
    argv: str
    cwd: str
    username: str
    sandbox: str
    state: str
    exit_code: int | None
    killed_for: str | None
    output: str
    left_out_bytes: int
    started_at: int
    ended_at: int | None

    @property
    def is_ok(self) -> bool:
        return self.state == "ended" and self.exit_code == 0 and not self.killed_for

    def as_json(self) -> dict[str, Any]:
        seconds = (self.ended_at - self.started_at) / 1e6 if self.ended_at is not None else None
        return {
            "run_id": self.id,
            "argv": json.loads(self.argv),
            "cwd": self.cwd,
            "sandbox": self.sandbox,
            "exit_code": self.exit_code,
            "killed_for": self.killed_for,
            "output": self.output,
            "left_out_bytes": self.left_out_bytes,
            "seconds": seconds,
        }


RUN = (
    "seq, id, argv, cwd, username, sandbox, state, exit_code, killed_for, output, left_out_bytes, started_at, ended_at"
)


def insert(tx: Tx, run_id: str, argv: list[str], cwd: str, username: str, sandbox: str) -> None:
    tx.run(
        "INSERT INTO host_runs (id, argv, cwd, username, sandbox, state, trace_id, started_at)"
        " VALUES (:id, :argv, :cwd, :username, :sandbox, 'running', :trace, :now)",
        id=run_id,
        argv=json.dumps(argv, ensure_ascii=False),
        cwd=cwd,
        username=username,
        sandbox=sandbox,
        trace=tx.who.trace_id,
        now=tx.now,
    )


def finish(tx: Tx, run_id: str, exit_code: int | None, killed_for: str, output: str, left_out: int) -> None:
    tx.run(
        "UPDATE host_runs SET state = 'ended', exit_code = :code, killed_for = :killed, output = :output,"
        " left_out_bytes = :left, ended_at = :now WHERE id = :id AND state = 'running'",
        id=run_id,
        code=exit_code,
        killed=killed_for or None,
        output=output,
        left=left_out,
        now=tx.now,
    )


def get(tx: Tx, run_id: str) -> HostRun:
    found = tx.one(HostRun, f"SELECT {RUN} FROM host_runs WHERE id = :id", id=run_id)
    if found is None:
        raise NotFound("There is no such run.")
    return found


def newest(tx: Tx, limit: int) -> list[HostRun]:
    return tx.all(HostRun, f"SELECT {RUN} FROM host_runs ORDER BY seq DESC LIMIT :limit", limit=limit)
