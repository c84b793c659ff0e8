"""When the disk or the file is not well: a clear message, nothing acknowledged lost, nothing half done."""

import resource
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from jarvis.kernel import db as kernel_db
from jarvis.kernel.db import Database
from jarvis.kernel.errors import TryAgain, Unavailable

LOCKER = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE").fetchall()
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK").fetchall()
print("let go", flush=True)
sys.stdin.readline()
"""

WRITER = """
import sys
from pathlib import Path
from jarvis.kernel.clock import system_clock
from jarvis.kernel.db import Database
from jarvis.kernel.errors import JarvisError
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake

db = Database.open(Path(sys.argv[1]), system_clock, Ids(system_clock), Redactor(), Wake())
try:
    for n in range(int(sys.argv[2]), 10_000):
        with db.write() as tx:
            tx.run("INSERT INTO rows (n, word) VALUES (:n, :word)", n=n, word="x" * 3000)
            tx.record("row.added", f"row/{n}")
        print(n, flush=True)
except JarvisError as error:
    print(type(error).__name__, error, flush=True)
"""


def numbers(db: Database) -> list[int]:
    with db.read() as tx:
        return tx.all(int, "SELECT n FROM rows ORDER BY n")


def test_a_lock_held_by_another_process_is_try_again_in_bounded_time(
    store: Database, child: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr(kernel_db, "BUSY_SECONDS", 0.05)
    locker = child(LOCKER, store.path)
    assert locker.line() == "locked"
    with pytest.raises(TryAgain, match="busy"), store.write() as tx:
        tx.run("INSERT INTO rows (n) VALUES (1)")
    assert numbers(store) == []  # looking goes on
    locker.tell()
    assert locker.line() == "let go"
    with store.write() as tx:
        tx.run("INSERT INTO rows (n) VALUES (1)")
    assert numbers(store) == [1]


class TestFullDisk:
    def test_it_says_so_and_keeps_what_was_acknowledged(self, store: Database) -> None:
        with store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            writer = tx.connection
        pages = writer.pragma("page_count")
        writer.pragma("max_page_count", pages + 2)
        with pytest.raises(Unavailable, match="disk is full, so nothing was changed"), store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (2)")
            tx.run("INSERT INTO rows (n, word) VALUES (3, :word)", word="x" * 100_000)
        assert numbers(store) == [1]
        writer.pragma("max_page_count", 1_000_000)
        with store.write() as tx:
            tx.run("INSERT INTO rows (n, word) VALUES (4, :word)", word="x" * 100_000)
        assert numbers(store) == [1, 4]

    def test_it_undoes_the_whole_transaction_even_if_the_error_is_swallowed(self, store: Database) -> None:
        """SQLite rolls all of it back by itself; going on would commit the rest, statement by statement."""
        with pytest.raises(Unavailable, match="half-way"), store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            tx.connection.pragma("max_page_count", tx.connection.pragma("page_count") + 2)
            with pytest.raises(Unavailable, match="disk is full"), store.write() as inner:
                inner.run("INSERT INTO rows (n, word) VALUES (2, :word)", word="x" * 100_000)
            tx.run("INSERT INTO rows (n) VALUES (3)")
        assert numbers(store) == []

    def test_a_file_that_may_not_grow_loses_nothing_acknowledged(self, store: Database, child: Callable) -> None:
        store.close()
        limit = 1_500_000
        writer = child(WRITER, store.path, 0, preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        said = writer.finish()[1].splitlines()
        assert said[-1].startswith("Unavailable")
        assert "Nothing was changed" in said[-1] or "nothing was changed" in said[-1]
        acknowledged = [int(line) for line in said[:-1]]
        assert len(acknowledged) > 10
        assert numbers(store) == acknowledged


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that another user can reach, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


class TestUnwritable:
    def test_a_file_that_may_only_be_read_is_not_changed_and_the_message_says_what_to_look_at(
        self, store: Database, child: Callable, public_directory: Path
    ) -> None:
        store.close()
        path = public_directory / "jarvis.db"
        shutil.copyfile(store.path, path)
        path.chmod(0o444)
        public_directory.chmod(0o555)
        become_nobody = "import os\nif os.geteuid() == 0:\n    os.setuid(65534)\n"
        said = child(WRITER.replace("db = Database", become_nobody + "db = Database"), path, 1).finish()
        assert said[1].startswith("Unavailable"), said
        assert "Check its owner and mode" in said[1]
        assert path.read_bytes() == store.path.read_bytes()

    def test_a_missing_file_is_not_made_by_looking(self, open_store: Callable[..., Database], tmp_path: Path) -> None:
        db = open_store(path=tmp_path / "nowhere.db")
        for begin in (db.read, db.write):
            with pytest.raises(Unavailable, match="cannot be opened"), begin():
                pass
        assert not (tmp_path / "nowhere.db").exists()


class TestDamage:
    def test_something_that_is_no_database_says_restore(
        self, open_store: Callable[..., Database], tmp_path: Path
    ) -> None:
        path = tmp_path / "prose.db"
        path.write_text("It was a dark and stormy night. " * 200)
        db = open_store(path=path)
        for begin in (db.read, db.write):
            with pytest.raises(Unavailable, match=r"damaged.*backup"), begin():
                pass

    @pytest.mark.parametrize("damage", ["flipped", "cut off"])
    def test_a_damaged_page_says_restore(
        self, store: Database, open_store: Callable[..., Database], damage: str
    ) -> None:
        with store.write() as tx:
            for n in range(200):
                tx.run("INSERT INTO rows (n, word) VALUES (:n, :word)", n=n, word="x" * 2000)
            tx.connection.execute("SELECT 1").fetchall()
            root = tx.one(int, "SELECT rootpage FROM sqlite_schema WHERE name = 'rows'")
        assert root is not None
        store.close()  # the last to leave writes the log into the file
        content = bytearray(store.path.read_bytes())
        if damage == "flipped":
            content[(root - 1) * 4096 : root * 4096] = bytes(b ^ 0xFF for b in content[(root - 1) * 4096 : root * 4096])
        else:
            del content[len(content) // 2 :]
        store.path.write_bytes(content)
        db = open_store()
        with pytest.raises(Unavailable, match=r"damaged|disk under"), db.read() as tx:
            tx.all(str, "SELECT word FROM rows")
        with pytest.raises(Unavailable, match=r"damaged|disk under"), db.write() as tx:
            tx.run("UPDATE rows SET word = ''")


def test_every_error_of_sqlite_becomes_one_of_ours_or_stays_a_constraint() -> None:
    for error, expected in (
        (apsw.BusyError, TryAgain),
        (apsw.LockedError, TryAgain),
        (apsw.ProtocolError, TryAgain),
        (apsw.FullError, Unavailable),
        (apsw.IOError, Unavailable),
        (apsw.ReadOnlyError, Unavailable),
        (apsw.CantOpenError, Unavailable),
        (apsw.CorruptError, Unavailable),
        (apsw.NotADBError, Unavailable),
        (apsw.ConstraintError, apsw.ConstraintError),
        (apsw.SQLError, RuntimeError),
    ):
        with pytest.raises(expected), kernel_db.translated():
            raise error("as it is")


def test_a_new_thread_does_not_touch_a_file_that_was_put_in_place_of_ours(store: Database) -> None:
    with store.write() as tx:
        tx.run("INSERT INTO rows (n) VALUES (1)")
    with store.read() as tx:
        before = tx.one(int, "SELECT count(*) FROM rows")
    shutil.copy(store.path, store.path.with_name("other.db"))
    store.path.with_name("other.db").rename(store.path)
    refused: list[str] = []

    def look() -> None:
        try:
            with store.read() as tx:
                tx.one(int, "SELECT count(*) FROM rows")
        except Unavailable as error:
            refused.append(str(error))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert "was replaced" in refused[0]
    with store.read() as tx:  # its connection would reset the shared memory that ours has mapped
        assert tx.one(int, "SELECT count(*) FROM rows") == before == 1
