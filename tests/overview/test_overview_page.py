"""/admin as people see it."""

import re

from jarvis.bugs import actions as bugs
from jarvis.overview.pages import sentence
from jarvis.selfupdate import store as updates
from tests.conftest import MORNING


def test_it_says_first_whether_it_is_all_right(client):
    page = client.as_("ada").get("/admin").text
    assert "Nothing wants a person." in page
    assert "<h1>Overview</h1>" in page


def test_bob_may_not_see_it_and_has_no_link(client):
    bob = client.as_("bob")
    assert bob.get("/admin").status == 403
    assert 'href="/admin"' not in bob.get("/account").text


def test_it_is_in_the_rail(client):
    assert 'href="/admin" aria-current="page"' in client.as_("ada").get("/admin").text


def test_pictures_are_drawn_with_their_words(client, keep):
    keep(MORNING - 60_000_000, {10: 5})
    page = client.as_("ada").get("/admin").text
    assert "0 runs and 0 failures in 24 hours." in page
    assert "Median response 4.7 ms" in page
    assert "<polyline points=" in page
    assert "Disk: 40 percent used" in page
    assert "style=" not in page


def test_before_the_first_sample_it_says_when_there_will_be_one(client):
    assert "Sampled once a minute" in client.as_("ada").get("/admin").text


def test_hostile_words_are_shown_and_do_nothing(client, as_user):
    title = '<img src=x onerror=alert(1)>\u202e"'
    bugs.file(as_user("ada"), title, priority="critical")
    page = client.as_("ada").get("/admin").text
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_an_open_page_is_told_only_what_is_new(client, as_user):
    ada = client.as_("ada")
    mark = re.search(r"/admin\?seen=([0-9a-f]{16})", ada.get("/admin").text)[1]
    htmx = {"HX-Request": "true"}
    assert ada.get(f"/admin?seen={mark}", headers=htmx).status == 204
    bugs.file(as_user("ada"), "New", priority="high")
    again = ada.get(f"/admin?seen={mark}", headers=htmx)
    assert again.status == 200
    assert again.text.lstrip().startswith('<div id="overview"')


def test_the_sentence_tells_lockdown_before_anything_else():
    status = {"system": {"lockdown": True, "restarting": True}, "ready": False}
    assert "locked down" in sentence("here", status, [])
    status["system"] = {"lockdown": False, "restarting": True}
    assert "restarting" in sentence("here", status, [])
    status["system"] = {"lockdown": False, "restarting": False}
    assert sentence("here", status, []) == "here is not ready. Nothing wants a person."


def test_what_comes_next_stands_in_order(client, ctx):
    page = client.as_("ada").get("/admin").text
    assert "every 15 min" in page


def test_each_proof_says_how_to_get_the_first(client):
    page = client.as_("ada").get("/admin").text
    for command in ("jarvis lockdown rehearse", "jarvis backup drill", "jarvis selfupdate drill"):
        assert f"{command} holds the first" in page


def test_the_last_rollback_drill_is_shown(client, ctx):
    problem = "It did not come back."
    report = {"ok": False, "at": "2026-11-22T04:00:00Z", "seconds": 9.0, "steps": [], "problem": problem}
    with ctx.db.write() as tx:
        updates.insert_drill(tx, report, is_ok=False)
    page = client.as_("ada").get("/admin").text
    assert problem in page
    assert 'datetime="2026-11-22T04:00:00.000Z"' in page
