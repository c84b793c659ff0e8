"""Spans of time as people name them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.agent.builtin.periods import find_period, zone
from jarvis.kernel.clock import from_datetime, rfc3339

NIGHT = from_datetime(datetime(2026, 11, 23, 2, 38, tzinfo=UTC))  # a Monday
AFTERNOON = from_datetime(datetime(2026, 11, 23, 15, 0, tzinfo=UTC))


def span(text: str, now: int = AFTERNOON) -> tuple[str, str | None] | None:
    found = find_period(text, now, UTC)
    if found is None:
        return None
    period = found[0]
    return rfc3339(period.since)[:16], None if period.until is None else rfc3339(period.until)[:16]


@pytest.mark.parametrize(
    ("words", "since", "until"),
    [
        ("last night", "2026-11-22T20:00", "2026-11-23T08:00"),
        ("overnight", "2026-11-22T20:00", "2026-11-23T08:00"),
        ("today", "2026-11-23T00:00", None),
        ("yesterday", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("since yesterday", "2026-11-22T00:00", None),
        ("yesterday evening", "2026-11-22T17:00", "2026-11-23T00:00"),
        ("this morning", "2026-11-23T05:00", "2026-11-23T12:00"),
        ("the day before yesterday", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("in the past 3 hours", "2026-11-23T12:00", None),
        ("last two days", "2026-11-21T15:00", None),
        ("in the last hour", "2026-11-23T14:00", None),
        ("the past couple of weeks", "2026-11-09T15:00", None),
        ("an hour ago", "2026-11-23T14:00", None),
        ("3 days ago", "2026-11-20T00:00", "2026-11-21T00:00"),
        ("since 3 days ago", "2026-11-20T00:00", None),
        ("this week", "2026-11-23T00:00", None),
        ("last week", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("since last week", "2026-11-16T00:00", None),
        ("this month", "2026-11-01T00:00", None),
        ("last month", "2026-10-01T00:00", "2026-11-01T00:00"),
        ("last year", "2025-01-01T00:00", "2026-01-01T00:00"),
        ("since Monday", "2026-11-16T00:00", None),
        ("since last Friday", "2026-11-20T00:00", None),
        ("on Thursday", "2026-11-19T00:00", "2026-11-20T00:00"),
        ("over the weekend", "2026-11-21T00:00", "2026-11-23T00:00"),
        ("since 2026-11-20", "2026-11-20T00:00", None),
        ("on 2026-11-20", "2026-11-20T00:00", "2026-11-21T00:00"),
        ("since 12 Nov", "2026-11-12T00:00", None),
        ("on November 12th", "2026-11-12T00:00", "2026-11-13T00:00"),
        ("since 24 Dec", "2025-12-24T00:00", None),
        ("since 9:30", "2026-11-23T09:30", None),
        ("since 6pm", "2026-11-22T18:00", None),
    ],
)
def test_a_span_is_found(words: str, since: str, until: str | None) -> None:
    assert span(f"what failed {words}?") == (since, until)


def test_last_night_while_it_still_is_night_goes_on() -> None:
    assert span("last night", NIGHT) == ("2026-11-22T20:00", None)


@pytest.mark.parametrize("words", ["show 3 files", "version 2", "a day", "since v1.2", "on 2026-13-45", "since 99:99"])
def test_other_numbers_are_no_time(words: str) -> None:
    assert span(words) is None


def test_a_day_is_the_askers_day() -> None:
    found = find_period("today", AFTERNOON, ZoneInfo("Asia/Tokyo"))
    assert found is not None
    assert rfc3339(found[0].since) == "2026-11-23T15:00:00.000Z"


def test_an_unknown_zone_is_utc() -> None:
    assert str(zone("Not/There")) == "UTC"
    assert zone("../../etc/passwd").utcoffset(datetime(2026, 1, 1)) == zone("UTC").utcoffset(datetime(2026, 1, 1))


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    found = find_period(text, AFTERNOON, UTC)
    assert found is None or found[0].until is None or found[0].since < found[0].until
