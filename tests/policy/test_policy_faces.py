"""Permissions and approvals in the API, on their pages, in the chat and on the command line."""

import json

import pytest

from jarvis import cli
from jarvis.agent.providers import ToolCall
from jarvis.chat import actions as chat
from jarvis.kernel.clock import system_clock
from jarvis.policy import actions, store
from jarvis.policy.actions.preview import preview
from tests.chat.scripted import calls, text

ONE = "/api/v1/permissions/user:alice/test.change"


@pytest.fixture
def ada(as_user, done):
    return as_user("ada")


@pytest.fixture
def waiting(talk, work, provider, ctx, done):
    """An approval that waits, asked for with a character that turns text around."""
    call = ToolCall("c1", "test.change", {"text": "rm \u202e<b>"})
    provider.plays(lambda r: calls(call), lambda r: text("So be it."))
    thread = talk("alice")
    thread.say("do")
    work.all()
    with ctx.db.read() as tx:
        return store.newest_approvals(tx, 1, "pending")[0]


def test_a_permission_is_put_listed_checked_and_removed(client, done):
    ada = client.bearer("ada")
    assert ada.put(ONE, json={"effect": "deny"}).json["effect"] == "deny"
    assert [row["tool"] for row in ada.get("/api/v1/permissions").json["items"]] == ["test.change"]
    asked = {"principal": "user:alice", "tool": "test.change", "arguments": {"text": "x"}}
    assert ada.post("/api/v1/permissions/check", json=asked).json["decision"] == "deny"
    assert ada.delete(ONE).status == 204
    assert ada.post("/api/v1/permissions/check", json=asked).json["decision"] == "ask"
    assert ada.delete(ONE).status == 404


def test_bad_permissions_are_refused_by_field(client, done):
    ada = client.bearer("ada")
    assert ada.put(ONE, json={"effect": "maybe"}).fields_at_fault() == ["effect"]
    assert ada.put("/api/v1/permissions/nobody/test.change", json={"effect": "deny"}).fields_at_fault() == ["principal"]
    assert ada.put("/api/v1/permissions/user:alice/test.none", json={"effect": "deny"}).status == 404
    shell = {"effect": "allow", "rules": [["/bin/sh", "-c", {"slot": "word"}]]}
    answer = ada.put("/api/v1/permissions/agent:main/host.exec", json=shell)
    assert answer.fields_at_fault() == ["rules"]
    assert "runs whatever it is told to" in answer.json["errors"][0]["message"]
    assert ada.put("/api/v1/permissions/agent:main/host.exec", json={"effect": "allow"}).status == 422


def test_nobody_else_sees_or_changes_anything(client, waiting):
    alice = client.bearer("alice")
    for answer in (
        alice.get("/api/v1/permissions"),
        alice.put(ONE, json={"effect": "allow"}),
        alice.get("/api/v1/approvals"),
        alice.post(f"/api/v1/approvals/{waiting.id}/approve"),
        client.as_("alice").get("/admin/approvals"),
        client.as_("alice").get("/admin/permissions"),
    ):
        assert answer.status == 403


def test_the_api_approves_once(client, waiting, work, done):
    ada = client.bearer("ada")
    assert [one["id"] for one in ada.get("/api/v1/approvals?state=pending").json["items"]] == [waiting.id]
    assert ada.post(f"/api/v1/approvals/{waiting.id}/approve").json["state"] == "approved"
    assert ada.post(f"/api/v1/approvals/{waiting.id}/approve").status == 409
    work.all()
    assert len(done) == 1


def test_the_api_denies_with_a_reason(client, waiting):
    answer = client.bearer("ada").post(f"/api/v1/approvals/{waiting.id}/deny", json={"reason": "no"})
    assert (answer.json["state"], answer.json["note"], answer.json["decided_by"]) == ("denied", "no", "ada")


def test_the_page_shows_the_whole_call_with_nothing_hidden(client, waiting):
    page = client.as_("ada").get("/admin/approvals").text
    assert "<mark>\\u202e</mark>&lt;b&gt;" in page
    assert "\u202e" not in page
    assert "One hidden character is spelled out" in page
    assert waiting.digest in page


def test_the_page_approves_and_denies(client, waiting, work, done):
    ada = client.as_("ada")
    answer = ada.submit("/admin/approvals", f"/admin/approvals/{waiting.id}/approve", reason="")
    assert answer.status == 303
    work.all()
    assert "Approved, done" in ada.get("/admin/approvals?done=approved").text
    assert len(done) == 1


