"""What reading a repository may cost, and how hostile names and bytes are made printable."""

import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

Stopwatch = Callable[[], float]
"""Seconds on a clock that only goes forward. Tests hand in their own."""

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one reading; each that is met is said in the answer, never silently."""

    seconds: float = 3.0
    max_files: int = 50_000
    max_commits: int = 50_000
    max_object_bytes: int = 16 * MIB
    max_counted_bytes: int = 2 * MIB  # files above are not counted line by line
    max_total_bytes: int = 256 * MIB
    stopwatch: Stopwatch = time.monotonic


class Deadline:
    """A share of the time a reading may take."""

    def __init__(self, seconds: float, stopwatch: Stopwatch = time.monotonic) -> None:
        self._stopwatch = stopwatch
        self._end = stopwatch() + seconds

    def passed(self) -> bool:
        return self._stopwatch() >= self._end


def decode(raw: bytes) -> str:
    """UTF-8 when it is, Latin-1 otherwise: every byte string has a reading."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def printable(text: str) -> str:
    """The text on one line with control, format (bidi) and unassigned characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_plain(char) else _escape(char) for char in text)


def printable_lines(text: str) -> str:
    """Like `printable`, but line ends and tabs stay."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(printable(cell) for cell in line.split("\t")) for line in lines)


def is_binary(raw: bytes) -> bool:
    """Git's own rule: a NUL byte among the first 8,000."""
    return b"\0" in raw[:8000]


def _is_plain(char: str) -> bool:
    return char == " " or char == "\u200d" or unicodedata.category(char)[0] not in "CZ"


def _escape(char: str) -> str:
    point = ord(char)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
