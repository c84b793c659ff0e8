"""What is known of each backup, in SQL."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

LAST = 2**62
COLUMNS = "seq, id, reason, actor, bytes, database_bytes, sha256, head_seq, head_hash, problem, created_at, verified_at"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. `problem` is what the last check found wrong with it, or None."""

    seq: int
    id: str
    reason: str
    actor: str
    bytes: int
    database_bytes: int
    sha256: str
    head_seq: int
    """The newest event in it, and its hash: with these the chain can be checked from outside."""
    head_hash: str
    problem: str | None
    created_at: int
    verified_at: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.id}.db.gz"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "reason": self.reason,
            "actor": self.actor,
            "file": self.name,
            "bytes": self.bytes,
            "database_bytes": self.database_bytes,
            "sha256": self.sha256,
            "head_seq": self.head_seq,
            "head_hash": self.head_hash,
            "ok": self.problem is None,
            "problem": self.problem,
            "created_at": rfc3339(self.created_at),
            "verified_at": rfc3339(self.verified_at),
        }


def get(tx: Tx, backup_id: str) -> Backup:
    found = tx.one(Backup, f"SELECT {COLUMNS} FROM backups WHERE id = :id", id=backup_id)
    if found is None:
        raise NotFound("There is no such backup.")
    return found


def newest(tx: Tx, limit: int, before: int = LAST) -> list[Backup]:
    sql = f"SELECT {COLUMNS} FROM backups WHERE seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Backup, sql, before=before, limit=limit)


def newest_good(tx: Tx, among: int = 100) -> Backup | None:
    """The newest in which nothing wrong was found, if it is among so many."""
    return next((backup for backup in newest(tx, among) if backup.problem is None), None)


def insert(
    tx: Tx, backup_id: str, reason: str, *, size: int, database_bytes: int, sha256: str, head: tuple[int, str]
) -> Backup:
    tx.run(
        "INSERT INTO backups (id, reason, actor, bytes, database_bytes, sha256, head_seq, head_hash, created_at,"
        " verified_at) VALUES (:id, :reason, :actor, :bytes, :database_bytes, :digest, :seq, :hash, :now, :now)",
        id=backup_id,
        reason=reason,
        actor=tx.who.actor,
        bytes=size,
        database_bytes=database_bytes,
        digest=sha256,
        seq=head[0],
        hash=head[1],
        now=tx.now,
    )
    return get(tx, backup_id)


def set_verified(tx: Tx, backup_id: str, problem: str | None) -> None:
    tx.run(
        "UPDATE backups SET problem = :problem, verified_at = :now WHERE id = :id",
        id=backup_id,
        problem=problem,
        now=tx.now,
    )


def delete(tx: Tx, backup_id: str) -> None:
    tx.run("DELETE FROM backups WHERE id = :id", id=backup_id)


def dispatched_at(tx: Tx) -> int | None:
    """When the interval last asked for a backup."""
    return tx.one(lambda at: at, "SELECT dispatched_at FROM backup_state WHERE id = 1")


def set_dispatched(tx: Tx) -> None:
    tx.run("UPDATE backup_state SET dispatched_at = :now WHERE id = 1", now=tx.now)
