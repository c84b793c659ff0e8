"""Creating, changing, pausing, resuming and removing: who may, what is refused, and what the books say."""

from collections.abc import Callable

import pytest

from jarvis.chat import actions as chat
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, Invalid, NotFound
from jarvis.schedules import actions, store
from tests.conftest import MORNING
from tests.schedules.conftest import PROMPT, SWEEP, Bench

Person = Callable[[str], Context]
Events = Callable[..., list[str]]


def test_a_new_schedule_has_the_settings_of_the_house(bench: Bench, events: Events) -> None:
    schedule = bench.make("*/5 * * * *")
    assert (schedule.catchup, schedule.max_catchup, schedule.grace_seconds) == ("all", 10, 3600)
    assert (schedule.overlap, schedule.timezone, schedule.thread_id) == ("skip", "UTC", None)
    assert schedule.name == "How full is the disk?"
    assert schedule.next_due_at == MORNING + 4 * 60 * SECOND
    assert events("schedule.") == ["schedule.created"]


def test_a_wall_clock_rule_can_be_due_the_very_moment_it_is_made(bench: Bench) -> None:
    assert bench.make("46 2 * * *").next_due_at == MORNING


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"kind": "prompt"}, "payload.text"),
        ({"kind": "prompt", "text": "  "}, "payload.text"),
        ({"kind": "prompt", "text": "x\x00"}, "payload.text"),
        ({"kind": "prompt", "text": 5}, "payload.text"),
        ({"kind": "shell", "text": "rm"}, "payload.kind"),
        ({}, "payload.kind"),
        ({"kind": "task"}, "payload.name"),
        ({"kind": "task", "name": "jarvis.tasks.nobody"}, "payload.name"),
        ({"kind": "task", "name": "jarvis.tasks.agent.step"}, "payload.name"),
        ({"kind": "task", "name": SWEEP, "args": [1]}, "payload.args"),
        ({"kind": "task", "name": SWEEP, "args": {"x": "y" * 20_000}}, "payload.args"),
    ],
)
def test_a_wrong_payload_is_refused_at_its_field(
    bench: Bench, as_user: Person, payload: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        bench.make(by=as_user("ada"), payload=payload)
    assert [fault.field for fault in refusal.value.fields] == [field]


def test_only_an_admin_schedules_a_task_by_name(bench: Bench, as_user: Person) -> None:
    task = {"kind": "task", "name": SWEEP}
    with pytest.raises(Denied):
        bench.make(payload=task)
    mine = bench.make()
    with pytest.raises(Denied):
        actions.change(bench.alice, mine.id, {"payload": task})
    with pytest.raises(Denied, match="run as alice"):  # an admin's right is not lent to her either
        actions.change(as_user("ada"), mine.id, {"payload": task})
    assert bench.make(by=as_user("ada"), payload=task).name == "sweep"


def test_somebody_elses_schedule_is_not_there(bench: Bench, as_user: Person) -> None:
    schedule, charlie = bench.make(), as_user("charlie")
    for attempt in (
        lambda: actions.read(charlie, schedule.id),
        lambda: actions.change(charlie, schedule.id, {"name": "mine now"}),
        lambda: actions.pause(charlie, schedule.id),
        lambda: actions.resume(charlie, schedule.id),
        lambda: actions.run_now(charlie, schedule.id),
        lambda: actions.remove(charlie, schedule.id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert actions.pause(as_user("ada"), schedule.id, "too loud").paused_by == "ada"


def test_a_conversation_must_be_the_owners(bench: Bench, as_user: Person) -> None:
    mine, theirs = chat.open_thread(bench.alice, "Disk"), chat.open_thread(as_user("bob"), "Private")
    assert bench.make(thread_id=mine.id).thread_id == mine.id
    for thread_id in (theirs.id, "thr_nothing"):
        with pytest.raises(Invalid, match="thread_id"):
            bench.make(thread_id=thread_id)
    with pytest.raises(Invalid, match="thread_id"):
        actions.change(bench.alice, bench.make().id, {"thread_id": theirs.id})


def test_nothing_falls_due_while_paused(bench: Bench, events: Events) -> None:
    schedule = bench.make("@every:60")
    bench.tick()
    bench.finish_work()
    paused = actions.pause(bench.alice, schedule.id, " too  loud ")
    assert (paused.is_enabled, paused.paused_reason, paused.paused_by) == (0, "too loud", "alice")
    assert actions.pause(bench.alice, schedule.id, "again").paused_reason == "too loud"
    assert bench.tick(600) == {}
    actions.resume(bench.alice, schedule.id)
    actions.resume(bench.alice, schedule.id)
    assert bench.tick() == {}
    assert bench.tick(60) == {"dispatched": 1}
    assert bench.outcomes(schedule) == [("dispatched", 1), ("paused", 10), ("dispatched", 1)]
    assert bench.check_balance(schedule).due == 2
    assert [e for e in events("schedule.") if e != "schedule.trigger"] == [
        "schedule.created", "schedule.paused", "schedule.resumed"
    ]  # fmt: skip


def test_what_was_due_before_the_pause_is_written_off(bench: Bench) -> None:
    schedule = bench.make("@every:60")
    bench.clock.step(120)
    actions.pause(bench.alice, schedule.id)
    assert bench.outcomes(schedule) == [("missed", 3)]
    assert bench.history(schedule)[0].reason == "paused before it could run"
    bench.check_balance(schedule)


def test_it_can_begin_paused(bench: Bench) -> None:
    schedule = bench.make(enabled=False, paused_reason="not yet")
    assert bench.tick(600) == {}
    assert schedule.paused_reason == "not yet"
    actions.change(bench.alice, schedule.id, {"enabled": True})
    assert bench.tick(60) == {"dispatched": 1}
    bench.check_balance(schedule)


def test_a_new_rule_starts_new_books(bench: Bench) -> None:
    schedule = bench.make("@every:60")
    bench.tick()
    bench.finish_work()
    bench.clock.step(150)
    changed = actions.change(bench.alice, schedule.id, {"cron_expr": "@every:600"})
    assert (changed.era, changed.next_due_at) == (2, bench.clock.now + 600 * SECOND)
    assert bench.outcomes(schedule) == [("dispatched", 1), ("missed", 2)]
    assert bench.history(schedule)[-1].reason == "the rule was changed before it could run"
    assert bench.tick(600) == {"dispatched": 1}
    assert bench.check_balance(schedule).due == 1


def test_a_new_zone_starts_new_books_too(bench: Bench) -> None:
    schedule = bench.make("0 7 * * *")
    changed = actions.change(bench.alice, schedule.id, {"timezone": "Europe/Berlin"})
    assert changed.next_due_at == (schedule.next_due_at or 0) - 3600 * SECOND
    bench.check_balance(schedule)


def test_other_changes_leave_the_books_alone(bench: Bench, events: Events) -> None:
    schedule = bench.make()
    bench.tick()
    changed = actions.change(bench.alice, schedule.id, {"name": "Disk", "max_catchup": 3, "cron_expr": "@every:60"})
    assert (changed.name, changed.max_catchup, changed.era) == ("Disk", 3, 1)
    assert events("schedule.changed") == ["schedule.changed"]
    actions.change(bench.alice, schedule.id, {"name": "Disk"})
    assert events("schedule.changed") == ["schedule.changed"]


def test_removing_forgets_the_history_but_not_the_events(bench: Bench, events: Events, ctx: Context) -> None:
    schedule = bench.make()
    bench.tick()
    actions.remove(bench.alice, schedule.id)
    assert bench.tick(60) == {}
    with ctx.db.read() as tx:
        assert store.find(tx, schedule.id) is None
        assert tx.one(int, "SELECT count(*) FROM dispatches") == 0
        assert tx.one(int, "SELECT count(*) FROM dispatch_totals") == 0
    assert events("schedule.") == ["schedule.created", "schedule.trigger", "schedule.removed"]


def test_a_deleted_conversation_leaves_the_schedule(bench: Bench) -> None:
    thread = chat.open_thread(bench.alice, "Disk")
    schedule = bench.make(thread_id=thread.id, payload=PROMPT)
    chat.delete(bench.alice, thread.id)
    assert bench.get(schedule).thread_id is None
    assert bench.tick() == {"dispatched": 1}
