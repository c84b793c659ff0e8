"""Messages as JSON: posted once, answered, paged, stopped, asked again, and exported."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jarvis.kernel.config import Settings
from tests.chat.conftest import Talk
from tests.chat.scripted import Scripted, raises
from tests.client import Client

THREADS = "/api/v1/threads"
Begin = Callable[[str], Talk]


def at(thread: Talk, more: str = "") -> str:
    return f"{THREADS}/{thread.id}/messages{more}"


def test_a_question_is_stored_with_the_task_that_answers_it(
    client: Client, talk: Begin, work: Any, provider: Scripted, events: Callable[..., list[str]]
) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    provider.says("All ", "is well.")
    posted = alice.post(at(thread), json={"content": "How is the host?"})
    assert posted.status == 202
    shown = posted.json
    assert shown["task_id"].startswith("tsk_")
    assert shown["trace_id"] == shown["message"]["trace_id"]
    assert (shown["message"]["role"], shown["message"]["status"]) == ("user", "done")
    assert (shown["reply"]["role"], shown["reply"]["status"]) == ("assistant", "pending")
    assert work.all() == 1
    question, reply = alice.get(at(thread)).json["items"]
    assert question["content"] == "How is the host?"
    assert (reply["content"], reply["status"], reply["provider"]) == ("All is well.", "done", "scripted")
    assert set(reply) >= {
        "id", "thread_id", "seq", "role", "content", "status", "error", "client_id", "task_id", "trace_id",
        "created_at",
    }  # fmt: skip
    assert alice.get(f"{THREADS}/{thread.id}").json["title"] == "How is the host?"
    assert events("message.") == ["message.created", "message.created", "message.done"]


def test_the_same_client_id_twice_is_one_message(client: Client, talk: Begin, work: Any) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    body = {"content": "once", "client_id": "tab-1"}
    first, second = alice.post(at(thread), json=body), alice.post(at(thread), json=body)
    assert first.status == second.status == 202
    assert first.json["message"]["id"] == second.json["message"]["id"]
    assert first.json["task_id"] == second.json["task_id"]
    assert first.json["trace_id"] == second.json["trace_id"]
    assert work.all() == 1
    assert len(alice.get(at(thread)).json["items"]) == 2


def test_the_same_client_id_in_another_conversation_is_another_message(client: Client, talk: Begin) -> None:
    one, other, alice = talk("alice"), talk("alice"), client.bearer("alice")
    body = {"content": "hello", "client_id": "x"}
    ids = {alice.post(at(t), json=body).json["message"]["id"] for t in (one, other)}
    assert len(ids) == 2


def test_a_closed_conversation_takes_no_message(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    alice.patch(f"{THREADS}/{thread.id}", json={"status": "closed"})
    assert alice.post(at(thread), json={"content": "still there?"}).status == 409
    assert thread.messages() == []
    alice.patch(f"{THREADS}/{thread.id}", json={"status": "open"})
    assert alice.post(at(thread), json={"content": "still there?"}).status == 202


@pytest.mark.parametrize(
    "content", [None, 5, "", "   \n ", "x" * 32_001, "a\x00b", "\ud800", ["hi"]], ids=lambda value: repr(value)[:12]
)
def test_content_that_is_none_is_refused(client: Client, talk: Begin, content: Any) -> None:
    thread = talk("alice")
    answer = client.bearer("alice").post(at(thread), json={"content": content})
    assert answer.status == 422
    assert answer.fields_at_fault() == ["content"]
    assert thread.messages() == []


def test_too_many_messages_in_a_minute_must_wait(client: Client, talk: Begin, settings: Settings, clock: Any) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    most = settings.rate_limit_messages_per_minute
    for number in range(most):
        assert alice.post(at(thread), json={"content": f"/help {number}", "client_id": str(number)}).status == 202
    refused = alice.post(at(thread), json={"content": "one more"})
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert alice.post(at(thread), json={"content": "/help 3", "client_id": "3"}).status == 202, "it was stored before"
    assert client.bearer("bob").post(at(talk("bob")), json={"content": "/help"}).status == 202
    clock.step(61)
    assert alice.post(at(thread), json={"content": "/help"}).status == 202


def test_pages_are_oldest_first_and_lead_to_older_ones(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    for number in range(4):
        thread.say(f"/help {number}")
    newest = alice.get(at(thread, "?limit=3")).json
    assert [m["seq"] for m in newest["items"]] == [6, 7, 8]
    older = alice.get(at(thread, f"?limit=3&after={newest['next']}")).json
    assert [m["seq"] for m in older["items"]] == [3, 4, 5]
    oldest = alice.get(at(thread, f"?limit=3&after={older['next']}")).json
    assert [m["seq"] for m in oldest["items"]] == [1, 2]
    assert oldest["next"] is None
    since = alice.get(at(thread, "?since_seq=3&limit=3")).json
    assert [m["seq"] for m in since["items"]] == [4, 5, 6]
    rest = alice.get(at(thread, f"?since_seq={since['next']}")).json
    assert [m["seq"] for m in rest["items"]] == [7, 8]
    assert rest["next"] is None


def test_stopping_a_waiting_reply(client: Client, talk: Begin, work: Any) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    posted = alice.post(at(thread), json={"content": "never mind"}).json
    stopped = alice.post(at(thread, f"/{posted['message']['id']}/stop"))
    assert (stopped.status, stopped.json["status"]) == (200, "stopped")
    assert work.all() == 0
    assert alice.post(at(thread, f"/{posted['reply']['id']}/stop")).status == 409


def test_a_failed_reply_says_why_and_can_be_asked_for_again(
    client: Client, talk: Begin, work: Any, provider: Scripted
) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    provider.plays(raises(ValueError("secret detail")), lambda request: iter(()))
    posted = alice.post(at(thread), json={"content": "try"}).json
    work.all()
    question, failed = alice.get(at(thread)).json["items"]
    assert (failed["status"], failed["content"]) == ("failed", "Half of")
    assert posted["trace_id"] in failed["error"]
    assert "secret detail" not in failed["error"]
    assert question["content"] == "try"
    provider.says("Here it is.")
    again = alice.post(at(thread, f"/{failed['id']}/retry"))
    assert again.status == 202
    assert again.json["reply"]["status"] == "pending"
    assert work.all() == 1
    _, reply = alice.get(at(thread)).json["items"]
    assert (reply["id"], reply["status"], reply["content"], reply["error"]) == (
        failed["id"],
        "done",
        "Here it is.",
        None,
    )
    assert alice.post(at(thread, f"/{failed['id']}/retry")).status == 409


def test_a_message_of_another_conversation_is_not_found_here(client: Client, talk: Begin) -> None:
    one, other = talk("alice"), talk("alice")
    posted = one.say("a question")
    for verb in ("stop", "retry"):
        assert client.bearer("alice").post(at(other, f"/{posted.message.id}/{verb}")).status == 404


def test_export_has_every_message_in_order(client: Client, talk: Begin, work: Any) -> None:
    thread = talk("alice")
    for number in range(3):
        thread.say(f"question {number} ✓")
    work.all()
    answer = client.bearer("alice").get(f"{THREADS}/{thread.id}/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 7))
    assert lines[0]["content"] == "question 0 ✓"


def test_export_holds_no_transaction_while_it_is_read(client: Client, talk: Begin, monkeypatch: Any) -> None:
    from jarvis.chat import api

    monkeypatch.setattr(api, "EXPORTED_AT_ONCE", 2)
    thread = talk("alice")
    for number in range(3):
        thread.say(f"/help {number}")
    rows = api.exported(thread.ctx, thread.id)
    assert next(rows)["seq"] == 1
    with thread.ctx.db.write() as tx:  # would raise inside a read
        tx.run("UPDATE threads SET title = 'changed' WHERE id = :id", id=thread.id)
    assert [row["seq"] for row in rows] == [2, 3, 4, 5, 6]


def test_a_message_is_found_by_its_words_until_it_is_gone(talk: Begin, work: Any, provider: Scripted) -> None:
    from jarvis.chat import actions, store

    thread = talk("alice")
    provider.says("The answer mentions marmalade.")
    thread.say("what about marmalade and toast")
    work.all()

    def found(person: Talk, words: str) -> list[str]:
        assert person.ctx.user_id is not None
        with person.ctx.db.read() as tx:
            return [m.role for m, _ in store.search(tx, person.ctx.user_id, words, 10)]

    assert sorted(found(thread, "marmalade")) == ["assistant", "user"]
    assert found(thread, "toast") == ["user"]
    assert found(talk("bob"), "marmalade") == []
    actions.delete(thread.ctx, thread.id)
    assert found(talk("alice"), "marmalade") == []


def test_long_and_odd_text_comes_back_as_it_was(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.bearer("alice")
    content = "  indented\n\ttabs ‮ 👩‍👩‍👧 \u0301 " + "é" * 31_000
    assert alice.post(at(thread), json={"content": content}).status == 202
    assert replace(thread).messages()[0].content == content
