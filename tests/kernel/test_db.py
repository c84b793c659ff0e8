"""The database: snapshots for looking, one queue of transactions for changing."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from jarvis.kernel import db as kernel_db
from jarvis.kernel.db import Database, FifoLock, Who, connect, forbid_inside_write, run
from jarvis.kernel.errors import TryAgain, Unavailable


def numbers(db: Database) -> list[int]:
    with db.read() as tx:
        return tx.all(int, "SELECT n FROM rows ORDER BY n")


def insert(db: Database, n: int) -> None:
    with db.write() as tx:
        tx.run("INSERT INTO rows (n) VALUES (:n)", n=n)


def event_subjects(db: Database) -> list[str]:
    with db.read() as tx:
        return tx.all(str, "SELECT subject FROM events ORDER BY seq")


class TestReading:
    def test_sqlite_itself_refuses_a_write_inside_a_read(self, store: Database) -> None:
        with pytest.raises(Unavailable, match="readonly"), store.read() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
        assert numbers(store) == []

    def test_a_read_inside_a_write_may_not_be_written_through_either(self, store: Database) -> None:
        with store.write() as outer:
            for sql in ("INSERT INTO rows (n) VALUES (1)", "DELETE FROM rows", "CREATE TABLE t (x)"):
                with pytest.raises(RuntimeError, match="through a read"), store.read() as tx:
                    tx.run(sql)
            with pytest.raises(RuntimeError, match="through a read"), store.read() as tx:
                tx.record("thing.happened", "x")
            outer.run("INSERT INTO rows (n) VALUES (2)")
        assert numbers(store) == [2]

    def test_it_sees_one_snapshot_whatever_others_commit(
        self, store: Database, open_store: Callable[..., Database]
    ) -> None:
        other = open_store()
        with store.read() as tx:
            assert tx.all(int, "SELECT n FROM rows") == []
            thread = threading.Thread(target=insert, args=(other, 1))
            thread.start()
            thread.join()
            assert tx.all(int, "SELECT n FROM rows") == []
        assert numbers(store) == [1]

    def test_inside_a_write_it_sees_what_is_not_committed_yet(self, store: Database) -> None:
        with store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            assert numbers(store) == [1]

    def test_reads_nest_and_share_the_snapshot(self, store: Database) -> None:
        with store.read() as outer, store.read() as inner:
            assert inner is outer

    def test_a_write_inside_a_read_is_refused_at_any_depth(self, store: Database) -> None:
        refused = pytest.raises(RuntimeError, match="inside a read")
        with store.read():
            with refused, store.write():
                pass
            with store.read():
                pass
            with refused, store.write():
                pass
        with store.write(), store.read(), refused, store.write():
            pass

    def test_after_an_error_in_the_body_reading_goes_on(self, store: Database) -> None:
        with pytest.raises(KeyError), store.read():
            raise KeyError("mine")
        assert numbers(store) == []


class TestWriting:
    def test_the_body_and_its_events_are_committed_together(self, store: Database) -> None:
        with store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            tx.record("row.added", "row/1")
        assert (numbers(store), event_subjects(store)) == ([1], ["row/1"])

    @pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), StopIteration(), GeneratorExit()])
    def test_an_error_in_the_body_undoes_all_and_comes_out_as_it_was(
        self, store: Database, error: BaseException
    ) -> None:
        with pytest.raises(type(error)) as caught, store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            tx.record("row.added", "row/1")
            raise error
        assert caught.value is error
        assert (numbers(store), event_subjects(store)) == ([], [])
        insert(store, 2)
        assert numbers(store) == [2]

    def test_a_nested_write_rolls_back_alone_and_its_events_with_it(self, store: Database) -> None:
        with store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            with pytest.raises(KeyError), store.write() as inner:
                inner.run("INSERT INTO rows (n) VALUES (2)")
                inner.record("row.added", "row/2")
                raise KeyError
            with store.write() as inner:
                inner.run("INSERT INTO rows (n) VALUES (3)")
                inner.record("row.added", "row/3")
        assert (numbers(store), event_subjects(store)) == ([1, 3], ["row/3"])

    def test_nested_writes_go_deep_and_only_the_failed_level_is_lost(self, store: Database) -> None:
        with store.write() as tx, store.write(), store.write() as deepest:
            deepest.run("INSERT INTO rows (n) VALUES (1)")
            with pytest.raises(apsw.ConstraintError), store.write() as inner:
                inner.run("INSERT INTO rows (n) VALUES (2)")
                inner.run("INSERT INTO rows (n) VALUES (1)")
            assert tx is deepest
        assert numbers(store) == [1]

    def test_an_outer_failure_takes_the_nested_write_along(self, store: Database) -> None:
        with pytest.raises(KeyError), store.write():
            insert(store, 1)
            raise KeyError
        assert numbers(store) == []

    def test_one_reading_of_the_clock_serves_the_whole_transaction(self, store: Database, set_clock) -> None:
        with store.write() as tx:
            before = tx.now
            set_clock.advance(5)
            with store.write() as inner:
                assert inner.now == tx.now == before

    def test_a_nested_write_records_on_its_own_behalf_and_gives_back(self, store: Database) -> None:
        bob = store.seen_by(Who("bob"))
        with store.write() as tx:
            with bob.write() as inner:
                inner.record("row.added", "a")
            with pytest.raises(KeyError), bob.write():
                raise KeyError
            tx.record("row.added", "b")
        with store.read() as tx:
            assert tx.all(str, "SELECT actor FROM events ORDER BY seq") == ["bob", "system"]

    def test_a_constraint_checked_at_commit_leaves_the_connection_usable(self, store: Database) -> None:
        with store.write() as tx:
            tx.run("CREATE TABLE a (id INTEGER PRIMARY KEY) STRICT")
            tx.run("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED) STRICT")
        with pytest.raises(apsw.ConstraintError), store.write() as tx:
            tx.run("INSERT INTO b (a) VALUES (7)")
        insert(store, 1)
        assert numbers(store) == [1]

    def test_it_says_how_many_rows_changed(self, store: Database) -> None:
        with store.write() as tx:
            assert tx.run("INSERT INTO rows (n) VALUES (1), (2)") == 2
            assert tx.run("SELECT * FROM rows") == 0
            assert tx.run("UPDATE rows SET word = 'x' WHERE n = 9") == 0
            assert tx.run("DELETE FROM rows") == 2

    def test_a_missing_parameter_is_an_error_and_not_null(self, store: Database) -> None:
        with pytest.raises(KeyError, match="word"), store.write() as tx:
            tx.run("INSERT INTO rows (n, word) VALUES (:n, :word)", n=1)

    def test_a_parameter_may_be_called_sql_or_make(self, store: Database) -> None:
        with store.read() as tx:
            assert tx.one(int, "SELECT :sql + :make", sql=1, make=2) == 3

    def test_a_transaction_is_good_inside_its_block_only(self, store: Database) -> None:
        with store.write() as kept:
            pass
        with pytest.raises(RuntimeError, match="after its end"):
            kept.run("INSERT INTO rows (n) VALUES (1)")
        with store.read() as looked:
            pass
        with store.read(), pytest.raises(RuntimeError, match="after its end"):
            looked.all(int, "SELECT n FROM rows")

    def test_what_runs_after_sqlite_gave_up_is_not_committed_by_itself(self, store: Database) -> None:
        with pytest.raises(Unavailable, match="half-way"), store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            run(tx.connection, "ROLLBACK")  # as SQLite does by itself when the disk is full
            tx.run("INSERT INTO rows (n) VALUES (2)")
        with pytest.raises(Unavailable, match="half-way"), store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (3)")
            run(tx.connection, "ROLLBACK")
        assert numbers(store) == []


def test_what_is_kept_outside_of_events_can_be_redacted_too(open_store: Callable[..., Database]) -> None:
    assert open_store(secrets=("hunter2hunter2",)).redact("x hunter2hunter2") == "x «redacted»"


class TestTwoDatabases:
    @pytest.fixture
    def other(self, store: Database, open_store: Callable[..., Database], tmp_path: Path) -> Database:
        path = tmp_path / "other.db"
        path.touch()
        other = open_store(path=path)
        with other.write() as tx:
            tx.run("CREATE TABLE rows (n INTEGER PRIMARY KEY) STRICT")
        return other

    def test_a_write_to_one_inside_a_write_to_another_is_refused(self, store: Database, other: Database) -> None:
        with store.write(), pytest.raises(RuntimeError, match="another"), other.write():
            pass
        insert(other, 1)
        assert numbers(other) == [1]

    def test_each_reads_its_own_inside_the_others_write(self, store: Database, other: Database) -> None:
        insert(other, 7)
        with store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            with other.read() as there:
                assert there.all(int, "SELECT n FROM rows") == [7]
                assert numbers(store) == [1]
            with store.write() as inner:
                inner.run("INSERT INTO rows (n) VALUES (2)")
        assert numbers(store) == [1, 2]

    def test_reading_another_does_not_forget_that_this_one_is_read(self, store: Database, other: Database) -> None:
        with store.read() as tx:
            with other.read() as there:
                assert there.all(int, "SELECT n FROM rows") == []
                with store.read() as again:
                    assert again is tx
            with pytest.raises(RuntimeError, match="inside a read"), store.write():
                pass

    def test_what_is_read_here_may_be_written_there(self, store: Database, other: Database) -> None:
        insert(store, 3)
        with store.read() as tx, other.write() as there:
            for n in tx.all(int, "SELECT n FROM rows"):
                there.run("INSERT INTO rows (n) VALUES (:n)", n=n)
        assert numbers(other) == [3]


class TestWaking:
    def test_followers_are_woken_after_the_commit_and_only_when_something_changed(self, store: Database) -> None:
        before = store.wake.count
        with store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            assert store.wake.count == before
        assert store.wake.count == before + 1
        with store.write() as tx:
            tx.run("UPDATE rows SET word = 'x' WHERE n = 99")
        assert store.wake.count == before + 1

    def test_a_failed_write_wakes_nobody(self, store: Database) -> None:
        before = store.wake.count
        with pytest.raises(KeyError), store.write() as tx:
            tx.run("INSERT INTO rows (n) VALUES (1)")
            raise KeyError
        assert store.wake.count == before


class TestNothingSlowInsideAWrite:
    def test_wrappers_of_slow_things_raise_inside_a_write(self, store: Database) -> None:
        with store.write(), pytest.raises(RuntimeError, match="HTTP inside a write"):
            forbid_inside_write("HTTP")
        with store.write(), store.read(), pytest.raises(RuntimeError):
            forbid_inside_write("HTTP")
        with store.read():
            forbid_inside_write("HTTP")
        forbid_inside_write("HTTP")

    def test_another_threads_write_is_no_reason(self, store: Database) -> None:
        raised: list[BaseException] = []

        def ask() -> None:
            try:
                forbid_inside_write("HTTP")
            except RuntimeError as error:
                raised.append(error)

        with store.write():
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        assert raised == []


class TestConnections:
    @pytest.mark.parametrize("readonly", [True, False])
    def test_the_pragmas_took(self, store: Database, readonly: bool) -> None:
        connection = connect(store.path, readonly=readonly)
        got = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys", "query_only")}
        connection.close()
        assert got == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": int(readonly)}

    def test_a_connection_whose_pragma_did_not_take_is_refused(
        self, store: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_before = len(os.listdir("/proc/self/fd"))
        monkeypatch.setitem(kernel_db.PRAGMAS, "synchronous", 77)
        for _ in range(20):
            with pytest.raises(Unavailable, match="refused synchronous=77"):
                connect(store.path, readonly=False)
        assert len(os.listdir("/proc/self/fd")) <= open_before + 1  # SQLite keeps one to use again

    def test_a_script_runs_to_its_very_end(self, store: Database) -> None:
        connection = connect(store.path, readonly=False)
        run(connection, "PRAGMA foreign_keys; PRAGMA foreign_keys = 0; SELECT 1; PRAGMA cache_size = 17")
        assert (connection.pragma("foreign_keys"), connection.pragma("cache_size")) == (0, 17)
        connection.close()

    def test_statements_are_drained_so_that_the_log_can_be_truncated(
        self, store: Database, open_store: Callable[..., Database]
    ) -> None:
        for n in range(10):
            insert(store, n)
        with store.read() as tx:
            assert tx.one(int, "SELECT n FROM rows") == 0
        with pytest.raises(ZeroDivisionError), store.read() as tx:
            tx.all(lambda n: 1 // n, "SELECT n FROM rows ORDER BY n")
        busy, _, _ = next(connect(store.path, readonly=False).execute("PRAGMA wal_checkpoint(TRUNCATE)"))
        assert busy == 0

    def test_a_thread_keeps_its_connections_and_they_close_when_it_ends(self, store: Database) -> None:
        def work(n: int) -> None:
            insert(store, n)
            numbers(store)

        work(-1)
        open_before = len(os.listdir("/proc/self/fd"))
        for start in range(0, 40, 4):
            threads = [threading.Thread(target=work, args=(start + i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        kept = 2 * 4  # SQLite closes a file late, to keep its locks, and uses it again first
        assert len(os.listdir("/proc/self/fd")) <= open_before + kept
        assert len(numbers(store)) == 41

    def test_nothing_opens_a_connection_per_transaction(self, store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        numbers(store)

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a connection was opened")

        monkeypatch.setattr(kernel_db, "connect", refuse)
        for n in range(3):
            insert(store, n)
        assert numbers(store) == [0, 1, 2]

    def test_reading_costs_a_begin_and_a_rollback_and_nothing_else(self, store: Database) -> None:
        numbers(store)
        seen: list[str] = []
        reader = store._shared.held.reader
        assert reader is not None
        reader.exec_trace = lambda _cursor, sql, _bindings: seen.append(sql) is None
        numbers(store)
        reader.exec_trace = None
        assert seen == ["BEGIN", "SELECT n FROM rows ORDER BY n", "ROLLBACK"]

    def test_closing_lets_the_thread_open_them_again(self, store: Database) -> None:
        insert(store, 1)
        store.close()
        assert numbers(store) == [1]


class TestTurns:
    def test_waiters_are_served_in_order_of_arrival(self) -> None:
        lock, served, threads = FifoLock(), [], []
        assert lock.acquire(1)

        def wait(n: int) -> None:
            assert lock.acquire(30)
            served.append(n)
            lock.release()

        for n in range(20):
            threads.append(threading.Thread(target=wait, args=(n,)))
            threads[-1].start()
            while len(lock._waiters) <= n:
                time.sleep(0)
        lock.release()
        for thread in threads:
            thread.join()
        assert served == list(range(20))

    def test_one_who_gives_up_waiting_holds_nobody_up(self) -> None:
        lock = FifoLock()
        assert lock.acquire(1)
        assert not lock.acquire(0.01)
        lock.release()
        assert lock.acquire(0)

    def test_a_turn_handed_over_just_as_the_time_ran_out_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lock = FifoLock()
        assert lock.acquire(1)
        leave = FifoLock._leave

        def release_first(self: FifoLock, ticket: threading.Lock) -> bool:
            self.release()
            return leave(self, ticket)

        monkeypatch.setattr(FifoLock, "_leave", release_first)
        assert lock.acquire(0.01)

    def test_an_interrupted_waiter_leaves_the_queue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Interrupted:
            def __init__(self) -> None:
                self.calls = 0

            def acquire(self, timeout: float = -1) -> bool:
                self.calls += 1
                if self.calls == 2:
                    raise KeyboardInterrupt
                return True

        lock = FifoLock()
        assert lock.acquire(1)
        monkeypatch.setattr(kernel_db.threading, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            lock.acquire(1)
        monkeypatch.undo()
        lock.release()
        assert lock.acquire(0)

    def test_nobody_is_overtaken_by_many(self, store: Database) -> None:
        """Left to SQLite's own waiting, one of eight threads can wait while the others go hundreds of times."""
        threads = 8
        start = threading.Barrier(threads)
        served = 0
        overtaken: list[int] = []

        def work() -> None:
            nonlocal served
            start.wait()
            for _ in range(12):
                arrived = served
                with store.write() as tx:
                    overtaken.append(served - arrived)
                    tx.run("INSERT INTO rows DEFAULT VALUES")
                    served += 1

        running = [threading.Thread(target=work) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert len(overtaken) == 96
        assert max(overtaken) <= 4 * threads

    def test_a_turn_that_does_not_come_is_try_again(self, store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernel_db, "BUSY_SECONDS", 0.01)
        caught: list[TryAgain] = []

        def attempt() -> None:
            with pytest.raises(TryAgain) as raised, store.write():
                pass
            caught.append(raised.value)

        with store.write():
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()
        assert caught[0].retry_after_seconds == 2
