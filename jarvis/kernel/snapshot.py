"""A consistent copy of a database that is in use, made by SQLite itself."""

import os
from pathlib import Path

import apsw

from jarvis.kernel.db import connect, translated


def snapshot(source: Path, target: Path) -> None:
    """Copy a database into a file that must not exist yet (0600). Raises Unavailable when that cannot be done."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    reader = connect(source, readonly=True)
    try:
        with translated():
            _copy(reader, target)
    finally:
        reader.close()


def _copy(reader: apsw.Connection, target: Path) -> None:
    # In one step: a WAL reader keeps nobody from writing, and between steps a write would begin it all over again.
    writer = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with writer.backup("main", reader, "main") as backup:
            backup.step(-1)
    finally:
        writer.close()
