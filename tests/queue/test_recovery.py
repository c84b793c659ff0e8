"""When a runner dies its tasks go back, once nobody can be running them."""

import os

from jarvis.kernel.clock import SECOND
from jarvis.queue import actions, epochs, store


def die(epoch):
    """What the kernel does when a process ends: the lock goes, the file stays."""
    os.close(epoch.lock_fd)


def test_tasks_of_a_dead_runner_are_queued_again(ctx, kitchen, look):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    dead = epochs.begin(ctx, "server")
    actions.claim(ctx, dead.number)
    die(dead)
    assert [t.id for t in actions.take_back(ctx)] == [task.id]
    assert look(task).state == "queued"
    with ctx.db.read() as tx:
        assert [a.outcome for a in store.attempts(tx, task.seq)] == ["lost"]


def test_a_living_runner_keeps_its_tasks(ctx, kitchen, epoch, look):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    actions.claim(ctx, epoch.number)
    assert actions.take_back(ctx) == []
    assert look(task).state == "running"


def test_a_task_that_takes_its_process_along_is_given_up(ctx, kitchen, look):
    task = actions.enqueue(ctx, kitchen.add("killer", max_attempts=3), {})
    for _ in range(3):
        dead = epochs.begin(ctx, "server")
        assert actions.claim(ctx, dead.number)
        die(dead)
        actions.take_back(ctx)
    assert look(task).state == "failed"
    assert kitchen.gave_up == ["Every attempt ended with the process that ran it."]


def test_a_wish_to_cancel_outlives_the_process(ctx, kitchen, look):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {"n": 3})
    dead = epochs.begin(ctx, "server")
    actions.claim(ctx, dead.number)
    actions.cancel(ctx, task.id)
    die(dead)
    actions.take_back(ctx)
    assert look(task).state == "cancelled"
    assert kitchen.cancelled == [3]


def test_what_a_restart_interrupts_counts_no_attempt(ctx, kitchen, epoch, look):
    task = actions.enqueue(ctx, kitchen.add("nothing", max_attempts=1), {})
    (held,) = actions.claim(ctx, epoch.number)
    assert actions.give_back(ctx, held)
    assert (look(task).state, look(task).attempts) == ("queued", 0)
    assert not actions.give_back(ctx, held), "once"


def test_unbegun_tasks_go_back_without_a_trace(ctx, kitchen, epoch, look):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    actions.give_back_unbegun(ctx, actions.claim(ctx, epoch.number))
    assert (look(task).state, look(task).attempts) == ("queued", 0)
    with ctx.db.read() as tx:
        assert store.attempts(tx, task.seq) == []


def test_a_lock_file_of_an_older_number_is_no_obstacle(ctx):
    with ctx.db.read() as tx:
        next_number = store.newest_epoch(tx) + 1
    run_dir = ctx.settings.jarvis_home / "run"
    run_dir.mkdir(exist_ok=True)
    (run_dir / f"epoch-{next_number}.lock").touch()  # as after restoring an older database
    epoch = epochs.begin(ctx, "server")
    assert epoch.number == next_number
    assert epochs.is_alive(ctx, epoch.number)
    epoch.close()


def test_lock_files_of_the_dead_are_swept_and_no_others(ctx, kitchen):
    dead, holding, alive = (epochs.begin(ctx, "server") for _ in range(3))
    actions.enqueue(ctx, kitchen.add("nothing"), {})
    actions.claim(ctx, holding.number)
    die(dead)
    die(holding)
    ahead = dead.path.with_name("epoch-999999.lock")
    ahead.touch()
    epochs.sweep(ctx)
    assert [path.exists() for path in (dead.path, holding.path, alive.path, ahead)] == [False, True, True, True]
    alive.close()


def test_tasks_that_ended_long_ago_are_forgotten_with_their_attempts(ctx, kitchen, clock, run_all):
    done = actions.enqueue(ctx, kitchen.add("nothing"), {})
    failed = actions.enqueue(ctx, kitchen.failing("broken", ValueError(), max_attempts=1), {})
    run_all()
    clock.now += 8 * 86_400 * SECOND
    assert actions.prune(ctx) == 1
    with ctx.db.read() as tx:
        assert store.find(tx, done.id) is None
        assert store.attempts(tx, done.seq) == []
        assert store.find(tx, failed.id) is not None
    clock.now += 90 * 86_400 * SECOND
    assert actions.prune(ctx) == 1
    assert actions.prune(ctx) == 0


def test_whether_a_server_runs_tasks_here(ctx):
    cli = epochs.begin(ctx, "cli")
    assert not actions.is_served(ctx)
    server = epochs.begin(ctx, "server")
    assert actions.is_served(ctx)
    die(server)
    assert not actions.is_served(ctx)
    cli.close()
