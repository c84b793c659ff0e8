"""A drill restores the newest backup for real, in a place of its own, and tells whatever is missing."""

import dataclasses
import gzip
import json
import os
import sys

import pytest

from jarvis import app as composition
from jarvis import drill
from jarvis.backups import actions, cli, store
from jarvis.backups.actions import drills
from jarvis.backups.actions.standing import standing
from jarvis.doctor.examine import examine
from jarvis.doctor.findings import Patient
from jarvis.kernel.errors import Conflict, Denied, NotFound, TryAgain
from jarvis.queue import actions as queue
from jarvis.system import report
from tests import commandline
from tests.conftest import make_client

QUIET = {"lockdown": False, "restarting": False, "lockdown_reason": None}


@pytest.fixture
def ada(as_user):
    return as_user("ada").traced()


@pytest.fixture
def unserved(monkeypatch):
    """Everything of a drill but starting a server, which takes seconds."""
    monkeypatch.setattr(drill, "_serve", lambda place, home, mark: 1)


def left(ctx):
    return sorted(path.name for path in actions.folder(ctx).glob(".drill-*"))


def findings(ctx, clock):
    return {finding.id: finding for finding in examine(Patient(ctx.settings, clock, ctx))}


def test_the_newest_backup_is_restored_served_and_compared(ada, clock, events, caplog):
    made = actions.snapshot(ada, "asked for")
    before = sorted(path.name for path in ada.settings.jarvis_home.iterdir())
    held = drill.hold(ada)
    assert held.problem is None
    assert held.backup_id == made.id
    assert held.row_count >= sum(json.loads(made.counts).values())
    assert held.total_ms >= held.restore_ms + held.ready_ms > 0
    assert left(ada) == []
    assert "locked down" not in caplog.text, "that would look like a lockdown of what runs"
    assert sorted(path.name for path in ada.settings.jarvis_home.iterdir()) == before
    assert events() == ["backup.snapshot", "backup.verified", "backup.drill"], "nothing else happened here"
    assert "backup-undrilled" not in findings(ada, clock)
    assert "restored on trial" in ada.registry.checks["backups"].run(ada)
    clock.step(36 * 86_400)
    assert "backup-undrilled" in findings(ada, clock)


def test_without_a_backup_there_is_nothing_to_drill(ada):
    with pytest.raises(NotFound, match="no good backup"):
        drill.hold(ada)


def test_only_admins_hold_one(as_user):
    with pytest.raises(Denied):
        drill.hold(as_user("alice"))


def test_a_damaged_file_fails_the_drill_and_is_told(ada, clock, unserved, events):
    made = actions.snapshot(ada, "asked for")
    path = actions.path_of(ada, made)
    path.write_bytes(path.read_bytes()[:-300])
    held = drill.hold(ada)
    assert "damaged or cut off" in (held.problem or "")
    assert findings(ada, clock)["backup-drill-failed"].severity == "error"
    assert standing(ada).headline.startswith("The last drill failed: ")
    assert events("backup.drill") == ["backup.drill"]
    assert left(ada) == []


def test_a_backup_that_is_gone_fails_the_drill(ada, unserved):
    actions.path_of(ada, actions.snapshot(ada, "asked for")).unlink()
    assert "There is no backup" in (drill.hold(ada).problem or "")


def test_rows_that_are_missing_are_named(ada, unserved):
    made = actions.snapshot(ada, "asked for")
    counts = json.loads(made.counts) | {"users": 99, "sessions": 50}
    with ada.db.write() as tx:
        tx.run("UPDATE backups SET counts = :counts", counts=json.dumps(counts))
    assert drill.hold(ada).problem == "Something is missing: users had 99 rows and has 5."


def test_another_database_in_its_place_is_found_out_by_the_record(ada, unserved, make_ctx, tmp_path, cast_database):
    with ada.db.write() as tx:
        tx.record("thing.happened", "thing/1")
    made = actions.snapshot(ada, "asked for")
    actions.path_of(ada, made).write_bytes(gzip.compress(cast_database.read_bytes()))
    assert "The record of events is not what was backed up" in (drill.hold(ada).problem or "")


def test_a_backup_of_an_older_release_has_no_counts_and_is_still_restored(ada, unserved):
    actions.snapshot(ada, "asked for")
    with ada.db.write() as tx:
        tx.run("UPDATE backups SET counts = ''")
    assert drill.hold(ada).problem is None


@pytest.mark.parametrize(
    ("code", "seconds", "said"),
    [
        ("print('no such page'); raise SystemExit(3)", 60.0, "did not become ready (exit): no such page"),
        ("import time; time.sleep(600)", 0.3, "did not become ready (timeout)"),
        (
            "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
            "s.sendto(b'READY=1', chr(0) + os.environ['NOTIFY_SOCKET'][1:]); time.sleep(600)",
            60.0,
            "said it was ready and did not answer",
        ),
    ],
)
def test_a_server_that_does_not_come_up_fails_the_drill(ada, monkeypatch, code, seconds, said):
    actions.snapshot(ada, "asked for")
    monkeypatch.setattr(drill, "_command", lambda place: [sys.executable, "-c", code])
    monkeypatch.setattr(drill, "READY_SECONDS", seconds)
    assert said in (drill.hold(ada).problem or "")
    assert left(ada) == []


