"""The loop that watches the clock: it rests until the next instant, and no longer than a tick."""

from jarvis.kernel.clock import SECOND
from jarvis.kernel.service import Services
from jarvis.schedules import services
from jarvis.schedules.services import Scheduler
from tests.schedules.conftest import Bench


def test_a_step_dispatches_and_then_rests(bench: Bench) -> None:
    schedule = bench.make()
    scheduler = Scheduler(bench.ctx)
    assert scheduler.step() is False
    assert bench.outcomes(schedule) == [("dispatched", 1)]


def test_it_rests_until_the_next_instant_and_no_longer_than_a_tick(bench: Bench) -> None:
    scheduler = Scheduler(bench.ctx)
    assert scheduler.pause(1.0) == 1.0
    bench.make("@every:60")
    assert scheduler.pause(1.0) == 0.0
    bench.tick()
    assert scheduler.pause(1.0) == 1.0
    bench.clock.now += 59 * SECOND + SECOND // 2
    assert scheduler.pause(1.0) == 0.5


def test_a_paused_schedule_keeps_nobody_awake(bench: Bench) -> None:
    bench.make("@every:60", enabled=False)
    assert Scheduler(bench.ctx).pause(7.0) == 7.0


def test_old_rows_are_dropped_now_and_then(bench: Bench) -> None:
    schedule = bench.make("@every:3600", overlap="allow")
    scheduler = Scheduler(bench.ctx)
    scheduler.step()
    assert len(bench.history(schedule)) == 1
    bench.clock.step(100 * 86_400)
    scheduler.step()
    assert all(row.due_at > schedule.created_at for row in bench.history(schedule))


def test_a_new_schedule_wakes_it_at_once(bench: Bench) -> None:
    """With a tick of an hour: only the commit can have told it."""
    (loop,) = services.loops(bench.ctx)
    loop.pause_seconds = 3600.0
    running = Services([loop], on_stop=bench.ctx.db.wake.raise_flag)
    running.start()
    try:
        schedule, seen = bench.make(), -1
        while not bench.history(schedule):
            seen = bench.ctx.db.wake.wait(seen, 10.0)
    finally:
        assert running.close(10)
    assert bench.outcomes(schedule) == [("dispatched", 1)]
