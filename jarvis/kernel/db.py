"""One SQLite file: snapshots for looking, one queue of write transactions for changing."""

import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw

from jarvis.kernel import events
from jarvis.kernel.clock import Clock
from jarvis.kernel.errors import JarvisError, TryAgain, Unavailable
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake

T = TypeVar("T")
Make = Callable[..., T]

BUSY_SECONDS = 10.0
BUSY = "The database is busy. Try again in a moment."
PRAGMAS: dict[str, object] = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "recursive_triggers": 1,
    "temp_store": 2,
    "cache_size": -4000,
}

_thread = threading.local()  # .writing: whether this thread holds a write, whatever the database


@dataclass(frozen=True, slots=True)
class Who:
    """On whose behalf events are recorded, and where in the trace."""

    actor: str = "system"
    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""


class FifoLock:
    """A lock that serves its waiters in order of arrival."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiters: deque[threading.Lock] = deque()
        self._held = False

    def acquire(self, timeout: float) -> bool:
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            ticket = threading.Lock()
            ticket.acquire()
            self._waiters.append(ticket)
        try:
            return ticket.acquire(timeout=timeout) or not self._leave(ticket)
        except BaseException:  # interrupted: nobody may be left waiting behind this ticket
            if not self._leave(ticket):
                self.release()
            raise

    def _leave(self, ticket: threading.Lock) -> bool:
        """Stop waiting; False when the lock was handed over at that very moment."""
        with self._mutex:
            if ticket in self._waiters:
                self._waiters.remove(ticket)
                return True
            return False

    def release(self) -> None:
        with self._mutex:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._held = False


class Tx:
    """A transaction's view of the database, with one reading of the clock. Good inside its block only."""

    def __init__(self, connection: apsw.Connection, shared: "Shared", who: Who) -> None:
        self.connection = connection
        self.shared = shared
        self.who = who
        self.now = shared.clock()
        self.is_open = True

    def all(self, make: Make[T], sql: str, /, **params: Any) -> list[T]:
        """Every row, each made into a value by make(*row)."""
        return [make(*row) for row in self._rows(sql, params)]

    def one(self, make: Make[T], sql: str, /, **params: Any) -> T | None:
        """The first row made into a value, or None; the statement runs to its end."""
        rows = self._rows(sql, params)
        return make(*rows[0]) if rows else None

    def run(self, sql: str, /, **params: Any) -> int:
        """Execute one statement to its end; returns how many rows it changed."""
        before = self.connection.total_changes()
        self._rows(sql, params)
        return self.connection.changes() if self.connection.total_changes() != before else 0

    def _rows(self, sql: str, params: dict[str, Any]) -> list[Any]:
        self.check()
        return self.connection.execute(sql, params).fetchall()  # to the end, so that no lock stays behind

    def check(self) -> None:
        """Raise unless statements still belong to this transaction and no other.

        SQLite gives a transaction up by itself when the disk is full or fails; whatever ran
        afterwards would be committed at once, each statement alone.
        """
        if not self.is_open:
            raise RuntimeError("a transaction is used after its end")
        if not self.connection.in_transaction:
            raise Unavailable("The database gave this change up half-way. Nothing was changed.")

    def record(
        self, type: str, subject: str, data: dict[str, Any] | None = None, *, thread_id: str | None = None
    ) -> int:
        """Append an event in this transaction; returns its sequence number."""
        return events.append(self, type, subject, data or {}, thread_id)


class Held(threading.local):
    """What one thread holds of one database; its connections close when the thread ends."""

    reader: apsw.Connection | None = None
    writer: apsw.Connection | None = None
    reading: Tx | None = None
    writing: Tx | None = None


