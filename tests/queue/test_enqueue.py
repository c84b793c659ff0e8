"""Tasks are stored with the change that asks for them, once per key."""

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.queue import actions, store


def test_a_task_is_enqueued_with_the_callers_change_or_not_at_all(ctx, kitchen):
    name = kitchen.add("nothing")
    with pytest.raises(RuntimeError), ctx.db.write():
        task = actions.enqueue(ctx, name, {})
        raise RuntimeError("the change failed")
    with ctx.db.read() as tx:
        assert store.find(tx, task.id) is None


def test_an_active_unique_key_gives_the_same_task(ctx, kitchen):
    name = kitchen.add("nothing")
    first = actions.enqueue(ctx, name, {"n": 1}, unique_key="k")
    assert actions.enqueue(ctx, name, {"n": 2}, unique_key="k").id == first.id


def test_a_unique_key_is_free_again_after_the_end(ctx, kitchen, run_all):
    name = kitchen.add("nothing")
    first = actions.enqueue(ctx, name, {}, unique_key="k")
    run_all()
    assert actions.enqueue(ctx, name, {}, unique_key="k").id != first.id


def test_a_task_for_later_waits_for_its_time(ctx, kitchen, clock, run_all):
    actions.enqueue(ctx, kitchen.add("nothing"), {"n": 1}, run_at=clock() + 60 * SECOND)
    assert run_all() == 0
    clock.step(61)
    assert run_all() == 1


def test_an_unknown_name_is_refused(ctx):
    with pytest.raises(KeyError):
        actions.enqueue(ctx, "jarvis.tasks.nobody.knows", {})
