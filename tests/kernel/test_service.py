"""Services: kept alive, watched, and ended when asked."""

import threading
import time
from collections.abc import Callable

import pytest

from jarvis.kernel import service
from jarvis.kernel.service import Loop, Services
from jarvis.kernel.wake import Wake

LONG = 60.0


class Steps:
    """A step that does what it is told, call by call, and says when it has been called so often."""

    def __init__(self, *acts: object) -> None:
        self.acts = acts
        self.calls = 0
        self.called = threading.Condition()

    def __call__(self) -> bool:
        with self.called:
            self.calls += 1
            self.called.notify_all()
        act = self.acts[self.calls - 1] if self.calls <= len(self.acts) else False
        if isinstance(act, BaseException):
            raise act
        return bool(act)

    def wait_for(self, calls: int) -> None:
        with self.called:
            assert self.called.wait_for(lambda: self.calls >= calls, LONG)


def services(*loops: Loop, on_stop: Callable[[], None] = lambda: None) -> Services:
    return Services(loops, on_stop, backoff_seconds=(0.001, 0.004))


def test_a_step_with_more_to_do_is_called_again_at_once() -> None:
    steps = Steps(True, True, True, False)
    running = services(Loop("busy", steps, pause_seconds=LONG))
    running.start()
    steps.wait_for(4)
    assert running.close(LONG)
    assert steps.calls == 4


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_a_loop_that_raises_anything_is_started_again(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps(error, error, False)
    loop = Loop("fragile", steps, pause_seconds=LONG)
    running = services(loop)
    running.start()
    steps.wait_for(3)
    assert running.close(LONG)
    assert loop.restarts == 2
    assert "service fragile failed; it starts again in" in caplog.text


def test_it_waits_longer_each_time_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    steps = Steps(*[ValueError()] * 5)
    loop = Loop("fragile", steps, pause_seconds=LONG)
    running = Services([loop], backoff_seconds=(0.5, 3.0))
    waiting = running.stop.wait

    def note(seconds: float | None = None) -> bool:
        waits.append(seconds or 0.0)
        return waiting(0.0)

    monkeypatch.setattr(running.stop, "wait", note)
    running.start()
    steps.wait_for(6)
    running.close(LONG)
    assert waits[:5] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_after_a_long_good_run_it_starts_from_the_shortest_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    waits: list[float] = []
    running = Services([], backoff_seconds=(0.5, 3.0))

    def step() -> bool:
        nonlocal now
        now += 100.0 if len(waits) == 2 else 0.0
        if len(waits) == 3:
            running.stop.set()
        raise ValueError

    monkeypatch.setattr(service.time, "monotonic", lambda: now)
    monkeypatch.setattr(running.stop, "wait", lambda seconds=None: waits.append(seconds) is not None)
    running._keep(Loop("fragile", step, pause_seconds=1))
    assert waits[:3] == [0.5, 1.0, 0.5]


def test_one_that_fails_does_not_disturb_another() -> None:
    good = Steps(*[True] * 50)
    running = services(Loop("bad", Steps(*[ValueError()] * 1000), LONG), Loop("good", good, LONG))
    running.start()
    good.wait_for(51)
    assert running.close(LONG)


def test_one_that_does_not_come_round_is_stale() -> None:
    loop = Loop("slow", Steps(), pause_seconds=5, stale_after_seconds=10)
    loop.beat_at = 100.0
    assert not loop.is_stale(115.0)
    assert loop.is_stale(115.1)


def test_a_step_that_hangs_is_reported_and_close_says_so() -> None:
    go_on = threading.Event()
    started = threading.Event()

    def hang() -> bool:
        started.set()
        return not go_on.wait(LONG)

    loop = Loop("hung", hang, pause_seconds=0, stale_after_seconds=0)
    running = services(loop, Loop("fine", Steps(), LONG))
    running.start()
    started.wait(LONG)
    while not running.stale():
        time.sleep(0)
    assert running.stale() == ["hung"]
    assert not running.close(0.01)
    go_on.set()
    assert running.close(LONG)


def test_a_loop_that_waits_to_be_told_is_woken_to_end() -> None:
    wake = Wake()
    steps = Steps()
    waited: list[bool] = []

    def wait(seconds: float) -> None:
        before = wake.count
        waited.append(wake.wait(before, seconds) != before)

    running = services(Loop("told", steps, LONG, wait=wait), on_stop=wake.signal)
    running.start()
    steps.wait_for(1)
    assert running.close(LONG)
    assert waited == [True], "it ended because it was told, not because its time was up"
    assert not any(thread.name == "told" for thread in threading.enumerate())


def test_one_that_was_only_about_to_wait_is_woken_too() -> None:
    """It looks at the flag, is told to end, and only then begins to wait."""
    wake = Wake()
    running = Services([])
    told: list[int] = []

    def wait(seconds: float) -> None:
        running.stop.wait(LONG)
        while not told:
            time.sleep(0)
        assert wake.wait(wake.count, seconds) > 0

    def tell() -> None:
        wake.signal()
        told.append(1)

    running.loops, running.on_stop = [Loop("late", Steps(), LONG, wait=wait)], tell
    running.start()
    assert running.close(LONG)
    assert len(told) > 1


def test_what_was_never_started_closes() -> None:
    assert services(Loop("never", Steps(), 1)).close(0)
