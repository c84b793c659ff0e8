"""Backup files: packed and unpacked in a private directory, and opened to see whether they are good."""

import contextlib
import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from jarvis.kernel import events
from jarvis.kernel.clock import Clock
from jarvis.kernel.db import Database
from jarvis.kernel.errors import JarvisError, TryAgain, Unavailable
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake

BLOCK = 1 << 20
LEVEL = 4
WORK = ".work-"
SPARE_BYTES = 64 << 20


@contextlib.contextmanager
def workplace(folder: Path, database_bytes: int) -> Iterator[Path]:
    """A private directory beside the backups, gone afterwards; one at a time, whatever the process.

    What a killed one left is removed first. Raises TryAgain when another is at work, Unavailable without room for two
    copies of the database.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Unavailable(f"Backups cannot be kept in {folder}: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TryAgain("Another backup is being made or checked just now.") from None
        for left in folder.glob(f"{WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        _check_room(folder, 2 * database_bytes + SPARE_BYTES)
        place = Path(tempfile.mkdtemp(prefix=WORK, dir=folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(fd)


def _check_room(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise Unavailable(f"A backup needs {needed // 2**20} MB free in {folder}.")


def pack(source: Path, target: Path) -> None:
    """Compress a file into a new one (0600) that is on disk when this returns."""
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as out, source.open("rb") as read:
        with gzip.GzipFile("", "wb", LEVEL, out, mtime=0) as packed:
            shutil.copyfileobj(read, packed, BLOCK)
        out.flush()
        os.fsync(out.fileno())


def unpack(source: Path, target: Path, at_most: int) -> None:
    """Decompress (or copy, when it is not compressed) a backup into a new file (0600), at most so many bytes.

    Raises Unavailable when it is cut off, damaged or larger.
    """
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as out, source.open("rb") as read:
            is_packed = read.read(2) == b"\x1f\x8b"
            read.seek(0)
            _pour(gzip.GzipFile("", "rb", fileobj=read) if is_packed else read, out, at_most)
            out.flush()
            os.fsync(out.fileno())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unavailable(f"{source.name} is damaged or cut off: {error}.") from error


def _pour(read: BinaryIO | gzip.GzipFile, out: BinaryIO, at_most: int) -> None:
    left = at_most
    while block := read.read(BLOCK):
        left -= len(block)
        if left < 0:
            raise Unavailable(f"It unpacks to more than {at_most:,} bytes, which is no backup of this database.")
        out.write(block)


def publish(packed: Path, target: Path) -> None:
    """Put a finished file in its place: after a crash it is there whole, or not at all."""
    packed.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sha256(path: Path) -> str:
    with path.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest()


def examine(clock: Clock, copy: Path, newest: int | None = None) -> tuple[int, str]:
    """Open a database and check it, page by page and event by event; the head of its event chain.

    With `newest` only so many links are recomputed. Raises Unavailable with what is wrong.
    """
    db = Database.open(copy, clock, Ids(clock), Redactor(()), Wake())
    try:
        with db.read() as tx:
            told = tx.connection.pragma("integrity_check", 1)
            if told != "ok":
                raise Unavailable(f"The database in it is damaged: {str(told)[:200]}")
            verdict = events.verify(tx) if newest is None else events.verify_newest(tx, newest)
            if verdict.problems:
                raise Unavailable(f"The event chain in it is broken: {verdict.problems[0]}")
            return events.head(tx)
    except JarvisError as error:
        raise Unavailable(str(error)) from error
    finally:
        db.close()