def test_what_is_served_gets_no_setting_and_no_secret_of_ours(ada, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "-".join(("never", "to", "be", "seen")))
    told = drill._environment(tmp_path, tmp_path, "@x", "bkp_1")
    assert told["GITHUB_TOKEN"] == told["MAINTENANCE_ENABLED"] == told["BACKUP_S3_ENDPOINT"] == ""
    assert set(told) & set(os.environ) - {"HOME", "PATH"} - set(drill.config.specs()) <= {"PYTHONDONTWRITEBYTECODE"}


def test_two_are_never_held_at_once(ada, unserved):
    actions.snapshot(ada, "asked for")
    with actions.packing.workplace(actions.folder(ada), 1, "drill"), pytest.raises(TryAgain, match="Another drill"):
        drill.hold(ada)


def test_the_queue_holds_it_and_not_in_a_lockdown(ada, unserved):
    actions.snapshot(ada, "asked for")
    done = queue.run_here(ada, drills.ask(ada))
    assert done.state == "done"
    assert json.loads(done.result or "")["ok"] is True
    with ada.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 1, lockdown_reason = 'drill'")
    with pytest.raises(Conflict):
        queue.run_here(ada, drills.ask(ada))


def test_the_command_says_how_it_went(ada, unserved, clock):
    ctx = commandline.as_cli(ada)
    made = actions.snapshot(ctx, "asked for")
    start = commandline.Start(ctx, ctx.settings, clock)
    ran = commandline.run(cli, "backup drill", start)
    assert ran.code == 0
    assert ran.out.startswith(f"{made.id}: restored in ")
    actions.path_of(ctx, made).write_bytes(b"spoilt")
    assert commandline.run(cli, "backup drill", start).code == 1


def test_page_and_api_show_drills_and_ask_for_one(ada, ctx, unserved):
    app = composition.build_application(ctx)
    browser, script = make_client(app, ctx).as_("ada"), make_client(app, ctx).bearer("ada")
    made = actions.snapshot(ada, "asked for")
    assert "No backup was restored on trial yet" in browser.get("/admin/backups").text
    assert browser.submit("/admin/backups", "/admin/backups/drills").status == 303
    assert "A drill is under way" in browser.get("/admin/backups").text
    asked = script.post("/api/v1/backups/drills")
    assert asked.status == 202
    assert queue.run_here(ada, drills.ask(ada)).error is None
    assert "Everything was there" in browser.get("/admin/backups").text
    (shown,) = script.get("/api/v1/backups/drills").json["items"]
    assert (shown["backup_id"], shown["ok"]) == (made.id, True)
    assert make_client(app, ctx).bearer("alice").post("/api/v1/backups/drills").status == 403


def test_doctor_says_when_the_newest_is_old_spoilt_or_only_here(ada, clock):
    assert not {name for name in findings(ada, clock) if name.startswith("backup")}
    made = actions.snapshot(ada, "asked for")
    clock.step(3500)
    assert "backup-old" not in findings(ada, clock)
    clock.step(200)
    assert findings(ada, clock)["backup-old"].fix == "jarvis backup create"
    with ada.db.write() as tx:
        store.set_verified(tx, made.id, "the checksum differs")
    assert findings(ada, clock)["backup-damaged"].severity == "error"
    wanted = dataclasses.replace(ada, settings=dataclasses.replace(ada.settings, backup_s3_bucket="safe"))
    assert "Uploads need BACKUP_S3_ENDPOINT" in findings(wanted, clock)["backup-upload"].message
    off = dataclasses.replace(ada, settings=dataclasses.replace(ada.settings, backup_interval_seconds=0))
    assert "backup-old" not in findings(off, clock), "nobody asked for backups by themselves"


def test_the_status_says_how_backups_stand(ada, unserved, clock):
    status = {"time": "", "version": "", "system": {}, "checks": {}}
    assert "backups" not in report.text(status | {"system": QUIET, "ready": True, "backups": standing(ada).as_json()})
    actions.snapshot(ada, "asked for")
    drill.hold(ada)
    (line,) = (
        found for found in report.text(status | {"system": QUIET, "ready": True, "backups": standing(ada).as_json()})
        .splitlines() if "backups:" in found
    )  # fmt: skip
    at = "2026-11-23T02:46:00.000Z"
    assert line.strip() == f"backups: newest at {at}, good, last drill passed at {at}"
    clock.step(4000)
    assert standing(ada).as_json()["late"] is True
