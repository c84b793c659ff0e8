"""A backup leaves the host encrypted, arrives whole, is tried again when it did not, and no secret shows on the way."""

import dataclasses
import gzip
import sys

import pytest

from jarvis import app as composition
from jarvis import rehearsal
from jarvis.backups import actions, cli, packing, sealing, store
from jarvis.backups.actions import uploading
from jarvis.backups.actions.standing import standing
from jarvis.kernel.errors import Conflict, Misconfigured, TryAgain, Unavailable
from jarvis.queue import actions as queue
from jarvis.queue import store as queued
from tests import commandline
from tests.backups.bucket import KEY_ID, SECRET, FakeS3
from tests.conftest import acting, make_client

TURN = f"{sys.executable} -c 'import sys; sys.stdout.buffer.write(bytes(b ^ 85 for b in sys.stdin.buffer.read()))'"
"""A filter that encrypts about as well as a toy does; what matters is that it is none of the plain bytes."""


@pytest.fixture
def bucket():
    with FakeS3() as server:
        yield server


@pytest.fixture
def set_up(settings, make_ctx, bucket):
    """A context that uploads to the fake, with settings changed as told."""

    def make(**changes):
        told = {
            "backup_s3_endpoint": bucket.url,
            "backup_s3_bucket": "safe/here",
            "backup_s3_access_key_id": KEY_ID,
            "backup_s3_secret_access_key": SECRET,
            "backup_encrypt_command": TURN,
        }
        return make_ctx(dataclasses.replace(settings, **told | changes))

    return make


def waiting(ctx):
    with ctx.db.read() as tx:
        return queued.newest(tx, "queued", uploading.TASK, 10)


def kept(ctx, backup):
    with ctx.db.read() as tx:
        return store.get(tx, backup.id)


def test_each_backup_is_uploaded_encrypted_by_the_queue(set_up, bucket, events):
    ctx = set_up()
    made = actions.snapshot(ctx.traced(), "interval")
    (task,) = waiting(ctx)
    assert queue.run_here(ctx, task).state == "done"
    ((path, body),) = bucket.objects.items()
    assert path == f"/safe/here/{made.name}.sealed"
    plain = actions.path_of(ctx, made).read_bytes()
    assert body != plain
    assert bytes(b ^ 85 for b in body) == plain
    assert kept(ctx, made).upload_key == f"safe/here/{made.name}.sealed"
    assert events("backup.") == ["backup.snapshot", "backup.verified", "backup.upload"]


def test_nothing_is_asked_for_where_no_bucket_is_set(ctx):
    actions.snapshot(ctx.traced(), "interval")
    assert waiting(ctx) == []
    with pytest.raises(Conflict, match="Uploads need BACKUP_S3_ENDPOINT"):
        uploading.ask(ctx, "bkp_any")


def test_what_is_not_encrypted_stays_unless_that_is_meant(set_up, bucket):
    ctx = set_up(backup_encrypt_command="")
    made = actions.snapshot(ctx.traced(), "interval")
    with pytest.raises(Misconfigured, match="BACKUP_ENCRYPT_COMMAND, or BACKUP_UPLOAD_PLAIN=1"):
        uploading.upload(ctx, made.id)
    assert bucket.objects == {}
    meant = set_up(backup_encrypt_command="", backup_upload_plain=True)
    assert uploading.upload(meant, made.id).upload_key == f"safe/here/{made.name}"
    assert gzip.decompress(bucket.objects[f"/safe/here/{made.name}"])[:15] == b"SQLite format 3"


def test_plain_backups_go_to_other_hosts_by_https_alone(settings):
    far = dataclasses.replace(
        settings,
        backup_s3_endpoint="http://s3.example.org",
        backup_s3_bucket="safe",
        backup_s3_access_key_id=KEY_ID,
        backup_s3_secret_access_key=SECRET,
        backup_upload_plain=True,
    )
    assert "https only" in uploading.problem(far)
    assert uploading.problem(dataclasses.replace(far, backup_s3_endpoint="https://s3.example.org")) == ""


