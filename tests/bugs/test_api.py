"""/api/v1/bugs and /api/v1/feature-requests: one's own, any for an admin."""

from itertools import product
from urllib.parse import quote

import pytest

from jarvis.bugs import actions, store

BUGS = "/api/v1/bugs"


@pytest.fixture
def file(client):
    """Files a bug as somebody: file("alice", title="x") → the object."""

    def create(who, path=BUGS, **body):
        answer = client.bearer(who).post(path, json={"title": "Something", **body})
        assert answer.status == 201, answer.text
        return answer.json

    return create


def test_a_bug_is_filed_with_its_fields(client, file, events):
    bug = file("alice", title="  Tide   tables fail ", description="At midnight.", priority="high", assignee="bob")
    assert bug["title"] == "Tide tables fail"
    assert (bug["kind"], bug["status"], bug["priority"], bug["assignee"]) == ("bug", "open", "high", "bob")
    assert bug["github_sync_error"] is None
    assert client.bearer("alice").get(f"{BUGS}/{bug['id']}").json == bug
    assert events("bug.") == ["bug.created"]


def test_create_says_where_it_is(client):
    answer = client.bearer("alice").post(BUGS, json={"title": "x"})
    assert answer.location == f"{BUGS}/{answer.json['id']}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "x", "priority": "urgent"}, "priority"),
        ({"title": "x", "kind": "wish"}, "kind"),
        ({"title": "x", "sync_to_github": "yes"}, "sync_to_github"),
        ({"title": "x", "thread_id": "thr_nothing"}, "thread_id"),
        ({"title": "x", "description": "a\x00b"}, "description"),
    ],
)
def test_bad_input_is_named(client, body, field):
    answer = client.bearer("alice").post(BUGS, json=body)
    assert answer.status == 422
    assert answer.fields_at_fault() == [field]


def test_with_sync_off_the_bug_is_filed_and_says_so(file):
    bug = file("alice", sync_to_github=True)
    assert "GITHUB_ISSUE_SYNC_ENABLED" in bug["github_sync_error"]


def test_nobody_sees_or_changes_somebody_elses(client, file):
    bug = file("alice")
    for who in ("bob", "charlie"):
        other = client.bearer(who)
        assert other.get(f"{BUGS}/{bug['id']}").status == 404
        assert other.patch(f"{BUGS}/{bug['id']}", json={"status": "closed"}).status == 404
        assert other.delete(f"{BUGS}/{bug['id']}").status == 404
        assert other.get(BUGS).json["items"] == []
        assert other.get(f"{BUGS}?q=Something").json["items"] == []


def test_an_admin_sees_and_changes_all(client, file, events):
    bug = file("alice")
    ada = client.bearer("ada")
    changed = ada.patch(f"{BUGS}/{bug['id']}", json={"status": "in_progress", "assignee": "ada", "title": "Else"})
    assert (changed.json["status"], changed.json["assignee"], changed.json["title"]) == ("in_progress", "ada", "Else")
    assert ada.patch(f"{BUGS}/{bug['id']}", json={"assignee": None}).json["assignee"] is None
    assert ada.delete(f"{BUGS}/{bug['id']}").status == 204
    assert ada.get(f"{BUGS}/{bug['id']}").status == 404
    assert events("bug.") == ["bug.created", "bug.updated", "bug.updated", "bug.deleted"]


def test_a_change_of_nothing_leaves_no_event(client, file, events):
    bug = file("alice")
    client.bearer("alice").patch(f"{BUGS}/{bug['id']}", json={"status": "open"})
    assert events("bug.") == ["bug.created"]


def test_feature_requests_are_bugs_of_that_kind(client, file):
    file("alice", title="a bug")
    wish = file("alice", "/api/v1/feature-requests", title="a wish")
    assert wish["kind"] == "feature"
    alice = client.bearer("alice")
    assert [b["title"] for b in alice.get("/api/v1/feature-requests").json["items"]] == ["a wish"]
    assert len(alice.get(BUGS).json["items"]) == 2


@pytest.fixture
def many(ctx, as_user):
    """Alice's and Bob's bugs of every kind, status and priority, as (who, kind, status, priority, title)."""
    cast = {who: as_user(who) for who in ("alice", "bob")}
    made = []
    with ctx.db.write():
        for n in range(64):
            kind, priority = store.KINDS[n % 2], store.PRIORITIES[n // 2 % 4]
            status, who = store.STATUSES[n // 8 % 4], ("alice", "bob")[n // 32]
            title = f"number {n}{' rare' if n % 16 == 3 else ''}"
            bug = actions.file(cast[who], title, kind=kind, priority=priority)
            actions.change(cast[who], bug.id, status=status)
            made.append((who, kind, status, priority, title))
    return made


def pages(reader, address):
    after = ""
    while after is not None:
        page = reader.get(address + after).json
        yield from (bug["title"] for bug in page["items"])
        after = f"&after={page['next']}" if page["next"] else None


@pytest.mark.parametrize("who", ["alice", "ada"])
def test_every_filter_shows_just_what_fits_page_by_page(client, many, who):
    reader = client.bearer(who)
    for kind, status, priority, q in product(
        ("", "bug"), ("", "active", "closed"), ("", "high"), ("", "rare", "num* rare")
    ):
        states = ("open", "in_progress") if status == "active" else (status or store.STATUSES)
        wanted = [
            title
            for owner, k, s, p, title in reversed(many)
            if (who == "ada" or owner == who) and kind in ("", k) and s in states and priority in ("", p)
            and ("rare" in title or not q)
        ]  # fmt: skip
        asked = f"{BUGS}?limit=5&kind={kind}&status={status}&priority={priority}&q={q.replace(' ', '+')}"
        assert list(pages(reader, asked)) == wanted, asked


def test_what_looks_like_an_index_tag_brings_nobody_elses_bug(client, file, as_user):
    bob = as_user("bob").user_id
    file("alice", title="trick", description=f"__reporter_{bob} __status_closed")
    assert client.bearer("bob").get(f"{BUGS}?q=trick").json["items"] == []
    assert client.bearer("ada").get(f"{BUGS}?q=trick&status=closed").json["items"] == []


@pytest.mark.parametrize("q", ['"', "*", "AND OR NOT", "a:b", "NEAR(", "\u202e", "(", "-x", "💥"])
def test_whatever_is_searched_for_is_no_fault(client, file, q):
    assert client.bearer("alice").get(f"{BUGS}?q={quote(q)}").status == 200
