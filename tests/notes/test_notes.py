"""Notes: one's own, told to the assistant, and nobody else's."""

import pytest

from jarvis.agent import prompt
from jarvis.kernel.errors import Conflict, Invalid, NotFound
from jarvis.notes import actions, store

NOTES = "/api/v1/notes"


@pytest.fixture
def alice(as_user):
    return as_user("alice")


def test_a_note_is_made_changed_and_removed(client, alice, events):
    browser = client.bearer("alice")
    made = browser.post(NOTES, json={"text": "deploys happen\n on Tuesdays"})
    assert (made.status, made.json["text"]) == (201, "deploys happen on Tuesdays")
    path = made.location
    assert browser.patch(path, json={"text": "on Wednesdays"}).json["text"] == "on Wednesdays"
    assert [note["text"] for note in browser.get(NOTES).json["items"]] == ["on Wednesdays"]
    assert browser.delete(path).status == 204
    assert browser.delete(path).status == 404
    assert events("note") == ["note.added", "note.changed", "note.removed"]


def test_somebody_elses_note_is_not_there_not_even_for_an_admin(client, alice):
    note = actions.add(alice, "a secret")
    for who in ("bob", "ada"):
        other = client.bearer(who)
        assert other.get(NOTES).json["items"] == []
        assert other.patch(f"{NOTES}/{note.id}", json={"text": "x"}).status == 404
        assert other.delete(f"{NOTES}/{note.id}").status == 404
        assert "a secret" not in client.as_(who).get("/notes").text


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (actions.LONGEST + 1)])
def test_what_is_no_note_is_refused(alice, text):
    with pytest.raises(Invalid):
        actions.add(alice, text)


def test_there_is_an_end_to_remembering(alice, monkeypatch):
    monkeypatch.setattr(actions, "MOST", 2)
    actions.add(alice, "one")
    actions.add(alice, "two")
    with pytest.raises(Conflict):
        actions.add(alice, "three")


def test_a_note_is_forgotten_by_words_that_only_it_holds(alice):
    actions.add(alice, "deploys on Tuesdays")
    actions.add(alice, "backups on Tuesdays")
    with pytest.raises(Conflict):
        actions.remove_matching(alice, "tuesdays")
    with pytest.raises(NotFound):
        actions.remove_matching(alice, "mondays")
    assert actions.remove_matching(alice, "Deploys").text == "deploys on Tuesdays"


def test_the_assistant_is_told_of_the_askers_alone(alice, as_user):
    actions.add(alice, "deploys on Tuesdays")
    assert "- deploys on Tuesdays" in prompt.system(alice)
    assert "deploys" not in prompt.system(as_user("bob"))


def test_the_page_remembers_changes_and_forgets(client, alice):
    browser = client.as_("alice")
    assert browser.submit("/notes", "/notes", text="<b>bold</b>").status == 303
    with alice.db.read() as tx:
        (note,) = store.newest(tx, alice.user_id, 5)
    assert "&lt;b&gt;bold&lt;/b&gt;" in browser.get("/notes?done=added").text
    assert browser.submit("/notes", f"/notes/{note.id}", text="calm").status == 303
    assert browser.submit("/notes", f"/notes/{note.id}/remove").status == 303
    assert "Nothing yet" in browser.get("/notes").text
    assert browser.submit("/notes", "/notes", text="x" * 1500).status == 422
