"""Instants and their text."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel.clock import SECOND, from_datetime, parse_rfc3339, rfc3339, system_clock, to_datetime
from jarvis.kernel.errors import Malformed

FIRST = from_datetime(datetime(1, 1, 1, tzinfo=UTC))
LAST = from_datetime(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
INSTANTS = st.integers(FIRST, LAST)


@given(INSTANTS)
def test_text_and_back_is_the_same_to_the_millisecond(instant: int) -> None:
    assert parse_rfc3339(rfc3339(instant)) == instant // 1000 * 1000


@given(INSTANTS)
def test_datetimes_and_back_are_exact(instant: int) -> None:
    assert from_datetime(to_datetime(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_text_sorts_like_time(one: int, other: int) -> None:
    assert (rfc3339(one) <= rfc3339(other)) == (one // 1000 <= other // 1000)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-1_000_000, "1969-12-31T23:59:59.000Z"),
        (1_700_000_000_123_999, "2023-11-14T22:13:20.123Z"),
        (FIRST, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_known_instants(instant: int, text: str) -> None:
    assert rfc3339(instant) == text


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 00:00:00Z", 0),
        ("1970-01-01T01:30:00+01:30", 0),
        ("1969-12-31T23:59:59.5-00:00", -SECOND // 2),
        ("1970-01-01T00:00:00.1234567891Z", 123_456),
        ("1990-12-31T23:59:60Z", 662_688_000 * SECOND),  # RFC 3339, 5.8
        ("1990-12-31T15:59:60.25-08:00", 662_688_000 * SECOND),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND),
    ],
)
def test_what_rfc_3339_allows_is_read(text: str, instant: int) -> None:
    assert parse_rfc3339(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-23",
        "2026-11-23T02:44:51",
        "2026-11-23T02:44Z",
        "20261123T024451Z",
        "2026-W48-1T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T02:60:00Z",
        "2026-11-23T02:44:61Z",
        "2026-11-23T02:44:51+25:00",
        "2026-11-23T02:44:51Z ",
        "2026-11-23T02:44:51Z\n",
        "2026-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-11-23T02:44:51Z",
        "2026-11-23T02:44:51Z" * 1000,
    ],
)
def test_what_is_no_time_is_malformed_and_quoted_briefly(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_rfc3339(text)
    assert len(str(caught.value)) < 150


def test_the_system_clock_counts_microseconds_since_1970() -> None:
    assert abs(system_clock() - time.time() * 1e6) < 60 * SECOND
