"""A pass gives every due instant exactly one outcome."""

from collections.abc import Callable
from typing import Any

from jarvis.kernel.context import Context
from jarvis.schedules import store
from jarvis.schedules.actions import dispatching
from jarvis.schedules.store import books
from tests.conftest import MORNING
from tests.schedules.conftest import SWEEP, Bench

Events = Callable[..., list[str]]


def payloads(ctx: Context, type: str) -> list[dict[str, Any]]:
    import json

    with ctx.db.read() as tx:
        return tx.all(json.loads, "SELECT data FROM events WHERE type = :type ORDER BY seq", type=type)


def test_every_is_due_when_created_and_then_each_time(bench: Bench) -> None:
    schedule = bench.make("@every:60")
    assert schedule.next_due_at == MORNING
    assert bench.tick() == {"dispatched": 1}
    assert bench.tick() == {}
    assert bench.tick(59) == {}
    bench.finish_work()
    assert bench.tick(1) == {"dispatched": 1}
    assert [dispatch.due_at for dispatch in bench.history(schedule)] == [MORNING, MORNING + 60_000_000]
    bench.check_balance(schedule)


def test_a_trigger_says_which_schedule_dispatch_and_instant(bench: Bench, ctx: Context) -> None:
    schedule = bench.make("@every:60", name="Disk")
    bench.tick()
    (event,) = payloads(ctx, "schedule.trigger")
    (dispatch,) = bench.history(schedule)
    assert event["schedule_id"] == schedule.id
    assert event["dispatch_id"] == dispatch.id
    assert event["due_at"] == "2026-11-23T02:46:00.000Z"
    assert event["name"] == "Disk"


def test_the_trigger_and_the_task_share_a_trace_of_their_own(bench: Bench, ctx: Context) -> None:
    first, second = bench.make(), bench.make()
    bench.tick()
    dispatches = [bench.history(first)[0], bench.history(second)[0]]
    assert len({dispatch.trace_id for dispatch in dispatches}) == 2
    with ctx.db.read() as tx:
        for dispatch in dispatches:
            assert tx.one(str, "SELECT trace_id FROM tasks WHERE id = :id", id=dispatch.task_id) == dispatch.trace_id
            sql = "SELECT actor FROM events WHERE trace_id = :trace AND type = 'schedule.trigger'"
            assert tx.all(str, sql, trace=dispatch.trace_id) == ["scheduler"]


def test_the_task_belongs_to_the_owner(bench: Bench, ctx: Context, as_user: Callable[[str], Context]) -> None:
    ada = as_user("ada")
    schedule = bench.make(by=ada, payload={"kind": "task", "name": SWEEP, "args": {"room": 1}})
    bench.tick()
    with ctx.db.read() as tx:
        task_id = bench.history(schedule)[0].task_id
        row = tx.one(lambda *row: row, "SELECT name, payload, user_id, actor FROM tasks WHERE id = :id", id=task_id)
    assert row == (SWEEP, '{"room": 1}', ada.user_id, "scheduler")


def test_an_instant_on_record_is_never_given_out_again(bench: Bench) -> None:
    schedule = bench.make()
    bench.tick()
    bench.damage(schedule, accounted_to=MORNING - 1, next_due_at=MORNING)
    assert bench.tick() == {"set_aside": 1}
    assert [d.outcome for d in bench.history(schedule)] == ["dispatched"]


def test_more_than_a_batch_is_settled_in_one_pass(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr(dispatching, "BATCH", 7)
    for _ in range(30):
        bench.make()
    assert bench.tick() == {"dispatched": 30}


def test_the_chain_of_events_holds(bench: Bench, ctx: Context) -> None:
    from jarvis.kernel import events

    for _ in range(5):
        bench.make()
    bench.tick()
    with ctx.db.read() as tx:
        assert events.verify(tx).problems == ()


def test_an_idle_pass_writes_nothing(bench: Bench, ctx: Context) -> None:
    bench.make()
    bench.tick()
    before = ctx.db.wake.count
    bench.tick(10)
    assert ctx.db.wake.count == before


def test_old_rows_go_and_the_totals_stay(bench: Bench, ctx: Context) -> None:
    schedule = bench.make("@every:3600")
    for _ in range(5):
        bench.tick()
        bench.finish_work()
        bench.clock.step(3600)
    with ctx.db.write() as tx:
        assert books.prune(tx, MORNING + 2 * 3_600_000_000 + 1, 100) == 3
    with ctx.db.read() as tx:
        assert books.totals(tx, schedule.id, 1) == {"dispatched": 5}
        assert store.get(tx, schedule.id).era == 1
    assert len(bench.history(schedule)) == 2
