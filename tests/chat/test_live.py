"""Live updates over a real port: in order, without gap or double, whoever joins whenever."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jarvis.agent.providers import TextDelta, ToolCall
from jarvis.chat import actions
from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from tests.chat.conftest import Talk
from tests.chat.scripted import Gate, Scripted, Served, calls, joined, raises, text
from tests.conftest import acting

Begin = Callable[[str], Talk]
Serve = Callable[..., Served]


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames if frame["type"] != "message.delta"]


def test_a_question_and_its_reply_are_told_in_order(served: Serve, talk: Begin, provider: Scripted) -> None:
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    assert watcher.greeting == {
        "type": "auth.ok", "user_id": thread.ctx.user_id, "role": "user", "username": "alice",
    }  # fmt: skip
    assert watcher.subscribe(thread.id)["type"] == "subscribed"
    provider.says("Hello", ", ", "Alice.")
    thread.say("hi")
    frames = watcher.until("message.done")
    assert types(frames) == ["message.new", "message.new", "agent.thinking", "message.done"]
    assert joined(frames) == frames[-1]["message"]["content"] == "Hello, Alice."
    assert frames[1]["message"]["status"] == "pending"
    assert frames[1]["message"]["content"] == ""
    seqs = [frame["seq"] for frame in frames]
    assert seqs == sorted(seqs)
    assert all(frame["thread_id"] == thread.id and frame["created_at"] for frame in frames)


def test_tool_calls_stand_where_they_happened(served: Serve, talk: Begin, provider: Scripted, ctx: Context) -> None:
    ctx.registry.add(Tool("test.look", "Looks.", {}, "read", lambda ctx, arguments: {"files": 7}))
    provider.plays(
        lambda r: [TextDelta("Let me look."), *calls(ToolCall("c1", "test.look", {}))],
        lambda r: text("Seven files."),
    )
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    thread.say("how many?")
    frames = watcher.until("message.done")
    assert types(frames)[2:] == ["agent.thinking", "tool.call", "tool.result", "message.done"]
    called, result = (next(f for f in frames if f["type"] == t) for t in ("tool.call", "tool.result"))
    assert (called["tool"], called["call_id"], called["arguments"]) == ("test.look", "c1", {})
    assert (result["call_id"], result["outcome"], json.loads(result["result"])) == ("c1", "done", {"files": 7})
    before = [f for f in frames[: frames.index(called)] if f["type"] == "message.delta"]
    assert joined(before) == "Let me look."
    assert joined(frames) == frames[-1]["message"]["content"] == "Let me look.\n\nSeven files."


def test_fifty_replies_at_once_lose_and_reorder_nothing(served: Serve, talk: Begin, provider: Scripted) -> None:
    words = [f"word{n} " for n in range(120)]
    provider.plays(lambda request: text(request.messages[-1].content, " ", *words))
    running = served(workers=8)
    threads = [talk("alice") for _ in range(50)]
    watchers = [running.watch("alice") for _ in range(5)]
    for number, thread in enumerate(threads):
        watchers[number % 5].subscribe(thread.id)
    for number, thread in enumerate(threads):
        thread.say(f"question {number}")
    for place, watcher in enumerate(watchers):
        mine = [t.id for t in threads[place::5]]
        frames: list[dict[str, Any]] = []
        while sum(f["type"] == "message.done" for f in frames) < len(mine):
            frames.append(watcher.next())
        for number, thread_id in zip(range(place, 50, 5), mine, strict=True):
            own = [f for f in frames if f["thread_id"] == thread_id]
            assert types(own) == ["message.new", "message.new", "agent.thinking", "message.done"]
            whole = f"question {number} " + "".join(words)
            assert joined(own) == whole
            assert own[-1]["message"]["content"] == whole.rstrip()
        assert watcher.is_silent()


def test_who_comes_in_the_middle_gets_all_of_it(served: Serve, talk: Begin, provider: Scripted) -> None:
    gate = Gate()
    provider.plays(gate)
    running, thread = served(), talk("alice")
    first = running.watch("alice")
    first.subscribe(thread.id)
    thread.say("tell me")
    gate.say("The beginning, ")
    seen = first.until("message.delta")
    second, replayed = running.watch("alice"), running.watch("alice")
    second.subscribe(thread.id)
    replayed.subscribe(thread.id, after=0)
    gate.say("the middle, ")
    gate.say("the end.")
    gate.end()
    whole = "The beginning, the middle, the end."
    assert joined([*seen, *first.until("message.done")]) == whole
    assert joined(second.until("message.done")) == whole
    past = replayed.until("message.done")
    assert types(past)[-4:] == ["message.new", "message.new", "agent.thinking", "message.done"]
    assert joined(past) == whole


def test_late_subscribers_of_every_moment_see_the_same(served: Serve, talk: Begin, provider: Scripted) -> None:
    """Somebody subscribes at each token, while it is being written by another thread."""
    gate = Gate()
    provider.plays(gate)
    running, thread = served(), talk("alice")
    thread.say("count")
    assert gate.began.wait(10)
    watchers = []
    for number in range(20):
        gate.say(f"{number} ")
        watcher = running.watch("alice")
        watcher.subscribe(thread.id)
        watchers.append(watcher)
    gate.end()
    whole = "".join(f"{number} " for number in range(20))
    for watcher in watchers:
        assert joined(watcher.until("message.done")) == whole


def test_a_dropped_connection_catches_up_by_seq(served: Serve, talk: Begin, provider: Scripted) -> None:
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    thread.say("one")
    known = watcher.until("message.done")[-1]["seq"]
    watcher.peer.close()
    control = running.watch("alice")
    control.subscribe(thread.id)
    thread.say("two")
    missed = control.until("message.done")
    again = running.watch("alice")
    assert again.subscribe(thread.id, after=known)["type"] == "subscribed"
    replayed = again.until("message.done")
    durable = [f for f in missed if f["type"] != "message.delta"]
    assert replayed == durable
    assert again.is_silent()


def test_writers_and_joiners_at_once(served: Serve, talk: Begin, ctx: Context) -> None:
    """Messages are committed all the while; each joiner sees each of them once, in order."""
    running, thread = served(workers=0), talk("alice")
    total = 60

    def write() -> None:
        person = acting(ctx, "alice")
        for number in range(total):
            actions.post(person, thread.id, f"/help {number}")
        ctx.db.close()

    writer = threading.Thread(target=write)
    writer.start()
    watchers = [running.watch("alice") for _ in range(6)]
    for watcher in watchers:
        watcher.subscribe(thread.id, after=0)
    writer.join()
    for watcher in watchers:
        frames = [watcher.next() for _ in range(2 * total)]
        assert [f["message"]["seq"] for f in frames] == list(range(1, 2 * total + 1))
        assert watcher.is_silent()


def test_too_much_missed_is_said(served: Serve, talk: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jarvis.chat.live.MOST_REPLAYED", 5)
    running, thread = served(), talk("alice")
    present = running.watch("alice")
    present.subscribe(thread.id)
    for _ in range(4):
        thread.say("/help")
    for _ in range(8):
        present.next()  # told by now, so that whoever comes later has missed it
    watcher = running.watch("alice")
    assert watcher.subscribe(thread.id, after=0)["type"] == "subscribed"
    assert watcher.next()["type"] == "reload"
    thread.say("/help")
    assert watcher.next()["type"] == "message.new"


def test_an_after_from_before_a_restore_means_reload(served: Serve, talk: Begin) -> None:
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id, after=10**9)
    assert watcher.next()["type"] == "reload"
    thread.say("/help")
    assert watcher.next()["type"] == "message.new"


def test_others_conversations_are_not_there(served: Serve, talk: Begin) -> None:
    running, thread = served(), talk("alice")
    charlie = running.watch("charlie")
    assert charlie.subscribe(thread.id) == {"type": "error", "detail": "not found", "thread_id": thread.id}
    charlie.say(action="subscribe_system")
    assert charlie.next() == {"type": "error", "detail": "forbidden"}
    thread.say("/help")
    assert charlie.is_silent()


@pytest.mark.parametrize("said", [
    "", "x", "[]", "null", "{}", '{"action": 1}', '{"action": "subscribe"}', '{"action": "subscribe", "thread_id": 5}',
    '{"action": "subscribe", "thread_id": "thr_x", "after": -1}',
    '{"action": "subscribe", "thread_id": "t", "after": "1"}',
    '{"action": "subscribe", "thread_id": "t", "after": true}', "[" * 30_000, '{"action": "unsubscribe"}',
])  # fmt: skip
def test_nonsense_is_answered_and_survived(served: Serve, talk: Begin, said: str) -> None:
    running = served()
    watcher = running.watch("alice")
    watcher.peer.say(said)
    assert watcher.next() == {"type": "error", "detail": "bad message"}
    assert watcher.subscribe(talk("alice").id)["type"] == "subscribed"


def test_an_odd_id_is_not_found(served: Serve) -> None:
    watcher = served().watch("alice")
    assert watcher.subscribe("thr_nope")["detail"] == "not found"


def test_an_admin_hears_the_system_and_may_read_along(served: Serve, talk: Begin, ctx: Context) -> None:
    running, thread = served(), talk("alice")
    ada = running.watch("ada")
    ada.say(action="subscribe_system")
    assert ada.next()["type"] == "subscribed"
    with ctx.db.write() as tx:
        tx.record("system.restart.start", "system", {"by": "ada"})
    told = ada.until("system.restart.start")[-1]
    assert told["data"] == {"by": "ada"}
    assert ada.subscribe(thread.id)["type"] == "subscribed"
    thread.say("/help")
    assert ada.next()["type"] == "message.new"


def test_who_is_no_admin_any_more_hears_no_more(served: Serve, talk: Begin, ctx: Context) -> None:
    from jarvis.users import actions as people

    running, thread = served(), talk("alice")
    own = talk("ada")
    ada, control = running.watch("ada"), running.watch("alice")
    ada.subscribe(thread.id)
    ada.subscribe(own.id)
    control.subscribe(thread.id)
    system = ctx.acting(actor="system", user_id=None, username="", role="admin")
    people.set_role(system, acting(ctx, "bob").user_id or "", "admin")
    people.set_role(system, own.ctx.user_id or "", "user")
    own.say("/help")
    assert ada.next()["thread_id"] == own.id  # published after the change, which is in force by now
    thread.say("/help")
    assert control.next()["type"] == "message.new"
    assert ada.next()["thread_id"] == own.id
    assert ada.subscribe(thread.id)["detail"] == "not found"
    ada.say(action="subscribe_system")
    assert ada.next()["detail"] == "forbidden"


def test_a_session_that_ends_closes_its_connections(served: Serve, talk: Begin, ctx: Context) -> None:
    from jarvis.users import actions as people
    from jarvis.users import store as users

    running = served()
    token = running.session("alice")
    watcher = running.connect(f"Cookie: jarvis_session={token}", running.origin)
    other = running.watch("alice")
    alice = acting(ctx, "alice")
    with ctx.db.read() as tx:
        session = users.sessions(tx, alice.user_id or "", 10)[0]
    people.revoke_session(alice, session.id)
    assert watcher.peer.close_code() == 1008
    assert other.subscribe(talk("alice").id)["type"] == "subscribed", "her script stays"


def test_somebody_disabled_is_cut_off(served: Serve, ctx: Context) -> None:
    from jarvis.users import actions as people

    watcher = served().watch("bob")
    system = ctx.acting(actor="system", user_id=None, username="", role="admin")
    people.set_disabled(system, acting(ctx, "bob").user_id or "", True)
    assert watcher.peer.close_code() == 1008


def test_a_deleted_conversation_says_so_and_is_left(served: Serve, talk: Begin) -> None:
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    actions.delete(thread.ctx, thread.id)
    assert [watcher.next()["type"], watcher.next()["type"]] == ["thread.deleted", "unsubscribed"]


def test_unsubscribed_hears_nothing(served: Serve, talk: Begin) -> None:
    running, thread, other = served(), talk("alice"), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    watcher.subscribe(other.id)
    watcher.say(action="unsubscribe", thread_id=thread.id)
    assert watcher.next() == {"type": "unsubscribed", "thread_id": thread.id}
    thread.say("/help")
    other.say("/help")
    assert watcher.next()["thread_id"] == other.id


def test_stopping_ends_the_text_where_it_was(served: Serve, talk: Begin, provider: Scripted) -> None:
    gate = Gate()
    provider.plays(gate)
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    posted = thread.say("go on and on")
    gate.say("So far and")
    frames = watcher.until("message.delta")
    actions.stop(thread.ctx, posted.message.id)
    gate.say(" never this")
    frames += watcher.until("message.done")
    assert frames[-1]["message"]["status"] == "stopped"
    assert joined(frames) == frames[-1]["message"]["content"] == "So far and"
    gate.end()
    thread.say("/help")
    assert watcher.next()["type"] == "message.new", "and nothing of it comes after"


def test_a_failed_reply_asked_again_starts_over(served: Serve, talk: Begin, provider: Scripted) -> None:
    provider.plays(raises(ValueError("x")), lambda request: text("Better."))
    running, thread = served(), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    posted = thread.say("try")
    assert watcher.until("message.done")[-1]["message"]["status"] == "failed"
    actions.retry(thread.ctx, posted.message.id)
    frames = watcher.until("message.done")
    assert types(frames) == ["message.retried", "agent.thinking", "message.done"]
    assert joined(frames) == "Better."


def test_text_another_process_writes_comes_from_the_database(served: Serve, talk: Begin, ctx: Context) -> None:
    """`jarvis ask` without a server writes by itself; whoever watches sees what it keeps."""
    running, thread = served(workers=0), talk("alice")
    watcher = running.watch("alice")
    watcher.subscribe(thread.id)
    reply = thread.say("go").reply
    assert reply is not None
    watcher.next()
    watcher.next()
    actions.begin_reply(ctx, reply, "elsewhere")
    with ctx.db.write() as tx:
        tx.record("agent.step.start", f"message/{reply.id}", {"message_id": reply.id}, thread_id=thread.id)
    assert watcher.next()["type"] == "agent.thinking"
    actions.save_reply(ctx, reply, "Half ")
    first = watcher.next()
    actions.save_reply(ctx, reply, "Half of it")
    second = watcher.next()
    assert joined([first, second]) == "Half of it"
    actions.finish_reply(ctx, reply, "done", "Half of it.", None, "elsewhere")
    assert watcher.next()["type"] == "message.done"


def test_a_page_gets_swaps_of_the_same_partials(served: Serve, talk: Begin, provider: Scripted) -> None:
    provider.says("**Bold** <b>not</b>")
    running, thread = served(), talk("alice")
    page = running.watch("alice", "Sec-WebSocket-Protocol: jarvis.html")
    page.subscribe(thread.id)
    thread.say("<i>hi</i>")
    frames = page.until("message.done")
    question, reply = frames[0], frames[1]
    assert (question["target"], question["swap"]) == ("#messages", "beforeend")
    assert "&lt;i&gt;hi&lt;/i&gt;" in question["content"]
    assert 'aria-busy="true"' in reply["content"]
    delta = next(f for f in frames if f["type"] == "message.delta")
    assert delta["target"] == f"#{reply['message_id']}-body"
    assert "<strong>Bold</strong> &lt;b&gt;" in delta["content"]
    assert 'class="caret"' in delta["content"]
    done = frames[-1]
    assert (done["target"], done["swap"]) == (f"#{reply['message_id']}", "outerMorph")
    assert "aria-busy" not in done["content"]
    assert "caret" not in done["content"]
    late = running.watch("alice", "Sec-WebSocket-Protocol: jarvis.html")
    late.subscribe(thread.id, after=0)
    current = [late.next(), late.next()]
    assert [f["message_id"] for f in current] == [question["message_id"], reply["message_id"]]
    assert current[1]["content"] == done["content"]
    assert late.is_silent()
