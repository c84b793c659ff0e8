"""The agent step as durable work: tools under their rules, crashes, refusals, stops and giving up."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jarvis.agent.actions import step
from jarvis.agent.providers import Event, Finished, ModelRequest, TextDelta, ToolCall
from jarvis.chat import actions, store
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, TryAgain, Unavailable
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.queue import store as tasks
from jarvis.queue.services import Runner
from tests.chat.conftest import Talk, Work
from tests.chat.scripted import Scripted, calls, raises, text

Begin = Callable[[str], Talk]


class Killed(BaseException):
    """Stands for the process's death: nothing after it runs."""


@pytest.fixture
def counted(ctx: Context) -> list[dict[str, Any]]:
    """Two tools, one of them for admins; what they were called with."""
    seen: list[dict[str, Any]] = []

    def run(ctx: Context, arguments: dict[str, Any]) -> Any:
        seen.append(arguments | {"for": ctx.username})
        return {"files": 7}

    path = {"path": Field(kind="string", is_required=True, longest=20)}
    ctx.registry.add(
        Tool("test.look", "Looks.", path, "read", run),
        Tool("test.people", "Lists people.", {}, "read", run, admin_only=True),
        Tool("test.write", "Changes.", {}, "write", run),
    )
    return seen


def last(thread: Talk) -> store.Message:
    return [m for m in thread.messages() if m.role == "assistant"][-1]


def test_a_tool_runs_as_the_asker_and_its_result_goes_back(
    talk: Begin, work: Work, provider: Scripted, counted: list[dict[str, Any]], events: Callable[..., list[str]]
) -> None:
    provider.plays(
        lambda request: calls(ToolCall("c1", "test.look", {"path": "/srv"})),
        lambda request: text(f"It has {request.messages[-1].content}."),
    )
    thread = talk("alice")
    thread.say("how many files?")
    work.all()
    assert last(thread).content == 'It has {"files": 7}.'
    assert counted[0]["for"] == "alice"
    tool = next(m for m in thread.messages() if m.role == "tool")
    assert tool.reply_id == last(thread).id
    assert tool.details()["outcome"] == "done"
    assert events("tool.") == ["tool.call.start", "tool.call.end"]
    assert events("agent.") == ["agent.step.start", "agent.step.end"]


@pytest.mark.parametrize(("name", "said"), [
    ("test.people", "may not use"), ("test.none", "no tool"),
])  # fmt: skip
def test_a_tool_that_is_not_for_the_asker_is_refused(
    talk: Begin, work: Work, provider: Scripted, counted: list[dict[str, Any]], name: str, said: str
) -> None:
    provider.plays(lambda request: calls(ToolCall("c1", name, {})), lambda request: text(request.messages[-1].content))
    thread = talk("alice")
    thread.say("who is here?")
    work.all()
    assert counted == []
    assert said in last(thread).content
    assert name not in [tool.name for tool in provider.requests[0].tools]


@pytest.mark.parametrize("arguments", [{}, {"path": 5}, {"path": "x" * 21}, {"path": "/", "more": 1}, {"path": None}])
def test_arguments_off_the_schema_go_back_to_the_provider(
    talk: Begin, work: Work, provider: Scripted, counted: list[dict[str, Any]], arguments: dict[str, Any]
) -> None:
    provider.plays(lambda request: calls(ToolCall("c1", "test.look", arguments)), lambda request: text("I see."))
    thread = talk("alice")
    thread.say("look")
    work.all()
    assert counted == []
    assert "error" in provider.requests[1].messages[-1].content
    assert last(thread).status == "done"


