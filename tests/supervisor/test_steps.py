"""The supervisor one step at a time, with a clock, a worker and signals that are handed in."""

import os
import signal
import socket
from pathlib import Path

import pytest

from jarvis import lifeline, supervisor
from jarvis.life import Backoff, Bounds
from jarvis.process import Held


class FakeChild:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        self.worker = lifeline.Lifeline(theirs)
        self.code: int | None = None
        self.sent: list[int] = []

    def poll(self) -> int | None:
        return self.code

    def send(self, signum: int) -> None:
        self.sent.append(signum)


class FakeSpawner:
    def __init__(self) -> None:
        self.children: list[FakeChild] = []
        self.resolved = self.reverted = 0
        self.error: OSError | None = None

    def resolve(self) -> None:
        self.resolved += 1

    def revert(self) -> None:
        self.reverted += 1

    def start(self, held: Held) -> FakeChild:
        if self.error:
            raise self.error
        self.children.append(FakeChild(1000 + len(self.children)))
        return self.children[-1]


class FakeSignals:
    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.pending = b""

    def fileno(self) -> int:
        return self.reader

    def take(self) -> bytes:
        taken, self.pending = self.pending, b""
        return taken


class FakeNotifier:
    feed_seconds = 10.0

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, *lines: str) -> None:
        self.told.append(lines[0])


class FakeLog:
    def __init__(self) -> None:
        self.is_json = False
        self.lines: list[str] = []
        self.info = self.warning = self.error = self.lines.append


