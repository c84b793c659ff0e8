"""Running a task in a command's own process, beside a server that may have been faster."""

import threading

import pytest

from jarvis.kernel.errors import Conflict
from jarvis.queue import actions


def test_a_task_runs_here_without_a_server(ctx, kitchen):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {"n": 1})
    assert actions.run_here(ctx, task).state == "done"
    assert kitchen.ran == [1]


def test_one_that_the_server_has_done_is_not_run_again(ctx, kitchen, run_all):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {"n": 1})
    run_all()
    assert actions.run_here(ctx, task).state == "done"
    assert kitchen.ran == [1]


@pytest.mark.parametrize(("fault", "state"), [(None, "done"), (OSError("The disk is away."), "queued")])
def test_one_that_the_server_is_at_is_waited_for(ctx, kitchen, runner, monkeypatch, fault, state):
    name = kitchen.failing("flaky", fault) if fault else kitchen.add("nothing")
    task = actions.enqueue(ctx, name, {"n": 1})
    (claimed,) = actions.claim(ctx, runner.epoch.number)
    looked, wait = threading.Event(), ctx.db.wake.wait

    def waiting(seen: int, timeout: float) -> int:
        looked.set()
        return wait(seen, timeout)

    monkeypatch.setattr(ctx.db.wake, "wait", waiting)
    found = []
    waiter = threading.Thread(target=lambda: found.append(actions.run_here(ctx, task)))
    waiter.start()
    assert looked.wait(30)
    runner.run(claimed)
    waiter.join(30)
    assert [(task.state, task.attempts) for task in found] == [(state, 1)]
    assert kitchen.ran == [1]


def test_one_behind_another_of_its_name_conflicts(ctx, kitchen, runner):
    name = kitchen.add("alone", concurrency=1)
    actions.enqueue(ctx, name, {"n": 1})
    (first,) = actions.claim(ctx, runner.epoch.number)
    behind = actions.enqueue(ctx, name, {"n": 2})
    with pytest.raises(Conflict, match="is at work already"):
        actions.run_here(ctx, behind)
    runner.run(first)
