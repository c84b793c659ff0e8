"""Since when secrets have their values, what was rotated, and every text that the database holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Value:
    """The digest of a secret setting's value, and when it was first seen."""

    name: str
    salt: bytes
    digest: bytes
    first_seen_at: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation. `old_until` is None where the old one ended at once."""

    seq: int
    name: str
    subject: str
    actor: str
    at: int
    old_until: int | None
    finished_at: int | None

    @property
    def is_open(self) -> bool:
        """Whether the old one still stands beside the new."""
        return self.old_until is not None and self.finished_at is None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "subject": self.subject,
            "actor": self.actor,
            "at": rfc3339(self.at),
            "old_until": rfc3339(self.old_until) if self.old_until else None,
            "finished_at": rfc3339(self.finished_at) if self.finished_at else None,
        }


ROTATION = "seq, name, subject, actor, at, old_until, finished_at"


def find_value(tx: Tx, name: str) -> Value | None:
    return tx.one(Value, "SELECT name, salt, digest, first_seen_at FROM secret_values WHERE name = :name", name=name)


def set_value(tx: Tx, name: str, salt: bytes, digest: bytes) -> None:
    """Remember a value as one that is new now."""
    tx.run(
        "INSERT INTO secret_values (name, salt, digest, first_seen_at) VALUES (:name, :salt, :digest, :now)"
        " ON CONFLICT (name) DO UPDATE SET salt = :salt, digest = :digest, first_seen_at = :now",
        name=name,
        salt=salt,
        digest=digest,
        now=tx.now,
    )


def delete_value(tx: Tx, name: str) -> None:
    tx.run("DELETE FROM secret_values WHERE name = :name", name=name)


def insert_rotation(tx: Tx, name: str, subject: str, old_until: int | None) -> None:
    """Note a rotation; what of that name was still open is finished by it."""
    finish(tx, name)
    tx.run(
        "INSERT INTO secret_rotations (name, subject, actor, at, old_until)"
        " VALUES (:name, :subject, :actor, :now, :until)",
        name=name,
        subject=subject,
        actor=tx.who.actor,
        now=tx.now,
        until=old_until,
    )


def newest_rotation(tx: Tx, name: str) -> Rotation | None:
    sql = f"SELECT {ROTATION} FROM secret_rotations WHERE name = :name ORDER BY seq DESC LIMIT 1"
    return tx.one(Rotation, sql, name=name)


def finish(tx: Tx, name: str) -> bool:
    """Say that the old one is gone; False when none stood beside the new."""
    sql = (
        "UPDATE secret_rotations SET finished_at = :now"
        " WHERE name = :name AND finished_at IS NULL AND old_until IS NOT NULL"
    )
    return tx.run(sql, name=name, now=tx.now) > 0


def tables(tx: Tx) -> dict[str, tuple[str, ...]]:
    """Every table that holds rows of its own, with its columns; those behind an index of words are left out."""
    made = tx.all(lambda name, sql: (name, sql), "SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
    virtual = tuple(f"{name}_" for name, sql in made if sql.startswith("CREATE VIRTUAL"))
    own = [
        name
        for name, sql in made
        if sql.startswith("CREATE TABLE") and "WITHOUT ROWID" not in sql and not name.startswith((*virtual, "sqlite_"))
    ]
    return {name: tuple(tx.all(str, "SELECT name FROM pragma_table_info(:name)", name=name)) for name in own}


def texts(tx: Tx, table: str, columns: Sequence[str], after: int, limit: int) -> Iterator[tuple[int, list[Any]]]:
    """(row number, values) of a table's rows after one, in order. Names come from `tables`."""
    names = ", ".join(f'"{column}"' for column in columns)
    assert table.isidentifier() and all(column.isidentifier() for column in columns)
    sql = f'SELECT rowid, {names} FROM "{table}" WHERE rowid > :after ORDER BY rowid LIMIT :limit'
    yield from tx.all(lambda number, *values: (int(number), list(values)), sql, after=after, limit=limit)
