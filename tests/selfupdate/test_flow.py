"""From proposed to approved on a very small Jarvis, with the real engine, builder, cage and canary."""

import hashlib
import json

import pytest

from jarvis.kernel import sandbox
from jarvis.kernel.errors import Conflict, Unavailable
from jarvis.kernel.registry import TaskRun
from jarvis.lockdown import actions as lockdown
from jarvis.queue import store as tasks
from jarvis.selfupdate import artefacts, source, store
from jarvis.selfupdate.actions import approving, moving, proposing, testing, validating
from tests.selfupdate import small
from tests.selfupdate.conftest import EVIDENCE

API = "/api/v1/selfupdate/patches"
FILE = "jarvis/behaviour.py"
MEANT = {**EVIDENCE, "files": [f"{FILE}:1"], "tests": ["tests/smoke/test_ships.py"]}


def changing(does, path=FILE):
    return f"--- a/{path}\n+++ b/{path}\n@@ -1,2 +1,2 @@\n-DOES = 'well'\n+DOES = {does!r}\n TEETH = True\n"


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    return small.opened(small.write(tmp_path_factory.mktemp("running"), small.source()))


@pytest.fixture(autouse=True)
def small_world(monkeypatch, running):
    """What runs is the very small Jarvis; a canary is not watched for long."""
    monkeypatch.setattr(source, "running", small.source)
    monkeypatch.setattr(testing, "require_archive", lambda: running)
    monkeypatch.setattr(testing, "WATCH_SECONDS", 0.9)


def propose(ctx, patch, **evidence):
    return proposing.propose(ctx.traced(), patch, "Make it better", {**MEANT, **evidence})


def validated(ctx, patch):
    return validating.validate(ctx, propose(ctx, patch).id)


def run_task(ctx, task, is_cancelled=lambda: False):
    said = []
    run = TaskRun(task.id, 1, json.loads(task.payload), is_cancelled, said.append)
    return ctx.registry.tasks[task.name].run(ctx, run), said


def now(ctx, update):
    with ctx.db.read() as tx:
        return store.get(tx, update.id)


