"""A provider that says what a test tells it, a runner that works when told, and a served application."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from jarvis.chat import actions
from jarvis.chat.actions import Posted
from jarvis.chat.store import Message
from jarvis.kernel.context import Context
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.queue.services import Runner
from tests.chat.scripted import Scripted, Served
from tests.conftest import acting


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Answers in place of the built-in operator: provider.says("Hello ", "there.")."""
    scripted = Scripted()
    monkeypatch.setattr("jarvis.agent.tasks.choose", lambda ctx: scripted)
    return scripted


@dataclass
class Work:
    """Runs queued tasks in the test's own thread."""

    ctx: Context
    runner: Runner

    def all(self) -> int:
        """Run what is due until nothing is; how many tasks that was."""
        done = 0
        while claimed := queue.claim(self.ctx, self.runner.epoch.number):
            for task in claimed:
                self.runner.run(task)
                done += 1
        return done


@pytest.fixture
def work(ctx: Context, provider: Scripted) -> Iterator[Work]:
    epoch = epochs.begin(ctx, "server")
    yield Work(ctx, Runner(ctx, epoch))
    epoch.close()


@dataclass
class Talk:
    """One conversation of somebody."""

    ctx: Context
    id: str

    def say(self, text: str) -> Posted:
        return actions.post(self.ctx.traced(), self.id, text)

    def messages(self) -> list[Message]:
        from jarvis.chat import store

        with self.ctx.db.read() as tx:
            return store.messages_since(tx, self.id, 0, 1000)


@pytest.fixture
def talk(ctx: Context) -> Callable[[str], Talk]:
    """A new conversation: talk("alice")."""

    def begin(username: str) -> Talk:
        person = acting(ctx, username)
        return Talk(person, actions.open_thread(person).id)

    return begin


@pytest.fixture
def served(ctx: Context, provider: Scripted) -> Iterator[Callable[..., Served]]:
    """The application on a port of its own, with its hub, loops and task workers."""
    running: list[Served] = []

    def start(**options: Any) -> Served:
        running.append(Served(ctx, **options))
        return running[-1]

    yield start
    for one in running:
        one.stop()