@pytest.mark.parametrize(
    "filter",
    ["cat", "true", "false", "sh -c 'echo no key >&2; exit 3'", "no-such-program-anywhere", "'"],
)
def test_a_filter_that_fails_or_does_not_encrypt_lets_nothing_out(set_up, bucket, filter):
    ctx = set_up(backup_encrypt_command=filter)
    made = actions.snapshot(ctx.traced(), "interval")
    with pytest.raises((Unavailable, Misconfigured), match="BACKUP_ENCRYPT_COMMAND"):
        uploading.upload(ctx, made.id)
    assert bucket.objects == {}
    assert "BACKUP_ENCRYPT_COMMAND" in (kept(ctx, made).upload_problem or "")
    assert not list(actions.folder(ctx).glob(".upload-*"))


def test_a_filter_sees_no_secret_and_no_shell_reads_its_words(set_up, bucket, monkeypatch, tmp_path):
    monkeypatch.setenv("BACKUP_S3_SECRET_ACCESS_KEY", SECRET)
    trap = tmp_path / "trap"
    told = "import os, sys; sys.stdout.write(repr(dict(os.environ)) + sys.argv[1])"
    ctx = set_up(backup_encrypt_command=f'{sys.executable} -c "{told}" "$(touch {trap})"')
    uploading.upload(ctx, actions.snapshot(ctx.traced(), "interval").id)
    (seen,) = bucket.objects.values()
    assert b"PATH" in seen
    assert b"$(touch" in seen
    assert SECRET.encode() not in seen
    assert not trap.exists()


def test_a_filter_that_never_ends_or_floods_is_ended(set_up, monkeypatch):
    ctx = set_up(backup_encrypt_command=f"{sys.executable} -c 'import time; time.sleep(600)'")
    made = actions.snapshot(ctx.traced(), "interval")
    monkeypatch.setattr(sealing, "LONGEST_SECONDS", 0.3)
    with pytest.raises(Unavailable, match="did not end within"):
        uploading.upload(ctx, made.id)
    monkeypatch.setattr(sealing, "LONGEST_SECONDS", 60.0)
    monkeypatch.setattr(sealing, "ROOM_BYTES", 1 << 20)
    with pytest.raises(Unavailable, match="far more than it was given"):
        uploading.upload(set_up(backup_encrypt_command="cat /dev/zero"), made.id)


def test_a_lost_network_is_tried_again_and_told_without_the_secret(set_up, bucket, events):
    bucket.answers = [(503, "SlowDown")]
    ctx = set_up()
    made = actions.snapshot(ctx.traced(), "interval")
    (task,) = waiting(ctx)
    again = queue.run_here(ctx, task)
    assert (again.state, again.attempts) == ("queued", 1)
    assert again.run_at >= ctx.clock() + 7_000_000, "as long as the endpoint asked for"
    problem = kept(ctx, made).upload_problem or ""
    assert "503" in problem
    assert standing(ctx).problems == [f"the newest backup is not elsewhere: {problem}"]
    uploading.upload(ctx, made.id)
    assert standing(ctx).problems == []
    assert events("backup.upload") == ["backup.upload", "backup.upload"]


def test_wrong_credentials_are_reported_everywhere_without_themselves(set_up, bucket):
    wrong = "-".join(("not", "the", "right", "secret", "at", "all"))
    ctx = set_up(backup_s3_secret_access_key=wrong)
    made = actions.snapshot(ctx.traced(), "interval")
    (task,) = waiting(ctx)
    failed = queue.run_here(ctx, task)
    assert failed.state == "queued"
    assert "the access key is wrong" in (failed.error or "")
    ada = make_client(composition.build_application(ctx), ctx).as_("ada")
    page = ada.get("/admin/backups").text
    assert "the access key is wrong" in page
    with ctx.db.read() as tx:
        record = "".join(tx.all(str, "SELECT data FROM events"))
    assert wrong not in page + record + str(kept(ctx, made)) + (failed.error or "")
    check = ctx.registry.checks["backups"]
    assert not check.is_core
    with pytest.raises(Unavailable, match="access key is wrong"):
        check.run(ctx)


def test_an_older_backup_is_passed_over_unless_somebody_asked_for_it(set_up, bucket):
    ctx = set_up()
    old = actions.snapshot(ctx.traced(), "interval")
    (task,) = waiting(ctx)
    new = actions.snapshot(ctx.traced(), "interval")
    assert queue.run_here(ctx, task).state == "done"
    assert bucket.objects == {}
    queue.run_here(ctx, uploading.ask(ctx, old.id))
    queue.run_here(ctx, uploading.ask(ctx, new.id))
    assert set(bucket.objects) == {f"/safe/here/{b.name}.sealed" for b in (old, new)}


