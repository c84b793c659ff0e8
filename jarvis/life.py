"""One life of the worker: what it owes its supervisor and by when, and what follows on its death."""

from jarvis.process import Child


class Bounds:
    """How long the supervisor waits for what, in seconds."""

    __slots__ = ("abort", "beat", "first_delay", "haste", "healthy", "longest_delay", "margin", "start")

    def __init__(self) -> None:
        self.beat = 60.0  # silence of a worker that has beaten before
        self.start = 300.0  # until the first beat
        self.abort = 2.0  # between SIGABRT, for the traceback, and SIGKILL
        self.margin = 5.0  # on top of what the worker says its drain takes
        self.haste = 2.0  # left of a drain after a second SIGINT
        self.first_delay = 0.2
        self.longest_delay = 30.0
        self.healthy = 60.0  # a life this long, or a ready worker, starts the delays anew


class Backoff:
    """Delays that double from the first to the longest until `reset`."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = self._next = first
        self._longest = longest

    def take(self) -> float:
        delay = self._next
        self._next = min(delay * 2, self._longest)
        return delay

    def reset(self) -> None:
        self._next = self._first


class Worker:
    """One life of the worker, as seen from here."""

    __slots__ = (
        "child",
        "has_beaten",
        "heard_at",
        "is_hung",
        "is_ready",
        "is_watched",
        "kill_at",
        "started_at",
    )

    def __init__(self, child: Child, now: float) -> None:
        self.child = child
        self.started_at = self.heard_at = now
        self.has_beaten = self.is_ready = self.is_hung = False
        self.is_watched = True
        self.kill_at: float | None = None

    def silent_until(self, bounds: Bounds) -> float:
        """When its silence becomes a hang."""
        return self.heard_at + (bounds.beat if self.has_beaten else bounds.start)

    def kill_by(self, at: float) -> None:
        """Bound the rest of this life; an earlier bound stays."""
        self.kill_at = at if self.kill_at is None else min(self.kill_at, at)
