"""Parses the hunks of a text patch, by counting lines from their headers."""

import re
from dataclasses import dataclass

from jarvis.patch.refusal import PatchRefused

HEADER = re.compile(rb"@@ -(\d{1,19})(?:,(\d{1,19}))? \+(\d{1,19})(?:,(\d{1,19}))? @@")
MARK = b"\\ "
MARK_BYTES = 12
"""A line such as "\\ No newline at end of file", in whatever language, is at least so long."""
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk: which lines must be there, and which come instead."""

    line: int
    """Where its header stands in the patch."""
    old_start: int
    new_start: int
    before: list[bytes]
    after: list[bytes]
    trailing: int
    """Lines of context at the end."""
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A hunk and what its header claims."""

    hunk: Hunk
    old_lines: int
    new_lines: int
    next_at: int


def is_header(line: bytes) -> bool:
    """Whether a line is a whole and sound `@@ -a,b +c,d @@`."""
    return line.endswith(b"\n") and HEADER.match(line) is not None


def parse(lines: list[bytes], at: int, starts: list[int]) -> Counted:
    """The hunk whose header is lines[at]; `starts` says where each line begins. Raises PatchRefused."""
    header = HEADER.match(lines[at]) if lines[at].endswith(b"\n") else None
    if header is None:
        raise PatchRefused("the header of this hunk is damaged", at + 1)
    old_start, new_start = int(header[1]), int(header[3])
    old_lines, new_lines = int(header[2] or 1), int(header[4] or 1)
    if max(old_start, new_start, old_lines, new_lines) > LARGEST:
        raise PatchRefused("the header of this hunk counts beyond any file", at + 1)
    body, trailing, added, removed = _count(lines, at + 1, old_lines, new_lines, at)
    end = at + 1 + body
    if starts[-1] - starts[end] > MARK_BYTES and lines[end].startswith(MARK):
        end += 1
    before, after = _sides(lines[at + 1 : end])
    hunk = Hunk(at + 1, old_start, new_start, before, after, trailing, added, removed)
    return Counted(hunk, old_lines, new_lines, end)


def _count(lines: list[bytes], at: int, old: int, new: int, header: int) -> tuple[int, int, int, int]:
    """How many lines belong to the hunk, how many of them are context at its end, + and -."""
    first, trailing, added, removed = at, 0, 0, 0
    count = len(lines)
    while old or new:
        if old < 0 or new < 0:
            raise PatchRefused(f"the hunk has other lines than line {header + 1} counts", at)
        if at >= count or (at + 1 == count and not lines[at].endswith(b"\n")):
            raise PatchRefused(f"the patch ends inside the hunk of line {header + 1}", at + 1)
        kind = lines[at][:1]
        if kind == b" " or kind == b"\n":
            old, new, trailing = old - 1, new - 1, trailing + 1
        elif kind == b"-":
            old, removed, trailing = old - 1, removed + 1, 0
        elif kind == b"+":
            new, added, trailing = new - 1, added + 1, 0
        elif not (lines[at].startswith(MARK) and len(lines[at]) >= MARK_BYTES):
            raise PatchRefused(f"this line belongs to no hunk, but line {header + 1} counts it", at + 1)
        at += 1
    if not added and not removed:
        raise PatchRefused("this hunk changes nothing", header + 1)
    return at - first, trailing, added, removed


def _sides(body: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The lines before and after, without the newline where a mark says that there is none."""
    before: list[bytes] = []
    after: list[bytes] = []
    for number, line in enumerate(body):
        kind, text = line[:1], line[1:]
        if kind == b"\\":
            if number and body[number - 1][:1] != b"\\":
                _unfinish(body[number - 1][:1], before, after)
            continue
        if kind == b"\n":
            text = line
        if kind != b"+":
            before.append(text)
        if kind != b"-":
            after.append(text)
    return before, after


def _unfinish(kind: bytes, before: list[bytes], after: list[bytes]) -> None:
    """Take the newline from the line that was put in last; of an empty context line nothing is left."""
    for side in (before, after):
        if (side is before and kind == b"+") or (side is after and kind == b"-"):
            continue
        last = side.pop()
        if kind != b"\n":
            side.append(last[:-1])
