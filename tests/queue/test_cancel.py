"""Cancelling and retrying, one and many."""

import pytest

from jarvis.kernel.errors import Conflict, NotFound
from jarvis.queue import actions
from tests.queue.conftest import REFUSED


def test_a_waiting_task_is_cancelled_at_once_and_its_feature_is_told(ctx, kitchen, run_all, look, events):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {"n": 7})
    actions.cancel(ctx, task.id)
    assert look(task).state == "cancelled"
    assert kitchen.cancelled == [7]
    assert run_all() == 0
    assert events("task.") == ["task.cancelled"]


def test_a_running_task_is_cancelled_when_it_looks(ctx, kitchen, run_all, look):
    def work(task_ctx, run):
        assert not run.is_cancelled()
        actions.cancel(ctx, run.id)
        assert run.is_cancelled()

    task = actions.enqueue(ctx, kitchen.add("work", work), {"n": 1})
    run_all()
    assert look(task).state == "cancelled"
    assert kitchen.cancelled == [1]


def test_what_was_finished_before_it_looked_is_done(ctx, kitchen, run_all, look):
    def work(task_ctx, run):
        actions.cancel(ctx, run.id)
        return {"done": "anyway"}

    task = actions.enqueue(ctx, kitchen.add("work", work), {})
    run_all()
    assert look(task).state == "done"


def test_cancelling_twice_conflicts(ctx, kitchen):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    actions.cancel(ctx, task.id)
    with pytest.raises(Conflict, match="cancelled already"):
        actions.cancel(ctx, task.id)


def test_a_cancelled_task_can_be_retried(ctx, kitchen, run_all, look):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    actions.cancel(ctx, task.id)
    actions.retry(ctx, task.id)
    run_all()
    assert look(task).state == "done"


def test_a_retry_begins_its_attempts_anew_and_keeps_the_old(ctx, kitchen, run_all, look):
    task = actions.enqueue(ctx, kitchen.failing("refused", REFUSED), {})
    run_all()
    assert actions.retry(ctx, task.id).attempts == 0
    run_all()
    assert (look(task).attempts, look(task).runs) == (1, 2)


def test_a_task_that_waits_is_not_retried(ctx, kitchen):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    with pytest.raises(Conflict):
        actions.retry(ctx, task.id)


def test_a_selection_is_retried_as_far_as_it_can_be(ctx, kitchen, run_all, look):
    name = kitchen.failing("refused", REFUSED)
    failed = [actions.enqueue(ctx, name, {}) for _ in range(3)]
    run_all()
    waiting = actions.enqueue(ctx, name, {})
    done, refused = actions.retry_each(ctx, [failed[0].id, failed[2].id, waiting.id, "tsk_nothing", failed[0].id])
    assert [task.id for task in done] == [failed[0].id, failed[2].id]
    assert len(refused) == 2
    assert [look(task).state for task in failed] == ["queued", "failed", "queued"]


def test_nobody_cancels_what_is_not_there(ctx):
    with pytest.raises(NotFound):
        actions.cancel(ctx, "tsk_nothing")
