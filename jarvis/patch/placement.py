"""Finds where a hunk belongs in a file and puts it there, in time that grows with the file and not with its square.

Each distinct line is one character of a string, so that the search is Python's own, which is linear;
what a hunk wrote is a character that nothing else is, so no later hunk can match it.
"""

from collections.abc import Iterator

from jarvis.patch.hunks import Hunk
from jarvis.patch.parse import split
from jarvis.patch.refusal import PatchRefused, Why

WRITTEN = "\0"
MOST_DISTINCT = 0x10FFF0
MOST_STEPS = 5_000_000
BLANK = b" \t\r\n"


def _bare(line: bytes) -> bytes:
    return line.translate(None, BLANK)


class Image:
    """The lines of a file while hunks are applied to it."""

    def __init__(self, content: bytes) -> None:
        self.lines = split(content)
        self.written = bytearray(len(self.lines))
        self.coded: str | None = None
        """One character a line; made when a hunk is not where it says."""
        self.codes: dict[bytes, str] = {}

    def content(self) -> bytes:
        """The file as it is now."""
        return b"".join(self.lines)

    def apply(self, hunk: Hunk) -> bool:
        """Put one hunk in its place; False when it has none."""
        at = self._place(hunk)
        if at is None:
            return False
        end, size = at + len(hunk.before), len(hunk.after)
        self.lines[at:end] = hunk.after
        self.written[at:end] = b"\1" * size
        if self.coded is not None:
            self.coded = self.coded[:at] + WRITTEN * size + self.coded[end:]
        return True

    def _place(self, hunk: Hunk) -> int | None:
        """Where the hunk applies: at its new line number, else nearest to it, forward on a tie."""
        size, count = len(hunk.before), len(self.lines)
        at_start, at_end = hunk.old_start <= 1, hunk.trailing == 0
        if size > count:
            return None
        wanted = 0 if at_start else count - size if at_end else min(max(hunk.new_start - 1, 0), count)
        if _is_odd(hunk.before):
            return self._place_oddly(hunk, wanted, at_start=at_start, at_end=at_end)
        if at_end and wanted + size != count:
            return None
        if self._matches(hunk.before, wanted, at_end=at_end):
            return wanted
        return None if at_start or at_end else self._search(hunk.before, wanted)

    def _matches(self, before: list[bytes], at: int, *, at_end: bool) -> bool:
        size = len(before)
        if at + size > len(self.lines) or self.written.find(1, at, at + size) >= 0:
            return False
        if self.lines[at : at + size] == before:
            return True
        return (
            not at_end
            and not before[-1].endswith(b"\n")
            and self.lines[at : at + size - 1] == before[:-1]
            and _extends(self.lines[at + size - 1], before[-1])
        )

    def _search(self, before: list[bytes], wanted: int) -> int | None:
        image = self._code()
        last = before[-1]
        if last.endswith(b"\n"):
            needle = [self.codes.get(line) for line in before]
        else:  # it may be the beginning of a longer line: all of those become one character
            ends = [code for line, code in self.codes.items() if line == last or _extends(line, last)]
            if not ends:
                return None
            image = image.translate({ord(code): ends[0] for code in ends[1:]})
            needle = [*(self.codes.get(line) for line in before[:-1]), ends[0]]
        if None in needle:
            return None
        return _nearest(image, "".join(filter(None, needle)), wanted)

    def _code(self) -> str:
        if self.coded is None:
            for line in self.lines:
                if line not in self.codes:
                    self.codes[line] = chr(len(self.codes) + 1)
                    if len(self.codes) > MOST_DISTINCT:
                        raise PatchRefused("a file of more lines than are taken", why=Why.LIMIT)
            codes = self.codes
            pairs = zip(self.lines, self.written, strict=True)
            self.coded = "".join([WRITTEN if is_written else codes[line] for line, is_written in pairs])
        return self.coded

    def _place_oddly(self, hunk: Hunk, wanted: int, *, at_start: bool, at_end: bool) -> int | None:
        """As _place, for a hunk with an unfinished line before its last: there, lines run into each other."""
        before = hunk.before
        size, count, joined = len(before), len(self.lines), b"".join(before)
        if size * (count - size + 1) > MOST_STEPS:
            raise PatchRefused("this hunk has unfinished lines in its middle", hunk.line, why=Why.LIMIT)
        bare = [_bare(line) for line in before]
        for at in _outwards(wanted, count):
            there = self.lines[at : at + size]
            is_barred = (at_start and at) or (at_end and at + size != count) or len(there) != size
            if is_barred or self.written.find(1, at, at + size) >= 0 or [_bare(line) for line in there] != bare:
                continue
            rest = b"".join(self.lines[at:]) if at_end else b"".join(self.lines[at:])[: len(joined)]
            if rest == joined:
                return at
        return None


def _is_odd(before: list[bytes]) -> bool:
    """Whether an unfinished line stands before the last, or the last may be mistaken for another."""
    unfinished = len(before) - b"".join(before).count(b"\n")  # no line holds more than one
    if unfinished == 0:
        return False
    return unfinished > 1 or before[-1].endswith(b"\n") or any(_extends(line, before[-1]) for line in before[:-1])


def _extends(line: bytes, start: bytes) -> bool:
    """Whether a line is the given start and then nothing but blanks."""
    return line.startswith(start) and not line[len(start) :].strip(BLANK)


def _outwards(start: int, most: int) -> Iterator[int]:
    """start, then one after and one before it, and so on."""
    yield start
    for distance in range(1, max(start, most - start) + 1):
        if start + distance <= most:
            yield start + distance
        if start >= distance:
            yield start - distance


def _nearest(image: str, needle: str, wanted: int) -> int | None:
    """Where needle stands nearest to wanted, forward on a tie; both ways by the search that is linear: find."""
    after = image.find(needle, wanted)
    reach = wanted - (after - wanted) + 1 if after >= 0 else 0
    low = max(reach, 0)
    # what begins in low … wanted-1 ends before wanted-1+len(needle)
    piece = image[low : wanted - 1 + len(needle)] if wanted > 0 else ""
    backwards = piece[::-1].find(needle[::-1])
    if backwards >= 0:
        return low + len(piece) - backwards - len(needle)
    return after if after >= 0 else None