def test_a_crash_in_the_middle_is_made_good_once(
    ctx: Context, talk: Begin, provider: Scripted, counted: list[dict[str, Any]]
) -> None:
    """The first process dies after a tool call and half a sentence; the next one goes on after the call."""

    def dies(request: ModelRequest) -> Iterator[Event]:
        yield TextDelta("Half of it, ")
        raise Killed

    look = ToolCall("c1", "test.look", {"path": "/"})
    provider.plays(lambda r: calls(look), dies, lambda r: text(f"All {r.messages[-1].content} of it."))
    thread = talk("alice")
    thread.say("go")
    first = epochs.begin(ctx, "server")
    (task,) = queue.claim(ctx, first.number)
    with pytest.raises(Killed):  # not in the runner, which would record an ending
        step.answer(thread.ctx, last(thread).id, provider, lambda: False)
    assert last(thread).status == "streaming"
    first.close()
    second = epochs.begin(ctx, "server")
    assert [t.id for t in queue.take_back(ctx)] == [task.id]
    assert queue.take_back(ctx) == []
    assert Work(ctx, Runner(ctx, second)).all() == 1
    second.close()
    reply = last(thread)
    assert (reply.status, reply.content) == ("done", 'All {"files": 7} of it.')
    assert len(counted) == [m.role for m in thread.messages()].count("tool") == 1, "no call is made twice"
    assert [m.role for m in thread.messages()].count("assistant") == 1


def test_the_task_run_again_after_the_end_does_nothing(
    ctx: Context, talk: Begin, work: Work, provider: Scripted
) -> None:
    """Killed between the reply's commit and the task's: the reply stands as it is."""
    thread = talk("alice")
    posted = thread.say("go")
    assert posted.task_id is not None
    assert posted.reply is not None
    actions.finish_reply(ctx, posted.reply, "done", "Already here.", None, "scripted")
    assert work.all() == 1
    assert last(thread).content == "Already here."
    assert provider.requests == []


def test_an_exception_fails_the_reply_and_keeps_what_was_said(talk: Begin, work: Work, provider: Scripted) -> None:
    provider.plays(raises(RuntimeError("a secret")))
    thread = talk("alice")
    thread.say("go")
    work.all()
    reply = last(thread)
    assert (reply.status, reply.content) == ("failed", "Half of")
    assert "a secret" not in (reply.error or "")


def test_a_refusal_of_ours_says_its_reason(talk: Begin, work: Work, provider: Scripted) -> None:
    provider.plays(raises(Unavailable("The model server is down.")))
    thread = talk("alice")
    thread.say("go")
    work.all()
    assert last(thread).error == "The model server is down."


def test_busy_is_tried_again_and_given_up_in_the_end(
    talk: Begin, work: Work, provider: Scripted, clock: Any, events: Callable[..., list[str]]
) -> None:
    provider.plays(raises(TryAgain("Overloaded.", retry_after_seconds=30)))
    thread = talk("alice")
    thread.say("go")
    assert work.all() == 1
    assert last(thread).status == "streaming"
    for _ in range(2):
        clock.step(3600)
        assert work.all() == 1
    reply = last(thread)
    assert (reply.status, reply.error) == ("failed", "Overloaded.")
    assert "task.failed" in events("task.")
    assert events("message.done") == ["message.done"]


def test_busy_that_passes_leaves_one_reply(talk: Begin, work: Work, provider: Scripted, clock: Any) -> None:
    provider.plays(raises(TryAgain("Overloaded.")), lambda request: text("Now."))
    thread = talk("alice")
    thread.say("go")
    work.all()
    clock.step(60)
    work.all()
    assert last(thread).content == "Now."


def test_a_reply_that_calls_for_ever_is_ended(
    talk: Begin, work: Work, provider: Scripted, counted: list[dict[str, Any]]
) -> None:
    provider.plays(lambda request: calls(*(ToolCall(f"c{n}", "test.look", {"path": "/"}) for n in range(5))))
    thread = talk("alice")
    thread.say("go")
    work.all()
    assert last(thread).status == "failed"
    assert "tool calls" in (last(thread).error or "")
    assert len(counted) <= 24


