"""The drill: the newest backup restored into a home of its own, served from there, compared, timed, and thrown away.

What is served cannot reach out: it is locked down, no setting of this installation reaches it, no secret and no other
address than its own; and the keeper that runs it leaves nothing behind, whatever becomes of us.
"""

import dataclasses
import http.client
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jarvis import __version__
from jarvis.backups import actions, packing
from jarvis.backups.actions import Present, drills
from jarvis.backups.actions.drills import Found
from jarvis.backups.store import Backup, Drill
from jarvis.kernel import config, events, programs
from jarvis.kernel.clock import Clock
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.db import Database
from jarvis.kernel.errors import JarvisError, TryAgain, Unavailable
from jarvis.kernel.ids import Ids
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.snapshot import row_counts
from jarvis.kernel.wake import Wake
from jarvis.rehearsal import copied

LOCKED = "A drill is held on this copy."
READY_SECONDS = 120.0
ANSWER_SECONDS = 10.0
LONGEST_ANSWER = 1 << 20
LONGEST_TAIL = 4000
ENDED = frozenset(("sessions", "tokens", "last_uses"))
"""What a restore ends on purpose, so that fewer rows are right."""
PAGES = ("/readyz", "/healthz", "/login")


def hold(ctx: Context) -> Drill:
    """Hold a drill on the newest good backup; how it went is kept. Raises TryAgain while another is held."""
    ctx.require_admin()
    backup = drills.subject(ctx)
    folder = actions.folder(ctx)
    with packing.workplace(folder, backup.database_bytes, "drill") as place:
        return drills.keep(ctx, backup, __version__, _found(ctx, backup, place))


def _found(ctx: Context, backup: Backup, place: Path) -> Found:
    """Restore, count, serve, and look whether the record is whole; what goes wrong is part of the finding."""
    home = place / "home"
    scratch = copied(ctx.settings, home)
    watch = Stopwatch()
    found = Found(None)
    try:
        _restore(scratch, ctx.clock, actions.path_of(ctx, backup))
        found = dataclasses.replace(found, restore_ms=watch.milliseconds())
        counts = _look(scratch, ctx.clock, backup)
        found = dataclasses.replace(found, rows=sum(counts.values()), events=counts.get("events", 0))
        _compare(backup, counts)
        found = dataclasses.replace(found, ready_ms=_serve(place, home, backup.id))
        _look(scratch, ctx.clock, backup)
    except TryAgain:
        raise
    except (JarvisError, OSError) as error:
        said = f"{Path(error.filename).name}: {error.strerror}" if isinstance(error, OSError) and error.filename else ""
        found = dataclasses.replace(found, problem=said or str(error))
    return dataclasses.replace(found, total_ms=watch.milliseconds())


class Stopwatch:
    """How long it has been."""

    def __init__(self) -> None:
        self._from = time.monotonic()

    def milliseconds(self) -> int:
        return round((time.monotonic() - self._from) * 1000)


def _restore(scratch: Settings, clock: Clock, file: Path) -> None:
    from jarvis import restore

    with _unsaid():
        restore.restore(scratch, clock, str(file), Present(LOCKED))


@contextmanager
def _unsaid() -> Iterator[None]:
    """The lockdown of the copy is no news, and must not look like one of the installation in its log."""
    spoken, thread = logging.getLogger("jarvis.lockdown.actions"), threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    spoken.addFilter(is_of_others)
    try:
        yield
    finally:
        spoken.removeFilter(is_of_others)


def _look(scratch: Settings, clock: Clock, backup: Backup) -> dict[str, int]:
    """The rows of the restored database, once its record was found whole and to hold the backup's newest event."""
    db = Database.open(scratch.app_db, clock, Ids(clock), Redactor(()), Wake())
    try:
        with db.read() as tx:
            verdict = events.verify(tx, {backup.head_seq: backup.head_hash} if backup.head_seq else {})
            if verdict.problems:
                raise Unavailable(f"The record of events is not what was backed up: {verdict.problems[0]}.")
            return row_counts(tx.connection)
    finally:
        db.close()


def _compare(backup: Backup, counts: dict[str, int]) -> None:
    """Nothing may be missing of what was counted when the backup was made."""
    then: dict[str, int] = json.loads(backup.counts or "{}")
    fewer = [
        f"{table} had {rows:,} rows and has {counts.get(table, 0):,}"
        for table, rows in then.items()
        if table not in ENDED and counts.get(table, 0) < rows
    ]
    if fewer:
        raise Unavailable(f"Something is missing: {'; '.join(fewer[:5])}.")


