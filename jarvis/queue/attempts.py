"""What is logged while an attempt runs, kept with it: bounded, both ends, without secrets."""

import contextvars
import logging
import traceback
from collections import deque

from jarvis.kernel.clock import Clock, rfc3339
from jarvis.kernel.errors import JarvisError
from jarvis.kernel.log import one_line

MOST_HEAD, MOST_TAIL = 60, 140
LONGEST_LINE = 500
MOST_FRAMES = 20

current: "contextvars.ContextVar[AttemptLog | None]" = contextvars.ContextVar("attempt", default=None)
"""The log of the attempt that this thread is at."""


class AttemptLog:
    """Lines of one attempt: the first, the last, and how many are left out between them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=MOST_TAIL)
        self._count = 0

    def add(self, kind: str, text: str) -> None:
        line = f"{rfc3339(self._clock())[11:23]} {kind} {one_line(text[:LONGEST_LINE])}"
        self._count += 1
        if len(self._head) < MOST_HEAD:
            self._head.append(line)
        else:
            self._tail.append(line)

    def explain(self, error: BaseException) -> None:
        """Where an error nobody expected came from; ours say enough by themselves."""
        if isinstance(error, (JarvisError, KeyboardInterrupt)):
            return
        for piece in traceback.format_exception(error)[-MOST_FRAMES:]:
            for line in piece.rstrip().splitlines():
                self.add("TRACE", line)

    def text(self) -> str:
        if not self._count:
            return ""
        left_out = self._count - len(self._head) - len(self._tail)
        gap = [f"… {left_out:,} lines left out …"] if left_out else []
        return "\n".join([*self._head, *gap, *self._tail])


class Tap(logging.Handler):
    """Copies log lines to the attempt they belong to."""

    def emit(self, record: logging.LogRecord) -> None:
        attempt = current.get()
        if attempt is not None:
            attempt.add(record.levelname, record.getMessage())


TAP = Tap()


def listen() -> None:
    """Copy what Jarvis logs from now on; asking again changes nothing."""
    logging.getLogger("jarvis").addHandler(TAP)
