"""In a lockdown the queue keeps back whatever does not say that it may go on."""

import pytest

from jarvis.kernel.errors import Conflict
from jarvis.kernel.registry import TaskHandler
from jarvis.lockdown import actions
from jarvis.queue import actions as queue
from jarvis.queue import epochs


@pytest.fixture
def ada(as_user):
    return as_user("ada").traced()


@pytest.fixture
def epoch(ctx):
    begun = epochs.begin(ctx, "server")
    yield begun
    begun.close()


@pytest.fixture
def ran(ctx):
    """Which of two kinds of task ran."""
    seen = []
    for name, goes_on in (("test.acts", False), ("test.looks", True)):
        run = lambda ctx, run, name=name: seen.append(name)  # noqa: E731
        ctx.registry.add(TaskHandler(name, run, "…", runs_in_lockdown=goes_on))
    return seen


def claimed(ctx, epoch):
    return [task.name for task in queue.claim(ctx, epoch.number)]


def test_what_acts_waits_and_what_looks_goes_on(ctx, ada, ran, epoch):
    queue.enqueue(ada, "test.acts", {}, priority=50)
    queue.enqueue(ada, "test.looks", {})
    actions.lock_by_hand(ada, "odd")
    assert claimed(ctx, epoch) == ["test.looks"]
    assert claimed(ctx, epoch) == []
    actions.unlock(ada, ada.settings.admin_unlock_code_path.read_text().strip())
    assert claimed(ctx, epoch) == ["test.acts"]


def test_by_hand_it_does_not_run_either(ada, ran):
    actions.lock_by_hand(ada, "odd")
    with pytest.raises(Conflict, match="waits until somebody unlocks"):
        queue.run_here(ada, queue.enqueue(ada, "test.acts", {}))
    assert queue.run_here(ada, queue.enqueue(ada, "test.looks", {})).state == "done"
    assert ran == ["test.looks"]


def test_what_waits_is_listed_among_the_refusals(ada, ran):
    queue.enqueue(ada, "test.acts", {})
    queue.enqueue(ada, "test.acts", {})
    assert actions.refused(ada, 0) == []
    actions.lock_by_hand(ada, "odd")
    (one,) = actions.refused(ada, ada.clock())
    assert (one.kind, one.what, one.detail, one.count) == ("Task", "test.acts", "2 held until unlocked", 2)


def test_answering_rotating_and_recording_refusals_go_on(ctx):
    going_on = {handler.name for handler in ctx.registry.tasks.values() if handler.runs_in_lockdown}
    assert {
        "jarvis.tasks.agent.step",
        "jarvis.tasks.system.rotate_unlock_code",
        "jarvis.tasks.scheduler.scheduler_tick",
        "jarvis.tasks.maintenance.run",
    } <= going_on