def test_stopping_keeps_every_word_that_was_seen(talk: Begin, work: Work, provider: Scripted) -> None:
    thread = talk("alice")

    def stopped_in_the_middle(request: ModelRequest) -> Iterator[Event]:
        yield TextDelta("The first part. ")
        yield TextDelta("The second")
        stopped.append(actions.stop(thread.ctx, last(thread).id))
        yield TextDelta(" part nobody asked for")
        yield Finished("stop")

    stopped: list[store.Message] = []
    provider.plays(stopped_in_the_middle)
    thread.say("go")
    work.all()
    reply = last(thread)
    assert (reply.status, reply.content) == ("stopped", "The first part. The second")
    assert stopped[0].content == reply.content


def test_asking_again_while_the_stopped_attempt_still_runs(
    ctx: Context, talk: Begin, work: Work, provider: Scripted
) -> None:
    """The old attempt notices late; it must neither end nor write the new one."""
    thread = talk("alice")

    def stopped_and_retried(request: ModelRequest) -> Iterator[Event]:
        yield TextDelta("Old text")
        actions.stop(thread.ctx, last(thread).id)
        actions.retry(thread.ctx, last(thread).id)
        assert queue.claim(ctx, work.runner.epoch.number) == [], "one at a time in a conversation"
        yield Finished("stop")

    provider.plays(stopped_and_retried, lambda request: text("New text"))
    thread.say("go")
    assert work.all() == 2
    assert (last(thread).status, last(thread).content) == ("done", "New text")


def test_questions_of_one_conversation_are_answered_in_order(ctx: Context, talk: Begin, work: Work) -> None:
    thread, other = talk("alice"), talk("bob")
    first, second, third = thread.say("one"), thread.say("two"), other.say("three")
    claimed = [task.id for _ in range(3) for task in queue.claim(ctx, work.runner.epoch.number)]
    assert claimed == [first.task_id, third.task_id]
    assert second.task_id is not None


def test_a_person_shut_out_meanwhile_gets_no_tool(
    ctx: Context, talk: Begin, work: Work, provider: Scripted, counted: list[dict[str, Any]]
) -> None:
    from jarvis.users import actions as people
    from tests.conftest import acting

    thread = talk("ada")
    thread.say("who is here?")
    bob_admin = ctx.acting(actor="system", user_id=None, username="", role="admin")
    people.set_role(bob_admin, acting(ctx, "bob").user_id or "", "admin")
    people.set_role(bob_admin, thread.ctx.user_id or "", "user")
    provider.plays(lambda r: calls(ToolCall("c1", "test.people", {})), lambda r: text(r.messages[-1].content))
    work.all()
    assert counted == []
    assert "may not use" in last(thread).content


def test_deleting_a_conversation_ends_its_running_task_quietly(
    ctx: Context, talk: Begin, work: Work, provider: Scripted
) -> None:
    thread = talk("alice")

    def deleted_in_the_middle(request: ModelRequest) -> Iterator[Event]:
        yield TextDelta("Some text")
        actions.delete(thread.ctx, thread.id)
        yield TextDelta(" more")
        yield Finished("stop")

    provider.plays(deleted_in_the_middle)
    posted = thread.say("go")
    work.all()
    with ctx.db.read() as tx:
        assert tasks.get(tx, posted.task_id or "").state in ("cancelled", "done")


def test_the_provider_is_told_the_conversation_but_not_the_systems_answers(
    talk: Begin, work: Work, provider: Scripted
) -> None:
    thread = talk("alice")
    thread.say("first question")
    work.all()
    thread.say("/help")
    thread.say("second question")
    work.all()
    told = [(m.role, m.content) for m in provider.requests[-1].messages]
    assert told == [("user", "first question"), ("assistant", "Fine."), ("user", "/help"), ("user", "second question")]


def test_a_task_cancelled_by_an_admin_stops_its_reply(talk: Begin, work: Work, ctx: Context) -> None:
    thread = talk("alice")
    posted = thread.say("go")
    queue.cancel(ctx, posted.task_id or "")
    assert last(thread).status == "stopped"


def test_denied_is_not_tried_again(talk: Begin, work: Work, provider: Scripted) -> None:
    provider.plays(raises(Denied("Not for you.")))
    thread = talk("alice")
    thread.say("go")
    assert work.all() == 1
    assert last(thread).status == "failed"
