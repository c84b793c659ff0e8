"""While restarting instants wait, in lockdown they are refused, and each is on record."""

from collections.abc import Callable

import pytest

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, TryAgain
from jarvis.schedules import actions
from jarvis.users import actions as users
from tests.schedules.conftest import PROMPT, SWEEP, Bench

Events = Callable[..., list[str]]


def test_a_restart_defers_and_nothing_is_lost(bench: Bench, events: Events) -> None:
    schedule = bench.make("@every:5", overlap="queue")
    bench.set_state(restarting=1)
    assert bench.tick() == {"deferred": 1}
    assert bench.tick(5) == {"deferred": 1}
    assert bench.tick() == {}
    assert events("schedule.trigger") == []
    bench.set_state(restarting=0)
    assert bench.tick(1) == {"dispatched": 2}
    assert bench.tick() == {}
    history = bench.history(schedule)
    assert [d.outcome for d in history] == ["dispatched"] * 2
    assert all(d.task_id and d.reason == "deferred by a restart" for d in history)
    assert events("schedule.trigger") == ["schedule.trigger"] * 2
    assert bench.check_balance(schedule).due == 2


def test_what_was_deferred_is_skipped_when_the_run_before_goes_on(bench: Bench) -> None:
    schedule = bench.make("@every:60")
    bench.tick()
    bench.set_state(restarting=1)
    bench.tick(60)
    bench.set_state(restarting=0)
    assert bench.tick(1) == {"overlap": 1}
    bench.check_balance(schedule)


def test_a_restart_without_end_defers_only_so_many(bench: Bench) -> None:
    schedule = bench.make("@every:60", max_catchup=3)
    bench.set_state(restarting=1)
    for _ in range(6):
        bench.tick(60)
    balance = bench.check_balance(schedule)
    assert balance.outcomes["deferred"] == 3
    assert balance.outcomes["missed"] == 4


def test_what_was_deferred_too_long_is_missed(bench: Bench) -> None:
    schedule = bench.make("@every:86400", grace_seconds=60)
    bench.set_state(restarting=1)
    bench.tick()
    bench.set_state(restarting=0)
    assert bench.tick(3600) == {"missed": 1}
    bench.check_balance(schedule)


def test_pausing_gives_up_what_was_deferred(bench: Bench) -> None:
    schedule = bench.make("@every:3600")
    bench.set_state(restarting=1)
    bench.tick()
    actions.pause(bench.alice, schedule.id)
    bench.set_state(restarting=0)
    assert bench.tick() == {}
    assert bench.outcomes(schedule) == [("missed", 1)]
    bench.check_balance(schedule)


def test_lockdown_refuses_and_records_every_instant(bench: Bench, events: Events) -> None:
    schedule = bench.make("@every:60")
    bench.set_state(lockdown=1, lockdown_reason="odd logins")
    for _ in range(5):
        bench.tick(60)
    (row,) = bench.history(schedule)
    assert (row.outcome, row.count, row.reason) == ("refused", 6, "lockdown: odd logins")
    assert events("schedule.trigger") == []
    bench.set_state(lockdown=0)
    assert bench.tick(60) == {"dispatched": 1}
    bench.check_balance(schedule)


def test_what_was_deferred_is_refused_once_locked_down(bench: Bench) -> None:
    schedule = bench.make("@every:3600")
    bench.set_state(restarting=1)
    bench.tick()
    bench.set_state(restarting=0, lockdown=1)
    assert bench.tick() == {"refused": 1}
    bench.check_balance(schedule)


def test_nothing_runs_for_somebody_shut_out(bench: Bench, as_user: Callable[[str], Context]) -> None:
    schedule = bench.make()
    users.set_disabled(as_user("ada"), schedule.user_id, True)
    assert bench.tick() == {"refused": 1}
    assert bench.history(schedule)[0].reason == "its owner alice is shut out"


def test_a_task_by_name_stops_when_its_owner_is_no_admin_any_more(
    bench: Bench, as_user: Callable[[str], Context]
) -> None:
    ada = as_user("ada")
    users.set_role(ada, bench.alice.user_id or "", "admin")
    schedule = bench.make(by=as_user("alice"), payload={"kind": "task", "name": SWEEP})
    assert bench.tick() == {"dispatched": 1}
    users.set_role(ada, bench.alice.user_id or "", "user")
    assert bench.tick(60) == {"refused": 1}
    assert "no admin any more" in bench.history(schedule)[-1].reason


def test_running_by_hand_uses_no_instant_up(bench: Bench, events: Events) -> None:
    schedule = bench.make("0 3 1 1 *", overlap="allow")
    dispatch = actions.run_now(bench.alice, schedule.id)
    assert dispatch.is_by_hand
    assert dispatch.task_id
    assert events("schedule.trigger") == ["schedule.trigger"]
    assert bench.tick() == {}
    assert bench.check_balance(schedule).due == 0


def test_running_by_hand_works_while_paused(bench: Bench) -> None:
    schedule = bench.make()
    actions.pause(bench.alice, schedule.id)
    assert actions.run_now(bench.alice, schedule.id).outcome == "dispatched"


def test_running_by_hand_is_refused_in_lockdown_during_a_restart_and_over_a_run(bench: Bench) -> None:
    schedule = bench.make()
    bench.set_state(lockdown=1)
    with pytest.raises(Conflict, match="lockdown"):
        actions.run_now(bench.alice, schedule.id)
    bench.set_state(lockdown=0, restarting=1)
    with pytest.raises(TryAgain):
        actions.run_now(bench.alice, schedule.id)
    bench.set_state(restarting=0)
    bench.tick()
    with pytest.raises(Conflict, match="not ended"):
        actions.run_now(bench.alice, schedule.id)


def test_a_prompt_whose_answer_is_being_written_is_still_running(bench: Bench) -> None:
    schedule = bench.make(payload=PROMPT)
    bench.tick()
    with bench.ctx.db.write() as tx:
        tx.run("INSERT INTO tasks (id, name, payload, is_due, run_at, max_attempts, actor, trace_id, parent_id,"
               " created_at) VALUES ('tsk_answer', 'x', '{}', 1, 0, 1, 'x', '', '', 0)")  # fmt: skip
        tx.run("UPDATE tasks SET state = 'done', finished_at = 1, result = '{\"answer_task_id\": \"tsk_answer\"}'"
               " WHERE id <> 'tsk_answer'")  # fmt: skip
    assert bench.tick(60) == {"overlap": 1}
    bench.finish_work()
    assert bench.tick(60) == {"dispatched": 1}
    bench.check_balance(schedule)