@dataclass(slots=True)
class Shared:
    """What every view of one database has in common."""

    path: Path
    clock: Clock
    ids: Ids
    redactor: Redactor
    wake: Wake
    lock: FifoLock
    held: Held
    file: tuple[int, int] | None = None
    """Device and inode of the file that connections were opened on."""

    def check_in_place(self) -> None:
        """Raise Unavailable when the path leads elsewhere by now: what is written here would be lost.

        SQLite itself goes on writing to a file that was removed or replaced.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise Unavailable(f"The database {self.path} is gone: {error.strerror}. Nothing was changed.") from None
        if self.file is None:
            self.file = (status.st_dev, status.st_ino)
        elif self.file != (status.st_dev, status.st_ino):
            raise Unavailable(f"{self.path} was replaced while in use. Nothing was changed; start Jarvis again.")


class Database:
    """A view of one database file on somebody's behalf. Views share connections and locks."""

    def __init__(self, shared: Shared, who: Who | None = None) -> None:
        self._shared = shared
        self.who = who or Who()

    @classmethod
    def open(cls, path: Path, clock: Clock, ids: Ids, redactor: Redactor, wake: Wake) -> "Database":
        return cls(Shared(path, clock, ids, redactor, wake, FifoLock(), Held()))

    @property
    def path(self) -> Path:
        return self._shared.path

    @property
    def wake(self) -> Wake:
        return self._shared.wake

    def redact(self, text: str) -> str:
        """Text without any secret, for what is kept outside of events."""
        return self._shared.redactor.text(text)

    def redact_value(self, value: Any) -> Any:
        """The same for a JSON-like value, in every text it holds."""
        return self._shared.redactor.value(value)

    def seen_by(self, who: Who) -> "Database":
        """The same database, recording events as somebody else."""
        return Database(self._shared, who)

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """One consistent snapshot, from the first statement on, that SQLite refuses to write through.

        Inside a write of the same thread it is that write's own view, so actions compose; it
        may not be written through there either.
        """
        held = self._shared.held
        if held.reading is not None:
            yield held.reading
        elif held.writing is not None:
            with _looking_only(held, held.writing) as tx:
                yield tx
        else:
            with translated():
                yield from self._snapshot(held)

    def _snapshot(self, held: Held) -> Iterator[Tx]:
        held.reader = connection = held.reader or self._connect(readonly=True)
        run(connection, "BEGIN")
        tx = held.reading = Tx(connection, self._shared, self.who)
        try:
            yield tx
        finally:
            held.reading, tx.is_open = None, False
            if connection.in_transaction:
                run(connection, "ROLLBACK")

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """One write transaction (BEGIN IMMEDIATE), or a savepoint inside this thread's open one.

        Commits are durable (synchronous=FULL) when this returns; followers are woken after,
        when anything changed. Raises TryAgain when the turn does not come, Unavailable when
        the file cannot be written.
        """
        held = self._shared.held
        if held.reading is not None:
            raise RuntimeError("a write inside a read would decide on an old snapshot")
        if held.writing is not None:
            with translated():
                yield from self._nested(held.writing)
            return
        if getattr(_thread, "writing", False):
            raise RuntimeError("a write to one database inside a write to another")
        if not self._shared.lock.acquire(BUSY_SECONDS):
            raise TryAgain(BUSY, retry_after_seconds=2)
        try:
            with translated():
                has_changed = yield from self._transaction(held)
        finally:
            self._shared.lock.release()
        if has_changed:
            self._shared.wake.signal()

    def _transaction(self, held: Held) -> Generator[Tx, None, bool]:
        held.writer = connection = held.writer or self._connect(readonly=False)
        self._shared.check_in_place()
        run(connection, "BEGIN IMMEDIATE")
        tx = held.writing = Tx(connection, self._shared, self.who)
        _thread.writing = True
        before = connection.total_changes()
        try:
            yield tx
            tx.check()
            run(connection, "COMMIT")
        except BaseException:
            if connection.in_transaction:
                run(connection, "ROLLBACK")
            raise
        finally:
            held.writing, tx.is_open, _thread.writing = None, False, False
        return connection.total_changes() != before

    def _connect(self, *, readonly: bool) -> apsw.Connection:
        """One more connection, to the very file the others have.

        To another file of that name SQLite would open the same shared memory, take it for a
        dead process's and cut it off under the connections that have it mapped: SIGBUS.
        """
        if self._shared.file is not None:
            self._shared.check_in_place()
        connection = connect(self._shared.path, readonly=readonly)
        self._shared.check_in_place()
        return connection

    def _nested(self, outer: Tx) -> Iterator[Tx]:
        outer.check()
        before, outer.who = outer.who, self.who
        run(outer.connection, "SAVEPOINT nested")
        try:
            yield outer
            outer.check()
        except BaseException:
            if outer.connection.in_transaction:
                run(outer.connection, "ROLLBACK TO nested")
                run(outer.connection, "RELEASE nested")
            raise
        else:
            run(outer.connection, "RELEASE nested")
        finally:
            outer.who = before

    def close(self) -> None:
        """Close this thread's connections; they open again when needed."""
        held = self._shared.held
        for connection in (held.reader, held.writer):
            if connection is not None:
                connection.close()
        held.reader = held.writer = None


