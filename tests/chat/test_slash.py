"""Commands in a conversation: answered by the system at once, as the one who asks."""

from collections.abc import Callable
from typing import Any

import pytest

from jarvis.chat import slash
from jarvis.kernel.context import Context
from jarvis.kernel.registry import SlashCommand
from tests.chat.conftest import Talk

Begin = Callable[[str], Talk]


def answer(thread: Talk, text: str) -> str:
    posted = thread.say(text)
    assert posted.task_id is None
    assert posted.reply is not None
    assert (posted.reply.role, posted.reply.status) == ("system", "done")
    return posted.reply.content


@pytest.fixture
def restart(ctx: Context) -> list[str]:
    """A command for admins, and who gave it."""
    given: list[str] = []

    def run(ctx: Context, arguments: str, thread_id: str) -> str:
        given.append(f"{ctx.username} {arguments}")
        return "Restarting."

    ctx.registry.slash["restart"] = SlashCommand("restart", "/restart", "starts anew", True, run)
    return given


@pytest.mark.parametrize(("text", "is_command"), [
    ("/help", True), ("  /help me", True), ("/Status", True), ("/usr/bin/ls is what?", False), ("/", False),
    ("//x", False), ("/1", False), ("what is /help", False), ("", False), ("/etc/passwd", False),
])  # fmt: skip
def test_what_is_a_command(text: str, is_command: bool) -> None:
    assert slash.is_command(text) is is_command


def test_help_lists_what_this_person_may_use(talk: Begin, restart: list[str]) -> None:
    assert "/new [TITLE]" in answer(talk("alice"), "/help")
    assert "/restart" not in answer(talk("alice"), "/help")
    assert "/restart" in answer(talk("ada"), "/help")


def test_an_unknown_one_suggests_the_nearest(talk: Begin, work: Any) -> None:
    said = answer(talk("alice"), "/hlep me")
    assert "no command `/hlep`" in said
    assert "Did you mean `/help`?" in said
    assert "Did you mean" not in answer(talk("alice"), "/xyzzy")
    assert work.all() == 0, "no model is asked"


def test_an_unknown_one_does_not_suggest_what_is_for_admins(talk: Begin, restart: list[str]) -> None:
    assert "restart" not in answer(talk("alice"), "/restrat").replace("/restrat", "")
    assert "Did you mean `/restart`?" in answer(talk("ada"), "/restrat")


def test_one_for_admins_is_refused_and_noted(
    talk: Begin, restart: list[str], events: Callable[..., list[str]], ctx: Context
) -> None:
    assert "for admins" in answer(talk("alice"), "/restart now")
    assert restart == []
    assert events("command.") == ["command.executed"]
    with ctx.db.read() as tx:
        actor, data = tx.one(lambda *row: row, "SELECT actor, data FROM events WHERE type = 'command.executed'") or (
            "",
            "",
        )
    assert actor == "alice"
    assert '"allowed":false' in data
    assert answer(talk("ada"), "/restart now") == "Restarting."
    assert restart == ["ada now"]


def test_a_mistake_is_an_answer(talk: Begin, ctx: Context) -> None:
    from jarvis.kernel.errors import Conflict

    def run(ctx: Context, arguments: str, thread_id: str) -> str:
        with ctx.db.write() as tx:
            tx.record("command.half", "x", {})
        raise Conflict("That cannot be done now.")

    ctx.registry.slash["half"] = SlashCommand("half", "/half", "", False, run)
    thread = talk("alice")
    assert answer(thread, "/half") == "That cannot be done now."
    with ctx.db.read() as tx:
        assert tx.one(int, "SELECT count(*) FROM events WHERE type = 'command.half'") == 0, "and nothing of it is kept"


def test_new_starts_a_conversation_and_links_to_it(talk: Begin) -> None:
    said = answer(talk("alice"), "/new Disks *and* more")
    assert "/chat/thr_" in said
    assert "Disks \\*and\\* more" in said


def test_a_command_does_not_become_the_title(talk: Begin) -> None:
    from jarvis.chat import store

    thread = talk("alice")
    thread.say("/help")
    thread.say("is the disk full?")
    with thread.ctx.db.read() as tx:
        assert store.get(tx, thread.id).title == "is the disk full?"
