"""Pictures as numbers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jarvis.overview import pictures
from jarvis.overview.pictures import HOUR
from jarvis.overview.store import Sample
from jarvis.queue.store import Outcomes
from jarvis.web.metrics import STEPS, Metrics
from tests.conftest import MORNING

NOW = MORNING
THIS_HOUR = NOW // HOUR


def sample(at: int, latencies: str = "{}", disk_used: int = 40, disk_total: int = 100) -> Sample:
    return Sample(at, disk_used, disk_total, 1, 2, 3, 0, latencies)


def test_a_day_of_runs_ends_with_the_running_hour():
    runs = pictures.runs([Outcomes(THIS_HOUR, "done", 3), Outcomes(THIS_HOUR - 23, "failed", 1)], NOW)
    assert len(runs.bars) == 24
    assert (runs.bars[-1].runs, runs.bars[-1].failed) == (3, 0)
    assert (runs.bars[0].runs, runs.bars[0].failed) == (1, 1)
    assert (runs.runs, runs.failed) == (4, 1)
    assert runs.bars[-1].hour == "02:00"


def test_what_is_older_than_a_day_is_not_counted():
    assert pictures.runs([Outcomes(THIS_HOUR - 24, "done", 9)], NOW).runs == 0


def test_cancelled_tasks_are_runs_and_no_failures():
    runs = pictures.runs([Outcomes(THIS_HOUR, "cancelled", 2)], NOW)
    assert (runs.runs, runs.failed) == (2, 0)


def test_the_picture_of_runs_says_when_it_failed():
    said = pictures.runs([Outcomes(THIS_HOUR - 1, "failed", 2)], NOW).said
    assert said == "2 runs and 2 failures in 24 hours. Failures: 2 at 01:00."


def test_one_run_is_seen_beside_a_thousand():
    runs = pictures.runs([Outcomes(THIS_HOUR, "done", 1000), Outcomes(THIS_HOUR - 1, "done", 1)], NOW)
    assert runs.bars[-2].up >= 1
    assert runs.bars[-1].up == pictures.UP


def test_without_samples_there_are_no_times():
    times = pictures.times([], NOW)
    assert (times.median, times.p95, times.medians, times.requests) == (None, None, [], 0)
    assert times.said == "No request has been sampled yet."


def test_times_are_exact_to_the_step():
    times = pictures.times([sample(NOW - 60_000_000, '{"10": 90, "20": 10}')], NOW)
    assert times.median == pytest.approx(STEPS[10] * 1000, abs=0.5)
    assert times.p95 == pytest.approx(STEPS[20] * 1000, abs=0.5)
    assert times.requests == 100


def test_a_half_hour_without_requests_breaks_the_line():
    old, new = NOW - 10 * HOUR, NOW - 60_000_000
    times = pictures.times([sample(old, '{"3": 1}'), sample(new, '{"3": 1}')], NOW)
    assert len(times.medians) == 2
    assert all(len(points.split()) == 2 for points in times.medians), "a point alone is drawn as a stroke"


def test_samples_of_another_day_are_left_out():
    assert pictures.times([sample(NOW - 25 * HOUR, '{"3": 1}')], NOW).requests == 0


def test_slower_than_any_step_counts_as_the_last():
    assert pictures.percentile(Counter({len(STEPS): 5}), 0.5) == round(STEPS[-1] * 1000)


@given(some.dictionaries(some.integers(0, len(STEPS)), some.integers(1, 1000), min_size=1))
def test_a_higher_share_never_takes_less(steps):
    counted = Counter(steps)
    shares = [pictures.percentile(counted, share) for share in (0.1, 0.5, 0.95, 1.0)]
    assert shares == sorted(shares)


@given(some.lists(some.floats(0, 20), max_size=50))
def test_every_request_is_in_one_step_once(seconds):
    metrics = Metrics()
    for each in seconds:
        metrics.observe("GET", "/", 200, each)
    taken = metrics.take_steps()
    assert sum(taken.values()) == len(seconds)
    assert metrics.take_steps() == {}
    for step in taken:
        bound = STEPS[step] if step < len(STEPS) else float("inf")
        assert any(each <= bound for each in seconds)


def test_a_disk_that_grows_will_be_full():
    assert pictures.full_in_days(sample(0, disk_used=40), sample(24 * HOUR, disk_used=46)) == 9


def test_a_disk_that_does_not_grow_will_not():
    assert pictures.full_in_days(sample(0, disk_used=40), sample(24 * HOUR, disk_used=40)) is None


def test_a_short_look_at_a_disk_says_nothing():
    assert pictures.full_in_days(sample(0, disk_used=40), sample(HOUR, disk_used=90)) is None


def test_a_disk_that_is_full_in_years_is_not_worth_a_word():
    first, last = sample(0, disk_used=40, disk_total=10**9), sample(24 * HOUR, disk_used=41, disk_total=10**9)
    assert pictures.full_in_days(first, last) is None


def test_nearly_full_is_said_to_be_tight():
    assert pictures.gauge("Disk", 95, 100, "").is_tight
    assert not pictures.gauge("Disk", 50, 100, "").is_tight
    assert pictures.gauge("Disk", 1, 0, "").percent == 0