@contextlib.contextmanager
def _looking_only(held: Held, tx: Tx) -> Iterator[Tx]:
    """The write's own view, for looking.

    Not by query_only as elsewhere: turning it on and off makes SQLite prepare every statement anew.
    """
    tx.check()
    before, tx.connection.exec_trace = tx.connection.exec_trace, _refuse_to_write
    held.reading = tx
    try:
        yield tx
    finally:
        held.reading, tx.connection.exec_trace = None, before


def _refuse_to_write(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
    if not cursor.is_readonly:
        raise RuntimeError("a write through a read")
    return True


def run(connection: apsw.Connection, sql: str) -> None:
    """Execute SQL to its very end; apsw stops a script at its first row otherwise."""
    for _ in connection.execute(sql):
        pass


def connect(path: Path, *, readonly: bool) -> apsw.Connection:
    """A connection whose pragmas took, or Unavailable. The file must exist."""
    with translated():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=256)
        try:
            connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
            for name, wanted in ({**PRAGMAS, "query_only": 1} if readonly else PRAGMAS).items():
                _set_pragma(connection, name, wanted)
        except BaseException:
            connection.close()
            raise
        return connection


def _set_pragma(connection: apsw.Connection, name: str, wanted: object) -> None:
    connection.pragma(name, wanted)
    got = connection.pragma(name)
    if got != wanted:
        raise Unavailable(f"SQLite refused {name}={wanted} (it says {got}); the database is not used.")


def forbid_inside_write(what: str) -> None:
    """Raise when this thread holds a write: nobody waits for the network with the database locked."""
    if getattr(_thread, "writing", False):
        raise RuntimeError(f"{what} inside a write transaction")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours; a broken constraint stays what it is, for actions to catch."""
    try:
        yield
    except apsw.ConstraintError:
        raise
    except apsw.Error as error:
        raise _explain(error) from error


def _explain(error: apsw.Error) -> JarvisError | RuntimeError:
    match error:
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return TryAgain(BUSY, retry_after_seconds=2)
        case apsw.FullError():
            return Unavailable("The disk is full, so nothing was changed. Free some space and try again.")
        case apsw.IOError():
            return Unavailable(f"The disk under the database failed ({error}). Nothing was changed.")
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            return Unavailable(f"The database cannot be opened for writing ({error}). Check its owner and mode.")
        case apsw.CorruptError() | apsw.NotADBError():
            return Unavailable("The database file is damaged. Stop Jarvis and put a backup in its place.")
    return RuntimeError(f"SQLite: {error}")


def as_json(text: str) -> dict[str, Any]:
    """A stored JSON object."""
    value: dict[str, Any] = json.loads(text)
    return value