def test_validating_records_gits_verdict_the_tree_and_what_is_touched(ada, client, events):
    made = propose(ada, changing("better"))
    answer = client.bearer("ada").post(f"{API}/{made.id}/validate", json={})
    assert answer.status == 200
    update = answer.json
    assert (update["state"], update["next_step"]) == ("validated", "test")
    assert update["base"] == small.source().tree_id()
    assert update["tree"] == small.source("better").tree_id()
    assert {name: check["ok"] for name, check in update["checks"].items()} == {
        "git apply --check": True,
        "Replay": True,
        "Paths": True,
        "Evidence": True,
    }
    assert [file["path"] for file in update["files"]] == [FILE]
    assert events("self_update.")[-1] == "self_update.validate"
    kept = json.loads((artefacts.folder(ada, made) / "state.json").read_text())
    assert kept["checks"]["git apply --check"]["ok"] is True
    assert (kept["state"], kept["tree"]) == ("validated", update["tree"])
    again = client.bearer("ada").post(f"{API}/{made.id}/validate", json={})
    assert (again.status, "Next: test." in again.json["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("patch", "check", "word"),
    [
        (changing("x").replace("'well'", "'ill'"), "git apply --check", "does not fit"),
        (changing("x", "jarvis/nowhere.py"), "git apply --check", "no such file"),
        ("this is no patch\n", "git apply --check", ""),
        ("--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n", "Paths", ".git"),
        ("--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n", "Paths", "`..`"),
        (changing("x") + "--- /dev/null\n+++ b/jarvis/more.py\n@@ -0,0 +1 @@\n+x\n", "Evidence", "jarvis/more.py"),
        (changing("well"), "Replay", "changes nothing"),
    ],
)
def test_what_does_not_apply_is_forbidden_or_was_not_said_is_rejected(ada, events, patch, check, word):
    update = validated(ada, patch)
    assert update.state == "rejected"
    assert update.checks_of()[check]["ok"] is False
    assert word in update.checks_of()[check]["detail"]
    assert update.error is not None
    assert "git apply --check" in update.checks_of()
    assert events("self_update.")[-1] == "self_update.rejected"


def test_a_folder_and_lines_name_what_is_in_them():
    assert validating.covers("jarvis/x.py:4-9", "jarvis/x.py")
    assert validating.covers("./jarvis/x.py", "jarvis/x.py")
    assert validating.covers("jarvis/", "jarvis/deep/x.py")
    assert not validating.covers("jarvis", "jarvis/x.py")
    assert not validating.covers("jarvis/x.py", "jarvis/x.pyc")


def test_nothing_is_validated_or_tested_in_a_lockdown(ada, events):
    made = propose(ada, changing("better"))
    lockdown.lock_by_hand(ada, "drill")
    for step in (validating.validate, testing.ask):
        with pytest.raises(Conflict, match="Locked down"):
            step(ada, made.id)


@pytest.mark.skipif(not sandbox.kinds(), reason="no cage works here")
def test_the_whole_way_to_an_approval(ada, client, events):
    made = validated(ada, changing("better"))
    answer = client.bearer("ada").post(f"{API}/{made.trace_id}/test", json={})
    assert answer.status == 202
    with ada.db.read() as tx:
        task = tasks.get(tx, answer.json["task_id"])
    assert "Testing" in client.as_("ada").get(f"/admin/selfupdate/{made.id}").text
    result, said = run_task(ada, task)
    assert (result["state"], result["error"]) == ("tested", None)
    assert said[0] == "Build …"
    update = now(ada, made)
    place = artefacts.folder(ada, made)
    report = (place / "report.json").read_bytes()
    assert hashlib.sha256(report).hexdigest() == update.report_sha256
    assert hashlib.sha256((place / "candidate.pyz").read_bytes()).hexdigest() == update.candidate_sha256
    told = json.loads(report)
    assert (told["ok"], told["tree"], told["sandbox"]) == (True, update.tree, sandbox.kinds()[0])
    assert all(step["ok"] and step["seconds"] > 0 for step in told["steps"])
    assert update.checks_of()["Canary"]["ok"]
    assert update.checks_of()["git apply --check"]["ok"]
    assert "all pass" in client.as_("ada").get(f"/admin/selfupdate/{made.id}").text
    assert approving.approve(ada, made.id).state == "approved"
    assert events("self_update.") == [f"self_update.{what}" for what in ("propose", "validate", "test", "approve")]
    assert not list(ada.settings.jarvis_home.glob("candidate-*"))
    with ada.db.read() as tx:
        traces = set(tx.all(str, "SELECT trace_id FROM events WHERE type LIKE 'self_update.%'"))
    assert traces == {made.trace_id}


@pytest.mark.skipif(not sandbox.kinds(), reason="no cage works here")
def test_one_that_fails_says_where_and_may_be_tested_again(ada, client):
    made = validated(ada, changing("lose"))
    run_task(ada, testing.ask(ada, made.id))
    update = now(ada, made)
    assert (update.state, update.next_step) == ("test_failed", "test")
    assert update.error == "Migrations: it lost 5 of 5 users"
    place = artefacts.folder(ada, made)
    assert json.loads((place / "report.json").read_text())["ok"] is False
    assert not (place / "candidate.pyz").exists()
    with ada.db.read() as tx:
        assert len(tx.all(str, "SELECT username FROM users")) == 5
    shown = client.as_("ada").get(f"/admin/selfupdate/{made.id}").text
    assert "it lost 5 of 5 users" in shown
    with pytest.raises(Conflict, match="Next: test"):
        approving.approve(ada, made.id)


def test_one_that_is_stopped_is_as_it_was_before(ada, client):
    made = validated(ada, changing("better"))
    task = testing.ask(ada, made.id)
    assert testing.ask(ada, made.id).id == task.id
    moving.stop(ada, made.id)
    assert (now(ada, made).state, now(ada, made).error) == ("validated", testing.CANCELLED)
    with pytest.raises(Conflict, match="Nothing is being done"):
        moving.stop(ada, made.id)
    other = testing.ask(ada, made.id)
    run_task(ada, other, is_cancelled=lambda: True)
    assert now(ada, made).state == "validated"


def test_what_could_not_be_carried_out_ends_as_failed_with_the_reason(ada, events):
    made = validated(ada, changing("better"))
    handler = ada.registry.tasks[testing.TASK]
    with ada.db.write():
        handler.gave_up(ada, {"id": made.id}, "Every attempt ended with the process that ran it.")
    assert now(ada, made).state == "test_failed"
    assert "Every attempt" in (now(ada, made).error or "")


def test_what_was_validated_against_something_else_is_not_tested(ada, monkeypatch):
    made = validated(ada, changing("better"))
    task = testing.ask(ada, made.id)
    monkeypatch.setattr(source, "running", lambda: small.source("newer"))
    with pytest.raises(Conflict, match="has changed since"):
        run_task(ada, task)


def test_without_a_cage_an_admin_has_to_want_it(ada, client, monkeypatch):
    made = validated(ada, changing("better"))
    monkeypatch.setattr(sandbox, "kinds", lambda: ())
    answer = client.bearer("ada").post(f"{API}/{made.id}/test", json={})
    assert (answer.status, "bubblewrap" in answer.json["detail"]) == (503, True)
    assert client.bearer("ada").post(f"{API}/{made.id}/test", json={"without_sandbox": True}).status == 202


def test_a_checkout_says_what_testing_needs(ada, monkeypatch):
    monkeypatch.undo()
    made = propose(ada, changing("better"))
    with ada.db.write() as tx:
        moving.move(ada, tx, store.get(tx, made.id), "validated", "")
    with pytest.raises(Unavailable, match="make build"):
        testing.ask(ada, made.id)


def test_the_page_validates_and_asks_for_the_test(ada, client):
    made = propose(ada, changing("better"))
    browser, here = client.as_("ada"), f"/admin/selfupdate/{made.id}"
    done = browser.submit(here, f"{here}/validate")
    assert "Validated: it applies" in browser.get(done.location).text
    asked = browser.submit(here, f"{here}/test")
    assert "on its way" in browser.get(asked.location).text
    assert browser.submit(here, f"{here}/stop").status == 303
