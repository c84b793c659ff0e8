"""Which lines of an output tell what went wrong, and what makes two failures the same one."""

import hashlib
import re
from collections.abc import Sequence

from jarvis.maintenance.output import Ends

MOST_TELLING = 6
LONGEST_LINE = 300
FIRST_LINES, LAST_LINES = 6, 14
LOUD = re.compile(
    r"^E\s{2,}\S|\b(?:FAILED|FATAL|PANIC|Traceback|Exception|[A-Z]\w*(?:Error|Exception|Failure))\b|\bpanic:|^error(?:\[|:)",
)
PLAIN = re.compile(
    r"(?i)\b(?:error|errors|fail(?:ed|ure|s)?|fatal|cannot|can't|could not|unable|denied|refused|no such|not found|"
    r"undefined|missing|invalid|timed? ?out|segmentation fault|killed|aborted|conflict|unreachable)\b"
)
CALM = re.compile(r"(?i)\b(?:0|no) (?:errors?|failures?|failed)\b|\bpassed\b.*\b0 failed\b")

# What differs between two runs of the same failure. In this order: longer shapes first.
VARYING = (
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\b[a-z]{3}_[0-7][0-9A-HJKMNP-TV-Z]{25}\b"), "<id>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<address>"),
    (re.compile(r"(?:/private)?/(?:tmp|var/tmp|var/folders|run/user/\d+)/[^\s'\":,)]*"), "<path>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b"), "<hash>"),
    (re.compile(r"\b\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)


def normal(line: str) -> str:
    """A line without what varies: numbers, times, addresses, hashes, temporary paths."""
    for pattern, stand_in in VARYING:
        line = pattern.sub(stand_in, line)
    return line.strip()


def telling(lines: Sequence[str], most: int = MOST_TELLING) -> list[str]:
    """The lines that say what went wrong, in their order; without any that stand out, the last ones."""
    loud: dict[str, str] = {}
    plain: dict[str, str] = {}
    for line in lines:
        if LOUD.search(line):
            loud.setdefault(normal(line), line)
        elif PLAIN.search(line) and not CALM.search(line):
            plain.setdefault(normal(line), line)
    chosen = list(loud.values()) or list(plain.values())
    if not chosen:
        chosen = [line for line in lines if line.strip()][-3:]
    return [line[:LONGEST_LINE] for line in chosen[-most:]]


def fingerprint(command: str, how: str, lines: Sequence[str]) -> str:
    """The same for the same failure of the same command, whatever varies between two runs."""
    shapes = sorted({normal(line) for line in lines})
    return hashlib.sha256("\0".join([command, how, *shapes]).encode("utf-8", "replace")).hexdigest()


def source(command: str) -> str:
    """What stands for a command where its runs are counted."""
    return "maintenance:" + hashlib.sha256(command.encode("utf-8", "replace")).hexdigest()[:32]


def excerpt(ends: Ends, marks: Sequence[str]) -> dict[str, object]:
    """Both ends of an output in few lines, and the telling ones: what is kept with a run and with a bug."""
    lines = [line[:LONGEST_LINE] for line in ends.lines()]
    if len(lines) <= FIRST_LINES + LAST_LINES:
        first, last = lines, []
    else:
        first, last = lines[:FIRST_LINES], lines[-LAST_LINES:]
    return {
        "first": first,
        "left_out": max(0, ends.total_lines - len(first) - len(last)) if last else 0,
        "last": last,
        "telling": list(marks),
        "bytes": ends.total_bytes,
        "lines": ends.total_lines,
    }
