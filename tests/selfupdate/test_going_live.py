"""Apply, roll back and drill from the API, the pages and the command line."""

import json

import pytest

from jarvis import cli
from jarvis.queue import epochs
from jarvis.queue import store as tasks
from jarvis.selfupdate import drilling, states, store
from jarvis.selfupdate.actions import applying, approving, drills, moving
from tests.selfupdate.archives import installed

API = "/api/v1/selfupdate/patches"
PAGE = "/admin/selfupdate"
REPORT = {
    "ok": True, "at": "2026-11-23T02:46:00Z", "seconds": 41.0, "sha256": "a" * 64, "broken_limit_seconds": 5,
    "steps": [{"name": "harmless update verified", "seconds": 13.0, "detail": ""}], "problem": None,
}  # fmt: skip


@pytest.fixture
def server(ctx):
    found = epochs.begin(ctx, "server")
    yield found
    found.close()


@pytest.fixture
def place(tmp_path):
    with installed(tmp_path / "opt") as found:
        yield found


@pytest.fixture
def approved(ada, tested):
    return approving.approve(ada, tested.id)


@pytest.fixture
def verified(ada, approved):
    for state in (states.APPLIED, states.VERIFIED):
        approved = moving.close(ada, approved, state, "")
    return approved


def queued(ctx):
    with ctx.db.read() as tx:
        return [(task.name.rpartition(".")[2], task.state) for task in tasks.newest(tx, "queued", "", 10)]


def test_the_api_takes_both_steps_in_their_time_and_names_the_next_otherwise(ctx, client, server, tested, place, ada):
    script = client.bearer("ada")
    early = script.post(f"{API}/{tested.id}/apply", json={})
    assert (early.status, "Next: approve." in early.json["detail"]) == (409, True)
    approving.approve(ada, tested.id)
    answer = script.post(f"{API}/{tested.trace_id}/apply", json={})
    assert (answer.status, answer.json["task_id"][:4]) == (202, "tsk_")
    assert queued(ctx) == [("self_update_apply", "queued")]
    assert script.post(f"{API}/{tested.id}/rollback", json={}).status == 409


def test_without_a_server_both_are_conflicts_that_say_what_to_do(client, approved):
    answer = client.bearer("ada").post(f"{API}/{approved.id}/apply", json={})
    assert (answer.status, "jarvis serve" in answer.json["detail"]) == (409, True)


@pytest.mark.parametrize("step", ["apply", "rollback"])
def test_a_user_may_take_neither(client, approved, step):
    assert client.bearer("alice").post(f"{API}/{approved.id}/{step}", json={}).status == 403


def test_the_page_offers_what_can_be_done_and_says_what_it_will_do(ctx, client, server, approved, place):
    browser, here = client.as_("ada"), f"{PAGE}/{approved.id}"
    shown = browser.get(here).text
    assert "this one comes back by itself" in shown
    assert "Take it back" not in shown
    assert browser.submit(here, f"{here}/apply").location == f"{here}?done=applying"
    assert queued(ctx) == [("self_update_apply", "queued")]


def test_the_page_of_one_that_serves_takes_it_back(ctx, client, server, verified, place):
    browser, here = client.as_("ada"), f"{PAGE}/{verified.id}"
    assert "Take this update back" in browser.get(here).text
    assert browser.submit(here, f"{here}/rollback").status == 303
    assert queued(ctx) == [("self_update_rollback", "queued")]


def test_a_refusal_is_told_on_the_page(client, approved):
    browser, here = client.as_("ada"), f"{PAGE}/{approved.id}"
    answer = browser.submit(here, f"{here}/apply")
    assert (answer.status, "No server runs on this home" in answer.text) == (409, True)


def test_the_last_drill_is_shown_and_another_can_be_asked_for(ctx, ada, client):
    browser = client.as_("ada")
    assert "never held" in browser.get(PAGE).text
    with ctx.db.write() as tx:
        store.insert_drill(tx, REPORT, is_ok=True)
    shown = browser.get(PAGE).text
    assert "harmless update verified" in shown
    assert "13.0 s" in shown
    assert browser.submit(PAGE, f"{PAGE}/drill").status == 303
    assert queued(ctx) == [("rollback_drill", "queued")]
    assert drills.last(ctx) == REPORT


def test_the_command_asks_the_server_and_says_where_to_look(ctx, server, verified, place, home, monkeypatch, capsys):
    monkeypatch.setenv("JARVIS_HOME", str(home))
    assert cli.main(["selfupdate", "rollback", verified.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task_id"].startswith("tsk_")
    assert queued(ctx) == [("self_update_rollback", "queued")]
    assert cli.main(["selfupdate", "apply", verified.id]) == 65
    assert "the only step left is rollback" in capsys.readouterr().err


def test_waiting_ends_with_what_became_of_it(ctx, ada, server, verified, place, home, monkeypatch, capsys):
    monkeypatch.setenv("JARVIS_HOME", str(home))
    asked = applying.ask_rollback(ada, verified.id)
    with ctx.db.write() as tx:
        tx.run("UPDATE tasks SET state = 'failed' WHERE id = :id", id=asked.id)
    monkeypatch.setattr(applying, "ask_rollback", lambda ctx, reference: asked)
    assert cli.main(["selfupdate", "rollback", verified.id, "--wait"]) == 1
    moving.close(ada, verified, states.ROLLED_BACK, "asked for")
    assert cli.main(["selfupdate", "rollback", verified.id, "--wait"]) == 0
    assert "is rolled back" in capsys.readouterr().out


def test_a_drill_needs_an_archive_and_its_report_is_kept(ctx, ada, home, monkeypatch, capsys, events):
    monkeypatch.setenv("JARVIS_HOME", str(home))
    assert cli.main(["selfupdate", "drill"]) == 69
    assert "runs from a checkout" in capsys.readouterr().err
    failed = REPORT | {"ok": False, "problem": "the copy serves: not within 90 s"}
    monkeypatch.setattr(drilling, "drill", lambda ctx, say, is_cancelled: failed)
    assert cli.main(["selfupdate", "drill"]) == 1
    assert drills.last(ctx) == failed
    assert "self_update.drill" in events()
