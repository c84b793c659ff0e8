"""Handlers to try the queue with, and a runner without threads."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Invalid, RateLimited
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.queue import actions, epochs, store
from jarvis.queue.epochs import Epoch
from jarvis.queue.services import Runner
from jarvis.queue.store import Task

NAME = "jarvis.tasks.test."


class Kitchen:
    """Registers handlers and remembers what ran."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.ran: list[Any] = []
        self.gave_up: list[str] = []
        self.cancelled: list[Any] = []

    def add(self, name: str, run: Callable[[Context, TaskRun], Any] | None = None, **more: Any) -> str:
        def remember(ctx: Context, task: TaskRun) -> Any:
            self.ran.append(task.payload.get("n", task.id))
            return run(ctx, task) if run else None

        handler = TaskHandler(
            NAME + name,
            remember,
            "Only for tests.",
            gave_up=lambda ctx, payload, error: self.gave_up.append(error),
            cancelled=lambda ctx, payload: self.cancelled.append(payload.get("n")),
            **more,
        )
        self.ctx.registry.add(handler)
        return handler.name

    def failing(self, name: str, error: BaseException, **more: Any) -> str:
        def fail(ctx: Context, task: TaskRun) -> None:
            raise error

        return self.add(name, fail, **more)


@pytest.fixture
def kitchen(ctx: Context) -> Kitchen:
    return Kitchen(ctx)


@pytest.fixture
def epoch(ctx: Context) -> Iterator[Epoch]:
    found = epochs.begin(ctx, "server")
    yield found
    found.close()


@pytest.fixture
def runner(ctx: Context, epoch: Epoch) -> Runner:
    return Runner(ctx, epoch)


@pytest.fixture
def run_all(ctx: Context, runner: Runner) -> Callable[[], int]:
    """Runs what is due, one after the other, until nothing is; returns how many ran."""

    def run() -> int:
        count = 0
        while claimed := actions.claim(ctx, runner.epoch.number):
            for task in claimed:
                runner.run(task)
                count += 1
        return count

    return run


@pytest.fixture
def look(ctx: Context) -> Callable[[Task | str], Task]:
    """A task as it is on disk now."""

    def get(task: Task | str) -> Task:
        with ctx.db.read() as tx:
            return store.get(tx, task if isinstance(task, str) else task.id)

    return get


BUSY = RateLimited("Slow down.", retry_after_seconds=90)
REFUSED = Invalid("No.")
