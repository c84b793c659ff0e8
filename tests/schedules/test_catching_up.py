"""After a time away: what is made up for, what is written off, and that the books balance whatever happened."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis.kernel.clock import SECOND
from jarvis.schedules import cron, plans
from jarvis.schedules.plans import Policy
from tests.conftest import MORNING
from tests.schedules.conftest import Bench

POLICIES = st.builds(
    Policy,
    st.sampled_from(["all", "latest", "skip"]),
    st.integers(0, 12),
    st.sampled_from([0, 10, 60, 600, 3600, 10**7]),
)
RULES = st.sampled_from(["@every:1", "@every:7", "@every:60", "@every:3600", "* * * * *", "*/15 * * * *", "0 3 * * *"])


@settings(max_examples=300, deadline=None)
@given(RULES, POLICIES, st.integers(0, 5_000))
def test_a_plan_is_what_a_plain_reckoning_says(expr: str, policy: Policy, away: int) -> None:
    rule, now = cron.rule(expr, "Europe/Berlin", MORNING), MORNING + away * SECOND
    instants, at = [], rule.following(MORNING - 1)
    while at is not None and at <= now:
        instants.append(at)
        at = rule.following(at)
    if not instants:
        return
    plan = plans.make(rule, policy, instants[0], instants[-1], now)
    punctual = min(60, policy.grace_seconds + 5) * SECOND
    prompt = [i for i in instants if now - i <= punctual][-max(1, policy.max_catchup) :]
    rest = [i for i in instants if not prompt or i < prompt[0]]
    graced = [i for i in rest if now - i <= policy.grace_seconds * SECOND]
    if policy.catchup == "all":
        made_up = graced[-policy.max_catchup :] if policy.max_catchup else []
    elif policy.catchup == "latest":
        made_up = graced[-1:] if not prompt and policy.max_catchup else []
    else:
        made_up = []
    missed = [i for i in rest if i not in made_up]
    assert list(plan.on_time) == prompt
    assert list(plan.caught_up) == made_up
    assert plan.missed == len(missed)
    if missed:
        assert (plan.first_missed, plan.last_missed) == (missed[0], missed[-1])
        assert plan.why_missed


def test_all_makes_up_for_the_newest_and_says_what_was_missed(bench: Bench, events) -> None:  # type: ignore[no-untyped-def]
    schedule = bench.make("@every:60", max_catchup=3)
    bench.tick()
    bench.finish_work()
    assert bench.tick(600) == {"caught_up": 3, "overlap": 2, "missed": 5}
    history = bench.history(schedule)
    missed = next(d for d in history if d.outcome == "missed")
    assert missed.due_at == MORNING + 60 * SECOND
    assert missed.last_due_at > missed.due_at
    assert "more than the 3" in missed.reason
    assert events("schedule.catchup") == ["schedule.catchup"]
    assert events("schedule.skipped") == ["schedule.skipped", "schedule.skipped"]  # one a run, not one an instant
    assert bench.check_balance(schedule).due == 11


def test_latest_makes_up_for_one(bench: Bench) -> None:
    schedule = bench.make("@every:3600", catchup="latest", grace_seconds=86_400)
    bench.tick()
    bench.finish_work()
    assert bench.tick(5 * 3600 + 600) == {"caught_up": 1, "missed": 4}
    assert bench.history(schedule)[-1].due_at == MORNING + 5 * 3600 * SECOND
    bench.check_balance(schedule)


def test_skip_makes_up_for_nothing_but_takes_what_is_on_time(bench: Bench) -> None:
    schedule = bench.make("@every:3600", catchup="skip")
    bench.tick()
    bench.finish_work()
    assert bench.tick(5 * 3600 + 600) == {"missed": 5}
    bench.finish_work()
    assert bench.tick(3000) == {"dispatched": 1}
    bench.check_balance(schedule)


def test_what_is_older_than_the_grace_is_missed(bench: Bench) -> None:
    schedule = bench.make("@every:600", grace_seconds=1500)
    bench.tick()
    bench.finish_work()
    bench.tick(3600 + 300)
    missed = next(d for d in bench.history(schedule) if d.outcome == "missed")
    assert missed.reason == "older than the grace of 25 min"
    assert missed.count == 3
    bench.check_balance(schedule)


def test_a_whole_year_away_is_accounted_for_in_one_short_write(bench: Bench) -> None:
    schedule = bench.make("* * * * *", timezone="Europe/Berlin")
    bench.tick()
    bench.finish_work()
    done = bench.tick(365 * 86_400)
    assert done["caught_up"] == 10
    assert done["missed"] > 525_000
    assert len(bench.history(schedule)) < 20
    assert bench.check_balance(schedule).due == 365 * 1440 + 1


def test_overlapping_is_skipped_queued_or_allowed(bench: Bench) -> None:
    skip, queue, allow = (bench.make(overlap=how) for how in ("skip", "queue", "allow"))
    bench.tick()
    bench.tick(60)
    bench.tick(60)
    assert bench.outcomes(skip) == [("dispatched", 1), ("overlap", 2)]
    assert bench.outcomes(queue) == bench.outcomes(allow) == [("dispatched", 1)] * 3
    with bench.ctx.db.read() as tx:
        groups = {
            schedule.id: tx.all(str, "SELECT DISTINCT coalesce(group_key, '') FROM tasks t JOIN dispatches d"
            " ON d.task_id = t.id WHERE d.schedule_id = :id", id=schedule.id)
            for schedule in (skip, queue, allow)
        }  # fmt: skip
    assert groups == {skip.id: [f"schedule:{skip.id}"], queue.id: [f"schedule:{queue.id}"], allow.id: [""]}
    for schedule in (skip, queue, allow):
        bench.check_balance(schedule)


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sampled_from([0, 1, 30, 59, 60, 61, 3599, 7200, 90_000, 3_000_000])),
        st.tuples(st.just("back"), st.sampled_from([1, 60, 3000, 9000, 11_000, 400_000])),
        st.tuples(st.sampled_from(["pause", "resume", "restart", "restarted", "lock", "unlock", "finish"]), st.just(0)),
        st.tuples(st.just("change"), st.sampled_from([30, 60, 3600])),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RULES, st.sampled_from(["all", "latest", "skip"]), st.sampled_from(["skip", "queue", "allow"]), MOVES)
def test_the_books_always_balance(bench: Bench, expr: str, catchup: str, overlap: str, moves: list) -> None:  # type: ignore[type-arg]
    from jarvis.schedules import actions

    bench.clock.now = MORNING
    bench.set_state(restarting=0, lockdown=0)
    with bench.ctx.db.write() as tx:
        tx.run("DELETE FROM schedules")
    schedule = bench.make(expr, timezone="Europe/Berlin", catchup=catchup, overlap=overlap)
    for move, amount in moves:
        match move:
            case "tick":
                bench.tick(amount)
            case "back":
                bench.clock.step(-amount)
            case "pause":
                actions.pause(bench.alice, schedule.id, "for the test")
            case "resume":
                actions.resume(bench.alice, schedule.id)
            case "restart" | "restarted":
                bench.set_state(restarting=int(move == "restart"))
            case "lock" | "unlock":
                bench.set_state(lockdown=int(move == "lock"))
            case "finish":
                bench.finish_work()
            case "change":
                actions.change(bench.alice, schedule.id, {"cron_expr": f"@every:{amount}"})
        assert bench.get(schedule).fault is None
        bench.check_balance(schedule)
    with bench.ctx.db.read() as tx:
        sql = "SELECT count(*) - count(DISTINCT data ->> '$.dispatch_id') FROM events WHERE type = 'schedule.trigger'"
        assert tx.one(int, sql) == 0


@pytest.mark.parametrize("seconds", [1, 3600, 10_000])
def test_a_clock_set_back_a_little_is_waited_out(bench: Bench, seconds: int) -> None:
    schedule = bench.make("@every:60")
    bench.tick()
    bench.finish_work()
    bench.clock.step(-seconds)
    assert bench.tick() == {}
    assert bench.tick(seconds) == {}
    assert bench.tick(60) == {"dispatched": 1}
    bench.check_balance(schedule)


def test_a_clock_set_back_by_days_starts_new_books(bench: Bench, events) -> None:  # type: ignore[no-untyped-def]
    schedule = bench.make("@every:60")
    bench.clock.step(30 * 86_400)
    bench.tick()
    bench.finish_work()
    bench.clock.step(-29 * 86_400)
    assert bench.tick() == {"rewound": 1}
    assert bench.tick(60) == {"dispatched": 1}
    assert bench.get(schedule).era == 2
    assert "schedule.changed" in events("schedule.")
    bench.check_balance(schedule)


def test_daylight_saving_is_followed_by_the_books_too(bench: Bench) -> None:
    from jarvis.kernel.clock import from_datetime
    from tests.schedules.debian_cron import utc

    bench.clock.now = from_datetime(utc(2026, 3, 28, 12))
    schedule = bench.make("30 2 * * *", timezone="Europe/Berlin", grace_seconds=86_400 * 30)
    for _ in range(4):
        bench.tick(86_400)
        bench.finish_work()
    due = [d.due_at for d in bench.history(schedule)]
    assert due[0] == from_datetime(utc(2026, 3, 29, 1))
    assert due[1] == from_datetime(utc(2026, 3, 30, 0, 30))
    bench.check_balance(schedule)
