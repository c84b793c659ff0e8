"""/admin/bugs, `jarvis bug`, /bug and the assistant's tools."""

import json

import pytest

from jarvis import cli
from jarvis.bugs import actions, store
from jarvis.chat import slash

BUGS = "/admin/bugs"


@pytest.fixture
def bug(as_user):
    return actions.file(as_user("alice"), "Tide tables fail", "At <b>midnight</b>.", priority="high")


def test_the_list_says_how_it_is_and_shows_one_beside(client, bug):
    page = client.as_("alice").get(BUGS).text
    assert "1 open, 0 in progress." in page
    assert "Tide tables fail" in page
    assert "At &lt;b&gt;midnight&lt;/b&gt;." in page


def test_an_empty_list_says_what_will_be_there(client):
    assert "Nothing is wrong that anybody wrote down" in client.as_("charlie").get(BUGS).text


def test_somebody_elses_bug_is_not_there(client, bug):
    for who in ("bob", "charlie"):
        assert client.as_(who).get(f"{BUGS}/{bug.id}").status == 404
        assert client.as_(who).post(f"{BUGS}/{bug.id}/close", form={}).status == 403  # no CSRF token of ours
        assert "Tide" not in client.as_(who).get(BUGS).text


def test_a_bug_is_filed_by_the_form(client):
    alice = client.as_("alice")
    answer = alice.submit(f"{BUGS}/new", BUGS, title="Backup gives up", description="on 503", priority="critical")
    assert answer.status == 303
    page = alice.get(answer.location).text
    assert "Filed." in page
    assert "Backup gives up" in page


def test_a_refused_form_keeps_what_was_typed(client):
    answer = client.as_("alice").submit(f"{BUGS}/new", BUGS, title="x" * 201, description="keep me")
    assert answer.status == 422
    assert "keep me" in answer.text
    assert "is too long" in answer.text


def test_a_bug_is_edited_in_place(client, bug, look_at):
    alice = client.as_("alice")
    answer = alice.submit(
        f"{BUGS}/{bug.id}?edit=1", f"{BUGS}/{bug.id}", title="Tides", status="in_progress", assignee=" bob "
    )
    assert answer.status == 303
    found = look_at(bug)
    assert (found.title, found.status, found.assignee, found.priority) == ("Tides", "in_progress", "bob", "high")
    alice.submit(f"{BUGS}/{bug.id}?edit=1", f"{BUGS}/{bug.id}", assignee="")
    assert look_at(bug).assignee is None


@pytest.fixture
def look_at(ctx):
    def get(bug):
        with ctx.db.read() as tx:
            return store.get(tx, bug.id)

    return get


def test_closing_and_opening_again(client, bug, look_at, events):
    alice, at = client.as_("alice"), f"{BUGS}/{bug.id}"
    page = alice.get(at).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert alice.submit(at, f"{at}/close").status == 303
    assert look_at(bug).status == "closed"
    assert alice.post(f"{at}/close", form={"csrf_token": token}).status == 409
    assert alice.submit(at, f"{at}/reopen").status == 303
    assert look_at(bug).status == "open"


def test_the_list_keeps_its_filter_beside_a_bug(client, bug):
    page = client.as_("alice").get(f"{BUGS}?q=tide&priority=high").text
    assert f'href="/admin/bugs/{bug.id}?priority=high&amp;q=tide"' in page
    assert client.as_("alice").get(f"{BUGS}?q=nothing").text.count("Tide tables") == 0


def test_a_closed_bug_is_shown_beside_closed_ones(client, bug, as_user):
    actions.close(as_user("alice"), bug.id)
    page = client.as_("alice").get(f"{BUGS}/{bug.id}").text
    assert 'aria-current="true">Closed' in page


@pytest.fixture
def jarvis(home, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setenv("JARVIS_HOME", str(home))
        code = cli.main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_files_lists_shows_changes_and_closes(jarvis):
    added = json.loads(jarvis("bug", "add", "Disk is full", "--priority", "high", "--json")[1])
    assert jarvis("bug", "set", added["id"], "--status", "in_progress", "--assignee", "ada")[0] == 0
    assert "in_progress, high, assigned to ada" in jarvis("bug", "show", added["id"])[1]
    assert "Disk is full" in jarvis("bug", "list", "--status", "active", "--search", "disk")[1]
    assert jarvis("bug", "close", added["id"])[0] == 0
    assert jarvis("bug", "close", added["id"])[0] == 65


def test_the_command_s_refusals(jarvis):
    assert jarvis("bug", "show", "bug_nothing")[0] == 66
    assert jarvis("bug", "add", " ")[0] == 65
    assert jarvis("bug", "list", "--status", "odd")[0] == 65
    added = json.loads(jarvis("--as", "alice", "bug", "add", "Mine", "--json")[1])
    assert jarvis("bug", "set", added["id"])[0] == 64
    assert jarvis("--as", "bob", "bug", "show", added["id"])[0] == 66


def test_a_feature_is_asked_for_and_sync_says_it_is_off(jarvis):
    code, _out, err = jarvis("feature", "add", "Dark mode", "--sync")
    assert code == 0
    assert "sync is off" in err
    assert "Dark mode" in jarvis("feature", "list")[1]
    assert "Dark mode" not in jarvis("bug", "list", "--kind", "bug")[1]


def test_the_slash_command_files_as_the_one_who_asks(ctx, as_user, events):
    alice = as_user("alice")
    from jarvis.chat import actions as chat

    thread = chat.open_thread(alice, workspace="/")
    answer = slash.answer(alice, "/bug Tables [fail] :: at midnight", thread.id)
    with ctx.db.read() as tx:
        (bug,) = store.newest(tx, actions.wanted(alice, {}), 5)
    assert (bug.title, bug.description, bug.thread_id) == ("Tables [fail]", "at midnight", thread.id)
    assert bug.id in answer
    assert "\\[fail\\]" in answer
    assert "may not be empty" in slash.answer(alice, "/bug", thread.id)


def test_the_assistant_reads_as_the_one_it_acts_for(ctx, as_user, bug):
    tools = ctx.registry.tools
    assert [b["id"] for b in tools["bugs.list"].run(as_user("alice"), {})["bugs"]] == [bug.id]
    assert tools["bugs.list"].run(as_user("bob"), {})["bugs"] == []
    assert tools["bugs.get"].run(as_user("ada"), {"id": bug.id})["title"] == "Tide tables fail"
    assert tools["bugs.create"].risk == tools["bugs.update"].risk == "write"
    assert tools["bugs.update"].run(as_user("alice"), {"id": bug.id, "status": "closed"})["status"] == "closed"
