"""A backup is made whole, checked, listed and let go; or nothing is left of it."""

import dataclasses
import fcntl
import gzip
import json
import os

import apsw
import pytest

from jarvis import app as composition
from jarvis import cli
from jarvis.backups import actions, packing, retention, store, tasks
from jarvis.backups.services import Interval, loops
from jarvis.backups.store import Backup
from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import TryAgain, Unavailable
from jarvis.kernel.registry import TaskRun
from jarvis.queue import actions as queue
from jarvis.queue import store as queued
from tests.conftest import make_client

HOUR = 3600 * SECOND


def all_of(ctx):
    with ctx.db.read() as tx:
        return store.newest(tx, 500)


def waiting(ctx):
    with ctx.db.read() as tx:
        return queued.newest(tx, "queued", actions.TASK, 10)


def files(ctx):
    return sorted(path.name for path in actions.folder(ctx).iterdir() if path.name != ".lock")


def test_a_backup_holds_what_was_there_and_nobody_else_reads_it(ctx, tmp_path, events):
    made = actions.snapshot(ctx.traced(), "before the move")
    path = actions.path_of(ctx, made)
    copy = tmp_path / "copy.db"
    copy.write_bytes(gzip.decompress(path.read_bytes()))
    names = {name for (name,) in apsw.Connection(str(copy)).execute("SELECT username FROM users")}
    assert {"alice", "ada"} <= names
    assert path.stat().st_mode & 0o777 == 0o600
    assert files(ctx) == [made.name]
    assert events("backup.") == ["backup.snapshot", "backup.verified"]
    assert (made.reason, made.problem) == ("before the move", None)


def test_the_head_of_the_event_chain_goes_with_it(ctx):
    with ctx.db.write() as tx:
        seq = tx.record("doctor.fix", "doctor/x", {"did": "something"})
    made = actions.snapshot(ctx.traced(), "asked for")
    assert made.head_seq == seq
    assert actions.verify(ctx, made.id).problem is None


@pytest.mark.parametrize("step", ["pack", "content_sha256", "examine", "publish"])
def test_a_failure_on_the_way_leaves_nothing(ctx, monkeypatch, step, events):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing, step, fail)
    with pytest.raises(Unavailable, match="No space left"):
        actions.snapshot(ctx.traced(), "asked for")
    assert files(ctx) == []
    assert all_of(ctx) == []
    assert events("backup.") == []


def test_a_damaged_database_is_never_taken_for_a_backup(ctx, monkeypatch):
    def spoil(source, target):
        target.write_bytes(source.read_bytes())
        with target.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(8 * 4096))

    ctx.db.close()
    monkeypatch.setattr(packing, "snapshot", spoil)
    with pytest.raises(Unavailable):
        actions.snapshot(ctx.traced(), "asked for")
    assert files(ctx) == []


def test_what_does_not_unpack_to_what_was_copied_is_no_backup(ctx, monkeypatch):
    pack = packing.pack

    def cut(source, target):
        digest = pack(source, target)
        target.write_bytes(gzip.compress(gzip.decompress(target.read_bytes())[:-4096]))
        return digest

    monkeypatch.setattr(packing, "pack", cut)
    with pytest.raises(Unavailable, match="does not unpack to what was copied"):
        actions.snapshot(ctx.traced(), "asked for")
    assert files(ctx) == []


def test_what_a_killed_backup_left_is_cleared_away(ctx):
    left = actions.folder(ctx) / ".work-dead"
    left.mkdir(parents=True)
    (left / "packed").write_bytes(b"half")
    made = actions.snapshot(ctx.traced(), "asked for")
    assert files(ctx) == [made.name]


def test_what_killed_drills_and_uploads_left_goes_with_the_next_backup_but_not_from_under_one_at_work(ctx):
    place = actions.folder(ctx)
    with packing.workplace(place, 1, "upload") as at_work:
        (place / ".drill-dead").mkdir()
        tasks._snapshot(ctx.traced(), TaskRun("", 1, {}, lambda: False, lambda said: None))
        assert at_work.exists()
        assert not (place / ".drill-dead").exists()


def test_two_are_never_made_at_once(ctx):
    actions.folder(ctx).mkdir(parents=True)
    with (actions.folder(ctx) / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TryAgain, match="Another backup"):
            actions.snapshot(ctx.traced(), "asked for")


def test_a_file_that_was_changed_cut_off_or_removed_is_found_out(ctx):
    made = actions.snapshot(ctx.traced(), "asked for")
    path = actions.path_of(ctx, made)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "checksum" in (actions.verify(ctx, made.id).problem or "")
    path.unlink()
    assert "cannot be read" in (actions.verify(ctx, made.id).problem or "")
    path.write_bytes(whole)
    assert actions.verify(ctx, made.id).problem is None


def test_a_bomb_and_a_torso_are_refused_while_unpacking(tmp_path):
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(Unavailable, match="unpacks to more"):
        packing.unpack(bomb, tmp_path / "out", 1_000_000)
    bomb.write_bytes(gzip.compress(os.urandom(100_000))[:-50])
    with pytest.raises(Unavailable, match="cut off"):
        packing.unpack(bomb, tmp_path / "out2", 1_000_000)