def test_the_card_stands_in_the_chat_with_buttons_for_admins(client, waiting):
    page = client.as_("alice").get(f"/chat/{waiting.thread_id}").text
    assert 'class="approval"' in page
    assert "Needs approval" in page
    assert f'formaction="/admin/approvals/{waiting.id}/approve"' in page
    assert '<body data-role="user"' in page, "by which the buttons are hidden"


def test_the_strip_says_that_something_waits(client, waiting):
    assert "1 needs you" in client.as_("ada").get("/chat").text
    assert "needs you" not in client.as_("alice").get("/chat").text


def test_the_chat_approves_and_denies(as_user, waiting, work, done):
    ada = as_user("ada")
    thread = chat.open_thread(ada)

    def say(words):
        return chat.post(ada, thread.id, words).reply.content

    assert waiting.id in say("/approve")
    assert "Approved once" in say(f"/approve {waiting.id}")
    assert "approved already" in say(f"/deny {waiting.id} too late")
    assert "no such approval" in say("/deny apr_x")
    work.all()
    assert len(done) == 1


@pytest.fixture
def today(clock):
    """The test's clock at the time that a command would read."""
    clock.now = system_clock()


def test_the_command_line_lists_shows_and_decides(today, capsys, waiting, settings, monkeypatch):
    monkeypatch.setenv("JARVIS_HOME", str(settings.jarvis_home))

    def jarvis(*words):
        code = cli.main(words)
        told = capsys.readouterr()
        return code, told.out or told.err

    assert waiting.id in jarvis("approval", "list")[1]
    shown = jarvis("approval", "show", waiting.id)[1]
    assert "\\u202e" in shown
    assert "\u202e" not in shown
    code, out = jarvis("approval", "deny", waiting.id, "no", "--json")
    assert code == 0, out
    assert json.loads(out)["state"] == "denied"
    assert jarvis("approval", "approve", waiting.id)[0] == 65


def test_permission_check_exits_77_on_deny(capsys, settings, monkeypatch):
    monkeypatch.setenv("JARVIS_HOME", str(settings.jarvis_home))
    assert cli.main(["permission", "check", "user:alice", "bugs.list", "{}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decision"] == "allow"
    assert cli.main(["permission", "set", "agent:main", "bugs.list", "deny"]) == 0
    assert cli.main(["permission", "check", "agent:main", "bugs.list"]) == 77
    assert cli.main(["permission", "check", "agent:main", "bugs.list", "[]"]) == 64
    assert cli.main(["permission", "remove", "agent:main", "bugs.list"]) == 0


def decided(ctx, **arguments):
    asker = actions.Asker("alice", "user")
    decision = actions.decide(ctx, asker, "test.change", arguments)
    actions.record(ctx, asker, "test.change", arguments, decision, thread_id=None)


def test_a_preview_tells_which_past_calls_flip_and_keeps_nothing(ada, events):
    for n in range(3):
        decided(ada, text=str(n))
    before = events()
    looked = preview(ada, "user:alice", "test.change", "deny")
    assert (looked.looked_at, [flip.after for flip in looked.flips]) == (3, ["deny"] * 3)
    assert [flip.before for flip in looked.flips] == ["ask"] * 3
    assert preview(ada, "user:bob", "test.change", "deny").flips == ()
    assert events() == before
    with ada.db.read() as tx:
        assert store.permissions(tx) == []


def test_the_page_looks_before_it_saves(client, ada):
    decided(ada, text="x")
    page = "/admin/permissions"
    browser = client.as_("ada")
    typed = {"principal": "agent:main", "tool": "test.change", "effect": "allow", "rules": ""}
    looked = browser.submit(page, page, **typed, step="look")
    assert "<b>1 of 1</b> calls" in looked.text
    with ada.db.read() as tx:
        assert store.permissions(tx) == []
    assert browser.submit(page, page, **typed, step="save").status == 303
    assert "Saved." in browser.get(f"{page}?done=set").text
    bad = browser.submit(page, page, **typed | {"rules": "[["}, step="look")
    assert (bad.status, "not valid JSON" in bad.text) == (422, True)


def test_removing_by_the_page_brings_back_what_was_shipped(client, ada):
    actions.put(ada, "agent:main", "test.change", "deny")
    page = "/admin/permissions"
    typed = {"principal": "agent:main", "tool": "test.change", "effect": "default", "rules": ""}
    assert client.as_("ada").submit(page, page, **typed, step="save").status == 303
    with ada.db.read() as tx:
        assert store.permissions(tx) == []
