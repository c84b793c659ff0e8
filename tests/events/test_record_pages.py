"""The record's pages: for admins, whole, and safe with what was recorded."""

import pytest

from tests.client import forms_of

PAGES = ["/admin/events", "/admin/traces", "/admin/doctor", "/admin/settings"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_admins(client, path):
    assert client.as_("ada").get(path).status == 200
    assert client.as_("charlie").get(path).status == 403
    assert client.get(path).status == 303


def test_events_are_filtered_by_a_form_that_is_a_url(client, record):
    record("task.failed", name="backup", attempts=3, error="no room")
    page = client.as_("ada").get("/admin/events?type=task.&q=backup").text
    assert "backup gave up after 3 attempts: no room" in page
    assert "user.created</code>" not in page
    form = next(form for form in forms_of(page) if form.action == "/admin/events")
    assert form.method == "get"
    assert (form.values["q"], form.values["type"]) == ("backup", "task.")


def test_the_way_to_older_events_keeps_the_filter(client, record):
    for _ in range(3):
        record("task.failed", name="backup")
    page = client.as_("ada").get("/admin/events?type=task.&limit=2").text
    assert "/admin/events?type=task.&amp;after=" in page


def test_a_filter_that_means_nothing_is_said_on_the_page(client):
    answer = client.as_("ada").get("/admin/events?since=yesterday")
    assert answer.status == 422
    assert "how long ago" in answer.text


def test_the_page_says_whether_the_chain_holds(client, ctx, record):
    assert "Chain intact" in client.as_("ada").get("/admin/events").text
    record("task.failed", name="backup")
    with ctx.db.write() as tx:
        tx.run("UPDATE events SET data = '{}' WHERE type = 'task.failed'")
    assert "Chain broken" in client.as_("ada").get("/admin/events").text


def test_what_was_recorded_cannot_become_markup(client, record):
    event_id = record("thread.created", title="<script>alert(1)</script>\u202e")
    ada = client.as_("ada")
    trace_id = ada.get(f"/api/v1/events/{event_id}").json["trace_id"]
    for path in ("/admin/events", f"/admin/events/{event_id}", f"/admin/traces/{trace_id}", "/admin/traces"):
        page = ada.get(path).text
        assert "<script>alert" not in page
        assert "\u202e" not in page


def test_an_event_shows_its_place_in_the_chain_and_its_trace(client, record):
    event_id = record("task.failed", name="backup")
    page = client.as_("ada").get(f"/admin/events/{event_id}").text
    assert "follows" in page
    assert "/admin/traces/trc_" in page


def test_a_trace_shows_every_event_on_one_clock(client, ctx, clock):
    run = ctx.traced()
    with run.db.write() as tx:
        tx.record("maintenance.run.start", "command/1", {"command": "make test"})
    clock.step(2)
    with run.db.write() as tx:
        tx.record("maintenance.run.end", "command/1", {"command": "make test", "exit_code": 1})
    page = client.as_("ada").get(f"/admin/traces/{run.trace_id}").text
    assert "bars share one clock, 0 to 2.0 s" in page
    assert page.count("<rect") == 4
    assert 'class="fail"' in page
    assert f"/api/v1/events/export?trace_id={run.trace_id}" in page


@pytest.mark.parametrize("path", ["/admin/events/evt_nothing", "/admin/traces/trc_nothing"])
def test_what_is_not_there_is_not_found(client, path):
    assert client.as_("ada").get(path).status == 404
