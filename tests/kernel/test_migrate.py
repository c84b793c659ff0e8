"""Migrations: all or nothing, once, by name, and never on somebody else's file."""

import os
import re
import sqlite3
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import pytest

from jarvis.kernel import migrate
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.migrate import Migration

HEAD = "-- oldest-release: 0.1.0\n"
FIRST = Migration(1, "0001_first.sql", HEAD + "CREATE TABLE a (id INTEGER PRIMARY KEY) STRICT;\n")
SECOND = Migration(
    2,
    "0002_second.sql",
    HEAD + "CREATE TABLE b (a INTEGER REFERENCES a (id) ON DELETE CASCADE) STRICT;\nINSERT INTO a VALUES (1);\n",
)
NOW = 1_800_000_000_000_000

MIGRATOR = """
import sys
from pathlib import Path
from jarvis.kernel import migrate
sys.stdin.readline()
print(len(migrate.migrate(Path(sys.argv[1]), lambda: 1)), flush=True)
"""

SLOW_MIGRATOR = """
import sys
from pathlib import Path
from jarvis.kernel import migrate
ship = [
    migrate.Migration(n, f"{n:04}_m.sql", "-- oldest-release: 0.1.0\\n" + "".join(
        f"CREATE TABLE t{n}_{i} (x INTEGER) STRICT; INSERT INTO t{n}_{i} VALUES (1);" for i in range(20)))
    for n in range(1, 6)
]
migrate.shipped = lambda: ship
run, done = migrate.run, 0

def counting(connection, sql):
    global done
    run(connection, sql)
    done += 1
    if done == int(sys.argv[2]):
        print("here", flush=True)
        sys.stdin.readline()

migrate.run = counting
migrate.migrate(Path(sys.argv[1]), lambda: 1)
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let this release ship exactly these migrations, under this version."""

    def ship_these(*migrations: Migration, version: str = "0.1.0") -> None:
        monkeypatch.setattr(migrate, "shipped", lambda: list(migrations))
        monkeypatch.setattr(migrate, "__version__", version)

    return ship_these


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "jarvis.db"


def apply(path: Path) -> list[str]:
    return migrate.migrate(path, lambda: NOW)


