"""What doctor changed, on disk."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Fix:
    """One change; `change` is JSON: what it takes to put it back."""

    seq: int
    id: str
    finding: str
    did: str
    change: str
    actor: str
    at: int
    undone_at: int | None

    def details(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.change)
        return value

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "finding": self.finding,
            "did": self.did,
            "actor": self.actor,
            "at": rfc3339(self.at),
            "undone_at": rfc3339(self.undone_at) if self.undone_at else None,
        }


COLUMNS = "seq, id, finding, did, change, actor, at, undone_at"


def insert(tx: Tx, fix_id: str, finding: str, did: str, change: dict[str, Any]) -> Fix:
    tx.run(
        "INSERT INTO fixes (id, finding, did, change, actor, at) VALUES (:id, :finding, :did, :change, :actor, :now)",
        id=fix_id,
        finding=finding,
        did=did,
        change=json.dumps(change),
        actor=tx.who.actor,
        now=tx.now,
    )
    return get(tx, fix_id)


def get(tx: Tx, fix_id: str) -> Fix:
    fix = tx.one(Fix, f"SELECT {COLUMNS} FROM fixes WHERE id = :id", id=fix_id)
    if fix is None:
        raise NotFound("Doctor has made no such change.")
    return fix


def newest(tx: Tx, limit: int = 50, before: int = 2**62) -> list[Fix]:
    """Changes, newest first."""
    sql = f"SELECT {COLUMNS} FROM fixes WHERE seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Fix, sql, before=before, limit=limit)


def set_undone(tx: Tx, fix_id: str) -> bool:
    """Mark as put back; False when it was already."""
    sql = "UPDATE fixes SET undone_at = :now WHERE id = :id AND undone_at IS NULL"
    return tx.run(sql, id=fix_id, now=tx.now) == 1
