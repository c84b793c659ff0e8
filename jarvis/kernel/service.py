"""Every background activity is a service in a thread of its own, kept alive and watched."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

WAKE_SECONDS = 0.1

Step = Callable[[], bool]
"""Does one unit of work; True means there may be more at once."""


@dataclass
class Loop:
    """A service made of small steps. `wait` blocks until there may be work, or for `pause` seconds."""

    name: str
    step: Step
    pause_seconds: float
    wait: Callable[[float], object] | None = None
    beat_at: float = 0.0
    restarts: int = 0
    stale_after_seconds: float = 60.0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.beat_at = time.monotonic()
            if not self.step():
                self._rest(stop)

    def _rest(self, stop: threading.Event) -> None:
        if self.wait is None:
            stop.wait(self.pause_seconds)
        else:
            self.wait(self.pause_seconds)

    def is_stale(self, now: float) -> bool:
        """Whether it has not come round for too long."""
        return now - self.beat_at > self.stale_after_seconds + self.pause_seconds


@dataclass
class Services:
    """Runs loops in threads; a loop that raises is logged and started again with backoff."""

    loops: Sequence[Loop]
    on_stop: Callable[[], None] = lambda: None
    backoff_seconds: tuple[float, float] = (0.5, 60.0)
    stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Run every loop in a thread of its own."""
        for loop in self.loops:
            loop.beat_at = time.monotonic()
            thread = threading.Thread(target=self._keep, args=(loop,), name=loop.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self, timeout_seconds: float) -> bool:
        """Ask every loop to end; returns whether all did in time."""
        self.stop.set()
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.on_stop()  # wakes those that wait to be told; again, for one that was only about to wait
            for thread in self._threads:
                thread.join(max(0.0, min(WAKE_SECONDS, deadline - time.monotonic())))
            if not any(thread.is_alive() for thread in self._threads):
                return True
            if time.monotonic() >= deadline:
                return False

    def stale(self) -> list[str]:
        """Names of loops that have not come round for too long."""
        now = time.monotonic()
        return [loop.name for loop in self.loops if loop.is_stale(now)]

    def _keep(self, loop: Loop) -> None:
        delay, longest = self.backoff_seconds
        while not self.stop.is_set():
            started = time.monotonic()
            try:
                loop.run(self.stop)
            except BaseException:  # even SystemExit: threading would end the thread without a word
                loop.restarts += 1
                if time.monotonic() - started > longest:
                    delay = self.backoff_seconds[0]
                log.exception("service %s failed; it starts again in %.1f s", loop.name, delay)
                self.stop.wait(delay)
                delay = min(delay * 2, longest)