def query(path: Path, sql: str) -> Sequence[tuple[object, ...]]:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def tables(path: Path) -> set[object]:
    return {row[0] for row in query(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")}


class TestApplying:
    def test_a_new_home_gets_everything_in_order(self, path: Path) -> None:
        names = apply(path)
        assert names == [m.name for m in migrate.shipped()]
        assert names == sorted(names)
        assert migrate.standing(path).is_current

    def test_again_it_does_nothing(self, path: Path) -> None:
        apply(path)
        assert apply(path) == []

    def test_what_is_added_later_is_applied_later(self, path: Path, ship: Callable) -> None:
        ship(FIRST)
        apply(path)
        ship(FIRST, SECOND)
        assert [m.name for m in migrate.standing(path).pending] == [SECOND.name]
        assert apply(path) == [SECOND.name]

    def test_the_ledger_keeps_number_hash_release_and_time(self, path: Path, ship: Callable) -> None:
        ship(FIRST)
        apply(path)
        rows = query(path, "SELECT number, name, sha256, oldest_release, applied_at FROM schema_migrations")
        assert rows == [(1, FIRST.name, FIRST.sha256, "0.1.0", NOW)]

    def test_home_and_file_are_private(self, path: Path) -> None:
        before = os.umask(0)
        try:
            apply(path)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}

    def test_creating_never_touches_a_file_that_is_there(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("mine")
        migrate.create(path)
        assert path.read_text() == "mine"

    def test_foreign_keys_are_off_while_it_runs(self, path: Path, ship: Callable) -> None:
        """Rebuilding a table drops the old one: with foreign keys on, that would delete its children."""
        ship(FIRST, SECOND)
        apply(path)
        with_child = apsw.Connection(str(path))
        with_child.execute("INSERT INTO b VALUES (1)").fetchall()
        with_child.close()
        rebuild = (
            "CREATE TABLE a2 (id INTEGER PRIMARY KEY, more TEXT) STRICT;"
            "INSERT INTO a2 (id) SELECT id FROM a; DROP TABLE a; ALTER TABLE a2 RENAME TO a;"
        )
        ship(FIRST, SECOND, Migration(3, "0003_rebuild.sql", HEAD + rebuild))
        apply(path)
        assert query(path, "SELECT a FROM b") == [(1,)]


class TestFailing:
    @pytest.mark.parametrize(
        ("sql", "named"),
        [
            ("CREATE TABLE c (x INTEGER) STRICT;\n-- why; not\nINSERT INTO nowhere VALUES (1);", "INSERT INTO nowhere"),
            ("CREATE TABLE c (x INTEGER) STRICT;\nCREATE TABEL d (x INTEGER);\nSELECT 1;", "CREATE TABEL d"),
            ("CREATE TABLE a (x INTEGER) STRICT;", "CREATE TABLE a"),
            ("INSERT INTO a VALUES ('text; with semicolon');", "INSERT INTO a VALUES ('text; with semicolon')"),
            (
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; DELETE FROM a; END; SELECT nothing;",
                "SELECT nothing",
            ),
            ("SELECT unfinished", "SELECT unfinished"),
        ],
    )
    def test_the_statement_is_named_and_nothing_has_changed(
        self, path: Path, ship: Callable, sql: str, named: str
    ) -> None:
        ship(FIRST)
        apply(path)
        before = query(path, "SELECT * FROM sqlite_schema")
        ship(FIRST, SECOND, Migration(3, "0003_bad.sql", HEAD + sql))
        with pytest.raises(Unavailable, match=r"0003_bad\.sql failed at.*Nothing was changed") as caught:
            apply(path)
        assert f"“{named}" in str(caught.value)
        assert query(path, "SELECT * FROM sqlite_schema") == before
        assert query(path, "SELECT number FROM schema_migrations") == [(1,)]

    def test_a_row_that_points_nowhere_is_refused(self, path: Path, ship: Callable) -> None:
        ship(FIRST, SECOND)
        apply(path)
        ship(FIRST, SECOND, Migration(3, "0003_orphan.sql", HEAD + "INSERT INTO b VALUES (99);"))
        with pytest.raises(Unavailable, match="a row of b points nowhere"):
            apply(path)
        assert query(path, "SELECT * FROM b") == []

    def test_a_schema_changed_by_hand_is_refused(self, path: Path, ship: Callable) -> None:
        ship(FIRST)
        apply(path)
        query(path, "CREATE INDEX by_hand ON a (id)")
        ship(FIRST, SECOND)
        with pytest.raises(Unavailable, match="by_hand is not as expected"):
            apply(path)
        assert "b" not in tables(path)

    def test_a_full_disk_says_so(self, path: Path, ship: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
        ship(FIRST)
        apply(path)
        connect = migrate.connect

        def small(path: Path, *, readonly: bool) -> apsw.Connection:
            connection = connect(path, readonly=readonly)
            connection.pragma("max_page_count", connection.pragma("page_count") + 2)
            return connection

        monkeypatch.setattr(migrate, "connect", small)
        fill = "CREATE TABLE big (x BLOB) STRICT; INSERT INTO big VALUES (zeroblob(1000000));"
        ship(FIRST, Migration(2, "0002_big.sql", HEAD + fill))
        with pytest.raises(Unavailable, match="full"):
            apply(path)
        assert "big" not in tables(path)

    def test_a_place_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(Unavailable, match=str(tmp_path)):
            apply(tmp_path / "file" / "jarvis.db")
        (tmp_path / "jarvis.db").mkdir()
        with pytest.raises(Unavailable, match="is no file"):
            apply(tmp_path / "jarvis.db")

    def test_something_that_is_no_database_is_refused_in_words(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("not a database " * 1000)
        for attempt in (apply, migrate.standing):
            with pytest.raises(Unavailable, match="damaged"):
                attempt(path)

    def test_a_missing_file_has_no_standing(self, path: Path) -> None:
        with pytest.raises(Unavailable, match="cannot be opened"):
            migrate.standing(path)
        assert not path.parent.exists()


class TestOtherReleases:
    def test_a_number_seen_with_another_hash_is_refused(self, path: Path, ship: Callable) -> None:
        ship(FIRST)
        apply(path)
        ship(Migration(1, FIRST.name, FIRST.sql + "\n"), SECOND)
        assert "other contents" in migrate.standing(path).refusal
        with pytest.raises(Unavailable, match="other contents"):
            apply(path)
        assert "b" not in tables(path)

    @pytest.mark.parametrize(
        ("oldest", "mine", "is_refused"),
        [("0.1.0", "0.1.0", False), ("0.2.0", "0.1.9", True), ("0.10.0", "0.9.0", True), ("0.9.0", "0.10.0", False)],
    )
    def test_a_newer_database_is_used_by_releases_it_can_live_with(
        self, path: Path, ship: Callable, oldest: str, mine: str, is_refused: bool
    ) -> None:
        newer = Migration(2, "0002_newer.sql", f"-- oldest-release: {oldest}\nCREATE TABLE z (x INTEGER) STRICT;")
        ship(FIRST, newer, version="1.0.0")
        apply(path)
        ship(FIRST, version=mine)
        found = migrate.standing(path)
        assert bool(found.refusal) is is_refused
        assert found.is_current is not is_refused
        if is_refused:
            assert oldest in found.refusal
            assert mine in found.refusal
        else:
            assert apply(path) == []

    def test_a_migration_must_say_what_it_can_live_with(self) -> None:
        with pytest.raises(ValueError, match="oldest-release"):
            Migration(1, "0001_x.sql", "SELECT 1;").oldest_release


class TestForeignFiles:
    def test_somebody_elses_database_is_refused_and_not_a_byte_of_it_changes(self, path: Path) -> None:
        path.parent.mkdir()
        theirs = sqlite3.connect(path)
        theirs.execute("CREATE TABLE recipes (name TEXT)")
        theirs.commit()
        theirs.close()
        before = path.read_bytes()
        for attempt in (apply, lambda path: migrate.rehearse(path, lambda: NOW)):
            with pytest.raises(Unavailable, match=r"not Jarvis's \(recipes\)"):
                attempt(path)
        assert "recipes" in migrate.standing(path).refusal
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == ["jarvis.db"]


class TestRehearsing:
    def test_it_tries_everything_and_changes_nothing(self, path: Path, ship: Callable) -> None:
        ship(FIRST)
        apply(path)
        ship(FIRST, SECOND)
        assert migrate.rehearse(path, lambda: NOW) == [SECOND.name]
        assert tables(path) == {"a", "schema_migrations"}
        assert apply(path) == [SECOND.name]

    def test_it_finds_what_would_fail(self, path: Path, ship: Callable) -> None:
        ship(FIRST)
        apply(path)
        ship(FIRST, Migration(2, "0002_bad.sql", HEAD + "CREATE TABLE a (x INTEGER);"))
        with pytest.raises(Unavailable, match="0002_bad"):
            migrate.rehearse(path, lambda: NOW)

    def test_a_missing_file_stays_missing(self, path: Path) -> None:
        assert migrate.rehearse(path, lambda: NOW) == [m.name for m in migrate.shipped()]
        assert not path.parent.exists()


class TestTogether:
    def test_the_version_is_read_again_with_everybody_else_shut_out(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        apply_pending = migrate._apply_pending

        def try_to_write_first(connection: apsw.Connection, now: int) -> list[str]:
            with pytest.raises(apsw.BusyError):
                query(path, "BEGIN IMMEDIATE")
            return apply_pending(connection, now)

        monkeypatch.setattr(migrate, "_apply_pending", try_to_write_first)
        assert apply(path)

    def test_processes_that_start_at_once_migrate_exactly_once(self, path: Path, child: Callable) -> None:
        children = [child(MIGRATOR, path) for _ in range(4)]
        for one in children:
            one.tell()
        said = sorted(int(one.line()) for one in children)
        assert said == [0, 0, 0, len(migrate.shipped())]
        assert migrate.standing(path).is_current

    @pytest.mark.parametrize("after", [1, 2, 50, 150, 208])
    def test_killed_in_the_middle_nothing_or_everything_has_happened(
        self, path: Path, child: Callable, after: int
    ) -> None:
        """The first is BEGIN, the 208th COMMIT."""
        migrator = child(SLOW_MIGRATOR, path, after)
        assert migrator.line() == "here"
        migrator.process.kill()
        migrator.process.wait()
        count = len(tables(path))
        assert count == (101 if after == 208 else 0)
        again = child(SLOW_MIGRATOR, path, -1)
        assert again.line() == "done"
        assert len(tables(path)) == 101


class TestWhatIsShipped:
    def test_numbers_are_unique_and_named_in_order(self) -> None:
        shipped = migrate.shipped()
        assert [m.number for m in shipped] == sorted({m.number for m in shipped})
        assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", m.name) and m.name.startswith(f"{m.number:04}_") for m in shipped)

    def test_each_says_which_release_can_live_with_it(self) -> None:
        assert all(migrate.release(m.oldest_release) <= migrate.release(migrate.__version__) for m in migrate.shipped())

    def test_none_ends_the_transaction_or_changes_how_it_runs(self) -> None:
        forbidden = re.compile(r"\s*(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|VACUUM|ATTACH|DETACH)\b", re.I)
        for migration in migrate.shipped():
            for statement in migrate.statements(migration.sql):
                assert not forbidden.match(migrate.COMMENT.sub("", statement)), (migration.name, statement)

    def test_every_table_is_strict_and_every_foreign_key_says_what_a_delete_does(self, path: Path) -> None:
        apply(path)
        shadows = tuple(f"{row[0]}_" for row in query(path, "SELECT name FROM pragma_table_list WHERE type='virtual'"))
        lax = [
            name
            for name, strict in query(path, "SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
            if not strict and not str(name).startswith(("sqlite_", *shadows))
        ]
        assert lax == []
        for name, sql in query(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL"):
            assert str(sql).count("REFERENCES") == str(sql).count("ON DELETE"), name
