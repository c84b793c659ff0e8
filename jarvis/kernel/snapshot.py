"""A consistent copy of a database that is in use, made by SQLite itself."""

import os
from pathlib import Path

import apsw

from jarvis.kernel.db import connect, translated


def snapshot(source: Path, target: Path) -> None:
    """Copy a database into a file that must not exist yet (0600). Raises Unavailable when that cannot be done.

    It is not forced to disk, as that would hold up the database's own commits: whoever keeps it does so.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    reader = connect(source, readonly=True)
    try:
        with translated():
            _copy(reader, target)
    finally:
        reader.close()


def row_counts(connection: apsw.Connection) -> dict[str, int]:
    """How many rows each table has; what full-text indexes keep for themselves is left out."""
    with translated():
        listed = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name"
        names = [str(name) for (name,) in connection.execute(listed).fetchall()]
        return {name: _rows(connection, name) for name in names if not name.startswith("sqlite_")}


def _rows(connection: apsw.Connection, table: str) -> int:
    assert table.isidentifier()
    count: int = connection.execute(f"SELECT count(*) FROM {table}").get
    return count


def _copy(reader: apsw.Connection, target: Path) -> None:
    # In one step: a WAL reader keeps nobody from writing, and between steps a write would begin it all over again.
    writer = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        writer.pragma("synchronous", "OFF")
        with writer.backup("main", reader, "main") as backup:
            backup.step(-1)
    finally:
        writer.close()
