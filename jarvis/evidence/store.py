"""What soaks found, in SQL."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx

COLUMNS = "seq, id, actor, version, url, problem, measured, created_at"


@dataclass(frozen=True, slots=True)
class Soak:
    """One server watched for a time. `problem` is why it did not pass, or None."""

    seq: int
    id: str
    actor: str
    version: str
    """The release that was watched, as it said itself."""
    url: str
    problem: str | None
    measured: str
    created_at: int

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "actor": self.actor,
            "version": self.version,
            "url": self.url,
            "ok": self.problem is None,
            "problem": self.problem,
            "measured": json.loads(self.measured),
            "created_at": rfc3339(self.created_at),
        }


def newest(tx: Tx, limit: int = 1) -> list[Soak]:
    return tx.all(Soak, f"SELECT {COLUMNS} FROM soaks ORDER BY seq DESC LIMIT :limit", limit=limit)


def insert(tx: Tx, soak_id: str, version: str, url: str, problem: str | None, measured: dict[str, Any]) -> Soak:
    tx.run(
        "INSERT INTO soaks (id, actor, version, url, problem, measured, created_at)"
        " VALUES (:id, :actor, :version, :url, :problem, :measured, :now)",
        id=soak_id,
        actor=tx.who.actor,
        version=version,
        url=url,
        problem=problem,
        measured=json.dumps(measured),
        now=tx.now,
    )
    return newest(tx)[0]
