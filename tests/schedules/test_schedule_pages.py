"""/admin/schedules: what people see and do there, with forms alone."""

import re

import pytest

from jarvis.schedules import actions
from tests.client import Client
from tests.schedules.conftest import PROMPT, SWEEP, Bench

PAGE = "/admin/schedules"


def test_an_empty_list_says_how_to_begin(client: Client) -> None:
    page = client.as_("alice").get(PAGE)
    assert page.status == 200
    assert "Nothing runs by itself yet." in page.text
    assert "jarvis schedule add" in page.text


def test_the_list_tells_state_next_and_owner(client: Client, bench: Bench) -> None:
    disk, audit = bench.make("*/10 * * * *", name="Disk check"), bench.make("@every:900", name="Audit")
    actions.pause(bench.alice, audit.id, "too loud")
    bench.tick(300)
    page = client.as_("ada").get(PAGE).text
    assert "2 schedules, 1 paused. Every instant of the last 24 h is accounted for." in page
    assert "Paused by alice" in page
    assert "Every 10 min, UTC" in page
    assert f'href="{PAGE}/{disk.id}"' in page
    mine = client.as_("charlie").get(PAGE).text
    assert "Disk check" not in mine


def test_the_list_is_alive_and_quiet_when_nothing_changed(client: Client, bench: Bench) -> None:
    bench.make()
    alice = client.as_("alice")
    partial = alice.get(PAGE, headers={"HX-Request": "true"})
    assert partial.text.lstrip().startswith('<div id="schedules"')
    seen = re.search(r"seen=(\w+)", partial.text)
    assert seen
    assert alice.get(f"{PAGE}?seen={seen[1]}", headers={"HX-Request": "true"}).status == 204
    bench.tick()
    assert alice.get(f"{PAGE}?seen={seen[1]}", headers={"HX-Request": "true"}).status == 200


def test_a_schedule_is_begun_edited_paused_resumed_run_and_removed(client: Client, bench: Bench) -> None:
    alice = client.as_("alice")
    made = alice.submit(f"{PAGE}/new", PAGE, cron_expr="*/5 * * * *", timezone="Europe/Berlin", text="How is the disk?")
    assert made.status == 303
    at = made.location.partition("?")[0]
    assert "Begun." in alice.get(made.location).text
    assert alice.submit(f"{at}/edit", at, name="Disk check", overlap="queue", text="How is it?").status == 303
    page = alice.get(at).text
    assert "<h1>Disk check</h1>" in page
    assert "overlap queue" in page
    assert alice.submit(at, f"{at}/run").status == 303
    assert "By hand" in alice.get(at).text
    assert alice.submit(at, f"{at}/pause", reason="too loud").status == 303
    assert "too loud" in alice.get(at).text
    assert alice.submit(at, f"{at}/resume").status == 303
    assert alice.submit(at, f"{at}/remove").location == f"{PAGE}?done=removed"
    assert alice.get(at).status == 404


def test_a_refused_form_keeps_what_was_typed(client: Client, bench: Bench) -> None:
    typed = {"cron_expr": "61 * * * *", "timezone": "UTC", "text": "How is <b>the disk</b>?"}
    page = client.as_("alice").submit(f"{PAGE}/new", PAGE, **typed)
    assert page.status == 422
    assert 'value="61 * * * *"' in page.text
    assert "How is &lt;b&gt;the disk&lt;/b&gt;?" in page.text
    assert 'id="cron_expr-error"' in page.text


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"text": ""}, "text"),
        ({"timezone": "Mars"}, "timezone"),
        ({"thread_id": "thr_no"}, "thread_id"),
        ({"cron_expr": " "}, "cron_expr"),
    ],
)
def test_each_complaint_stands_at_its_field(client: Client, bench: Bench, typed: dict[str, str], field: str) -> None:
    values = {"cron_expr": "@daily", "timezone": "UTC", "text": "x"} | typed
    page = client.as_("alice").submit(f"{PAGE}/new", PAGE, **values)
    assert page.status == 422
    assert f'id="{field}-error"' in page.text


