"""Threads of Alice's and Bob's with something recorded in each."""

from collections.abc import Callable

import pytest

from jarvis.chat import store as chats
from jarvis.kernel.context import Context


@pytest.fixture
def thread_of(ctx: Context, as_user: Callable[[str], Context]) -> Callable[[str], str]:
    """thread_of("alice") → the id of a new conversation of hers."""

    def make(username: str) -> str:
        person = as_user(username).traced()
        assert person.user_id is not None
        with person.db.write() as tx:
            thread = chats.insert(tx, person.ids.new("thr"), person.user_id, "Tides", "/srv")
            tx.record("thread.created", f"thread/{thread.id}", {"title": "Tides"}, thread_id=thread.id)
        return thread.id

    return make


@pytest.fixture
def record(ctx: Context) -> Callable[..., str]:
    """record("task.failed", name="x") → the id of a new event of the system's."""

    def make(type: str, *, by: Context | None = None, thread_id: str | None = None, **data: object) -> str:
        with (by or ctx).db.write() as tx:
            seq = tx.record(type, f"{type.partition('.')[0]}/1", data, thread_id=thread_id)
            found = tx.one(str, "SELECT id FROM events WHERE seq = :seq", seq=seq)
        assert found is not None
        return found

    return make
