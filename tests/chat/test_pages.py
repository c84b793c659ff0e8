"""The chat's pages as HTML: whose they are, what a form answers, and what they cost."""

from collections.abc import Callable
from typing import Any

import pytest

from jarvis.agent.providers import ToolCall
from jarvis.chat import actions, store
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.registry import Tool
from tests.chat.conftest import Talk
from tests.chat.scripted import Scripted, calls, text
from tests.client import Client

Begin = Callable[[str], Talk]
HTMX = {"HX-Request": "true"}


def test_the_first_page_says_what_to_ask(client: Client) -> None:
    page = client.as_("alice").get("/chat")
    assert page.status == 200
    assert page.text.count('name="content" value=') == 3
    assert "Your conversations will be listed here." in page.text


def test_a_first_message_starts_a_conversation_or_nothing_does(client: Client, ctx: Context) -> None:
    alice = client.as_("alice")
    token = alice.get("/chat").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = alice.post("/chat", form={"content": "Is the disk full?", "csrf_token": token})
    assert answer.status == 303
    assert answer.location.endswith("#latest")
    refused = alice.post("/chat", form={"content": "x" * 32_001, "csrf_token": token})
    assert refused.status == 422
    assert "x" * 100 in refused.text, "what was typed is kept"
    with ctx.db.read() as tx:
        assert tx.one(int, "SELECT count(*) FROM threads") == 1


def test_others_see_nothing_and_an_admin_reads_only(client: Client, talk: Begin) -> None:
    thread = talk("alice")
    thread.say("a secret plan")
    assert client.as_("charlie").get(f"/chat/{thread.id}").status == 404
    assert client.as_("charlie").get(f"/chat/{thread.id}/export").status == 404
    assert client.get(f"/chat/{thread.id}").status == 303
    page = client.as_("ada").get(f"/chat/{thread.id}").text
    assert "a secret plan" in page
    assert "on record" in page
    assert 'id="composer"' not in page
    assert "/rename" not in page


