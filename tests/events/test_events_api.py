"""GET /api/v1/events: newest first, filtered, paged, and nobody else's."""

import json

import pytest

EVENTS = "/api/v1/events"


def types(answer):
    assert answer.status == 200, answer.text
    return [event["type"] for event in answer.json["items"]]


def test_an_admin_sees_everything_newest_first(client, record):
    record("task.failed", name="backup", attempts=5, error="disk full")
    items = client.as_("ada").get(EVENTS).json["items"]
    assert [item["seq"] for item in items] == sorted((item["seq"] for item in items), reverse=True)
    failed = next(item for item in items if item["type"] == "task.failed")
    assert failed["summary"] == "backup gave up after 5 attempts: disk full"
    assert failed["data"] == {"name": "backup", "attempts": 5, "error": "disk full"}


def test_a_user_sees_their_own_threads_only(client, thread_of, record):
    mine, theirs = thread_of("alice"), thread_of("bob")
    record("task.failed", name="backup")
    found = client.as_("alice").get(EVENTS).json["items"]
    assert [item["thread_id"] for item in found] == [mine]
    assert client.as_("alice").get(f"{EVENTS}?thread_id={theirs}").json["items"] == []
    assert client.as_("charlie").get(EVENTS).json["items"] == []


def test_anothers_event_and_trace_are_not_there(client, thread_of):
    thread_of("alice")
    event = client.as_("alice").get(EVENTS).json["items"][0]
    for path in (f"{EVENTS}/{event['id']}", f"/api/v1/traces/{event['trace_id']}"):
        assert client.as_("alice").get(path).status == 200
        assert client.as_("ada").get(path).status == 200
        assert client.as_("bob").get(path).status == 404
        assert client.get(path).status == 401


def test_unknown_ids_are_not_found(client):
    for path in (f"{EVENTS}/evt_nothing", "/api/v1/traces/trc_nothing", "/api/v1/traces/%00"):
        assert client.as_("ada").get(path).status == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=task.", ["task.failed", "task.retried"]),
        ("type=task.failed", ["task.failed"]),
        ("type=auth", []),
        ("actor=system&type=bug.", ["bug.recurred"]),
        ("actor=nobody-at-all", []),
        ("q=tide+tables", ["bug.recurred"]),
        ('q="tables+tide"', []),
        ("q=tid*", ["bug.recurred"]),
        ("since=2026-11-23T02:46:30Z&type=task.", ["task.failed"]),
        ("until=2026-11-23T02:46:30Z&type=task.", ["task.retried"]),
        ("since=30s&type=task.", ["task.failed"]),
    ],
)
def test_filters(client, record, clock, query, found):
    record("task.retried", name="backup")
    record("bug.recurred", title="Tide tables fail")
    clock.step(60)
    record("task.failed", name="backup")
    assert sorted(types(client.bearer("ada").get(f"{EVENTS}?{query}")) if query != "actor" else []) == found


@pytest.mark.parametrize("query", ["since=yesterday", "until=2026-13-01T00:00:00Z", "q=!!!", "limit=0", "after=x"])
def test_a_filter_that_means_nothing_is_named(client, query):
    answer = client.bearer("ada").get(f"{EVENTS}?{query}")
    assert answer.status == 422
    assert answer.fields_at_fault() == [query.partition("=")[0]]


def test_pages_go_toward_older_without_gap_or_repeat(client, record):
    for number in range(7):
        record("task.retried", name=f"task {number}")
    ada, names, after = client.bearer("ada"), [], ""
    while True:
        page = ada.get(f"{EVENTS}?type=task.&limit=3{after}").json
        names += [item["data"]["name"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert names == [f"task {number}" for number in range(6, -1, -1)]


def test_words_and_pages_go_together(client, record):
    for number in range(5):
        record("task.retried", name=f"task {number} of many")
    ada = client.bearer("ada")
    first = ada.get(f"{EVENTS}?q=many&limit=3").json
    second = ada.get(f"{EVENTS}?q=many&limit=3&after={first['next']}").json
    names = [item["data"]["name"] for item in first["items"] + second["items"]]
    assert names == [f"task {number} of many" for number in range(4, -1, -1)]


def test_export_is_one_event_a_line_in_order(client, thread_of, record):
    mine = thread_of("alice")
    record("task.failed", name="backup")
    answer = client.as_("ada").get(f"{EVENTS}/export")
    seqs = [json.loads(line)["seq"] for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert seqs == list(range(1, len(seqs) + 1))
    own = client.as_("alice").get(f"{EVENTS}/export").text.splitlines()
    assert [json.loads(line)["thread_id"] for line in own] == [mine]
