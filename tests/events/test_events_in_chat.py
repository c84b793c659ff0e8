"""/logs and the tool events.search: as the one who asks may see it."""

import pytest

from jarvis.chat import slash
from jarvis.events.tools import TOOLS


@pytest.fixture
def ask(as_user, thread_of):
    return lambda who, text: slash.answer(as_user(who), text, thread_of(who))


@pytest.fixture
def search(ctx, as_user):
    return lambda who, **arguments: TOOLS[0].run(as_user(who), arguments)


def test_logs_search_finds_and_escapes(ask, record):
    record("bug.recurred", title="Tide *tables* <b>")
    assert r"Tide \*tables\* \<b\> happened again" in ask("ada", "/logs search tide")


def test_logs_are_ones_own(ask, record, ctx):
    other = ctx.traced()
    record("bug.recurred", by=other, title="Tide tables")
    assert ask("alice", "/logs search tide tables") == "No event of your conversations mentions tide tables."
    assert ask("alice", f"/logs trace {other.trace_id}") == "There is no such trace."
    assert "Tide tables" in ask("ada", f"/logs trace {other.trace_id}")


def test_logs_trace_shows_the_tree(ask, ctx):
    run = ctx.traced()
    with run.db.write() as tx:
        tx.record("maintenance.run.start", "command/1", {"command": "make test"})
    with run.span().db.write() as tx:
        tx.record("host.exec.end", "exec/1", {"command": "sh", "exit_code": 1})
    answer = ask("ada", f"/logs trace {run.trace_id}")
    assert "- `maintenance.run.start` make test was started" in answer
    assert "\n  - **failed** `host.exec.end` sh ended with exit code 1" in answer


@pytest.mark.parametrize("text", ["/logs", "/logs trace", "/logs search ", "/logs everything"])
def test_logs_without_a_question_tells_how(ask, text):
    assert "`/logs search WORDS`" in ask("alice", text)


def test_logs_of_nothing_but_signs_says_so(ask):
    assert "no letters or digits" in ask("alice", "/logs search !!!")


def test_the_tool_gives_the_promised_shape(search, record):
    record("task.failed", name="backup", attempts=1, error="no")
    found = search("ada", type=["task.failed"], limit=1)
    assert found["more"] is False
    (event,) = found["events"]
    assert {"seq", "type", "at", "actor", "subject", "summary", "data"} <= set(event)
    assert (event["type"], event["failed"]) == ("task.failed", True)


def test_the_tool_says_when_there_is_more(search, record):
    for _ in range(3):
        record("task.failed", name="backup")
    assert search("ada", type=["task.failed", "task.retried"], limit=2)["more"] is True


def test_the_tool_shows_a_user_their_threads_only(search, record, thread_of):
    record("task.failed", name="backup")
    mine = thread_of("alice")
    assert [event["subject"] for event in search("alice")["events"]] == [f"thread/{mine}"]
