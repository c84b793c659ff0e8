"""Backup files: packed and unpacked in a private directory, and opened to see whether they are good."""

import contextlib
import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jarvis.kernel import events
from jarvis.kernel.clock import Clock
from jarvis.kernel.db import Database
from jarvis.kernel.errors import JarvisError, TryAgain, Unavailable
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.snapshot import row_counts, snapshot
from jarvis.kernel.wake import Wake

BLOCK = 1 << 20
LEVEL = 4
PORTION = 4 << 20
BUSY = {
    "work": "Another backup is being made or checked just now.",
    "upload": "Another backup is being uploaded just now.",
    "drill": "Another drill is being held just now.",
}
SPARE_BYTES = 64 << 20


class Busy(TryAgain):
    """Another process or thread is at the same kind of work."""


@contextlib.contextmanager
def workplace(folder: Path, database_bytes: int, kind: str = "work") -> Iterator[Path]:
    """A private directory beside the backups, gone afterwards; one of a kind at a time, whatever the process.

    What a killed one left is removed first. Raises TryAgain when another is at work, Unavailable without room for two
    copies of the database.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(
            folder / (".lock" if kind == "work" else f".{kind}.lock"),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
            0o600,
        )
    except OSError as error:
        raise Unavailable(f"Backups cannot be kept in {folder}: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(BUSY[kind]) from None
        for left in folder.glob(f".{kind}-*"):
            shutil.rmtree(left, ignore_errors=True)
        _check_room(folder, 2 * database_bytes + SPARE_BYTES)
        place = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(fd)


def sweep(folder: Path) -> None:
    """Remove what killed ones of every kind have left: a copy of the database must not lie about till the next."""
    for kind in BUSY:
        if any(folder.glob(f".{kind}-*")):
            with contextlib.suppress(TryAgain), workplace(folder, 0, kind):
                pass


def _check_room(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise Unavailable(f"A backup needs {needed // 2**20} MB free in {folder}.")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a good database holds: where its event chain ends, and how many rows each table has."""

    head: tuple[int, str]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Made:
    """A packed backup that was found good."""

    database_bytes: int
    sha256: str
    contents: Contents


PACKED = "packed"


def make(source: Path, place: Path, clock: Clock, newest: int, on_copied: Callable[[], None] = lambda: None) -> Made:
    """Copy a database in use, pack the copy as PACKED in `place`, and check both; `newest` links are recomputed.

    What is packed is unpacked again and compared with the copy, and the copy is opened and read whole: so what was
    packed is good, without a third file. Raises Unavailable or OSError.
    """
    copy, packed = place / "copy.db", place / PACKED
    snapshot(source, copy)
    on_copied()
    size, digest = copy.stat().st_size, pack(copy, packed)
    if content_sha256(packed, size) != digest:
        raise Unavailable("What was packed does not unpack to what was copied: look at the disk.")
    contents = examine(clock, copy, newest)
    copy.unlink()
    return Made(size, sha256(packed), contents)


def pack(source: Path, target: Path) -> str:
    """Compress a file into a new one (0600) that is on disk when this returns; the SHA-256 of what was compressed."""
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    digest, sent = hashlib.sha256(), 0
    with open(fd, "wb") as out, source.open("rb") as read:
        with gzip.GzipFile("", "wb", LEVEL, out, mtime=0) as packed:
            while block := read.read(BLOCK):
                digest.update(block)
                packed.write(block)
                if out.tell() - sent >= PORTION:
                    sent = _set_off(out, sent)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _set_off(out: BinaryIO, sent: int) -> int:
    """Let the disk begin with a portion: one fsync of everything at the end would hold up the database's own."""
    out.flush()
    os.posix_fadvise(out.fileno(), sent, out.tell() - sent, os.POSIX_FADV_DONTNEED)
    return out.tell()


def content_sha256(source: Path, at_most: int) -> str:
    """The SHA-256 of what a packed file unpacks to. Raises Unavailable when it is damaged or larger than told."""
    digest = hashlib.sha256()
    with _understood(source), gzip.open(source, "rb") as read:
        while block := read.read(BLOCK):
            at_most -= len(block)
            if at_most < 0:
                raise Unavailable(f"{source.name} unpacks to more than it should.")
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _understood(source: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unavailable(f"{source.name} is damaged or cut off: {error}.") from error


def unpack(source: Path, target: Path, at_most: int) -> None:
    """Decompress (or copy, when it is not compressed) a backup into a new file (0600), at most so many bytes.

    Raises Unavailable when it is cut off, damaged or larger.
    """
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with _understood(source), open(fd, "wb") as out, source.open("rb") as read:
        is_packed = read.read(2) == b"\x1f\x8b"
        read.seek(0)
        _pour(gzip.GzipFile("", "rb", fileobj=read) if is_packed else read, out, at_most)
        out.flush()
        os.fsync(out.fileno())


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


def examine(clock: Clock, copy: Path, newest: int | None = None) -> Contents:
    """Open a database and check it, page by page and event by event.

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
            return Contents(events.head(tx), row_counts(tx.connection))
    except JarvisError as error:
        raise Unavailable(str(error)) from error
    finally:
        db.close()
