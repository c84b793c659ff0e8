"""A run whose process died is interrupted: it does not vanish, does not go on, and leaves nothing running."""

import os
import subprocess

import pytest

from jarvis.maintenance import actions, commands, store
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from tests.maintenance.conftest import newest


@pytest.fixture
def lost(configured, events):
    """A run that had begun its first command when its process was killed, and that command's process."""
    ctx = configured("sleep 610", "echo second").traced()
    task = actions.ask(ctx)
    epoch = epochs.begin(ctx, "server")
    assert queue.claim_one(ctx, task.id, epoch.number)
    run = actions.begin(ctx, "asked", task.id)
    actions.begin_step(ctx, run, 1)
    left = subprocess.Popen(["sleep", "610"], env={commands.MARK: actions.mark(run, 1), "PATH": os.environ["PATH"]})
    actions.note_process(ctx, run, 1, commands.sign(left.pid, commands.started_at(left.pid)))
    os.close(epoch.lock_fd)
    yield ctx, left
    left.kill()
    left.wait()


def test_the_run_is_interrupted_and_what_is_left_of_it_ended(lost, events):
    ctx, left = lost
    queue.take_back(ctx)
    run, steps = newest(ctx)
    assert (run.state, run.reason) == ("interrupted", "The process that ran it ended.")
    assert [step.state for step in steps] == ["interrupted", "skipped"]
    assert left.wait(5) == -9
    assert events("maintenance.run") == ["maintenance.run.start", "maintenance.run.end"]


def test_it_is_not_run_again_by_itself(lost):
    ctx, _ = lost
    queue.take_back(ctx)
    with ctx.db.read() as tx:
        assert actions.waiting(tx) is None


def test_a_new_run_can_be_asked_for_afterwards(lost, perform):
    ctx, _ = lost
    queue.take_back(ctx)
    run, _ = perform(ctx.__class__(**{**_fields(ctx), "settings": _quick(ctx)}))
    assert run.state == "passed"


def _fields(ctx):
    return {name: getattr(ctx, name) for name in ctx.__slots__}


def _quick(ctx):
    import dataclasses

    return dataclasses.replace(ctx.settings, maintenance_commands=("true",))


def test_a_wish_to_stop_that_came_too_late_cancels(lost):
    ctx, left = lost
    actions.stop(ctx, newest(ctx)[0].id)
    queue.take_back(ctx)
    assert newest(ctx)[0].state == "cancelled"
    assert left.wait(5) == -9


def test_cancelling_a_run_that_waits_touches_none_that_runs(configured):
    ctx = configured("true").traced()
    task = actions.ask(ctx)
    epoch = epochs.begin(ctx, "server")
    queue.claim_one(ctx, task.id, epoch.number)
    run = actions.begin(ctx, "asked", task.id)
    other = queue.enqueue(ctx, actions.TASK, {"cause": "asked"})
    queue.cancel(ctx, other.id)
    with ctx.db.read() as tx:
        assert store.get(tx, run.id).is_running
    epoch.close()


def test_a_restart_gives_the_task_back_and_the_next_attempt_is_another_run(configured, perform):
    ctx = configured("true").traced()
    task = actions.ask(ctx)
    epoch = epochs.begin(ctx, "server")
    held = queue.claim_one(ctx, task.id, epoch.number)
    first = actions.begin(ctx, "asked", task.id)
    queue.give_back(ctx, held)
    from jarvis.queue.services import Runner

    Runner(ctx, epoch).run(queue.claim_one(ctx, task.id, epoch.number))
    epoch.close()
    with ctx.db.read() as tx:
        assert store.get(tx, first.id).state == "interrupted"
    assert newest(ctx)[0].state == "passed"


def test_one_whose_process_died_before_it_began_is_kept_too(configured, events):
    ctx = configured("true").traced()
    task = actions.ask(ctx)
    epoch = epochs.begin(ctx, "server")
    assert queue.claim_one(ctx, task.id, epoch.number)
    os.close(epoch.lock_fd)
    queue.take_back(ctx)
    run, steps = newest(ctx)
    assert (run.state, run.reason, run.cause, steps) == ("interrupted", "The process that ran it ended.", "asked", [])
    assert events("maintenance.run") == ["maintenance.run.end"]
