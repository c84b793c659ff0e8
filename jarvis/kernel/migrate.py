"""Bring a database file up to this release, or say exactly why not. Only `serve` and `migrate` do."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import apsw

from jarvis import __version__
from jarvis.archive import resources
from jarvis.kernel.clock import Clock
from jarvis.kernel.db import BUSY_SECONDS, connect, run, translated
from jarvis.kernel.errors import Unavailable

LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  oldest_release TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT
"""
COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
OLDEST = re.compile(r"^-- oldest-release: (\d+\.\d+\.\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of SQL."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def oldest_release(self) -> str:
        match = OLDEST.search(self.sql)
        if match is None:
            raise ValueError(f"{self.name} does not say '-- oldest-release: X.Y.Z'")
        return match[1]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database and this release fit: what is pending, and why it may not be used."""

    applied: int
    pending: tuple[Migration, ...]
    refusal: str

    @property
    def is_current(self) -> bool:
        return not self.pending and not self.refusal


def shipped() -> list[Migration]:
    """Every migration of this release, in order."""
    return [Migration(number, f"{number:04}_{name}", sql) for number, name, sql in resources.migrations()]


def create(path: Path) -> None:
    """Make the directory (0700) and an empty database file (0600) where they are missing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise Unavailable(f"{path} is no file, so it cannot hold the database.") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be made: {error.strerror}.") from error


def standing(path: Path) -> Standing:
    """Compare a database file with this release without changing it. Raises Unavailable."""
    with translated(), _peek(path) as connection:
        return _compare(connection)


@contextlib.contextmanager
def _peek(path: Path) -> Iterator[apsw.Connection]:
    """A connection that changes nothing: a file that is not ours keeps even its journal mode."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
        connection.pragma("query_only", 1)
        yield connection
    finally:
        connection.close()


def refusal_of(path: Path, known: Mapping[int, str], version: str) -> str:
    """Why a release with these migrations, by number and sha256, may not use a database, or ""; raises Unavailable."""
    with translated(), _peek(path) as connection:
        return _refusal(_applied(connection), known, version)


def _compare(connection: apsw.Connection) -> Standing:
    migrations = shipped()
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "schema_migrations" not in names:
        refusal = f"It holds tables that are not Jarvis's ({min(names)})." if names else ""
        return Standing(0, tuple(migrations), refusal)
    rows = _applied(connection)
    refusal = _refusal(rows, {m.number: m.sha256 for m in migrations}, __version__)
    if refusal:
        return Standing(len(rows), (), refusal)
    done = {row[0] for row in rows}
    return Standing(len(rows), tuple(m for m in migrations if m.number not in done), "")


def _applied(connection: apsw.Connection) -> list[tuple[int, str, str, str]]:
    return list(
        connection.execute("SELECT number, name, sha256, oldest_release FROM schema_migrations ORDER BY number")
    )


def _refusal(rows: list[tuple[int, str, str, str]], known: Mapping[int, str], version: str) -> str:
    for number, name, sha256, oldest in rows:
        if number in known and known[number] != sha256:
            return f"Migration {name} was applied with other contents than this release has."
        if number not in known and release(oldest) > release(version):
            return f"It was migrated by a newer release ({name}) and needs at least {oldest}; this is {version}."
    return ""


def release(version: str) -> tuple[int, ...]:
    """A version as numbers that compare."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def migrate(path: Path, clock: Clock) -> list[str]:
    """Apply what is pending, all or nothing; returns the names applied. Raises Unavailable."""
    create(path)
    _refuse(standing(path))  # before anything is written to somebody else's file
    connection = connect(path, readonly=False)
    try:
        with translated():
            return _in_transaction(connection, clock(), "COMMIT")
    finally:
        connection.close()


def rehearse(path: Path, clock: Clock) -> list[str]:
    """What `migrate` would apply, having tried it and taken it back; a missing file stays missing."""
    is_there = path.exists()
    if is_there:
        _refuse(standing(path))
    connection = connect(path, readonly=False) if is_there else apsw.Connection(":memory:")
    try:
        with translated():
            return _in_transaction(connection, clock(), "ROLLBACK")
    finally:
        connection.close()


def _refuse(found: Standing) -> None:
    if found.refusal:
        raise Unavailable(f"The database was not migrated. {found.refusal}")


def _in_transaction(connection: apsw.Connection, now: int, end: str) -> list[str]:
    connection.pragma("foreign_keys", 0)  # cannot be changed inside the transaction
    run(connection, "BEGIN IMMEDIATE")
    try:
        names = _apply_pending(connection, now)
        run(connection, end)
    except BaseException:
        if connection.in_transaction:
            run(connection, "ROLLBACK")
        raise
    return names


def _apply_pending(connection: apsw.Connection, now: int) -> list[str]:
    found = _compare(connection)  # read again: somebody else may have been first
    _refuse(found)
    run(connection, LEDGER)
    for migration in found.pending:
        _apply(connection, migration, now)
    if found.pending:
        _check(connection)
    return [m.name for m in found.pending]


def _apply(connection: apsw.Connection, migration: Migration, now: int) -> None:
    for statement in statements(migration.sql):
        try:
            run(connection, statement)
        except apsw.Error as error:
            first = " ".join(COMMENT.sub("", statement).split())[:160]
            raise Unavailable(
                f"Migration {migration.name} failed at “{first}”: {error}. Nothing was changed."
            ) from error
    values = (migration.number, migration.name, migration.sha256, migration.oldest_release, now)
    connection.execute(
        "INSERT INTO schema_migrations (number, name, sha256, oldest_release, applied_at) VALUES (?, ?, ?, ?, ?)",
        values,
    ).fetchall()


def statements(sql: str) -> Iterator[str]:
    """Each statement of a script, so that the one that fails can be named even when it does not parse."""
    start = 0
    for semicolon in re.finditer(";", sql):
        if apsw.complete(sql[start : semicolon.end()]):
            yield sql[start : semicolon.end()]
            start = semicolon.end()
    if COMMENT.sub("", sql[start:]).strip():
        yield sql[start:]


def _check(connection: apsw.Connection) -> None:
    broken = list(connection.execute("PRAGMA foreign_key_check"))
    if broken:
        raise Unavailable(f"After migrating, a row of {broken[0][0]} points nowhere. Nothing was changed.")
    newer = max(row[0] for row in connection.execute("SELECT number FROM schema_migrations"))
    if newer != max(m.number for m in shipped()):
        return  # a newer release has been here: its schema is not ours to judge
    difference = schema(connection) ^ expected_schema()
    if difference:
        raise Unavailable(f"After migrating, {sorted(difference)[0][0]} is not as expected. Nothing was changed.")


def schema(connection: apsw.Connection) -> set[tuple[str, str]]:
    """Every object's name and SQL."""
    return set(
        connection.execute(
            "SELECT name, coalesce(sql, '') FROM sqlite_schema"
            " WHERE name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'"
        )
    )


def expected_schema() -> set[tuple[str, str]]:
    """The schema that all migrations together make of an empty database."""
    connection = apsw.Connection(":memory:")
    try:
        for migration in shipped():
            run(connection, migration.sql)
        return schema(connection)
    finally:
        connection.close()