def test_an_admin_schedules_a_task_and_nobody_else_is_offered_one(client: Client, bench: Bench) -> None:
    ada = client.as_("ada")
    made = ada.submit(f"{PAGE}/new", PAGE, cron_expr="@daily", kind="task", task=SWEEP, args='{"room": 1}')
    assert made.status == 303
    page = ada.get(made.location).text
    assert SWEEP in page
    wrong = ada.submit(f"{PAGE}/new", PAGE, cron_expr="@daily", kind="task", task=SWEEP, args="{")
    assert wrong.status == 422
    assert 'id="args-error"' in wrong.text
    assert SWEEP not in client.as_("alice").get(f"{PAGE}/new").text


def test_the_page_of_a_schedule_shows_picture_ledger_and_next_instants(client: Client, bench: Bench) -> None:
    schedule = bench.make("@every:600", max_catchup=3, name="Disk check")
    for _ in range(30):
        bench.tick(600)
        bench.finish_work()
    bench.set_state(lockdown=1, lockdown_reason="odd logins")
    bench.tick(1200)
    bench.set_state(lockdown=0)
    bench.tick(7200)
    page = client.as_("alice").get(f"{PAGE}/{schedule.id}").text
    assert "Each due instant, last 24 h" in page
    assert page.count('<rect class="run"') >= 29
    assert "Balances" in page
    assert "lockdown: odd logins" in page
    assert "more than the 3 caught up at most" in page
    label = re.search(r'role="img" aria-label="([^"]+)"', page)
    assert label
    assert "due instants:" in label[1]
    assert "computed, not promised" in page
    bench.check_balance(schedule)


def test_totals_that_do_not_balance_are_said_so(client: Client, bench: Bench) -> None:
    schedule = bench.make("@every:600")
    bench.tick()
    bench.damage(schedule, accounted_to=schedule.created_at + 3 * 600_000_000)
    assert "Off by 3" in client.as_("alice").get(f"{PAGE}/{schedule.id}").text
    assert "off by 3" in client.as_("alice").get(PAGE).text


def test_what_was_set_aside_says_why_and_how_to_mend_it(client: Client, bench: Bench) -> None:
    schedule = bench.make("* * * * *")
    bench.damage(schedule, cron_expr="<nonsense>", payload="{")
    bench.tick()
    alice = client.as_("alice")
    assert "1 set aside and in need of a hand" in alice.get(PAGE).text
    at = f"{PAGE}/{schedule.id}"
    page = alice.get(at).text
    assert "Set aside: it does not run." in page
    assert "&lt;nonsense&gt;" in page
    mended = alice.submit(f"{at}/edit", at, cron_expr="@daily", text="How is the disk?")
    assert mended.status == 303
    assert bench.get(schedule).fault is None


def test_a_problem_with_an_act_is_shown_on_the_page(client: Client, bench: Bench) -> None:
    schedule = bench.make()
    bench.tick()
    alice = client.as_("alice")
    at = f"{PAGE}/{schedule.id}"
    refused = alice.submit(at, f"{at}/run")
    assert refused.status == 409
    assert "Its last run has not ended yet." in refused.text


def test_the_history_is_paged_and_cut_by_outcome(client: Client, bench: Bench) -> None:
    schedule = bench.make("@every:60", payload=PROMPT)
    for _ in range(5):
        bench.tick(60)
        bench.finish_work()
    alice, at = client.as_("alice"), f"{PAGE}/{schedule.id}/dispatches"
    first = alice.get(f"{at}?limit=2").text
    older = re.search(r'href="([^"]+after=[^"]+)" rel="next"', first)
    assert older
    assert alice.get(older[1].replace("&amp;", "&")).status == 200
    assert "None of that kind" in alice.get(f"{at}?outcome=refused").text


@pytest.mark.parametrize("path", ["", "/edit", "/dispatches"])
def test_somebody_elses_pages_are_not_there(client: Client, bench: Bench, path: str) -> None:
    at = f"{PAGE}/{bench.make().id}"
    assert client.as_("charlie").get(at + path).status == 404
    assert client.as_("ada").get(at + path).status == 200


@pytest.mark.parametrize("act", ["pause", "resume", "run", "remove"])
def test_somebody_elses_schedule_cannot_be_acted_on(client: Client, bench: Bench, act: str) -> None:
    schedule = bench.make()
    charlie = client.as_("charlie")
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', charlie.get(f"{PAGE}/new").text)
    assert csrf
    assert charlie.post(f"{PAGE}/{schedule.id}/{act}", form={"csrf_token": csrf[1]}).status == 404
    assert bench.get(schedule).is_on
