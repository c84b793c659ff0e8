"""A run: every command, in its place, its end remembered."""

import dataclasses
import json

import pytest

from jarvis.kernel.errors import Conflict
from jarvis.maintenance import actions, report, store
from jarvis.queue import store as tasks
from tests.maintenance.conftest import newest


def test_every_command_runs_as_the_shell_reads_it(configured, perform, workdir):
    ctx = configured("echo one > a && cat a | tr o 0", 'printf "%s\\n" "$((6 * 7))"')
    run, steps = perform(ctx)
    assert run.state == "passed"
    assert [step.excerpt_of()["first"] for step in steps] == [["0ne"], ["42"]]
    assert (workdir / "a").read_text() == "one\n"


def test_one_that_fails_does_not_keep_the_others_from_running(configured, perform, events):
    run, steps = perform(configured("exit 3", "echo after"))
    assert (run.state, run.reason) == ("failed", "1 of 2 commands failed.")
    assert [(s.state, s.exit_code) for s in steps] == [("failed", 3), ("passed", 0)]
    assert events("maintenance.") == ["maintenance.run.start", "maintenance.run.end"]


def test_the_end_is_an_event_that_says_what_failed(ctx, configured, perform):
    perform(configured("echo fine", "exit 9"))
    with ctx.db.read() as tx:
        data = json.loads(tx.one(str, "SELECT data FROM events WHERE type = 'maintenance.run.end'"))
    assert (data["outcome"], data["failed"], data["command"], data["exit_code"]) == ("failed", 1, "exit 9", 9)


def test_a_directory_that_is_not_there_fails_the_command(configured, perform):
    run, steps = perform(configured("echo hello", maintenance_workdir="/nowhere/at/all"))
    assert (run.state, steps[0].exit_code) == ("failed", 126)
    assert "cannot start in /nowhere/at/all" in steps[0].excerpt_of()["first"][0]


def test_the_commit_is_kept(configured, perform, workdir):
    from dulwich import porcelain

    repo = porcelain.init(str(workdir))
    (workdir / "file").write_text("x")
    porcelain.add(str(workdir), [str(workdir / "file")])
    commit = porcelain.commit(str(workdir), b"Cache tide tables by day", author=b"A <a@x>", committer=b"A <a@x>")
    repo.close()
    run, _ = perform(configured("true"))
    assert (run.revision, run.revision_title) == (commit.decode()[:7], "Cache tide tables by day")


def test_runs_do_not_overlap(configured):
    ctx = configured("true")
    actions.ask(ctx.traced())
    with pytest.raises(Conflict, match="waiting for its turn already"):
        actions.ask(ctx.traced())


def test_without_commands_there_is_nothing_to_run(configured):
    with pytest.raises(Conflict, match="MAINTENANCE_COMMANDS"):
        actions.ask(configured().traced())


def test_in_lockdown_a_run_is_refused_and_that_is_recorded_once(ctx, configured, events):
    locked = configured("true")
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 1, lockdown_reason = 'drill'")
    for _ in range(3):
        with pytest.raises(Conflict, match="Locked down: drill"):
            actions.ask(locked.traced())
    run, steps = newest(locked)
    assert (run.state, run.repeats, steps) == ("refused", 3, [])
    assert events("maintenance.") == ["maintenance.run.refused"]


def test_a_run_that_was_waiting_when_the_lock_came_is_refused(ctx, configured, perform, workdir, monkeypatch):
    ask = actions.ask

    def ask_and_lock(context):
        task = ask(context)
        with ctx.db.write() as tx:
            tx.run("UPDATE system_state SET lockdown = 1")
        return task

    monkeypatch.setattr(actions, "ask", ask_and_lock)
    run, _ = perform(configured("touch ran"))
    assert run.state == "refused"
    assert not (workdir / "ran").exists()


def test_a_command_sees_no_secret_of_ours(configured, perform, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "a token of the service manager")
    monkeypatch.setenv("COPY", "x a token of the service manager x")
    monkeypatch.setenv("HARMLESS", "kept")
    ctx = configured("env", github_token="a token of the service manager")
    _, _steps = perform(ctx)
    path = actions.output_path(ctx, newest(ctx)[0].id, 1)
    shown = path.read_text()
    assert "GITHUB_TOKEN" not in shown
    assert "COPY" not in shown
    assert "HARMLESS=kept" in shown
    assert "service manager" not in shown


def test_a_secret_in_the_output_is_blanked_in_file_row_and_bug(ctx, configured, perform):
    secret = "hunter2-hunter2-hunter2"
    run_ctx = configured("echo Error: using $(cat k); exit 1", openai_api_key=secret)
    run_ctx = dataclasses.replace(run_ctx)
    from jarvis import app

    fresh = app.make_context(run_ctx.settings, ctx.clock, ctx.registry)
    (actions.workdir(fresh) / "k").write_text(secret)
    run, steps = perform(fresh)
    kept = actions.output_path(fresh, run.id, 1).read_text() + steps[0].excerpt
    with fresh.db.read() as tx:
        kept += tx.one(str, "SELECT title || evidence FROM bugs")
    fresh.db.close()
    assert secret not in kept
    assert "«redacted»" in kept


def test_control_characters_are_shown_and_not_obeyed(configured, perform):
    ctx = configured(r"printf '\033[31mred\033[0m \007bell \342\200\256evil\n'")
    _run, steps = perform(ctx)
    assert steps[0].excerpt_of()["first"] == ["red \\u0007bell \\u202eevil"]


def test_both_ends_of_a_long_output_are_kept(configured, perform):
    ctx = configured("seq 1 200000")
    run, steps = perform(ctx)
    kept = steps[0].excerpt_of()
    assert kept["first"][0] == "1"
    assert kept["last"][-1] == "200000"
    assert kept["lines"] == 200000
    sizes = [path.stat().st_size for path in actions.folder(ctx, run.id).iterdir()]
    assert sum(sizes) < 400_000


def test_a_task_says_which_run_it_made(ctx, configured, perform):
    run, _ = perform(configured("true"))
    with ctx.db.read() as tx:
        assert json.loads(tasks.get(tx, run.task_id).result) == {"run_id": run.id, "state": "passed"}


def test_old_runs_are_forgotten_with_their_output(ctx, configured, perform, clock):
    run, _ = perform(configured("echo hello"))
    folder = actions.folder(ctx, run.id)
    assert folder.is_dir()
    clock.step(91 * 86_400)
    assert actions.prune(ctx) == 1
    assert not folder.exists()
    with ctx.db.read() as tx:
        assert store.newest(tx, 5) == []


def test_the_status_says_how_fresh_it_is(configured, perform, clock):
    ctx = configured("true", maintenance_enabled=True, maintenance_interval_seconds=600)
    assert not report.standing(ctx).is_fresh, "none has run yet, though one is promised"
    perform(ctx)
    assert report.standing(ctx).is_fresh
    clock.step(3600)
    assert not report.standing(ctx).is_fresh
    assert report.standing(ctx).as_json()["state"] == "passed"
