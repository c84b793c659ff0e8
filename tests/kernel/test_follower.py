"""Followers hear every event once and in order, from whichever process, without polling."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jarvis.kernel import events
from jarvis.kernel.db import Database
from jarvis.kernel.events import Event, Follower
from jarvis.kernel.wake import Wake

LONG = 60.0  # nobody waits this long: a test that reaches it has failed

RECORDER = """
import sys
from pathlib import Path
from jarvis.kernel.clock import system_clock
from jarvis.kernel.db import Database
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake

home = Path(sys.argv[1])
db = Database.open(home / "jarvis.db", system_clock, Ids(system_clock), Redactor(), Wake())
db.wake.among(home / "run")
for line in sys.stdin:
    with db.write() as tx:
        tx.record("thing.happened", line.strip())
    print("recorded", flush=True)
"""


def record(db: Database, subject: str) -> None:
    with db.write() as tx:
        tx.record("thing.happened", subject)


def hear(follower: Follower, count: int) -> list[Event]:
    heard: list[Event] = []
    while len(heard) < count:
        heard += follower.next(LONG)
    return heard


def test_it_starts_where_it_is_told_and_hears_only_what_comes(store: Database) -> None:
    record(store, "old")
    follower = Follower(store, events.latest_seq(store))
    assert follower.next(0) == []
    record(store, "new")
    assert [event.subject for event in follower.next(LONG)] == ["new"]
    assert follower.next(0) == []


def test_a_backlog_comes_in_portions_without_waiting(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.write() as tx:
        for n in range(7):
            tx.record("thing.happened", str(n))
    wait = Wake.wait

    def refuse_to_wait(self: Wake, seen: int, timeout: float) -> int:
        assert seen != self.count, "it would have waited"
        return wait(self, seen, timeout)

    monkeypatch.setattr(Wake, "wait", refuse_to_wait)
    follower = Follower(store, 0)
    portions = [[event.subject for event in follower.next(LONG, limit=3)] for _ in range(3)]
    assert portions == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_nothing_is_heard_before_its_commit(store: Database) -> None:
    follower = Follower(store, 0)
    follower.next(0)
    heard: list[Event] = []
    listening = threading.Thread(target=lambda: heard.extend(hear(follower, 1)))
    with store.write() as tx:
        tx.record("thing.happened", "x")
        listening.start()
        listening.join(0.05)
        assert heard == []
    listening.join(LONG)
    assert [event.subject for event in heard] == ["x"]


def test_it_waits_without_asking_the_database(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(store, 0)
    asked: list[int] = []
    read = Database.read

    def counting(self: Database) -> object:
        asked.append(1)
        return read(self)

    monkeypatch.setattr(Database, "read", counting)
    follower.next(0)
    assert follower.next(0.2) == []
    assert len(asked) == 2, "once to look, and once when the time was up"


def test_none_is_missed_and_all_are_in_order_under_concurrent_writers(
    store: Database, open_store: Callable[..., Database]
) -> None:
    writers, each = 4, 25
    other = open_store()  # a second view with a lock of its own, as another process would have
    other._shared.wake = store.wake

    def write(me: int) -> None:
        for n in range(each):
            record(store if me % 2 else other, f"{me}.{n}")

    follower = Follower(store, 0)
    threads = [threading.Thread(target=write, args=(me,)) for me in range(writers)]
    for thread in threads:
        thread.start()
    heard = hear(follower, writers * each)
    for thread in threads:
        thread.join()
    assert [event.seq for event in heard] == list(range(1, writers * each + 1))
    for me in range(writers):
        assert [e.subject for e in heard if e.subject.startswith(f"{me}.")] == [f"{me}.{n}" for n in range(each)]


def test_another_process_wakes_it_at_once(store: Database, child: Callable) -> None:
    home: Path = store.path.parent
    listener = store.wake.listen(home / "run")
    follower = Follower(store, 0)
    follower.next(0)
    recorder = child(RECORDER, home)
    for n in range(3):
        recorder.tell(str(n))
        assert recorder.line() == "recorded"
        assert [event.subject for event in hear(follower, 1)] == [str(n)]
    listener.close()


def test_without_a_socket_it_sees_another_process_when_its_wait_ends(store: Database, child: Callable) -> None:
    follower = Follower(store, 0)
    follower.next(0)
    recorder = child(RECORDER, store.path.parent)
    recorder.tell("unheard")
    assert recorder.line() == "recorded"
    assert [event.subject for event in follower.next(0.01)] == ["unheard"]
