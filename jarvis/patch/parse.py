"""A patch as text → its sections in order, with nothing that looks like a diff left over."""

import re
from collections.abc import Iterator
from itertools import accumulate

from jarvis.patch import binary, headers, hunks
from jarvis.patch.headers import GIT, Section
from jarvis.patch.refusal import Limits, PatchRefused, Why

SHORTEST_LINE = 6
SHORTEST_HUNK = 14
DIFFERS = re.compile(rb"(Binary files|Files) .* differ\n", re.DOTALL)
LOOKS_LIKE_DIFF = re.compile(
    rb"diff --(git|cc|combined) |@@+ |\+\+\+ |GIT binary patch|(Binary )?[Ff]iles .* differ$"
    rb"|(rename|copy) (from|to) |(new|deleted) file mode |(old|new) mode [0-7]|(dis)?similarity index "
)
SIGNATURES = (b"-- \n", b"--\n", b"--", b"-- ", b"-- \r\n")
"""What stands before the signature of a mail."""
LEFTOVER = (b"+", b"-", b" ", b"\\")


def parse(patch: bytes, limits: Limits) -> list[Section]:
    """Every section of a patch; raises PatchRefused."""
    if len(patch) > limits.patch_bytes:
        raise PatchRefused(f"a patch of {len(patch)} bytes is more than is taken", why=Why.LIMIT)
    sections = list(_Reader(patch, limits).sections())
    if not sections:
        raise PatchRefused("there is no patch in this text")
    return sections


def split(text: bytes) -> list[bytes]:
    """Lines with their newline; only LF ends one."""
    parts = text.split(b"\n")
    last = parts.pop()
    lines = [part + b"\n" for part in parts]
    return [*lines, last] if last else lines


class _Reader:
    """Walks through the lines once."""

    def __init__(self, patch: bytes, limits: Limits) -> None:
        self.lines = split(patch)
        self.starts = [0, *accumulate(map(len, self.lines))]
        self.limits = limits
        self.level = 1
        self.is_level_known = False
        self.budget = binary.Budget(limits.binary_bytes)
        self.hunks = 0

    def sections(self) -> Iterator[Section]:
        at, count, skipped_from = 0, 0, 0
        while (found := self._find(at)) is not None:
            section, body, header_at = found
            self._require_no_diff(skipped_from, header_at, is_first=count == 0)
            count += 1
            if count > self.limits.files:
                raise PatchRefused(f"more than {self.limits.files} files in one patch", section.line, why=Why.LIMIT)
            at = skipped_from = self._body(section, body, is_first=count == 1)
            yield section
        self._require_no_diff(skipped_from, len(self.lines), is_first=count == 0)

    def _left(self, at: int) -> int:
        return self.starts[-1] - self.starts[at]

    def _find(self, at: int) -> tuple[Section, int, int] | None:
        """The next section's header from a line on: it, the line after its header, the line where it begins."""
        lines = self.lines
        for here in range(at, len(lines)):
            line = lines[here]
            if len(line) < SHORTEST_LINE:
                continue
            if line.startswith(b"@@ -") and hunks.is_header(line):
                raise PatchRefused("this hunk belongs to no file", here + 1)
            if self._left(here) < len(line) + SHORTEST_LINE:
                return None
            if line.startswith(GIT):
                found = headers.parse_git(lines, here, self.level)
                if found is not None:
                    return (*found, here)
            elif line.startswith(b"--- ") and self._is_traditional(here):
                self._guess_level(here)
                return headers.parse_traditional(lines, here, self.level), here + 2, here
        return None

    def _is_traditional(self, at: int) -> bool:
        names, hunk = self.lines[at + 1 : at + 2], self.lines[at + 2 : at + 3]
        if not names or not names[0].startswith(b"+++ ") or not hunk or not hunk[0].startswith(b"@@ -"):
            return False
        return self._left(at) >= len(names[0]) + SHORTEST_HUNK

    def _guess_level(self, at: int) -> None:
        """Names without a folder set the strip level to 0 for the rest of the patch."""
        if not self.is_level_known:
            guessed = headers.guessed_level(self.lines[at], self.lines[at + 1])
            if guessed is not None:
                self.level, self.is_level_known = guessed, True

    def _body(self, section: Section, at: int, *, is_first: bool) -> int:
        """Read what follows a header into the section; the line after it."""
        end = self._hunks(section, at)
        if end > at:
            return end
        line = self.lines[at] if at < len(self.lines) else b""
        if line == binary.BEGIN:
            section.is_binary = True
            try:
                section.binary, end = binary.parse(self.lines, at + 1, self.limits, self.budget)
            except PatchRefused as refused:
                if is_first or refused.why is not Why.MALFORMED:
                    raise
                # git would drop this file and all that follow, and apply those before it
                raise section.refused(refused.reason, Why.DROPPED, refused.line) from None
            return end
        if DIFFERS.fullmatch(line):
            section.is_binary = True
            return at + 1
        if not section.changes_metadata:
            raise section.refused("this header is followed by no change", line=at + 1)
        return at

    def _hunks(self, section: Section, at: int) -> int:
        old_lines = new_lines = 0
        while self._left(at) > 4 and self.lines[at].startswith(b"@@ -"):
            counted = hunks.parse(self.lines, at, self.starts)
            if (section.is_new and counted.old_lines) or (section.is_delete and counted.new_lines):
                raise section.refused(_depends(section), line=at + 1)
            section.hunks.append(counted.hunk)
            self.hunks += 1
            if self.hunks > self.limits.hunks:
                raise PatchRefused(f"more than {self.limits.hunks} hunks in one patch", at + 1, why=Why.LIMIT)
            old_lines += counted.old_lines
            new_lines += counted.new_lines
            at = counted.next_at
        has_several = len(section.hunks) > 1
        if section.is_new is None and (old_lines or has_several):
            section.is_new = False
        if section.is_delete is None and (new_lines or has_several):
            section.is_delete = False
        return at

    def _require_no_diff(self, start: int, end: int, *, is_first: bool) -> None:
        """Refuse to pass over what may be a part of the patch: git does so in silence."""
        is_adjacent = not is_first
        for at in range(start, end):
            line = self.lines[at]
            is_adjacent = is_adjacent and line.startswith(LEFTOVER) and line not in SIGNATURES
            is_pair = line.startswith(b"--- ") and at + 1 < end and self.lines[at + 1].startswith(b"+++ ")
            if is_adjacent or is_pair or LOOKS_LIKE_DIFF.match(line):
                raise PatchRefused("this looks like a diff and belongs to no file", at + 1, why=Why.DROPPED)


def _depends(section: Section) -> str:
    return "a new file cannot have old lines" if section.is_new else "a deleted file cannot have new lines"