class House:
    def __init__(self) -> None:
        self.now = 1000.0
        self.spawner = FakeSpawner()
        self.held = Held()
        self.signals = FakeSignals()
        self.notifier = FakeNotifier()
        self.log = FakeLog()
        self.bounds = Bounds()
        self.supervisor = supervisor.Supervisor(
            self.spawner, self.held, self.signals, self.notifier, self.log, self.bounds, lambda: self.now
        )
        self.supervisor.step()

    @property
    def child(self) -> FakeChild:
        return self.spawner.children[-1]

    @property
    def lives(self) -> int:
        return len(self.spawner.children)

    def adopt(self, **plan: object) -> None:
        with socket.socket() as listener, open(os.devnull) as lock:
            self.child.worker.adopt(listener.fileno(), lock.fileno(), {"drain_seconds": 20, **plan})
        self.supervisor.step()

    def die(self, code: int) -> None:
        self.child.code = code
        self.supervisor.step()

    def signal(self, signum: int) -> None:
        self.signals.pending += bytes([signum])
        self.supervisor.step()

    def advance(self, seconds: float) -> None:
        """Let time pass as the real loop would: awake at each moment that is due."""
        end = self.now + seconds
        while (due := self.supervisor.due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.supervisor.step()
        self.now = end
        self.supervisor.step()

    def close(self) -> None:
        os.close(self.signals.reader)
        os.close(self.signals.writer)
        for child in self.spawner.children:
            child.channel.close()
            child.worker.channel.close()
        for fd in (self.held.listener, self.held.lock):
            if fd is not None:
                os.close(fd)


@pytest.fixture
def house():
    house = House()
    yield house
    house.close()


@pytest.fixture
def adopted(house):
    house.adopt()
    return house


def wait_before_next_life(house) -> float:
    lives, before = house.lives, house.now
    while house.lives == lives:
        house.now = house.supervisor.due()
        house.supervisor.step()
    return house.now - before


def delays(house, count: int) -> list[float]:
    taken = []
    for _ in range(count):
        house.die(1)
        taken.append(round(wait_before_next_life(house), 3))
    return taken


def test_delays_double_from_a_fifth_of_a_second_to_half_a_minute(adopted):
    assert delays(adopted, 10) == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_a_ready_worker_starts_the_delays_anew(adopted):
    delays(adopted, 4)
    adopted.child.worker.ready()
    adopted.supervisor.step()
    assert delays(adopted, 2) == [0.2, 0.4]


def test_a_life_of_a_minute_starts_the_delays_anew_and_a_shorter_one_does_not(adopted):
    delays(adopted, 2)
    adopted.advance(59)
    assert delays(adopted, 1) == [0.8]
    adopted.advance(60)
    assert delays(adopted, 2) == [0.2, 0.4]


def test_backoff_stops_at_its_longest():
    backoff = Backoff(2, 5)
    assert [backoff.take() for _ in range(3)] == [2, 4, 5]


def test_what_a_worker_said_just_before_it_died_is_heard(house):
    child = house.child

    def dies_after_its_last_word() -> int:
        child.worker.adopt(house.signals.reader, house.signals.writer, {})
        return 1

    child.poll = dies_after_its_last_word
    house.supervisor.step()
    assert house.supervisor.outcome is None
    assert house.held.lock is not None


def test_death_by_signal_before_adopting_ends_the_server(house):
    house.die(-11)
    assert house.supervisor.outcome == 128 + 11


def test_a_worker_that_cannot_be_started_first_ends_the_server_and_later_is_tried_again():
    house = House()
    house.adopt()
    house.spawner.error = OSError("no memory")
    house.die(1)
    house.advance(0.2)
    assert house.supervisor.outcome is None
    house.spawner.error = None
    house.advance(0.4)
    assert house.lives == 2
    house.close()


def test_exit_0_that_nobody_here_asked_for_ends_the_server(adopted):
    adopted.die(0)
    assert adopted.supervisor.outcome == 0


def test_a_crash_does_not_resolve_the_path_and_a_restart_does(adopted):
    adopted.die(1)
    adopted.advance(1)
    assert adopted.spawner.resolved == 0
    adopted.child.worker.ready()
    adopted.die(lifeline.RESTART_EXIT)
    assert (adopted.spawner.resolved, adopted.lives) == (1, 3)


def test_a_restart_into_a_file_that_cannot_serve_goes_back_to_the_one_from_before(adopted):
    adopted.child.worker.ready()
    adopted.supervisor.step()
    adopted.die(lifeline.RESTART_EXIT)
    adopted.die(69)  # as a release does that is too old for the database
    adopted.advance(1)
    assert (adopted.spawner.reverted, adopted.lives) == (1, 3)
    adopted.die(69)  # and that one is not to blame on any file
    adopted.advance(1)
    assert (adopted.spawner.reverted, adopted.lives) == (1, 4)


def test_a_restart_that_had_to_be_killed_still_resolves_the_path(adopted):
    adopted.child.worker.stopping(restart=True)
    adopted.supervisor.step()
    adopted.advance(25)
    assert adopted.child.sent == [signal.SIGKILL]
    adopted.die(-9)
    adopted.advance(1)
    assert (adopted.spawner.resolved, adopted.lives) == (1, 2)


def test_restarts_of_workers_that_never_get_ready_are_slowed_down(adopted):
    adopted.die(lifeline.RESTART_EXIT)
    assert adopted.lives == 1
    assert wait_before_next_life(adopted) == pytest.approx(0.2)


def test_sighup_while_waiting_to_revive_starts_at_once(adopted):
    adopted.die(1)
    adopted.signal(signal.SIGHUP)
    assert (adopted.spawner.resolved, adopted.lives) == (1, 2)


def test_sighup_before_the_first_worker_adopted_changes_nothing(house):
    house.signal(signal.SIGHUP)
    assert house.child.sent == []


def test_sighup_from_a_terminal_that_was_closed_stops(monkeypatch):
    monkeypatch.setattr(supervisor, "_has_terminal", lambda: True)
    house = House()
    house.adopt()
    monkeypatch.setattr(supervisor, "_has_terminal", lambda: False)
    house.signal(signal.SIGHUP)
    house.die(0)
    assert (house.supervisor.outcome, house.lives) == (0, 1)
    house.close()


@pytest.mark.parametrize(("code", "outcome"), [(0, 0), (-15, 0), (88, 0), (-9, 1), (70, 70)])
def test_the_exit_code_of_a_stop(adopted, code, outcome):
    adopted.signal(signal.SIGTERM)
    assert adopted.child.sent == [signal.SIGTERM]
    adopted.die(code)
    assert adopted.supervisor.outcome == outcome


def test_a_drain_gets_what_the_worker_said_and_a_margin(house):
    house.adopt(drain_seconds=7)
    house.signal(signal.SIGTERM)
    house.advance(11.9)
    assert signal.SIGKILL not in house.child.sent
    house.advance(0.1)
    assert signal.SIGKILL in house.child.sent


def test_a_second_sigint_is_passed_on_and_shortens_the_drain(adopted):
    adopted.signal(signal.SIGINT)
    adopted.signal(signal.SIGINT)
    adopted.advance(2)
    assert adopted.child.sent == [signal.SIGINT, signal.SIGINT, signal.SIGKILL]


def test_a_hastened_drain_is_not_prolonged_by_the_workers_word(adopted):
    adopted.signal(signal.SIGINT)
    adopted.signal(signal.SIGINT)
    adopted.child.worker.stopping()
    adopted.supervisor.step()
    adopted.advance(2)
    assert signal.SIGKILL in adopted.child.sent


def test_a_second_sigterm_changes_nothing(adopted):
    adopted.signal(signal.SIGTERM)
    adopted.signal(signal.SIGTERM)
    adopted.advance(24)
    assert adopted.child.sent == [signal.SIGTERM]


def test_a_silent_worker_is_aborted_then_killed_then_replaced(adopted):
    adopted.child.worker.beat()
    adopted.supervisor.step()
    adopted.advance(59.9)
    assert adopted.child.sent == []
    adopted.advance(0.1)
    assert adopted.child.sent == [signal.SIGABRT]
    adopted.advance(2)
    assert adopted.child.sent == [signal.SIGABRT, signal.SIGKILL]
    adopted.die(-9)
    adopted.advance(0.2)
    assert adopted.lives == 2


def test_each_beat_moves_the_bound(adopted):
    for _ in range(5):
        adopted.child.worker.beat()
        adopted.supervisor.step()
        adopted.advance(59)
    assert adopted.child.sent == []


def test_a_start_that_never_beats_is_bounded_too(house):
    house.advance(299)
    assert house.child.sent == []
    house.advance(1)
    assert house.child.sent == [signal.SIGABRT]


def test_a_frozen_machine_is_not_the_workers_silence(adopted):
    adopted.child.worker.beat()
    adopted.supervisor.step()
    adopted.now += 3600  # nobody ran, the loop neither
    adopted.supervisor.step()
    assert adopted.child.sent == []
    adopted.advance(60)
    assert adopted.child.sent == [signal.SIGABRT]


def test_the_manager_is_fed_while_the_worker_is_well_and_not_while_it_hangs(adopted):
    adopted.child.worker.beat()
    adopted.supervisor.step()
    adopted.notifier.told.clear()
    adopted.advance(50)
    assert adopted.notifier.told.count("WATCHDOG=1") == 5
    adopted.advance(10)
    adopted.bounds.abort = 600
    adopted.notifier.told.clear()
    adopted.advance(50)
    assert adopted.notifier.told == []


def test_what_is_no_message_is_logged_and_survived(adopted):
    before = adopted.held.listener
    for junk in (b"{", b"[]", b'"x"', b"{}", b"\xff", b"[" * 10_000):
        adopted.child.worker.channel.send(junk)
    adopted.child.worker.ready()
    adopted.supervisor.step()
    assert adopted.notifier.told[-1] == "READY=1"
    assert adopted.held.listener == before
    assert sum("unintelligible" in line for line in adopted.log.lines) == 6


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_beside_anything_but_an_adoption_are_closed(adopted):
    before = open_descriptors()
    for kind in (b'{"kind": "beat"}', b'{"kind": "adopt"}', b"junk"):
        socket.send_fds(adopted.child.worker.channel, [kind], [0, 1, 2])
    adopted.supervisor.step()
    assert open_descriptors() == before


def test_a_later_adoption_replaces_what_was_held(adopted):
    before = open_descriptors()
    adopted.adopt(drain_seconds=3, log_format="json")
    assert open_descriptors() == before
    assert (adopted.held.drain_seconds, adopted.log.is_json) == (3.0, True)


@pytest.mark.parametrize("said", [None, "20", -1, float("nan"), float("inf")])
def test_a_senseless_drain_is_the_default(said):
    assert lifeline.Message("adopt", {"drain_seconds": said}, []).drain_seconds() == 20


def test_what_is_held_is_not_inherited_by_children(adopted):
    assert not os.get_inheritable(adopted.held.listener)
    assert not os.get_inheritable(adopted.held.lock)


def test_a_worker_that_hangs_up_but_lives_is_judged_by_its_silence(adopted):
    adopted.child.worker.channel.close()
    adopted.supervisor.step()
    assert adopted.child.channel.fileno() == -1  # or the loop would wake for it without end
    adopted.advance(300)
    assert adopted.child.sent == [signal.SIGABRT]


def test_a_supervisor_that_does_not_listen_does_not_hold_the_worker_up(adopted):
    for _ in range(5000):
        adopted.child.worker.beat()
