"""What is known of each backup, in SQL."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

LAST = 2**62
COLUMNS = (
    "seq, id, reason, actor, bytes, database_bytes, sha256, head_seq, head_hash, problem, created_at, verified_at,"
    " uploaded_at, upload_key, upload_problem, counts"
)
DRILL_COLUMNS = (
    "seq, id, backup_id, actor, version, problem, events, row_count, restore_ms, ready_ms, total_ms, created_at"
)


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
    uploaded_at: int | None = None
    upload_key: str | None = None
    upload_problem: str | None = None
    """Why the last try to upload it failed; None when it arrived, or none was made."""
    counts: str = ""
    """Rows of each table in it, as JSON; "" for one that an older release made."""

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
            "uploaded_at": rfc3339(self.uploaded_at) if self.uploaded_at is not None else None,
            "upload_key": self.upload_key,
            "upload_problem": self.upload_problem,
        }


@dataclass(frozen=True, slots=True)
class Drill:
    """One trial of a backup: restored into a home of its own, served from there, compared and timed."""

    seq: int
    id: str
    backup_id: str
    actor: str
    version: str
    problem: str | None
    """What was wrong, or None when everything was there and the server became ready."""
    events: int
    row_count: int
    restore_ms: int
    ready_ms: int
    """From the start of the server until it said it was ready."""
    total_ms: int
    created_at: int

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "backup_id": self.backup_id,
            "actor": self.actor,
            "version": self.version,
            "ok": self.problem is None,
            "problem": self.problem,
            "events": self.events,
            "rows": self.row_count,
            "restore_ms": self.restore_ms,
            "ready_ms": self.ready_ms,
            "total_ms": self.total_ms,
            "created_at": rfc3339(self.created_at),
        }


def find(tx: Tx, backup_id: str) -> Backup | None:
    return tx.one(Backup, f"SELECT {COLUMNS} FROM backups WHERE id = :id", id=backup_id)


def get(tx: Tx, backup_id: str) -> Backup:
    found = find(tx, backup_id)
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
    tx: Tx,
    backup_id: str,
    reason: str,
    *,
    size: int,
    database_bytes: int,
    sha256: str,
    head: tuple[int, str],
    counts: str = "",
) -> Backup:
    tx.run(
        "INSERT INTO backups (id, reason, actor, bytes, database_bytes, sha256, head_seq, head_hash, counts,"
        " created_at, verified_at)"
        " VALUES (:id, :reason, :actor, :bytes, :database_bytes, :digest, :seq, :hash, :counts, :now, :now)",
        id=backup_id,
        reason=reason,
        actor=tx.who.actor,
        bytes=size,
        database_bytes=database_bytes,
        digest=sha256,
        seq=head[0],
        hash=head[1],
        counts=counts,
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


def set_uploaded(tx: Tx, backup_id: str, key: str) -> None:
    tx.run(
        "UPDATE backups SET uploaded_at = :now, upload_key = :key, upload_problem = NULL WHERE id = :id",
        id=backup_id,
        key=key,
        now=tx.now,
    )


def set_upload_problem(tx: Tx, backup_id: str, problem: str) -> None:
    tx.run("UPDATE backups SET upload_problem = :problem WHERE id = :id", id=backup_id, problem=problem)


def delete(tx: Tx, backup_id: str) -> None:
    tx.run("DELETE FROM backups WHERE id = :id", id=backup_id)


def dispatched_at(tx: Tx) -> int | None:
    """When the interval last asked for a backup."""
    return tx.one(lambda at: at, "SELECT dispatched_at FROM backup_state WHERE id = 1")


def set_dispatched(tx: Tx) -> None:
    tx.run("UPDATE backup_state SET dispatched_at = :now WHERE id = 1", now=tx.now)


def newest_drills(tx: Tx, limit: int, before: int = LAST) -> list[Drill]:
    sql = f"SELECT {DRILL_COLUMNS} FROM backup_drills WHERE seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Drill, sql, before=before, limit=limit)


def insert_drill(
    tx: Tx,
    drill_id: str,
    backup_id: str,
    version: str,
    problem: str | None,
    *,
    events: int,
    row_count: int,
    restore_ms: int,
    ready_ms: int,
    total_ms: int,
) -> Drill:
    tx.run(
        "INSERT INTO backup_drills (id, backup_id, actor, version, problem, events, row_count, restore_ms, ready_ms,"
        " total_ms, created_at) VALUES (:id, :backup, :actor, :version, :problem, :events, :rows, :restore, :ready,"
        " :total, :now)",
        id=drill_id, backup=backup_id, actor=tx.who.actor, version=version, problem=problem, events=events,
        rows=row_count, restore=restore_ms, ready=ready_ms, total=total_ms, now=tx.now,
    )  # fmt: skip
    return newest_drills(tx, 1)[0]
