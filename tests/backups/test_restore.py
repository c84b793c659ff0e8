"""A restore puts back what was, ends what must not go on, and changes nothing unless all is well."""

import gzip
import json
import os

import apsw
import pytest

from jarvis import app, cli, worker
from jarvis import restore as restoring
from jarvis.backups import actions
from jarvis.events import store as recorded
from jarvis.kernel import events as record
from jarvis.kernel.errors import NotFound, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.policy import store as policy
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.users import actions as people
from jarvis.users import store as users


@pytest.fixture
def backed_up(ctx):
    """A backup with a session and an unfinished task in it, and a change made after it."""
    with ctx.db.read() as tx:
        alice = users.get_by_name(tx, "alice")
    people.start_session(ctx.traced(), alice, "a browser")
    waits = queue.enqueue(ctx.traced(), actions.TASK, {"reason": "waits"})
    made = actions.snapshot(ctx.traced(), "asked for")
    people.create(
        ctx.acting(actor="ada", user_id=None, username="ada", role="admin"), "dora", "a long password", "user"
    )
    ctx.db.close()
    return made, waits


def names(ctx):
    with ctx.db.read() as tx:
        return {user.username for user in users.newest(tx)}


def reopened(settings, clock):
    return app.make_context(settings, clock, app.make_registry())


def test_what_was_is_back_and_what_was_there_is_kept(ctx, settings, clock, backed_up):
    made, _ = backed_up
    done = restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    assert "alice" in names(now)
    assert "dora" not in names(now)
    now.db.close()
    assert done.kept is not None
    assert done.head == (made.head_seq, made.head_hash)
    restoring.restore(settings, clock, str(done.kept))
    again = reopened(settings, clock)
    assert "dora" in names(again)
    again.db.close()


def test_sessions_end_tasks_are_held_and_the_record_says_so(settings, clock, backed_up):
    made, waits = backed_up
    done = restoring.restore(settings, clock, made.id)
    assert (done.settled.sessions, done.settled.tasks) == (1, 1)
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert users.sessions(tx, None) == []
        assert tasks.get(tx, waits.id).state == "cancelled"
        assert tx.one(str, "SELECT type FROM events ORDER BY seq DESC LIMIT 1") == "backup.restore"
        assert record.verify(tx, {made.head_seq: made.head_hash}).problems == ()
    assert queue.retry(now.traced(), waits.id).state == "queued"
    now.db.close()


def test_a_task_that_ran_when_the_backup_was_made_does_not_run_again(ctx, settings, clock):
    task = queue.enqueue(ctx.traced(), actions.TASK, {"reason": "runs"})
    with ctx.db.write() as tx:
        claimed = tasks.claim(tx, task.id, tasks.insert_epoch(tx, "server", 1, "0"))
    assert claimed is not None
    made = actions.snapshot(ctx.traced(), "asked for")
    ctx.db.close()
    restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert tasks.get(tx, task.id).state == "cancelled"
    now.db.close()


def test_what_stands_in_the_old_log_is_never_played_into_the_restored_one(settings, clock, backed_up):
    made, _ = backed_up
    log = settings.app_db.with_name("jarvis.db-wal")
    log.write_bytes(b"\x37\x7f\x06\x82" + os.urandom(8192))
    restoring.restore(settings, clock, made.id)
    assert not log.exists()
    now = reopened(settings, clock)
    assert "alice" in names(now)
    now.db.close()


def test_nothing_is_done_while_a_server_holds_the_home(settings, clock, backed_up):
    before = settings.app_db.stat().st_ino
    lock = worker.acquire_home_lock(settings.jarvis_home)
    try:
        with pytest.raises(Unavailable, match="Another server already runs"):
            restoring.restore(settings, clock, backed_up[0].id)
    finally:
        os.close(lock)
    assert settings.app_db.stat().st_ino == before


@pytest.mark.parametrize("spoil", ["cut", "noise", "text", "foreign", "future"])
def test_what_is_damaged_foreign_or_newer_changes_nothing(ctx, settings, clock, backed_up, tmp_path, spoil):
    path, bad = actions.path_of(ctx, backed_up[0]), tmp_path / "bad.db.gz"
    whole = gzip.decompress(path.read_bytes())
    if spoil == "cut":
        bad.write_bytes(path.read_bytes()[:-2000])
    elif spoil == "noise":
        bad.write_bytes(gzip.compress(whole[:8192] + os.urandom(40_960) + whole[49_152:]))
    elif spoil == "text":
        bad.write_bytes(b"no database at all, only text")
    else:
        plain = tmp_path / "plain.db"
        if spoil == "future":
            plain.write_bytes(whole)
        db = apsw.Connection(str(plain))
        sql = "INSERT INTO schema_migrations VALUES (9999, '9999_x', '', '99.0.0', 0)"
        db.execute("CREATE TABLE other (x)" if spoil == "foreign" else sql)
        db.close()
        bad.write_bytes(gzip.compress(plain.read_bytes()))
    before = settings.app_db.stat().st_ino
    with pytest.raises(Unavailable, match="nothing was changed"):
        restoring.restore(settings, clock, str(bad))
    assert settings.app_db.stat().st_ino == before
    assert not list(settings.app_db.parent.glob(".restore-*"))


def test_an_event_that_was_rewritten_is_found_out(ctx, settings, clock, backed_up, tmp_path):
    plain = tmp_path / "plain.db"
    plain.write_bytes(gzip.decompress(actions.path_of(ctx, backed_up[0]).read_bytes()))
    db = apsw.Connection(str(plain))
    db.execute("UPDATE events SET actor = 'nobody' WHERE seq = 1")
    db.close()
    with pytest.raises(Unavailable, match="chain"):
        restoring.restore(settings, clock, str(plain))


