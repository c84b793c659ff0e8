"""What happens too often is slowed down, per client and per name, so guessing takes years."""

import threading
from collections import OrderedDict, deque

from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import RateLimited

MOST_KEYS = 10_000


class Throttle:
    """Counts happenings per key in a sliding minute; forgets the least recent keys first.

    Check before the deed and count after it: what runs at the same time may all pass the check.
    """

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, deque[int]] = OrderedDict()

    def check(self, now: int, *keys: str) -> None:
        """Raise RateLimited while any key has used up its minute."""
        with self._lock:
            for key in keys:
                times = self._fresh(key, now)
                if len(times) >= self._most:
                    wait = (times[0] + 60 * SECOND - now) // SECOND + 1
                    raise RateLimited(f"Too many tries. Wait {wait} s and try again.", retry_after_seconds=int(wait))

    def count(self, now: int, *keys: str) -> None:
        """Note one happening for each key."""
        with self._lock:
            for key in keys:
                times = self._fresh(key, now)
                times.append(now)
                if len(times) > self._most:
                    times.popleft()
                self._seen[key] = times
                self._seen.move_to_end(key)
            while len(self._seen) > MOST_KEYS:
                self._seen.popitem(last=False)

    def _fresh(self, key: str, now: int) -> deque[int]:
        times = self._seen.get(key, deque())
        while times and not 0 <= now - times[0] < 60 * SECOND:
            times.popleft()
        return times
