"""What the assistant is told of schedules, and may do when the policy lets it."""

from typing import Any

import pytest

from jarvis.agent import toolbox
from jarvis.kernel.errors import Denied, NotFound
from jarvis.kernel.schema import check
from jarvis.policy import actions as policy
from tests.schedules.conftest import PROMPT, SWEEP, Bench


def call(bench: Bench, tool_name: str, /, by: Any = None, **arguments: Any) -> dict[str, Any]:
    tool = bench.ctx.registry.tools[tool_name]
    result: dict[str, Any] = tool.run(by or bench.alice, check(tool.parameters, arguments, allow_unknown=False))
    return result


def test_looking_is_allowed_and_changing_asks(bench: Bench) -> None:
    offered = {tool.name for tool in toolbox.offered(bench.alice)}
    assert {"schedules.list", "schedules.show", "schedules.create", "schedules.remove"} <= offered
    for act, effect in (("list", "allow"), ("create", "ask"), ("remove", "ask")):
        asker = toolbox.asker(bench.alice)
        assert policy.decide(bench.alice, asker, f"schedules.{act}", {}).effect == effect


def test_the_list_says_when_in_words_and_how_it_went(bench: Bench) -> None:
    bench.make("*/10 * * * *", name="Disk check")
    bench.tick(600)
    (told,) = call(bench, "schedules.list")["schedules"]
    assert told["in_words"] == "Every 10 min, UTC"
    assert told["last_run"] == {"state": "queued", "error": None, "finished_at": None}


def test_one_comes_with_its_next_instants_and_its_books(bench: Bench) -> None:
    bench.make("@every:3600", name="Disk check")
    bench.tick()
    told = call(bench, "schedules.show", schedule="disk")
    assert told["next"][:2] == ["2026-11-23T03:46:00.000Z", "2026-11-23T04:46:00.000Z"]
    assert told["balance"]["balances"] is True
    assert [d["outcome"] for d in told["dispatches"]] == ["dispatched"]


def test_acting_goes_through_the_same_actions(bench: Bench) -> None:
    made = call(bench, "schedules.create", cron_expr="30 7 * * 1-5", payload=PROMPT, name="Morning")["schedule"]
    assert made["in_words"] == "Weekdays 07:30, UTC"
    assert call(bench, "schedules.pause", schedule="morning", reason="holiday")["schedule"]["enabled"] is False
    assert call(bench, "schedules.resume", schedule="morning")["schedule"]["enabled"] is True
    assert call(bench, "schedules.run", schedule="morning")["dispatch"]["by_hand"] is True
    assert call(bench, "schedules.remove", schedule=made["id"])["removed"]["id"] == made["id"]


def test_an_assistant_may_do_no_more_than_who_it_acts_for(bench: Bench, as_user: Any) -> None:
    bench.make(name="Alice's own")
    with pytest.raises(NotFound):
        call(bench, "schedules.pause", by=as_user("charlie"), schedule="alice")
    with pytest.raises(Denied):
        call(bench, "schedules.create", cron_expr="@daily", payload={"kind": "task", "name": SWEEP})


def test_what_was_set_aside_is_told_too(bench: Bench) -> None:
    schedule = bench.make(name="Bad")
    bench.damage(schedule, cron_expr="x", payload="{")
    bench.tick()
    (told,) = call(bench, "schedules.list")["schedules"]
    assert told["fault"]
    assert "in_words" not in told