def test_a_file_that_is_not_there_is_said_to_be_missing(settings, clock):
    with pytest.raises(NotFound):
        restoring.restore(settings, clock, "nowhere.db.gz")


def test_the_command_restores_where_the_database_is_lost(home, monkeypatch, capsys):
    monkeypatch.setenv("JARVIS_HOME", str(home))
    monkeypatch.chdir(home)
    assert cli.main(["backup", "create", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    (home / "jarvis.db").write_bytes(b"damaged beyond repair")
    assert cli.main(["restore", f"backups/{made['file']}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["head_seq"] == made["head_seq"]
    assert (home / "jarvis.db").stat().st_mode & 0o777 == 0o600
    assert cli.main(["events", "verify"]) == 0


@pytest.mark.parametrize("state", ["pending", "approved"])
def test_an_open_approval_of_the_past_is_void_and_its_reply_does_not_go_on(ctx, settings, clock, state):
    with ctx.db.write() as tx:
        alice = users.get_by_name(tx, "alice")
        wish = dict.fromkeys(policy.NewApproval.__slots__, "x")
        known = {"id": "apr_1", "user_id": alice.id, "expires_at": clock() + 10**9}
        policy.insert_approval(tx, policy.NewApproval(**{**wish, **known}))
        if state == "approved":
            policy.set_state(tx, "apr_1", "pending", "approved")
    made = actions.snapshot(ctx.traced(), "asked for")
    ctx.db.close()
    assert restoring.restore(settings, clock, made.id).settled.approvals == 1
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert policy.get_approval(tx, "apr_1").state == "expired"
        assert tasks.newest(tx, "queued", "", 10) == []
    now.db.close()


def test_a_backup_from_before_does_not_lift_a_lockdown(ctx, settings, clock, backed_up):
    made, _ = backed_up
    lockdown.lock(ctx, "odd logins")
    ctx.db.close()
    restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    state = lockdown.standing(now).state
    now.db.close()
    assert state.lockdown
    assert state.lockdown_reason.startswith("odd logins")


@pytest.fixture
def keys(ctx):
    """make(name) → (id, secret) of an API token of Alice."""
    with ctx.db.read() as tx:
        alice = users.get_by_name(tx, "alice")
    acting = ctx.acting(actor="alice", user_id=alice.id, username="alice", role="user")

    def make(name):
        token, secret = people.create_token(acting.traced(), alice.id, name, None)
        return token.id, secret

    return make


def test_a_token_revoked_since_the_backup_stays_revoked_and_the_others_live_on(ctx, settings, clock, keys):
    (good, _), (leaked, _) = keys("a script"), keys("leaked")
    made = actions.snapshot(ctx.traced(), "asked for")
    with ctx.db.write() as tx:
        users.delete_token(tx, leaked)
    ctx.db.close()
    assert restoring.restore(settings, clock, made.id).settled.tokens == 1
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert list(users.token_ends(tx)) == [good]
    now.db.close()


def test_who_was_disabled_since_does_not_come_back(ctx, settings, clock):
    made = actions.snapshot(ctx.traced(), "asked for")
    with ctx.db.write() as tx:
        bob = users.get_by_name(tx, "bob")
        users.set_disabled(tx, bob.id, True)
    ctx.db.close()
    restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert users.get_by_name(tx, "bob").is_disabled
        assert not users.get_by_name(tx, "alice").is_disabled
    now.db.close()


def test_a_token_that_was_rotated_since_still_ends_when_that_said(ctx, settings, clock, keys):
    token, _ = keys("a script")
    made = actions.snapshot(ctx.traced(), "asked for")
    with ctx.db.write() as tx:
        users.set_token_end(tx, token, clock() + 3600)
    ctx.db.close()
    restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert users.token_ends(tx) == {token: clock() + 3600}
    now.db.close()


@pytest.mark.parametrize("loss", ["missing", "damaged"])
def test_where_nothing_can_tell_which_are_good_every_token_is_revoked(ctx, settings, clock, keys, loss):
    keys("a script")
    made = actions.snapshot(ctx.traced(), "asked for")
    ctx.db.close()
    if loss == "missing":
        settings.app_db.unlink()
    else:
        settings.app_db.write_bytes(b"damaged beyond repair")
    assert restoring.restore(settings, clock, made.id).settled.tokens == 1
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert users.token_ends(tx) == {}
    now.db.close()


def test_events_go_on_where_no_number_was_ever_used(ctx, settings, clock, backed_up):
    made, _ = backed_up
    with ctx.db.write() as tx:
        lost = tx.record("thing.happened", "thing/lost")
    ctx.db.close()
    assert lost > made.head_seq
    restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert tx.one(int, "SELECT count(*) FROM events WHERE seq = :seq", seq=lost) == 0
        assert record.head(tx)[0] > record.EPOCH_SPAN
        assert record.verify(tx, {made.head_seq: made.head_hash}).problems == ()
    now.db.close()
    second = restoring.restore(settings, clock, str(settings.jarvis_home / "backups" / made.name))
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert record.head(tx)[0] > 2 * record.EPOCH_SPAN, "and again after the next"
        assert record.verify(tx).problems == ()
    now.db.close()
    assert second.kept is not None


def test_events_are_counted_across_the_gap(ctx, settings, clock, backed_up):
    made, _ = backed_up
    restoring.restore(settings, clock, made.id)
    now = reopened(settings, clock)
    with now.db.read() as tx:
        assert recorded.count(tx) == tx.one(int, "SELECT count(*) FROM events")
    now.db.close()
