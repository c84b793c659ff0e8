"""A loop that is told of commits: at once after a quiet time, seldom in a stream of them."""

import time

from jarvis.kernel.wake import Ear, Wake


class Counted(Wake):
    """A flag that counts how often it is waited on."""

    waits = 0

    def wait(self, seen: int, timeout: float) -> int:
        self.waits += 1
        return super().wait(seen, timeout)


def test_the_first_commit_after_a_quiet_time_is_heard_at_once() -> None:
    ear = Ear(Wake(), gather_seconds=30.0)
    ear.wait(30.0)  # nothing was ever heard, and the flag is not what was seen
    assert ear.seen == 0


def test_a_stream_of_commits_is_heard_together() -> None:
    wake = Counted()
    ear = Ear(wake, gather_seconds=0.05)
    began = time.monotonic()
    heard = 0
    while time.monotonic() - began < 0.4:
        wake.raise_flag()
        ear.wait(1.0)
        heard += 1
    assert heard <= 9
    assert wake.waits == heard


def test_gathering_never_makes_a_wait_longer_than_asked() -> None:
    ear = Ear(Wake(), gather_seconds=60.0)
    ear.wait(0.0)
    began = time.monotonic()
    ear.wait(0.01)
    assert time.monotonic() - began < 30
