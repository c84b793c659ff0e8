"""Which task is next: priority, age, groups, and names with room."""

import pytest

from jarvis.kernel.errors import Conflict
from jarvis.queue import actions, store


def claimed(ctx, epoch, most=1):
    return [task.payload for task in actions.claim(ctx, epoch.number, lambda name: most)]


def test_the_highest_priority_runs_first_and_then_the_oldest(ctx, kitchen, run_all):
    names = [kitchen.add("a"), kitchen.add("b")]
    for n, priority in enumerate([0, 5, 0, 9, 5, 0]):
        actions.enqueue(ctx, names[n % 2], {"n": n}, priority=priority)
    run_all()
    assert kitchen.ran == [3, 1, 4, 0, 2, 5]


def test_an_urgent_task_overtakes_a_thousand_that_wait(ctx, kitchen, epoch):
    bulk, urgent = kitchen.add("bulk"), kitchen.add("urgent")
    with ctx.db.write():
        for n in range(1000):
            actions.enqueue(ctx, bulk, {"n": n})
        actions.enqueue(ctx, urgent, {"n": "now"}, priority=1)
    assert claimed(ctx, epoch) == ['{"n": "now"}']


def test_a_group_runs_one_after_the_other_in_order(ctx, kitchen, epoch, run_all):
    name = kitchen.add("nothing")
    for n in range(3):
        actions.enqueue(ctx, name, {"n": n}, group_key="g")
    assert claimed(ctx, epoch, most=10) == ['{"n": 0}']
    assert claimed(ctx, epoch, most=10) == [], "the first still runs"


def test_the_next_of_a_group_is_free_when_the_first_has_ended(ctx, kitchen, run_all):
    name = kitchen.add("nothing")
    for n in range(5):
        actions.enqueue(ctx, name, {"n": n}, group_key="g")
    run_all()
    assert kitchen.ran == [0, 1, 2, 3, 4]


def test_cancelling_the_first_of_a_group_frees_the_next(ctx, kitchen, run_all):
    name = kitchen.add("nothing")
    tasks = [actions.enqueue(ctx, name, {"n": n}, group_key="g") for n in range(3)]
    actions.cancel(ctx, tasks[0].id)
    run_all()
    assert kitchen.ran == [1, 2]


def test_retrying_an_old_member_waits_for_the_one_that_runs(ctx, kitchen, epoch, run_all):
    name = kitchen.add("nothing")
    old, new = (actions.enqueue(ctx, name, {"n": n}, group_key="g") for n in range(2))
    actions.cancel(ctx, old.id)
    running = actions.claim(ctx, epoch.number)
    assert [task.id for task in running] == [new.id]
    actions.retry(ctx, old.id)
    assert claimed(ctx, epoch) == [], "two of one group would run at once"


def test_a_name_at_its_limit_holds_nobody_else_up(ctx, kitchen, epoch):
    one, other = kitchen.add("one", concurrency=1), kitchen.add("other")
    for n in range(3):
        actions.enqueue(ctx, one, {"n": n}, priority=9)
    actions.enqueue(ctx, other, {"n": "other"})
    assert claimed(ctx, epoch, most=10) == ['{"n": 0}'], "one at a time, whatever could be batched"
    assert claimed(ctx, epoch) == ['{"n": "other"}']
    assert claimed(ctx, epoch) == []


def test_claiming_one_by_hand_respects_the_limit(ctx, kitchen, epoch):
    name = kitchen.add("one", concurrency=1)
    first, second = (actions.enqueue(ctx, name, {"n": n}) for n in range(2))
    assert actions.claim_one(ctx, first.id, epoch.number) is not None
    assert actions.claim_one(ctx, second.id, epoch.number) is None


def test_only_fresh_tasks_are_claimed_along_with_the_first(ctx, kitchen, epoch):
    name = kitchen.add("nothing")
    tasks = [actions.enqueue(ctx, name, {"n": n}) for n in range(4)]
    with ctx.db.write() as tx:
        tx.run("UPDATE tasks SET attempts = 1 WHERE id IN (:a, :b)", a=tasks[0].id, b=tasks[2].id)
    assert claimed(ctx, epoch, most=10) == ['{"n": 0}', '{"n": 1}', '{"n": 3}']
    assert claimed(ctx, epoch, most=10) == ['{"n": 2}'], "one that was lost before comes alone"


def test_a_task_with_one_attempt_is_never_claimed_along(ctx, kitchen, epoch):
    name = kitchen.add("once", max_attempts=1)
    for n in range(2):
        actions.enqueue(ctx, name, {"n": n})
    assert claimed(ctx, epoch, most=10) == ['{"n": 0}']


def test_nothing_is_claimed_while_restarting(ctx, kitchen, epoch):
    actions.enqueue(ctx, kitchen.add("nothing"), {})
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET restarting = 1")
    assert claimed(ctx, epoch) == []


def test_a_claim_is_one_seek_a_name_however_long_the_queue(ctx, kitchen, epoch):
    full, name = kitchen.add("full", concurrency=1), kitchen.add("nothing")
    with ctx.db.write() as tx:
        tx.run(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO tasks"
            " (id, name, payload, is_due, run_at, max_attempts, actor, trace_id, parent_id, created_at)"
            " SELECT 'tsk_' || i, :full, '{}', 1, 0, 1, 'x', '', '', 0 FROM n",
            full=full,
        )
    actions.enqueue(ctx, name, {})
    actions.claim(ctx, epoch.number)
    steps = []
    with ctx.db.read() as tx:
        tx.connection.set_progress_handler(lambda: bool(steps.append(1)), 100)
        assert store.head(tx, [full]) is not None
        tx.connection.set_progress_handler(None)
    assert len(steps) < 10, "the queue was walked"


def test_a_retry_conflicts_with_a_task_that_does_the_same(ctx, kitchen):
    name = kitchen.add("nothing")
    old = actions.enqueue(ctx, name, {}, unique_key="k")
    actions.cancel(ctx, old.id)
    actions.enqueue(ctx, name, {}, unique_key="k")
    with pytest.raises(Conflict):
        actions.retry(ctx, old.id)
