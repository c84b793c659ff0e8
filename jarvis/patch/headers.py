"""The headers of one file's section: a small state machine for `diff --git`, and the older form without it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from jarvis.patch import names
from jarvis.patch.binary import BinaryHunk
from jarvis.patch.hunks import Hunk
from jarvis.patch.refusal import PatchRefused, Why, shown

MODE = re.compile(rb"[ \t]*([0-7]{1,9})[ \t\r\n]")
INDEX = re.compile(rb"([^.\n]{0,64})\.\.([^ \n]{0,64})(?: (.*))?\n", re.DOTALL)
LONGEST_LINE = 8192
GIT = b"diff --git "


@dataclass(slots=True)
class Section:
    """What the patch says about one file. None where it does not say."""

    line: int
    old_name: bytes | None = None
    new_name: bytes | None = None
    is_new: bool | None = None
    is_delete: bool | None = None
    is_rename: bool = False
    is_copy: bool = False
    old_mode: int = 0
    new_mode: int = 0
    old_id: bytes = b""
    new_id: bytes = b""
    is_binary: bool = False
    binary: BinaryHunk | None = None
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def name(self) -> bytes:
        """By which name to speak of it."""
        return self.old_name or self.new_name or b""

    @property
    def changes_metadata(self) -> bool:
        """Whether there is something to do even without hunks."""
        has_modes = bool(self.old_mode and self.new_mode and self.old_mode != self.new_mode)
        return bool(self.is_rename or self.is_copy or self.is_new or self.is_delete or has_modes)

    def refused(self, reason: str, why: Why = Why.MALFORMED, line: int | None = None) -> PatchRefused:
        """An error about this file."""
        return PatchRefused(reason, line or self.line, shown(self.name), why)


@dataclass(slots=True)
class GitHeader:
    """The lines behind one `diff --git`, taken one after the other."""

    section: Section
    agreed: bytes | None
    level: int

    def take(self, line: bytes, number: int) -> bool:
        """Heed one header line; False when the header has ended before it. Raises PatchRefused."""
        match = KEYWORD.match(line)
        if match is None:
            return False
        _require_closed(line[match.end() :], number)
        HEEDED[match[0]](self, line[match.end() :], number)
        s = self.section
        if sum((bool(s.is_delete), bool(s.is_new), s.is_rename, s.is_copy)) > 1:
            raise PatchRefused("a file is new, deleted, renamed or copied, not two of these", number)
        return True

    def finish(self) -> None:
        """Settle the names; raises PatchRefused when they are missing."""
        s = self.section
        if s.old_name is None and s.new_name is None:
            if self.agreed is None:
                raise PatchRefused("this header does not say which file it is about", s.line)
            s.old_name = s.new_name = self.agreed
        elif (s.new_name is None and not s.is_delete) or (s.old_name is None and not s.is_new):
            raise PatchRefused("this header names only one side", s.line)

    def _old_line(self, text: bytes, number: int) -> None:
        self.section.old_name = self._same(self.section.old_name, text, bool(self.section.is_new), number)

    def _new_line(self, text: bytes, number: int) -> None:
        self.section.new_name = self._same(self.section.new_name, text, bool(self.section.is_delete), number)

    def _same(self, known: bytes | None, text: bytes, is_nothing: bool, number: int) -> bytes | None:
        """The name of one side after its `---` or `+++` line, which must agree with what came before."""
        if known is None and not is_nothing:
            return names.named(text, self.level, ends_at_tab=True)
        if known is None:
            if not names.is_null_device(text):
                raise PatchRefused("/dev/null belongs here", number)
        elif is_nothing:
            raise PatchRefused("/dev/null belongs here", number, shown(known))
        elif names.named(text, self.level, ends_at_tab=True) != known:
            raise PatchRefused("this name is another than the header's", number, shown(known))
        return known

    def _old_mode(self, text: bytes, number: int) -> None:
        self.section.old_mode = mode(text, number)

    def _new_mode(self, text: bytes, number: int) -> None:
        self.section.new_mode = mode(text, number)

    def _deleted(self, text: bytes, number: int) -> None:
        self.section.is_delete, self.section.old_name = True, self.agreed
        self._old_mode(text, number)

    def _created(self, text: bytes, number: int) -> None:
        self.section.is_new, self.section.new_name = True, self.agreed
        self._new_mode(text, number)

    def _copy_from(self, text: bytes, number: int) -> None:
        self.section.is_copy, self.section.old_name = True, self._bare(text)

    def _copy_to(self, text: bytes, number: int) -> None:
        self.section.is_copy, self.section.new_name = True, self._bare(text)

    def _rename_from(self, text: bytes, number: int) -> None:
        self.section.is_rename, self.section.old_name = True, self._bare(text)

    def _rename_to(self, text: bytes, number: int) -> None:
        self.section.is_rename, self.section.new_name = True, self._bare(text)

    def _bare(self, text: bytes) -> bytes | None:
        """Rename and copy names carry no prefix."""
        return names.named(text, max(0, self.level - 1), ends_at_tab=False)

    def _index(self, text: bytes, number: int) -> None:
        match = INDEX.match(text)
        if match and max(len(match[1]), len(match[2])) <= 40:
            self.section.old_id, self.section.new_id = match[1], match[2]
            if match[3] is not None:
                self._old_mode(match[3] + b"\n", number)

    def _nothing(self, text: bytes, number: int) -> None:
        """A line that says nothing we need."""


Heed = Callable[[GitHeader, bytes, int], None]
KEYWORDS: tuple[tuple[bytes, Heed], ...] = (
    (b"--- ", GitHeader._old_line),
    (b"+++ ", GitHeader._new_line),
    (b"old mode ", GitHeader._old_mode),
    (b"new mode ", GitHeader._new_mode),
    (b"deleted file mode ", GitHeader._deleted),
    (b"new file mode ", GitHeader._created),
    (b"copy from ", GitHeader._copy_from),
    (b"copy to ", GitHeader._copy_to),
    (b"rename old ", GitHeader._rename_from),
    (b"rename new ", GitHeader._rename_to),
    (b"rename from ", GitHeader._rename_from),
    (b"rename to ", GitHeader._rename_to),
    (b"similarity index ", GitHeader._nothing),
    (b"dissimilarity index ", GitHeader._nothing),
    (b"index ", GitHeader._index),
)
HEEDED = dict(KEYWORDS)
KEYWORD = re.compile(b"|".join(re.escape(keyword) for keyword, _ in KEYWORDS))


def mode(text: bytes, number: int) -> int:
    """An octal mode; raises PatchRefused."""
    match = MODE.match(text)
    if match is None:
        raise PatchRefused("this mode is no octal number", number)
    return int(match[1], 8)


def parse_git(lines: list[bytes], at: int, level: int) -> tuple[Section, int] | None:
    """The header that begins with `diff --git` at lines[at], and the line after it; None when nothing follows it.

    Raises PatchRefused.
    """
    section = Section(at + 1, is_new=False, is_delete=False)
    header = GitHeader(section, names.agreed(_bounded(lines[at], at)[len(GIT) :], level), level)
    end = at + 1
    while end < len(lines) and lines[end].endswith(b"\n") and header.take(_bounded(lines[end], end), end + 1):
        end += 1
    if end == at + 1:
        return None
    header.finish()
    return section, end


def parse_traditional(lines: list[bytes], at: int, level: int) -> Section:
    """The section of a `---` and a `+++` line; raises PatchRefused."""
    first, second = _bounded(lines[at], at)[4:], _bounded(lines[at + 1], at + 1)[4:]
    _require_closed(first, at + 1)
    _require_closed(second, at + 2)
    section = Section(at + 1)
    if names.is_null_device(first):
        section.is_new, section.is_delete = True, False
        name = section.new_name = names.traditional(second, level)
    elif names.is_null_device(second):
        section.is_new, section.is_delete = False, True
        name = section.old_name = names.traditional(first, level)
    else:
        name = names.traditional(second, level, names.traditional(first, level))
        if names.is_epoch(first):
            section.is_new, section.is_delete, section.new_name = True, False, name
        elif names.is_epoch(second):
            section.is_new, section.is_delete, section.old_name = False, True, name
        else:
            section.old_name = section.new_name = name
    if name is None:
        raise PatchRefused("no file name is found in these two lines", at + 1)
    return section


def guessed_level(first: bytes, second: bytes) -> int | None:
    """0 when the names of a `---` and a `+++` line have no folder to strip; None when that cannot be said."""
    one, two = (_depth(line[4:]) for line in (first, second))
    one = two if one is None else one
    return 0 if one == two == 0 else None


def _depth(text: bytes) -> int | None:
    if len(text) > LONGEST_LINE or names.is_null_device(text):
        return None
    name = names.traditional(text, 0)
    return 0 if name is not None and b"/" not in name else None


def _require_closed(text: bytes, number: int) -> None:
    if names.is_unclosed(text):
        raise PatchRefused("this quoted name does not end on its line", number)


def _bounded(line: bytes, at: int) -> bytes:
    if len(line) > LONGEST_LINE:
        raise PatchRefused(f"a header line of {len(line)} bytes is more than is taken", at + 1, why=Why.LIMIT)
    return line
