"""Identifiers: a prefix that says what it is, and a ULID (github.com/ulid/spec)."""

import os
import re
import threading

from jarvis.kernel.clock import Clock

PREFIXES = frozenset(
    [
        "usr",
        "ses",
        "tok",
        "thr",
        "msg",
        "evt",
        "trc",
        "spn",
        "tsk",
        "sch",
        "dsp",
        "bug",
        "prm",
        "apr",
        "upd",
        "bkp",
        "whk",
        "run",
        "fix",
        "nte",
        "drl",
        "sok",
    ]
)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
SHAPE = re.compile(r"([a-z]{3})_([0-7][0-9A-HJKMNP-TV-Z]{25})")


def is_id(text: str, prefix: str) -> bool:
    """Whether text is a well-formed id with this prefix."""
    match = SHAPE.fullmatch(text)
    return match is not None and match[1] == prefix


POOL_BYTES = 4096
PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)


def _encode(number: int) -> str:
    """26 characters of five bits each, two at a time: ids are made several times a request."""
    return "".join([PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


class Ids:
    """Makes ids that sort by time, and by creation within one millisecond of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._pool = b""
        """Randomness fetched ahead: asking the kernel each time gives the interpreter away, several times a request."""
        self._used = 0

    def new(self, prefix: str) -> str:
        if prefix not in PREFIXES:
            raise ValueError(f"unknown id prefix {prefix!r}")
        millisecond = max(0, self._clock() // 1000)
        with self._lock:
            if millisecond <= self._last >> 80:  # the same one, or the clock was set back
                fresh = self._last + 1 + self._random(4)
            else:
                fresh = millisecond << 80 | self._random(10)
            self._last = fresh
        return f"{prefix}_{_encode(fresh)}"

    def _random(self, count: int) -> int:
        if self._used + count > len(self._pool):
            self._pool, self._used = os.urandom(POOL_BYTES), 0
        self._used += count
        return int.from_bytes(self._pool[self._used - count : self._used])
