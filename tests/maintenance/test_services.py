"""The interval and the heartbeat: on time, once, whatever the clock does."""

import dataclasses

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.maintenance import store
from jarvis.maintenance.actions import due_at
from jarvis.maintenance.services import Upkeep, loops
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks


@pytest.fixture
def upkeep(configured):
    ctx = configured(
        "true",
        maintenance_enabled=True,
        maintenance_interval_seconds=600,
        maintenance_heartbeat_interval_seconds=300,
    )
    return Upkeep(ctx)


def waiting(ctx):
    with ctx.db.read() as tx:
        return tasks.newest(tx, "queued", "", 10)


def test_the_first_run_is_due_at_once_and_the_next_an_interval_later(ctx, upkeep, clock):
    upkeep.step()
    (first,) = waiting(ctx)
    queue.cancel(ctx, first.id)
    clock.step(599)
    upkeep.step()
    assert waiting(ctx) == []
    clock.step(2)
    upkeep.step()
    assert len(waiting(ctx)) == 1


def test_a_restart_does_not_start_the_interval_anew(ctx, upkeep, clock):
    upkeep.step()
    queue.cancel(ctx, waiting(ctx)[0].id)
    clock.step(60)
    Upkeep(upkeep._ctx).step()
    assert waiting(ctx) == []
    clock.step(3600)
    Upkeep(upkeep._ctx).step()
    assert len(waiting(ctx)) == 1, "one, however many intervals were missed"


def test_while_one_waits_or_runs_the_next_is_recorded_as_refused(ctx, upkeep, clock):
    for _ in range(3):
        upkeep.step()
        clock.step(601)
    assert len(waiting(ctx)) == 1
    with ctx.db.read() as tx:
        (refused,) = store.newest(tx, 5)
    assert (refused.state, refused.repeats, refused.reason) == ("refused", 2, "The run before is not over yet.")


def test_a_locked_down_interval_is_recorded_and_not_dispatched(ctx, upkeep, clock):
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 1, lockdown_reason = 'drill'")
    upkeep.step()
    assert waiting(ctx) == []
    with ctx.db.read() as tx:
        assert store.newest(tx, 5)[0].reason == "Locked down: drill"


def test_heartbeats_come_at_their_own_interval(upkeep, clock, events):
    for _ in range(10):
        upkeep.step()
        clock.step(100)
    assert events("maintenance.heartbeat") == ["maintenance.heartbeat"] * 4


def test_a_heart_beats_without_an_interval_or_commands(configured, events):
    quiet = Upkeep(configured(maintenance_enabled=True, maintenance_interval_seconds=0))
    quiet.step()
    assert events("maintenance.") == ["maintenance.heartbeat"]


def test_a_clock_set_back_delays_by_an_interval_at_most():
    now = 1_000_000 * SECOND
    assert due_at(now + 10**6 * SECOND, 600 * SECOND, now) == now + 600 * SECOND
    assert due_at(None, 600 * SECOND, now) == now


def test_nothing_happens_by_itself_when_it_is_not_enabled(ctx):
    off = dataclasses.replace(ctx, settings=dataclasses.replace(ctx.settings, maintenance_enabled=False))
    assert [loop.name for loop in loops(off)] == ["maintenance-retention"]
