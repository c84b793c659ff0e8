"""A prompt that is due is asked once, as its owner, in the schedule's conversation."""

from collections.abc import Callable

import pytest

from jarvis.chat import actions as chat
from jarvis.chat import store as messages
from jarvis.kernel.context import Context
from jarvis.kernel.errors import NotFound
from jarvis.kernel.registry import TaskRun
from jarvis.queue import store as tasks
from jarvis.schedules import actions
from jarvis.schedules.store import POST_PROMPT, Schedule
from tests.schedules.conftest import Bench


@pytest.fixture
def ask(bench: Bench) -> Callable[..., dict[str, str]]:
    """Run the task of a schedule's newest dispatch, as the queue would."""

    def run(schedule: Schedule, by: Context | None = None) -> dict[str, str]:
        with bench.ctx.db.read() as tx:
            task = tasks.get(tx, bench.history(schedule)[-1].task_id or "")
        handler = bench.ctx.registry.tasks[POST_PROMPT]
        result = handler.run(by or bench.alice, TaskRun(task.id, 1, tasks.payload_of(task), lambda: False, print))
        assert result is not None
        return result

    return run


def spoken(ctx: Context, thread_id: str) -> list[tuple[str, str]]:
    with ctx.db.read() as tx:
        found = messages.newest_messages(tx, thread_id, 50)
    return [(message.role, message.content) for message in found]


def test_it_is_asked_in_a_conversation_of_its_own_that_is_kept(
    bench: Bench, ask: Callable[..., dict[str, str]]
) -> None:
    schedule = bench.make(name="Disk check", overlap="allow")
    bench.tick()
    first = ask(schedule)
    bench.tick(60)
    second = ask(schedule)
    assert first["thread_id"] == second["thread_id"] == bench.get(schedule).thread_id
    assert [text for role, text in spoken(bench.ctx, first["thread_id"]) if role == "user"] == [
        "How full is the disk?", "How full is the disk?"
    ]  # fmt: skip
    with bench.ctx.db.read() as tx:
        thread = messages.get(tx, first["thread_id"])
    assert (thread.title, thread.user_id) == ("Disk check", bench.alice.user_id)


def test_asking_twice_for_one_dispatch_is_one_message(bench: Bench, ask: Callable[..., dict[str, str]]) -> None:
    schedule = bench.make()
    bench.tick()
    assert ask(schedule) == ask(schedule)
    assert len([1 for role, _ in spoken(bench.ctx, bench.get(schedule).thread_id or "") if role == "user"]) == 1


def test_it_is_asked_in_the_conversation_named(bench: Bench, ask: Callable[..., dict[str, str]]) -> None:
    thread = chat.open_thread(bench.alice, "Machines")
    schedule = bench.make(thread_id=thread.id)
    bench.tick()
    assert ask(schedule)["thread_id"] == thread.id


def test_a_closed_conversation_is_left_for_a_new_one(bench: Bench, ask: Callable[..., dict[str, str]]) -> None:
    thread = chat.open_thread(bench.alice, "Machines")
    schedule = bench.make(thread_id=thread.id, overlap="allow")
    bench.tick()
    ask(schedule)
    chat.change(bench.alice, thread.id, status="closed")
    assert ask(schedule)["thread_id"] == thread.id  # that one was asked there already
    bench.tick(60)
    assert ask(schedule)["thread_id"] != thread.id
    assert bench.get(schedule).thread_id != thread.id


def test_the_answer_belongs_to_the_run(bench: Bench, ask: Callable[..., dict[str, str]]) -> None:
    schedule = bench.make()
    bench.tick()
    result = ask(schedule)
    with bench.ctx.db.read() as tx:
        assert tasks.get(tx, result["answer_task_id"]).name == chat.STEP


def test_a_removed_schedule_asks_nothing(bench: Bench, ask: Callable[..., dict[str, str]]) -> None:
    schedule = bench.make()
    bench.tick()
    with bench.ctx.db.read() as tx:
        task = tasks.get(tx, bench.history(schedule)[-1].task_id or "")
    actions.remove(bench.alice, schedule.id)
    handler = bench.ctx.registry.tasks[POST_PROMPT]
    with pytest.raises(NotFound):
        handler.run(bench.alice, TaskRun(task.id, 1, tasks.payload_of(task), lambda: False, print))
