"""One search over messages and events, each as the one who asks may see them."""

import pytest

from jarvis.chat import slash
from jarvis.chat import store as chats
from jarvis.events.store import newest_seq
from jarvis.kernel.errors import Invalid, Usage
from jarvis.search import actions, cli
from jarvis.search.tools import TOOLS
from tests.commandline import Start, as_cli, run

SEARCH = "/api/v1/search"


@pytest.fixture
def say(as_user):
    """say("alice", "text") → the id of a new message in a new thread of hers."""

    def make(who, text, title="Harbour", role="user"):
        person = as_user(who)
        with person.db.write() as tx:
            thread = chats.insert(tx, person.ids.new("thr"), person.user_id, title, "/srv")
            return chats.insert_message(tx, person.ids.new("msg"), thread.id, role, text, "done").id

    return make


def test_a_hit_says_what_where_and_when(client, say):
    message = say("alice", "The tide tables were wrong at midnight again.")
    (hit,) = client.as_("alice").get(f"{SEARCH}?q=midnight+tide").json["items"]
    assert (hit["kind"], hit["id"], hit["title"]) == ("message", message, "You in “Harbour”")
    assert [hit["snippet"][start:end] for start, end in hit["matches"]] == ["tide", "midnight"]
    assert hit["url"] == f"/chat/{hit['thread_id']}#{message}"
    assert hit["at"] == "2026-11-23T02:46:00.000Z"


def test_nobody_finds_what_somebody_else_wrote(client, say):
    say("alice", "a secret plan")
    for who in ("bob", "ada"):
        assert client.as_(who).get(f"{SEARCH}?q=secret&kind=message").json == {"items": [], "next": None}
    assert client.get(f"{SEARCH}?q=secret").status == 401


def test_events_of_others_are_found_by_admins_alone(client, ctx, say):
    with ctx.db.write() as tx:
        tx.record("bug.recurred", "bug/1", {"title": "Tide tables fail"})
    (hit,) = client.as_("ada").get(f"{SEARCH}?q=tide").json["items"]
    assert (hit["kind"], hit["title"]) == ("event", "bug.recurred")
    assert hit["url"] == f"/admin/events/{hit['id']}"
    assert client.as_("alice").get(f"{SEARCH}?q=tide").json["items"] == []


def test_kinds_are_ranked_together_messages_first(client, ctx, as_user, say):
    for number in range(3):
        say("ada", f"tide {number}")
        with ctx.db.write() as tx:
            tx.record("bug.recurred", "bug/1", {"title": f"tide {number}"})
    kinds = [hit["kind"] for hit in client.as_("ada").get(f"{SEARCH}?q=tide").json["items"]]
    assert kinds[0] == "message"
    assert sorted(kinds) == ["event"] * 3 + ["message"] * 3
    assert [hit["kind"] for hit in client.as_("ada").get(f"{SEARCH}?q=tide&limit=2").json["items"]] == ["message"] * 2
    only = client.as_("ada").get(f"{SEARCH}?q=tide&kind=event").json["items"]
    assert {hit["kind"] for hit in only} == {"event"}


@pytest.mark.parametrize(
    "query", ["", "?q=", "?q=%21%21", "?q=x&kind=planet", "?q=x&limit=0", "?q=" + "x" * 600, "?q=a%00b"]
)
def test_what_cannot_be_looked_for_is_refused(client, query):
    assert client.bearer("alice").get(SEARCH + query).status == 422


@pytest.mark.parametrize("q", ['"', "AND", "NEAR(", "a AND", "-x", "*", "col:x", "(a OR", "^a", "\ud83d"])
def test_no_words_are_a_server_error(ctx, as_user, q):
    try:
        actions.find(as_user("alice"), q)
    except Invalid as error:
        assert error.fields[0].field == "q"


def test_the_slash_command_marks_and_links(as_user, say):
    say("alice", "the *tide* is high")
    answer = slash.answer(as_user("alice"), "/search tide", "thr_x")
    assert "**tide**" in answer
    assert r"the \***tide**\* is high" in answer
    assert "](/chat/thr_" in answer


def test_the_slash_command_does_not_find_itself(as_user, say):
    say("alice", "/search tide")
    assert slash.answer(as_user("alice"), "/search tide", "thr_x") == "Nothing of yours mentions tide."
    assert "Say what to look for" in slash.answer(as_user("alice"), "/search", "thr_x")


def test_the_command_line_lists_hits(ctx, settings, clock, as_user, say):
    say("alice", "the tide is high")
    start = Start(as_user("alice"), settings, clock)
    lines = run(cli, "search tide --kind message", start).out.splitlines()
    assert lines[0].split() == ["AT", "KIND", "WHERE", "WHAT"]
    assert lines[1].endswith("the tide is high")
    assert run(cli, "search nothing-like-it", start).out == "Nothing of yours mentions that.\n"
    with pytest.raises(Usage):
        run(cli, "search tide --kind planet", start)


def test_the_command_line_acts_as_cli(ctx, settings, clock):
    with ctx.db.write() as tx:
        tx.record("bug.recurred", "bug/1", {"title": "Tide tables fail"})
    found = run(cli, "search tide", Start(as_cli(ctx), settings, clock), is_json=True).json
    assert [hit["kind"] for hit in found["items"]] == ["event"]


def test_the_tool_gives_the_promised_shape(as_user, say):
    say("alice", "the tide is high")
    (hit,) = TOOLS[0].run(as_user("alice"), {"q": "tide", "limit": 5})["hits"]
    assert {"kind", "title", "snippet", "at", "id"} <= set(hit)


def test_looking_leaves_no_event(ctx, as_user, say):
    say("alice", "the tide is high")
    with ctx.db.read() as tx:
        before = newest_seq(tx)
    actions.find(as_user("alice"), "tide")
    with ctx.db.read() as tx:
        assert newest_seq(tx) == before
