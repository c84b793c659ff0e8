"""Conversations as JSON: whose they are, how they are changed, and how they end."""

from collections.abc import Callable
from typing import Any

from tests.chat.conftest import Talk
from tests.client import Client

THREADS = "/api/v1/threads"
Begin = Callable[[str], Talk]


def test_a_conversation_is_made_shown_changed_and_deleted(client: Client, events: Callable[..., list[str]]) -> None:
    alice = client.as_("alice")
    made = alice.post(THREADS, json={"title": "Disks"})
    assert made.status == 201
    address = made.headers["location"]
    assert alice.get(address).json["title"] == "Disks"
    changed = alice.patch(address, json={"title": "Disks and inodes", "status": "closed"})
    assert (changed.json["title"], changed.json["status"]) == ("Disks and inodes", "closed")
    assert [t["id"] for t in alice.get(f"{THREADS}?status=closed").json["items"]] == [made.json["id"]]
    assert alice.get(f"{THREADS}?status=open").json["items"] == []
    assert alice.delete(address).status == 204
    assert alice.get(address).status == 404
    assert events("thread.") == ["thread.created", "thread.changed", "thread.deleted"]


def test_another_persons_conversation_is_not_there(client: Client, talk: Begin) -> None:
    thread = talk("alice")
    posted = thread.say("a question")
    charlie = client.as_("charlie")
    message = f"{THREADS}/{thread.id}/messages/{posted.message.id}"
    for method, path, body in (
        ("GET", f"{THREADS}/{thread.id}", None),
        ("PATCH", f"{THREADS}/{thread.id}", {"title": "mine"}),
        ("DELETE", f"{THREADS}/{thread.id}", None),
        ("GET", f"{THREADS}/{thread.id}/messages", None),
        ("POST", f"{THREADS}/{thread.id}/messages", {"content": "hello"}),
        ("GET", f"{THREADS}/{thread.id}/export", None),
        ("POST", f"{message}/stop", {}),
        ("POST", f"{message}/retry", {}),
    ):
        answer = charlie.request(method, path, json=body)
        assert answer.status == 404, (method, path)
        assert thread.id not in answer.text
    assert charlie.get(THREADS).json["items"] == []


def test_ids_that_are_none_are_not_found(client: Client) -> None:
    alice = client.as_("alice")
    for odd in ("thr_", "x", "thr_01ARZ3NDEKTSV4RRFFQ69G5FAV", "%00", "..", "'%20OR%201=1"):
        assert alice.get(f"{THREADS}/{odd}").status == 404, odd


def test_an_admin_reads_and_is_noted_once_an_hour(
    client: Client, talk: Begin, events: Callable[..., list[str]], clock: Any
) -> None:
    thread = talk("alice")
    ada = client.as_("ada")
    for _ in range(3):
        assert ada.get(f"{THREADS}/{thread.id}").status == 200
        assert ada.get(f"{THREADS}/{thread.id}/messages").status == 200
    assert events("thread.read") == ["thread.read_by_admin"]
    clock.step(3601)
    assert ada.get(f"{THREADS}/{thread.id}").status == 200
    assert len(events("thread.read")) == 2


def test_an_admin_reads_but_does_not_write(client: Client, talk: Begin) -> None:
    thread = talk("alice")
    ada = client.as_("ada")
    assert ada.patch(f"{THREADS}/{thread.id}", json={"title": "ours"}).status == 404
    assert ada.post(f"{THREADS}/{thread.id}/messages", json={"content": "hi"}).status == 404


def test_everybodys_conversations_are_listed_for_admins_only(client: Client, talk: Begin) -> None:
    mine, theirs = talk("alice"), talk("bob")
    assert client.as_("alice").get(f"{THREADS}?all=true").status == 403
    found = client.as_("ada").get(f"{THREADS}?all=true").json["items"]
    assert {mine.id, theirs.id} <= {thread["id"] for thread in found}


def test_the_one_used_last_comes_first_and_pages_meet(client: Client, talk: Begin) -> None:
    threads = [talk("alice") for _ in range(5)]
    threads[1].say("/help")
    alice = client.as_("alice")
    first = alice.get(f"{THREADS}?limit=3").json
    second = alice.get(f"{THREADS}?limit=3&after={first['next']}").json
    ids = [t["id"] for t in first["items"] + second["items"]]
    assert ids == [threads[n].id for n in (1, 4, 3, 2, 0)]
    assert second["next"] is None


def test_bad_input_names_the_field(client: Client, talk: Begin) -> None:
    thread, alice = talk("alice"), client.as_("alice")
    for body in ({"title": 5}, {"title": "x" * 200}, {"title": "a\nb"}, {"title": "a\x00b"}):
        answer = alice.post(THREADS, json=body)
        assert answer.status == 422
        assert answer.fields_at_fault() == ["title"]
    assert alice.patch(f"{THREADS}/{thread.id}", json={"status": "gone"}).fields_at_fault() == ["status"]
    assert alice.patch(f"{THREADS}/{thread.id}", json={"title": "  "}).status == 422
    assert alice.get(f"{THREADS}?after=x").status == 422
    assert alice.get(f"{THREADS}?limit=0").status == 422


def test_deleting_stops_what_is_being_written(client: Client, talk: Begin, work: Any) -> None:
    thread = talk("alice")
    thread.say("a question")
    assert client.as_("alice").delete(f"{THREADS}/{thread.id}").status == 204
    assert work.all() == 0
