"""A copy of the database that untried code may have: no secrets, sessions, tokens or work that reaches outside."""

from dataclasses import dataclass
from pathlib import Path

import apsw

from jarvis.kernel.db import connect, run, translated
from jarvis.kernel.errors import Unavailable

EMPTIED = (
    "sessions",
    "tokens",
    "setup_links",
    "lockdown_code",
    "approvals",
    "host_runs",
    "task_attempts",
    "tasks",
    "update_moves",
    "updates",
    "github_deliveries",
    "github_outbox",
)
"""Who may come in, what waits to be done, and what other patches say. What is not there is passed over."""
BLANKED = {
    "users": "password = NULL",
    "schedules": "is_enabled = 0",
    "system_state": "restarting = 0, lockdown = 0, lockdown_reason = NULL, lockdown_by = NULL, lockdown_at = NULL",
}
"""Rows that are kept without what opens doors or begins work."""
COUNTED = ("users", "events", "threads", "messages", "bugs", "schedules", "permissions", "notes")
"""What nobody may lose."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a copy holds, as this code reads it."""

    problem: str
    """What SQLite finds wrong with the file, or ""."""
    rows: dict[str, int]
    newest: tuple[int, ...]
    """Numbers of the migrations in it."""


def scrub(path: Path) -> None:
    """Take everything out of a copy that opens a door, and out of the file's free pages too; raises Unavailable."""
    connection = connect(path, readonly=False)
    try:
        with translated():
            connection.pragma("secure_delete", 1)
            present = _tables(connection)
            run(connection, "BEGIN IMMEDIATE")
            for table in EMPTIED:
                if table in present:
                    run(connection, f'DELETE FROM "{table}"')
            for table, values in BLANKED.items():
                if table in present:
                    run(connection, f'UPDATE "{table}" SET {values}')
            run(connection, "COMMIT")
            run(connection, "VACUUM")
            run(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def condition(path: Path) -> Condition:
    """Look a copy over that others have had in their hands; never raises for what is wrong with it."""
    try:
        connection = connect(path, readonly=True)
    except Unavailable as error:
        return Condition(str(error), {}, ())
    try:
        return _condition(connection)
    except apsw.Error as error:
        return Condition(f"it cannot be read: {error}", {}, ())
    finally:
        connection.close()


def _condition(connection: apsw.Connection) -> Condition:
    problem = str(connection.pragma("quick_check"))
    if problem == "ok":
        broken = [row[0] for row in connection.execute("PRAGMA foreign_key_check")]
        problem = f"rows of {broken[0]} point to nothing" if broken else ""
    present = _tables(connection)
    rows = {
        table: int(connection.execute(f'SELECT count(*) FROM "{table}"').get) for table in COUNTED if table in present
    }
    numbers = connection.execute("SELECT number FROM schema_migrations ORDER BY number").fetchall()
    return Condition(problem, rows, tuple(int(str(number)) for (number,) in numbers))


def _tables(connection: apsw.Connection) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {str(name) for (name,) in found}


def losses(before: Condition, after: Condition) -> str:
    """What a copy has lost on the way, or ""."""
    gone = [
        f"{count - after.rows.get(table, 0)} of {count} {table}"
        for table, count in before.rows.items()
        if after.rows.get(table, 0) < count
    ]
    return ", ".join(gone)