def _serve(place: Path, home: Path, mark: str) -> int:
    """Serve the restored home until it was ready and its pages answered; milliseconds from start to ready."""
    output = bytearray()
    with _Ear() as ear:
        program = programs.Program(
            _command(place),
            place,
            _environment(home, place, ear.address, mark),
            READY_SECONDS,
            take=lambda data: output.extend(data[: max(0, LONGEST_TAIL - len(output))]),
            is_cancelled=lambda: ear.is_done,
        )
        ear.listen(lambda: _visit(home))
        outcome = program.run()
        ear.give_up()
    if ear.problem:
        raise Unavailable(ear.problem)
    if ear.ready_ms is None:
        tail = " ".join(output.decode("utf-8", "replace").split())[-300:]
        raise Unavailable(f"The restored server did not become ready ({outcome.reason}): {tail}")
    if outcome.exit_code != 0:
        raise Unavailable(f"The restored server did not stop as asked: {outcome.reason}, {outcome.exit_code}.")
    return ear.ready_ms


def _command(place: Path) -> list[str]:
    """This very Jarvis: the bytes of the archive that runs, whatever stands at its path by now."""
    import sys

    from jarvis.archive import launch
    from jarvis.process import Checkout

    serve = ["serve", "--no-supervisor", "--port", "0"]
    held = launch.archive()
    if held is None:
        return [*Checkout().command(), *serve]
    copy = place / "jarvis.pyz"
    with copy.open("xb") as out:
        offset = 0
        while block := os.pread(held.fd, 1 << 20, offset):
            offset += out.write(block)
    return [sys.executable, "-I", "-S", str(copy), *serve]


def _environment(home: Path, place: Path, notify: str, mark: str) -> dict[str, str]:
    """Every setting at its default, whatever files say, and none of our environment."""
    told = {
        "JARVIS_HOME": str(home),
        "WORKSPACE": str(place),
        "BIND_HOST": "127.0.0.1",
        "BACKUP_INTERVAL_SECONDS": "0",
        "LOG_LEVEL": "WARNING",
        "NOTIFY_SOCKET": notify,
        programs.MARK: mark,
        "HOME": str(place),
        "PATH": os.defpath,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return dict.fromkeys(config.specs(), "") | told


class _Ear:
    """Hears the restored server say that it is ready, then looks at its pages; in a thread beside the keeper."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")  # the kernel finds an abstract name
        self._socket.settimeout(0.2)
        self.address = "@" + self._socket.getsockname()[1:].decode()
        self.ready_ms: int | None = None
        self.problem = ""
        self.is_done = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "_Ear":
        return self

    def __exit__(self, *_: object) -> None:
        self.give_up()
        self._socket.close()

    def listen(self, visit: Any) -> None:
        """Wait in a thread; `visit` returns what is wrong with the server, "" when nothing is."""
        watch = Stopwatch()

        def wait() -> None:
            while not self.is_done:
                try:
                    said = self._socket.recv(4096)
                except TimeoutError:
                    continue
                if b"READY=1" in said:
                    self.ready_ms = watch.milliseconds()
                    self.problem = visit()
                    self.is_done = True

        self._thread = threading.Thread(target=wait, name="drill", daemon=True)
        self._thread.start()

    def give_up(self) -> None:
        self.is_done = True
        if self._thread is not None:
            self._thread.join()


def _visit(home: Path) -> str:
    """What is wrong with the server of a home: "" when it is ready, locked down and shows its pages."""
    try:
        url = urlsplit(str(json.loads((home / "run" / "server.json").read_text("utf-8"))["url"]))
        for path in PAGES:
            status, body = _get(url.hostname or "", url.port or 0, path)
            if status != 200:
                return f"The restored server answers {status} to {path}: {body[:200].decode('utf-8', 'replace')}"
            if path == "/readyz" and not json.loads(body)["lockdown"]:
                return "The restored server is not locked down, so it was stopped at once."
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        return f"The restored server said it was ready and did not answer ({type(error).__name__})."
    return ""


def _get(host: str, port: int, path: str) -> tuple[int, bytes]:
    with _connected(host, port) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER)


@contextmanager
def _connected(host: str, port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def _run(ctx: Context, task: TaskRun) -> dict[str, Any]:
    return hold(ctx).as_json()


TASKS = (
    TaskHandler(
        drills.TASK,
        _run,
        "Restores the newest backup into a home of its own, serves it, and says whether everything was there.",
        max_attempts=1,
        concurrency=1,
        is_runnable_by_hand=True,
    ),
)
