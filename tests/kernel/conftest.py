"""What kernel tests start from: a home of their own, a clock they set, a real database file."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jarvis.kernel import migrate
from jarvis.kernel.clock import SECOND
from jarvis.kernel.db import Database
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake

ROOT = Path(__file__).resolve().parent.parent.parent
START = 1_800_000_000 * SECOND


class SetClock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


class Child:
    """A Python process that has this checkout's jarvis; speaks over its standard streams."""

    def __init__(self, code: str, *words: object, preexec: Callable[[], None] | None = None) -> None:
        environ = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
            preexec_fn=preexec,
        )

    def line(self) -> str:
        """The next line it prints; an error with its standard error when it ended instead."""
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def tell(self, line: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def set_clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store_home(tmp_path: Path) -> Path:
    """A home with a migrated database and one table to scribble in."""
    home = tmp_path / "home"
    migrate.migrate(home / "jarvis.db", lambda: START)
    return home


@pytest.fixture
def open_store(store_home: Path, set_clock: SetClock) -> Iterator[Callable[..., Database]]:
    """Open the home's database; as often as wanted, each with its own lock and wake flag."""
    opened: list[Database] = []

    def open_it(secrets: tuple[str, ...] = (), path: Path = store_home / "jarvis.db") -> Database:
        db = Database.open(path, set_clock, Ids(set_clock), Redactor(secrets), Wake())
        opened.append(db)
        return db

    yield open_it
    for db in opened:
        db.close()


@pytest.fixture
def store(open_store: Callable[..., Database]) -> Database:
    """A migrated database with a table `rows` to scribble in."""
    db = open_store()
    with db.write() as tx:
        tx.run("CREATE TABLE rows (n INTEGER PRIMARY KEY, word TEXT NOT NULL DEFAULT '') STRICT")
    return db


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Start Python processes that are gone when the test is."""
    started: list[Child] = []

    def start(code: str, *words: object, preexec: Callable[[], None] | None = None) -> Child:
        started.append(Child(code, *words, preexec=preexec))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