def test_a_backup_that_is_gone_ends_its_task(set_up, bucket):
    ctx = set_up()
    made = actions.snapshot(ctx.traced(), "interval")
    (task,) = waiting(ctx)
    with ctx.db.write() as tx:
        store.delete(tx, made.id)
    assert queue.run_here(ctx, task).state == "done"
    assert bucket.objects == {}


def test_a_file_that_is_gone_is_reported(set_up):
    ctx = set_up()
    made = actions.snapshot(ctx.traced(), "interval")
    actions.path_of(ctx, made).unlink()
    with pytest.raises(Unavailable, match="cannot be read"):
        uploading.upload(ctx, made.id)


def test_two_uploads_never_run_at_once_and_a_backup_is_made_meanwhile(set_up):
    ctx = set_up()
    made = actions.snapshot(ctx.traced(), "interval")
    with packing.workplace(actions.folder(ctx), 1, "upload"):
        with pytest.raises(TryAgain, match="being uploaded"):
            uploading.upload(ctx, made.id)
        actions.snapshot(ctx.traced(), "meanwhile")
    assert kept(ctx, made).upload_problem is None, "whoever is at it will say how it went"


def test_a_secret_is_not_sent_to_an_endpoint_from_a_less_trusted_file(set_up, settings):
    sources = {"BACKUP_S3_SECRET_ACCESS_KEY": "environment", "BACKUP_S3_ENDPOINT": "/srv/jarvis/.env"}
    ctx = set_up(sources=sources)
    assert "less trusted place" in uploading.problem(ctx.settings)


@pytest.mark.parametrize(
    "endpoint", ["ftp://x", "s3.example.org", "https://name:key@s3.example.org", "https://h:99999", "https://s3?x=1"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(set_up, endpoint):
    assert "BACKUP_S3_ENDPOINT must be" in uploading.problem(set_up(backup_s3_endpoint=endpoint).settings)


@pytest.mark.parametrize("name", ["../other", "a", "Safe", "safe/../x", "safe?x", "safe//x", "safe/.."])
def test_a_bucket_cannot_lead_elsewhere(set_up, name):
    found = set_up(backup_s3_bucket=name).settings
    assert "BACKUP_S3_BUCKET must be" in uploading.problem(found)


def test_in_a_lockdown_uploads_wait(set_up, bucket):
    ctx = set_up()
    actions.snapshot(ctx.traced(), "interval")
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 1, lockdown_reason = 'drill'")
    (task,) = waiting(ctx)
    with pytest.raises(Conflict):
        queue.run_here(ctx, task)
    actions.snapshot(ctx.traced(), "in the lockdown")
    assert waiting(ctx) == [task], "and none is put aside"
    assert bucket.objects == {}


def test_a_rehearsed_lockdown_lets_no_upload_out(set_up, bucket):
    ada = acting(set_up(), "ada")
    report = rehearsal.rehearse(ada)
    assert [leak for leak in report["leaks"] if "backups" in leak["name"]] == []
    assert bucket.objects == {}


def test_the_command_uploads_the_newest_and_the_api_asks(set_up, bucket, settings, clock):
    ctx = commandline.as_cli(set_up().traced())
    made = actions.snapshot(ctx, "asked for")
    ran = commandline.run(cli, "backup upload", commandline.Start(ctx, ctx.settings, clock))
    assert (ran.code, ran.out) == (0, f"Uploaded, encrypted: safe/here/{made.name}.sealed\n")
    app = composition.build_application(ctx)
    ada = make_client(app, ctx).bearer("ada")
    assert ada.post(f"/api/v1/backups/{made.id}/upload").status == 202
    assert ada.get(f"/api/v1/backups/{made.id}").json["upload_key"] == f"safe/here/{made.name}.sealed"
    assert make_client(app, ctx).bearer("charlie").post(f"/api/v1/backups/{made.id}/upload").status == 403
    assert ada.post("/api/v1/backups/bkp_nothing/upload").status == 404
