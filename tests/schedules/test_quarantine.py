"""A row that no input could have made is set aside with an event, and the rest goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from jarvis.kernel.errors import Conflict
from jarvis.schedules import actions
from tests.conftest import MORNING
from tests.schedules.conftest import PROMPT, Bench


@pytest.mark.parametrize(
    "damage",
    [
        {"cron_expr": "not a rule"},
        {"cron_expr": "@every:0"},
        {"cron_expr": ""},
        {"timezone": "Mars/Olympus", "cron_expr": "@daily"},
        {"payload": "{"},
        {"payload": "[]"},
        {"payload": '{"kind": "task", "name": "jarvis.tasks.gone"}'},
        {"payload": '{"kind": "shell"}'},
        {"accounted_to": -(2**62), "cron_expr": "* * * * *"},
        {"anchor_at": 2**62, "accounted_to": 2**62 - 5},
        {"grace_seconds": 2**62},
        {"max_catchup": 2**62},
    ],
    ids=str,
)
def test_a_damaged_row_never_stops_the_others(
    bench: Bench, events: Callable[..., list[str]], damage: dict[str, Any]
) -> None:
    bad, good = bench.make("* * * * *"), bench.make("* * * * *")
    bench.damage(bad, **damage)
    bench.damage(bad, next_due_at=MORNING - 5)
    done = bench.tick()
    assert len(bench.history(good)) == 1
    assert [d.outcome for d in bench.history(good)] == ["dispatched"]
    if "set_aside" in done:
        assert events("schedule.quarantined") == ["schedule.quarantined"]
        assert bench.get(bad).fault
        assert bench.get(bad).as_json()["fault"]
    bench.finish_work()
    assert bench.tick(60)["dispatched"] >= 1
    assert bench.get(good).fault is None


def test_what_was_set_aside_is_not_looked_at_again_until_mended(bench: Bench) -> None:
    schedule = bench.make("* * * * *")
    bench.damage(schedule, cron_expr="nonsense")
    assert bench.tick() == {"set_aside": 1}
    assert bench.tick(600) == {}
    with pytest.raises(Conflict, match="set aside"):
        actions.run_now(bench.alice, schedule.id)
    with pytest.raises(Conflict, match="Change it first"):
        actions.resume(bench.alice, schedule.id)
    mended = actions.change(bench.alice, schedule.id, {"cron_expr": "@every:60"})
    assert mended.fault is None
    assert bench.tick(60) == {"dispatched": 1}
    bench.check_balance(schedule)


def test_a_damaged_payload_is_mended_by_a_new_one(bench: Bench) -> None:
    schedule = bench.make()
    bench.damage(schedule, payload="{")
    bench.tick()
    actions.pause(bench.alice, schedule.id)
    assert actions.change(bench.alice, schedule.id, {"payload": PROMPT, "enabled": True}).is_on
    assert bench.tick(60) == {"dispatched": 1}


def test_it_can_be_removed_as_it_is(bench: Bench) -> None:
    schedule = bench.make()
    bench.damage(schedule, cron_expr="x", payload="{")
    bench.tick()
    actions.remove(bench.alice, schedule.id)
    assert bench.tick(60) == {}


def test_a_full_disk_is_not_the_rows_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from jarvis.kernel.errors import Unavailable
    from jarvis.schedules.actions import dispatching

    schedule = bench.make()

    def full(*args: object) -> None:
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(dispatching, "decide", full)
    with pytest.raises(Unavailable):
        bench.tick()
    assert bench.get(schedule).fault is None
