"""/api/v1/schedules, by behaviour."""

import pytest

from tests.client import Client
from tests.conftest import MORNING
from tests.schedules.conftest import PROMPT, SWEEP, Bench

API = "/api/v1/schedules"


def test_a_schedule_is_created_with_a_location(client: Client, bench: Bench) -> None:
    alice = client.bearer("alice")
    made = alice.post(API, json={"cron_expr": "@every:60", "payload": PROMPT})
    assert made.status == 201
    shown = made.json
    assert made.location == f"{API}/{shown['id']}"
    assert shown["payload"] == PROMPT
    assert shown["enabled"] is True
    assert shown["next_due_at"] == shown["created_at"] == "2026-11-23T02:46:00.000Z"
    assert shown["last_due_at"] is None
    assert alice.get(made.location).json == shown
    assert alice.get(API).json == {"items": [shown], "next": None}


def test_everybody_sees_their_own_and_an_admin_all(client: Client, bench: Bench) -> None:
    schedule = bench.make()
    assert client.bearer("charlie").get(API).json["items"] == []
    assert [s["id"] for s in client.bearer("ada").get(API).json["items"]] == [schedule.id]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/dispatches"), ("GET", "/balance"), ("POST", "/run")],
)
def test_somebody_elses_is_not_found(client: Client, bench: Bench, method: str, path: str) -> None:
    schedule = bench.make()
    json = {} if method == "PATCH" else None
    assert client.bearer("charlie").request(method, f"{API}/{schedule.id}{path}", json=json).status == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cron_expr": "nonsense"}, "cron_expr"),
        ({"cron_expr": "30 2 30 2 *"}, "cron_expr"),
        ({"cron_expr": 5}, "cron_expr"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"payload": {"kind": "shell"}}, "payload.kind"),
        ({"payload": {"kind": "prompt"}}, "payload.text"),
        ({"payload": "x"}, "payload"),
        ({"catchup": "some"}, "catchup"),
        ({"max_catchup": -1}, "max_catchup"),
        ({"max_catchup": True}, "max_catchup"),
        ({"grace_seconds": 1.5}, "grace_seconds"),
        ({"overlap": "stop"}, "overlap"),
        ({"enabled": "no"}, "enabled"),
        ({"thread_id": "thr_nobodys"}, "thread_id"),
        ({"name": "two\nlines"}, "name"),
    ],
)
def test_bad_input_is_named_by_field(client: Client, wrong: dict[str, object], field: str) -> None:
    answer = client.bearer("alice").post(API, json={"cron_expr": "@daily", "payload": PROMPT} | wrong)
    assert answer.status == 422
    assert answer.fields_at_fault() == [field]


def test_what_is_missing_is_named(client: Client) -> None:
    assert sorted(client.bearer("alice").post(API, json={}).fields_at_fault()) == ["cron_expr", "payload"]


def test_a_task_by_name_takes_an_admin(client: Client, bench: Bench) -> None:
    body = {"cron_expr": "@daily", "payload": {"kind": "task", "name": SWEEP, "args": {"room": 1}}}
    assert client.bearer("alice").post(API, json=body).status == 403
    assert client.bearer("ada").post(API, json=body).json["payload"] == body["payload"]


def test_patching_pauses_and_resumes(client: Client, bench: Bench) -> None:
    schedule, alice = bench.make(), client.bearer("alice")
    paused = alice.patch(f"{API}/{schedule.id}", json={"enabled": False, "paused_reason": "too loud"}).json
    assert (paused["enabled"], paused["paused_reason"], paused["paused_by"]) == (False, "too loud", "alice")
    assert paused["next_due_at"] is None
    resumed = alice.patch(f"{API}/{schedule.id}", json={"enabled": True}).json
    assert (resumed["enabled"], resumed["paused_by"]) == (True, None)


def test_dispatches_are_newest_first_and_paged(client: Client, bench: Bench) -> None:
    schedule, alice = bench.make("@every:60"), client.bearer("alice")
    for _ in range(5):
        bench.tick()
        bench.finish_work()
        bench.clock.step(60)
    at = f"{API}/{schedule.id}/dispatches"
    first = alice.get(f"{at}?limit=3").json
    second = alice.get(f"{at}?limit=3&after={first['next']}").json
    due = [item["due_at"] for item in first["items"] + second["items"]]
    assert due == sorted(due, reverse=True)
    assert len(set(due)) == 5
    assert second["next"] is None
    item = first["items"][0]
    assert item["outcome"] == "dispatched"
    assert item["task_id"].startswith("tsk_")
    assert item["id"].startswith("dsp_")
    assert (item["count"], item["dispatched_at"]) == (1, item["due_at"])


def test_skipped_instants_share_a_row(client: Client, bench: Bench) -> None:
    schedule = bench.make("@every:60")
    bench.set_state(lockdown=1)
    bench.tick(600)
    (item,) = client.bearer("alice").get(f"{API}/{schedule.id}/dispatches?outcome=refused").json["items"]
    assert (item["count"], item["task_id"]) == (11, None)
    assert item["due_at"] == "2026-11-23T02:46:00.000Z"
    assert item["last_due_at"] == "2026-11-23T02:56:00.000Z"


def test_running_by_hand_is_accepted_once(client: Client, bench: Bench) -> None:
    schedule, alice = bench.make("@yearly"), client.bearer("alice")
    ran = alice.post(f"{API}/{schedule.id}/run")
    assert ran.status == 202
    assert ran.json["by_hand"] is True
    assert alice.post(f"{API}/{schedule.id}/run").status == 409


def test_the_balance_adds_up(client: Client, bench: Bench) -> None:
    schedule = bench.make("@every:60")
    bench.tick()
    bench.finish_work()
    bench.tick(3 * 3600)
    shown = client.bearer("alice").get(f"{API}/{schedule.id}/balance").json
    assert shown["balances"] is True
    assert shown["due"] == sum(shown["outcomes"].values()) == 181


def test_deleting_is_once(client: Client, bench: Bench) -> None:
    schedule, alice = bench.make(), client.bearer("alice")
    assert alice.delete(f"{API}/{schedule.id}").status == 204
    assert alice.delete(f"{API}/{schedule.id}").status == 404


def test_the_status_has_the_backlog(client: Client, bench: Bench) -> None:
    from jarvis.schedules import report

    bench.make("@every:60")
    bench.make("@every:3600", enabled=False)
    bench.set_state(restarting=1)
    bench.tick(120)
    bench.clock.step(60)
    shown = report.backlog(bench.ctx)
    assert shown["schedules"] == 2
    assert shown["due"] == 1
    assert shown["deferred"] == 3
    assert shown["paused"] == 1
    assert shown["next_due_at"] == "2026-11-23T02:49:00.000Z"
    assert bench.clock.now == MORNING + 180_000_000
