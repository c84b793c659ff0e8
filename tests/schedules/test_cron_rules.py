"""When wall-clock rules fall due, held against Debian's own loop over every minute, across changes of the clocks."""

import time
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis.kernel.clock import SECOND, from_datetime, to_datetime
from jarvis.schedules import cron
from jarvis.schedules.instants import Every
from tests.schedules.debian_cron import runs, utc

CHANGES = {  # a UTC minute near which the clocks of a zone change
    "Europe/Berlin": [utc(2026, 3, 29, 1), utc(2026, 10, 25, 1), utc(2030, 3, 31, 1)],
    "America/New_York": [utc(2026, 3, 8, 7), utc(2026, 11, 1, 6)],
    "Australia/Lord_Howe": [utc(2026, 4, 4, 15), utc(2026, 10, 3, 15, 30)],  # by half an hour
    "America/Sao_Paulo": [utc(2018, 11, 4, 3), utc(2019, 2, 17, 2)],  # at midnight, until 2019
    "America/St_Johns": [utc(2010, 3, 14, 3, 31), utc(2010, 11, 7, 2, 31)],  # one minute past midnight, until 2011
    "Pacific/Apia": [utc(2011, 12, 30, 10)],  # a whole day was skipped
    "Pacific/Kwajalein": [utc(1993, 8, 21, 12)],
    "America/Caracas": [utc(2007, 12, 9, 7), utc(2016, 5, 1, 7)],
    "Asia/Kolkata": [utc(2026, 3, 29, 1)],
    "Europe/London": [utc(2026, 3, 29, 1), utc(2026, 10, 25, 1)],
    "UTC": [utc(2026, 3, 29, 1)],
}


def steps(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda p: f"{min(p)}-{max(p)}")
    step = st.integers(1, max(2, (high - low) // 2)).map(lambda n: f"*/{n}")
    return st.one_of(st.just("*"), number, span, step, st.lists(number, min_size=2, max_size=4).map(",".join))


HOURS = st.one_of(st.sampled_from(["0", "1", "2", "3", "1,2", "2-3", "*", "*/2", "0,23", "1-3"]), steps(0, 23))
EXPRESSIONS = st.tuples(
    steps(0, 59), HOURS, st.one_of(st.just("*"), steps(1, 31)), st.just("*"), st.one_of(st.just("*"), steps(0, 7))
).map(" ".join)
PLACES = st.sampled_from([(zone, at) for zone, changes in CHANGES.items() for at in changes])


def ours(expr: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    rule = cron.rule(expr, zone, 0)
    count = rule.count(from_datetime(begin), from_datetime(end))
    found = rule.newest(from_datetime(begin), from_datetime(end), count + 10)
    assert len(found) == count
    return [to_datetime(instant) for instant in found]


@settings(max_examples=250, deadline=None)
@given(EXPRESSIONS, PLACES, st.integers(0, 47), st.integers(30, 60))
def test_instants_are_those_of_debian_cron(expr: str, place: tuple[str, datetime], before: int, length: int) -> None:
    zone, at = place
    begin = at - timedelta(hours=before + 4)
    end = begin + timedelta(hours=length)
    reckoned = [run for run in runs(expr, zone, begin - timedelta(hours=30), end) if run >= begin]
    assert ours(expr, zone, begin, end) == reckoned


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize(
    "expr", ["30 2 * * *", "*/10 * * * *", "0 0 * * *", "0,30 0,2 * * *", "* 2 * * *", "15 1 * * *"]
)
def test_common_rules_agree_around_every_change(zone: str, expr: str) -> None:
    for at in CHANGES[zone]:
        begin, end = at - timedelta(hours=36), at + timedelta(hours=60)
        reckoned = [run for run in runs(expr, zone, begin - timedelta(hours=30), end) if run >= begin]
        assert ours(expr, zone, begin, end) == reckoned


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, PLACES, st.integers(-3000, 3000))
def test_following_walks_the_same_instants_one_by_one(expr: str, place: tuple[str, datetime], minutes: int) -> None:
    zone, at = place
    rule = cron.rule(expr, zone, 0)
    begin = from_datetime(at + timedelta(minutes=minutes))
    walked = [begin - 1]
    for _ in range(30):
        following = rule.following(walked[-1])
        if following is None:
            break
        assert following > walked[-1]
        walked.append(following)
    if len(walked) > 1:
        assert rule.newest(begin, walked[-1], 100) == walked[1:]
        assert rule.count(begin, walked[-1]) == len(walked) - 1
        assert rule.newest(begin, walked[-1], 3) == walked[1:][-3:]


@given(st.integers(0, 10**15), st.integers(1, 10**12), st.integers(0, 10**15), st.integers(0, 10**13))
def test_every_counts_from_its_anchor(anchor: int, step: int, first: int, length: int) -> None:
    rule, last = Every(anchor, step), first + min(length, 50 * step)
    expected = (
        [at for n in range((last - anchor) // step + 1) if (at := anchor + n * step) >= first]
        if (last >= anchor and (last - anchor) // step < 10_000)
        else None
    )
    if expected is not None:
        assert rule.count(first, last) == len(expected)
        assert rule.newest(first, last, 1000) == expected
    following = rule.following(first)
    assert following > first
    assert (following - anchor) % step == 0
    assert rule.count(first + 1, following) == 1


def test_every_is_first_due_at_its_anchor() -> None:
    rule = cron.rule("@every:60", "UTC", 5 * SECOND)
    assert rule.following(4 * SECOND) == 5 * SECOND
    assert rule.following(5 * SECOND) == 65 * SECOND


@pytest.mark.parametrize(
    ("expr", "after", "following"),
    [
        ("30 2 * * *", utc(2026, 3, 28, 12), utc(2026, 3, 29, 1)),  # 02:30 is skipped: right after the jump
        ("0,15,30 2 * * *", utc(2026, 3, 29, 0, 59), utc(2026, 3, 29, 1)),  # three skipped times, one run
        ("*/30 2 * * *", utc(2026, 3, 28, 12), utc(2026, 3, 30, 0)),  # follows the wall clock: not that day
        ("30 2 * * *", utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)),  # 02:30 comes twice, runs once
        ("*/30 2 * * *", utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1)),  # and here twice
        ("@daily", utc(2026, 10, 25, 12), utc(2026, 10, 25, 23)),
    ],
)
def test_berlin_by_hand(expr: str, after: datetime, following: datetime) -> None:
    rule = cron.rule(expr, "Europe/Berlin", 0)
    assert to_datetime(rule.following(from_datetime(after)) or 0) == following


def test_a_rule_on_leap_days_looks_far_ahead() -> None:
    rule = cron.rule("0 0 29 2 *", "UTC", 0)
    assert to_datetime(rule.following(from_datetime(utc(2096, 3, 1))) or 0) == utc(2104, 2, 29)


def test_a_year_of_minutes_is_counted_without_walking_them() -> None:
    rule, began = cron.rule("* * * * *", "Europe/Berlin", 0), time.process_time()
    assert rule.count(from_datetime(utc(2026, 1, 1)), from_datetime(utc(2026, 12, 31, 23, 59))) == 525_600
    assert time.process_time() - began < 1.0
