"""/api/v1/maintenance, /admin/maintenance and `jarvis maintenance`."""

import json
import threading

import pytest

from jarvis import app as composition
from jarvis import cli
from jarvis.maintenance import actions, store
from tests.conftest import make_client


@pytest.fixture
def served(configured):
    """The application with commands configured, and a client for it."""

    def serve(*commands):
        ctx = configured(*commands)
        return ctx, make_client(composition.build_application(ctx), ctx)

    return serve


def test_the_standing_comes_with_the_newest_runs(served, perform):
    ctx, client = served("echo hello", "exit 2")
    perform(ctx)
    shown = client.bearer("ada").get("/api/v1/maintenance").json
    assert shown["state"] == "failed"
    assert [c["exit_code"] for c in shown["runs"][0]["commands"]] == [0, 2]
    assert shown["commands"] == ["echo hello", "exit 2"]


def test_a_run_is_asked_for_once(served):
    _, client = served("true")
    ada = client.bearer("ada")
    answer = ada.post("/api/v1/maintenance/run")
    assert answer.status == 202
    assert answer.json["task_id"].startswith("tsk_")
    assert ada.post("/api/v1/maintenance/run").status == 409


def test_nothing_configured_conflicts(served):
    _, client = served()
    assert client.bearer("ada").post("/api/v1/maintenance/run").status == 409


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_nobody_else_sees_or_starts_it(served, perform, who):
    ctx, client = served("true")
    run, _ = perform(ctx)
    somebody = client.as_(who)
    for path in ("/api/v1/maintenance", "/admin/maintenance", f"/admin/maintenance/{run.id}/1/log"):
        assert somebody.get(path).status == 403
    assert client.bearer(who).post("/api/v1/maintenance/run").status == 403
    assert client.bearer(who).post(f"/api/v1/maintenance/runs/{run.id}/stop").status == 403


def test_runs_are_listed_and_shown(served, perform):
    ctx, client = served("true")
    runs = [perform(ctx)[0].id for _ in range(3)]
    ada = client.bearer("ada")
    first = ada.get("/api/v1/maintenance/runs?limit=2").json
    assert [r["id"] for r in first["items"]] == runs[:0:-1]
    assert ada.get(f"/api/v1/maintenance/runs/{runs[0]}").json["commands"][0]["state"] == "passed"
    assert ada.get("/api/v1/maintenance/runs/run_nothing").status == 404
    assert ada.post(f"/api/v1/maintenance/runs/{runs[0]}/stop").status == 409


def test_the_page_runs_it_and_shows_what_failed(served, perform):
    ctx, client = served("echo 'Error: <b>broken</b>'; exit 4")
    ada = client.as_("ada")
    assert ada.submit("/admin/maintenance", "/admin/maintenance/run").status == 303
    with ctx.db.read() as tx:
        assert actions.waiting(tx)
    assert "has been asked for" in ada.get("/admin/maintenance").text
    answer = ada.post("/admin/maintenance/run", form={"csrf_token": "wrong"})
    assert answer.status == 403


def test_what_a_command_said_is_shown_and_not_obeyed(served, perform):
    ctx, client = served("echo 'Error: <b>broken</b>'; exit 4")
    run, _ = perform(ctx)
    for path in ("/admin/maintenance", f"/admin/maintenance/{run.id}"):
        page = client.as_("ada").get(path).text
        assert "<mark>Error: &lt;b&gt;broken&lt;/b&gt;</mark>" in page
        assert "exit 4" in page
    log = client.as_("ada").get(f"/admin/maintenance/{run.id}/1/log")
    assert log.headers["content-type"].startswith("text/plain")
    assert log.text == "Error: <b>broken</b>\n"
    assert client.as_("ada").get(f"/admin/maintenance/{run.id}/9/log").status == 404


def test_output_is_there_to_see_while_it_runs_and_a_stop_ends_it(served, perform, events):
    ctx, client = served("echo on its way; sleep 611", "echo never")
    done = []
    thread = threading.Thread(target=lambda: (done.append(perform(ctx)), ctx.db.close()))
    thread.start()
    ada, said, seen = client.as_("ada"), "", -1
    while "on its way" not in said:
        said = ada.get("/admin/maintenance").text.partition('class="tail"')[2]
        seen = ctx.db.wake.wait(seen, 0.1)
    assert "Stop this run" in said or "Running" in said
    with ctx.db.read() as tx:
        (run,) = store.running(tx)
    assert ada.submit("/admin/maintenance", f"/admin/maintenance/{run.id}/stop").status == 303
    thread.join(20)
    assert done[0][0].state == "cancelled"
    assert [step.state for step in done[0][1]] == ["cancelled", "skipped"]


def test_the_picture_is_told_in_words(served, perform):
    ctx, client = served("[ -e good ]")
    perform(ctx)
    (actions.workdir(ctx) / "good").touch()
    perform(ctx)
    page = client.as_("ada").get("/admin/maintenance").text
    assert "The last 2 runs: 1 passed, 1 did not." in page


@pytest.fixture
def jarvis(home, monkeypatch, capsys, workdir):
    def run(*words, commands="", **more):
        monkeypatch.setenv("JARVIS_HOME", str(home))
        monkeypatch.setenv("MAINTENANCE_COMMANDS", commands)
        monkeypatch.setenv("MAINTENANCE_WORKDIR", str(workdir))
        code = cli.main(["maintenance", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_runs_here_without_a_server_and_though_it_is_not_enabled(jarvis):
    code, out, _ = jarvis("run", commands="echo hello")
    assert code == 0
    assert out.startswith("hello\n")
    assert "Maintenance passed" in out


def test_the_command_exits_1_when_one_fails_and_78_without_any(jarvis):
    assert jarvis("run", commands="true\nexit 3\necho after")[0] == 1
    assert jarvis("run")[0] == 78
    assert jarvis("enqueue")[0] == 78


def test_the_command_takes_a_literal_newline_mark(jarvis):
    code, out, _ = jarvis("run", "--json", commands="echo one\\necho two")
    assert code == 0
    assert [c["command"] for c in json.loads(out)["commands"]] == ["echo one", "echo two"]


def test_the_status_as_json(jarvis):
    jarvis("run", commands="true")
    code, out, _ = jarvis("status", "--json", commands="true")
    shown = json.loads(out)
    assert code == 0
    assert (shown["state"], shown["enabled"], len(shown["runs"])) == ("passed", False, 1)


def test_an_enqueued_run_stands_in_the_way_of_the_next(jarvis):
    code, _, err = jarvis("enqueue", commands="true")
    assert code == 0
    assert "no server is running" in err
    assert jarvis("enqueue", commands="true")[0] == 65


def test_a_run_here_is_the_one_that_was_waiting(jarvis):
    jarvis("enqueue", commands="true")
    assert jarvis("run", commands="true")[0] == 0
    assert jarvis("enqueue", commands="true")[0] == 0, "nothing waits any more"
