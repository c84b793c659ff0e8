"""Bugs are found like messages and events: one's own, and all of them for an admin."""

from jarvis.bugs import actions as bugs


def hits(client, name, query):
    return [hit for hit in client.as_(name).get(f"/api/v1/search?q={query}").json["items"] if hit["kind"] == "bug"]


def test_a_bug_is_found_by_its_title_and_its_description(client, as_user):
    bug = bugs.file(as_user("alice"), "Tide tables fail", "They are wrong across midnight.")
    assert [hit["id"] for hit in hits(client, "alice", "tide")] == [bug.id]
    (found,) = hits(client, "alice", "midnight")
    assert "midnight" in found["snippet"]
    assert found["url"] == f"/admin/bugs/{bug.id}"


def test_charlie_does_not_find_what_alice_filed_and_ada_does(client, as_user):
    bugs.file(as_user("alice"), "Tide tables fail")
    assert hits(client, "charlie", "tide") == []
    assert len(hits(client, "ada", "tide")) == 1