def test_the_interval_asks_once_whoever_looks_and_a_restart_adds_none(ctx, clock):
    Interval(ctx).step()
    Interval(ctx).step()
    (first,) = waiting(ctx)
    queue.cancel(ctx, first.id)
    clock.step(899)
    Interval(ctx).step()
    assert waiting(ctx) == []
    clock.step(7200)
    Interval(ctx).step()
    assert len(waiting(ctx)) == 1, "one, however many intervals were missed"


def test_without_an_interval_nothing_is_made_by_itself(ctx):
    off = dataclasses.replace(ctx, settings=dataclasses.replace(ctx.settings, backup_interval_seconds=0))
    assert loops(off) == []
    assert actions.dispatch(off) is None


def test_the_task_makes_one_even_in_a_lockdown(ctx):
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 1, lockdown_reason = 'drill'")
    task = actions.ask(ctx.traced(), "asked for")
    assert queue.run_here(ctx, task).state == "done"
    assert len(all_of(ctx)) == 1


def test_a_good_file_the_database_does_not_know_is_taken_up_and_rubbish_is_not(ctx):
    made = actions.snapshot(ctx.traced(), "asked for")
    with ctx.db.write() as tx:
        store.delete(tx, made.id)
    (actions.folder(ctx) / f"{ctx.ids.new('bkp')}.db.gz").write_bytes(gzip.compress(b"no database"))
    assert actions.adopt(ctx.traced()) == 1
    (found,) = all_of(ctx)
    assert (found.id, found.head_seq, found.sha256) == (made.id, made.head_seq, made.sha256)


def backup(number, created_at, problem=None):
    return Backup(number, f"bkp_{number}", "interval", "system", 1, 1, "", 1, "", problem, created_at, created_at)


def test_retention_keeps_the_last_hour_and_the_newest_of_each_hour_day_and_week():
    now = 3000 * 24 * HOUR
    every = [backup(n, now - n * HOUR // 4) for n in range(4 * 24 * 70)]
    gone = {b.id for b in retention.superfluous(every, retention.Rule(24, 14, 8), now)}
    kept = [b for b in every if b.id not in gone]
    assert [b.seq for b in kept[:4]] == [0, 1, 2, 3]
    assert len(kept) <= 4 + 24 + 14 + 8
    assert now - kept[-1].created_at > 45 * 24 * HOUR


def test_retention_never_lets_the_newest_good_one_go():
    now = 3000 * 24 * HOUR
    found = [backup(2, now - 2 * HOUR, "spoilt"), backup(1, now - 9999 * HOUR)]
    assert [b.seq for b in retention.superfluous(found, retention.Rule(0, 0, 0), now)] == [2]


def test_the_task_lets_old_ones_go_with_their_files(ctx, clock):
    few = dataclasses.replace(
        ctx.settings, backup_retention_hourly=1, backup_retention_daily=0, backup_retention_weekly=0
    )
    ctx = dataclasses.replace(ctx, settings=few)
    run = TaskRun("", 1, {"reason": "interval"}, lambda: False, lambda said: None)
    for _ in range(3):
        tasks._snapshot(ctx.traced(), run)
        clock.step(2 * 3600)
    (left,) = all_of(ctx)
    assert files(ctx) == [left.name]


def test_the_api_lists_and_asks(ctx):
    made = actions.snapshot(ctx.traced(), "asked for")
    ada = make_client(composition.build_application(ctx), ctx).bearer("ada")
    (shown,) = ada.get("/api/v1/backups").json["items"]
    assert (shown["id"], shown["ok"]) == (made.id, True)
    assert ada.get(f"/api/v1/backups/{made.id}").json["sha256"] == made.sha256
    assert ada.get("/api/v1/backups/bkp_nothing").status == 404
    answer = ada.post("/api/v1/backups")
    assert answer.status == 202
    assert ada.post("/api/v1/backups").json == answer.json, "the one that waits"


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_nobody_else_sees_or_makes_one(ctx, who):
    client = make_client(composition.build_application(ctx), ctx)
    assert client.as_(who).get("/admin/backups").status == 403
    assert client.bearer(who).get("/api/v1/backups").status == 403
    assert client.bearer(who).post("/api/v1/backups").status == 403
    assert waiting(ctx) == []


def test_the_page_is_empty_then_makes_one_then_shows_it(ctx):
    ada = make_client(composition.build_application(ctx), ctx).as_("ada")
    assert "No backup yet." in ada.get("/admin/backups").text
    assert ada.submit("/admin/backups", "/admin/backups/create").status == 303
    assert "One is being made." in ada.get("/admin/backups").text
    queue.run_here(ctx, waiting(ctx)[0])
    page = ada.get("/admin/backups").text
    assert all_of(ctx)[0].id in page
    assert "The newest is good" in page


def test_commands_create_list_and_verify(home, monkeypatch, capsys):
    monkeypatch.setenv("JARVIS_HOME", str(home))
    monkeypatch.chdir(home)
    assert cli.main(["backup", "verify"]) == 66
    assert cli.main(["backup", "create", "by hand", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert cli.main(["backup", "list"]) == 0
    assert made["id"] in capsys.readouterr().out
    assert cli.main(["backup", "verify"]) == 0
    (home / "backups" / made["file"]).write_bytes(b"spoilt")
    assert cli.main(["backup", "verify", made["id"]]) == 1
    assert "checksum" in capsys.readouterr().out
