"""/api/v1/tasks, /admin/tasks and `jarvis task`: for admins only, and alike."""

import json

import pytest

from jarvis import cli
from jarvis.queue import actions
from tests.client import forms_of
from tests.queue.conftest import REFUSED


@pytest.fixture
def failed(ctx, kitchen, run_all):
    task = actions.enqueue(ctx, kitchen.failing("broken", REFUSED), {"secret": "no", "n": 1})
    run_all()
    return task


def test_tasks_are_listed_newest_first_and_filtered(ctx, kitchen, client, failed):
    waiting = actions.enqueue(ctx, kitchen.add("nothing"), {})
    ada = client.bearer("ada")
    assert [t["id"] for t in ada.get("/api/v1/tasks").json["items"]] == [waiting.id, failed.id]
    assert [t["id"] for t in ada.get("/api/v1/tasks?state=failed").json["items"]] == [failed.id]
    assert [t["id"] for t in ada.get(f"/api/v1/tasks?name={waiting.name}").json["items"]] == [waiting.id]
    assert ada.get("/api/v1/tasks?state=odd").status == 422


def test_lists_page_by_next(ctx, kitchen, client):
    name = kitchen.add("nothing")
    tasks = [actions.enqueue(ctx, name, {}).id for _ in range(5)]
    ada = client.bearer("ada")
    first = ada.get("/api/v1/tasks?limit=3").json
    rest = ada.get(f"/api/v1/tasks?limit=3&after={first['next']}").json
    assert [t["id"] for t in first["items"] + rest["items"]] == tasks[::-1]
    assert rest["next"] is None


def test_one_task_comes_with_its_attempts(client, failed):
    shown = client.bearer("ada").get(f"/api/v1/tasks/{failed.id}").json
    assert shown["state"] == "failed"
    assert shown["attempt_log"][0]["outcome"] == "failed"
    assert shown["attempt_log"][0]["error"] == "No."


@pytest.mark.parametrize("who", ["alice", "charlie"])
@pytest.mark.parametrize("path", ["/api/v1/tasks", "/admin/tasks"])
def test_nobody_else_sees_tasks(client, who, path):
    assert client.as_(who).get(path).status == 403


def test_nobody_else_changes_them(client, failed):
    for what in ("retry", "cancel"):
        assert client.bearer("charlie").post(f"/api/v1/tasks/{failed.id}/{what}").status == 403


def test_a_failed_task_is_retried_and_then_conflicts(client, failed):
    ada = client.bearer("ada")
    assert ada.post(f"/api/v1/tasks/{failed.id}/retry").status == 202
    assert ada.post(f"/api/v1/tasks/{failed.id}/retry").status == 409


def test_a_waiting_task_is_cancelled(ctx, kitchen, client, look):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {})
    assert client.bearer("ada").post(f"/api/v1/tasks/{task.id}/cancel").json["state"] == "cancelled"


def test_what_is_not_there_is_404(client):
    assert client.bearer("ada").get("/api/v1/tasks/tsk_nothing").status == 404


def test_the_page_shows_what_failed_and_retries_a_selection_without_javascript(client, failed, look):
    ada = client.as_("ada")
    page = ada.get("/admin/tasks?state=failed").text
    assert "test.broken" in page
    assert "1 failed" in page
    assert f'type="checkbox" form="selection" name="id" value="{failed.id}"' in page
    form = next(form for form in forms_of(page) if form.action == "/admin/tasks/retry")
    answer = ada.post(form.action, form={**form.values, "id": failed.id})
    assert answer.status == 303
    assert look(failed).state == "queued"
    assert "1 task is queued again" in ada.get(answer.location).text


def test_an_empty_selection_says_what_to_do(client, failed):
    answer = client.as_("ada").submit("/admin/tasks", "/admin/tasks/retry")
    assert answer.status == 409
    assert "Tick the tasks" in answer.text


def test_one_task_is_shown_retried_and_cancelled(client, failed, look):
    ada = client.as_("ada")
    at = f"/admin/tasks/{failed.id}"
    assert "No." in ada.get(at).text
    assert ada.submit(at, f"{at}/retry").status == 303
    assert ada.submit(at, f"{at}/cancel").status == 303
    assert look(failed).state == "cancelled"


def test_the_live_part_is_sent_again_only_when_something_changed(ctx, kitchen, client, failed):
    ada = client.as_("ada")
    page = ada.get("/admin/tasks", headers={"HX-Request": "true"})
    assert "<html" not in page.text
    mark = page.text.split("seen=")[1].split('"')[0]
    assert ada.get(f"/admin/tasks?seen={mark}", headers={"HX-Request": "true"}).status == 204
    actions.retry(ctx, failed.id)
    assert ada.get(f"/admin/tasks?seen={mark}", headers={"HX-Request": "true"}).status == 200


def test_text_of_a_task_is_shown_and_never_obeyed(ctx, kitchen, client):
    task = actions.enqueue(ctx, kitchen.add("nothing"), {"x": "<script>alert(1)</script>\u202eevil"})
    page = client.as_("ada").get(f"/admin/tasks/{task.id}").text
    assert "<script>alert" not in page
    assert "\u202e" not in page


@pytest.fixture
def jarvis(home, monkeypatch, capsys):
    """Runs the command line on the home."""

    def run(*words):
        monkeypatch.setenv("JARVIS_HOME", str(home))
        code = cli.main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_runs_a_task_here_and_now(jarvis):
    code, out, err = jarvis("task", "run", "agent.step", '{"reply_id": "msg_nothing"}')
    assert code == 1
    assert "There is no such message" in err
    listed = json.loads(jarvis("task", "list", "--json")[1])["items"]
    assert [task["state"] for task in listed] == ["failed"]
    code, out, err = jarvis("task", "show", listed[0]["id"])
    assert "attempt 1" in out


def test_the_command_knows_names_and_says_which(jarvis):
    assert jarvis("task", "run", "nobody.knows")[0] == 66
    assert "jarvis.tasks.maintenance.run" in jarvis("task", "names")[1]
    assert jarvis("task", "run", "agent.step")[0] == 64
    assert jarvis("task", "run", "agent.step", "[1]")[0] == 64
    assert jarvis("task", "list", "--state", "odd")[0] == 64


def test_the_command_retries_and_cancels(jarvis):
    jarvis("task", "run", "agent.step", '{"reply_id": "msg_nothing"}')
    task = json.loads(jarvis("task", "list", "--json")[1])["items"][0]["id"]
    assert jarvis("task", "retry", task)[0] == 0
    assert jarvis("task", "retry", task)[0] == 65
    assert jarvis("task", "cancel", task)[0] == 0
    assert jarvis("task", "cancel", task)[0] == 65
    assert jarvis("--as", "alice", "task", "list")[0] == 77


def test_output_of_the_command_obeys_no_control_character(jarvis):
    _code, out, err = jarvis("task", "run", "agent.step", json.dumps({"reply_id": "\x1b[31mred"}))
    assert "\x1b" not in out + err
