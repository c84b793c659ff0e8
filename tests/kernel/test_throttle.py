"""What happens too often is slowed down."""

import pytest

from jarvis.kernel import throttle
from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import RateLimited
from jarvis.kernel.throttle import Throttle


def is_limited(limit: Throttle, now: int, *keys: str) -> int:
    """0, or how many seconds to wait."""
    try:
        limit.check(now, *keys)
    except RateLimited as error:
        assert error.retry_after_seconds is not None
        return error.retry_after_seconds
    return 0


def test_so_many_a_minute_and_no_more(set_clock) -> None:
    limit = Throttle(3)
    for _ in range(3):
        assert not is_limited(limit, set_clock(), "a")
        limit.count(set_clock(), "a")
    assert is_limited(limit, set_clock(), "a")
    assert not is_limited(limit, set_clock(), "b")


def test_it_says_how_long_to_wait_and_then_it_is_true(set_clock) -> None:
    limit = Throttle(2)
    limit.count(set_clock(), "a")
    set_clock.advance(20)
    limit.count(set_clock(), "a")
    wait = is_limited(limit, set_clock(), "a")
    assert 40 <= wait <= 41
    set_clock.advance(wait)
    assert not is_limited(limit, set_clock(), "a")


def test_that_holds_when_many_passed_the_check_together(set_clock) -> None:
    limit = Throttle(2)
    for _ in range(5):
        limit.count(set_clock(), "a")
        set_clock.advance(10)
    set_clock.advance(is_limited(limit, set_clock(), "a"))
    assert not is_limited(limit, set_clock(), "a")


def test_any_of_the_keys_is_enough(set_clock) -> None:
    limit = Throttle(1)
    limit.count(set_clock(), "client 1", "name ada")
    assert is_limited(limit, set_clock(), "client 2", "name ada")
    assert is_limited(limit, set_clock(), "client 1", "name bob")
    assert not is_limited(limit, set_clock(), "client 2", "name bob")


def test_a_clock_set_back_locks_nobody_out(set_clock) -> None:
    limit = Throttle(1)
    limit.count(set_clock(), "a")
    set_clock.advance(-10_000)
    assert not is_limited(limit, set_clock(), "a")


def test_memory_is_bounded_and_the_busiest_are_remembered(set_clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 5)
    limit = Throttle(2)
    for n in range(50):
        limit.count(set_clock(), "name admin", f"client {n}")
    assert len(limit._seen) == 5
    assert max(len(times) for times in limit._seen.values()) == 2
    assert is_limited(limit, set_clock() + SECOND, "name admin")
