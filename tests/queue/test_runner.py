"""Worker threads: they share claims and endings, drain, and wait without spinning."""

import threading
import time

import pytest

from jarvis.kernel.service import Services
from jarvis.queue import actions, store
from jarvis.queue.services import Pace


@pytest.fixture
def working(ctx, runner):
    """Four worker threads with everything beside them."""
    services = Services(runner.loops(4), on_stop=ctx.db.wake.raise_flag)
    services.start()
    yield runner
    runner.is_stopping.set()
    ended = services.close(10)
    assert ended, [thread.name for thread in services._threads if thread.is_alive()]


def wait_for(ctx, state, count):
    seen = -1
    for _ in range(2000):
        with ctx.db.read() as tx:
            if store.counts(tx, (state,))[state] >= count:
                return
        seen = ctx.db.wake.wait(seen, 0.5)
    raise AssertionError(f"{count} tasks never were {state}")


def test_every_task_runs_exactly_once(ctx, kitchen, working):
    lock, seen = threading.Lock(), []

    def note(ctx, run):
        with lock:
            seen.append(run.payload["n"])

    name = kitchen.add("note", note)
    for start in range(0, 300, 50):
        with ctx.db.write():
            for n in range(start, start + 50):
                actions.enqueue(ctx, name, {"n": n})
    wait_for(ctx, "done", 300)
    assert sorted(seen) == list(range(300))
    assert working.wait_idle(5)


def test_draining_finishes_what_runs(ctx, kitchen, working, look):
    begun, go = threading.Event(), threading.Event()

    def slow(ctx, run):
        begun.set()
        assert go.wait(10)

    task = actions.enqueue(ctx, kitchen.add("slow", slow), {})
    assert begun.wait(10)
    working.is_stopping.set()
    ctx.db.wake.raise_flag()
    assert not working.wait_idle(0)
    go.set()
    assert working.wait_idle(10)
    assert look(task).state == "done"


def test_draining_begins_nothing_new(ctx, kitchen, runner, look):
    runner.is_stopping.set()
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    assert not runner.step()
    assert look(task).state == "queued"


def test_draining_does_not_spin(ctx, runner):
    runner.is_stopping.set()
    before = time.thread_time()
    runner.step()
    runner.settle()
    assert time.thread_time() - before < 0.2


def test_slow_names_are_claimed_one_at_a_time_and_quick_ones_together():
    pace = Pace()
    assert pace.batch("unknown") == 1
    pace.observe("quick", 0.0001)
    assert pace.batch("quick") == Pace.MOST
    pace.observe("quick", 2.0)
    assert pace.batch("quick") == 1, "one slow run is enough to be careful"


def test_endings_that_could_not_be_written_are_not_lost(ctx, kitchen, runner, look, monkeypatch):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    assert runner.step()
    settle = actions.settle

    def full(ctx, endings):
        raise OSError("no space")

    monkeypatch.setattr(actions, "settle", full)
    with pytest.raises(OSError, match="no space"):
        runner.settle()
    monkeypatch.setattr(actions, "settle", settle)
    assert runner.settle()
    assert look(task).state == "done"


def test_a_hand_nobody_plays_goes_back(ctx, kitchen, runner, look):
    name = kitchen.add("quick")
    runner._pace.observe(name, 0.0001)
    tasks = [actions.enqueue(ctx, name, {"n": n}) for n in range(3)]
    assert runner.step()
    assert runner.settle()
    assert [look(task).state for task in tasks] == ["done", "running", "running"]
    runner._dealt_at -= 60
    runner._rest()
    assert [look(task).state for task in tasks] == ["done", "queued", "queued"]
    assert not runner.in_flight
