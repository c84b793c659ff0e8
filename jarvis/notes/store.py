"""Rows of notes."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

LAST = 2**62


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to remember, for one person."""

    seq: int
    id: str
    user_id: str
    text: str
    created_at: int
    updated_at: int

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        }


NOTE = "seq, id, user_id, text, created_at, updated_at"


def newest(tx: Tx, user_id: str, limit: int, before: int = LAST) -> list[Note]:
    sql = f"SELECT {NOTE} FROM notes WHERE user_id = :user AND seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Note, sql, user=user_id, before=before, limit=limit)


def count(tx: Tx, user_id: str) -> int:
    return tx.one(int, "SELECT count(*) FROM notes WHERE user_id = :user", user=user_id) or 0


def get(tx: Tx, note_id: str) -> Note:
    found = tx.one(Note, f"SELECT {NOTE} FROM notes WHERE id = :id", id=note_id)
    if found is None:
        raise NotFound("There is no such note.")
    return found


def insert(tx: Tx, note_id: str, user_id: str, text: str) -> Note:
    tx.run(
        "INSERT INTO notes (id, user_id, text, created_at, updated_at) VALUES (:id, :user, :text, :now, :now)",
        id=note_id,
        user=user_id,
        text=text,
        now=tx.now,
    )
    return get(tx, note_id)


def set_text(tx: Tx, note_id: str, text: str) -> None:
    tx.run("UPDATE notes SET text = :text, updated_at = :now WHERE id = :id", id=note_id, text=text, now=tx.now)


def delete(tx: Tx, note_id: str) -> None:
    tx.run("DELETE FROM notes WHERE id = :id", id=note_id)