def test_without_script_a_message_goes_round_by_redirect(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.as_("alice")
    address = f"/chat/{thread.id}"
    assert alice.submit(address, address, content="/help").status == 303
    page = alice.get(address).text
    assert "/new [TITLE]" in page


def test_with_script_the_answer_is_empty_and_the_rest_comes_live(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.as_("alice")
    address = f"/chat/{thread.id}"
    assert alice.post(address, form={"content": "hi"}, headers=HTMX).status == 403, "no CSRF token"
    token = alice.get(address).text.split('name="csrf_token" value="')[1].split('"')[0]
    sent = alice.post(address, form={"content": "hi", "csrf_token": token}, headers=HTMX)
    assert (sent.status, sent.body) == (204, b"")
    empty = alice.post(address, form={"content": " ", "csrf_token": token}, headers=HTMX)
    assert empty.status == 422
    assert empty.text.startswith('<p class="error">')
    assert "<html" not in empty.text


def test_the_same_form_sent_twice_is_one_message_and_another_text_is_another(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.as_("alice")
    address = f"/chat/{thread.id}"
    token = alice.get(address).text.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"csrf_token": token, "client_id": "page-1"}
    for content in ("/help one", "/help one", "/help two"):
        assert alice.post(address, form=form | {"content": content}).status == 303
    assert [m.content for m in thread.messages() if m.role == "user"] == ["/help one", "/help two"]


def test_titles_and_messages_are_text(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.as_("alice")
    thread.say('<script>alert(1)</script>"\u202e')
    page = alice.get(f"/chat/{thread.id}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page


def test_a_tool_calls_arguments_and_result_cannot_hide(
    client: Client, talk: Begin, work: Any, provider: Scripted, ctx: Context
) -> None:
    ctx.registry.add(Tool("test.look", "Looks.", {}, "read", lambda c, a: {"name": "a\u202eb<img src=x>"}))
    provider.plays(lambda r: calls(ToolCall('"><b>', "test.look", {})), lambda r: text("Done."))
    thread = talk("alice")
    thread.say("look")
    work.all()
    page = client.as_("alice").get(f"/chat/{thread.id}").text
    assert "<mark>\\u202e</mark>b&lt;img src=x&gt;" in page
    assert "One hidden character is spelled out" in page
    assert '<details class="tool" id="call-' in page
    assert '<b>"' not in page


@pytest.mark.parametrize("most", [5, 50])
def test_a_page_costs_as_many_looks_whatever_is_on_it(
    client: Client, talk: Begin, ctx: Context, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    thread = talk("alice")
    for number in range(most):
        posted = thread.say(f"question {number}")
        assert posted.reply is not None
        actions.begin_reply(ctx, posted.reply, "builtin")
        detail: dict[str, object] = {"call_id": "c", "tool": "host.disk", "arguments": {}, "outcome": "done"}
        actions.add_tool_call(ctx, posted.reply, "{}", detail | {"milliseconds": 3})
        actions.finish_reply(ctx, posted.reply, "done", f"answer {number}", None, "builtin")
    alice = client.as_("alice")
    alice.get(f"/chat/{thread.id}")
    looks: list[str] = []
    original = Tx.all

    def counted(self: Tx, make: Any, sql: str, **params: Any) -> Any:
        looks.append(sql)
        return original(self, make, sql, **params)

    monkeypatch.setattr(Tx, "all", counted)
    page = alice.get(f"/chat/{thread.id}")
    assert page.text.count("<article") == min(2 * most, 50)
    about = [sql for sql in looks if "FROM messages" in sql]
    assert len(about) == 1, "what is finished was rendered before"
    assert len(looks) <= 12


def test_the_lists_queries_use_an_index(ctx: Context, talk: Begin) -> None:
    thread = talk("alice")
    user = thread.ctx.user_id or ""
    looks = [
        lambda tx: store.latest(tx, user, "", 10),
        lambda tx: store.latest(tx, user, "open", 10),
        lambda tx: store.newest_of_all(tx, 10),
        lambda tx: store.newest_spoken(tx, thread.id, 10),
        lambda tx: store.newest_messages(tx, thread.id, 10),
        lambda tx: store.messages_since(tx, thread.id, 0, 10),
        lambda tx: store.calls_of(tx, ["msg_1"]),
        lambda tx: store.messages_by_id(tx, ["msg_1"]),
        lambda tx: store.unfinished(tx, thread.id),
        lambda tx: store.find_by_client(tx, thread.id, "x"),
    ]
    plans: list[str] = []

    class Explained(Tx):
        def all(self, make: Any, sql: str, **params: Any) -> Any:
            rows = super().all(lambda *row: str(row[-1]), f"EXPLAIN QUERY PLAN {sql}", **params)
            plans.extend(rows)
            return super().all(make, sql, **params)

    with ctx.db.read() as tx:
        explained = Explained.__new__(Explained)
        for name in ("connection", "shared", "who", "now"):
            setattr(explained, name, getattr(tx, name))
        explained.__dict__.update(getattr(tx, "__dict__", {}))
        for look in looks:
            look(explained)
    scans = [plan for plan in plans if plan.startswith("SCAN ") and "json_each" not in plan]
    assert [plan for plan in scans if "USING INTEGER PRIMARY KEY" not in plan and "SCAN threads" not in plan] == []


def test_renaming_closing_and_deleting_by_form(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.as_("alice")
    address = f"/chat/{thread.id}"
    assert alice.submit(address, f"{address}/rename", title="Disks").location == f"{address}?done=renamed"
    empty = alice.submit(address, f"{address}/rename", title=" ")
    assert empty.status == 422
    assert 'aria-invalid="true"' in empty.text
    token = alice.get(address).text.split('name="csrf_token" value="')[1].split('"')[0]
    assert alice.post(f"{address}/status", form={"csrf_token": token, "status": "closed"}).status == 303
    page = alice.get(address).text
    assert "This conversation is closed." in page
    assert alice.post(f"{address}/status", form={"csrf_token": token, "status": "gone"}).status == 422
    assert alice.submit(address, f"{address}/delete").location == "/chat?done=deleted"
    assert alice.get(address).status == 404


def test_admins_see_conversations_from_the_command_line(client: Client, ctx: Context) -> None:
    from jarvis.users.store import CLI_USER_ID

    cli = ctx.acting(actor="cli:root", user_id=CLI_USER_ID, username="cli", role="admin")
    thread = actions.open_thread(cli, "Asked in a shell", "/srv")
    assert "Asked in a shell" in client.as_("ada").get("/chat").text
    assert client.as_("ada").get(f"/chat/{thread.id}").status == 200
    assert "Asked in a shell" not in client.as_("alice").get("/chat").text
    assert client.as_("alice").get(f"/chat/{thread.id}").status == 404
