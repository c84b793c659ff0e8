"""A patch as people read it: file by file, line by line, with the numbers of both sides."""

import re
from dataclasses import dataclass, field

MOST_LINES = 4000
OPEN_LINES = 400
"""Beyond this files start closed."""
LONGEST_LINE = 2000
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
KINDS = {"+": "ins", "-": "del", " ": "span", "": "span", "\\": "b"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its element (ins, del, span, b), its text with its sign, and its numbers."""

    kind: str
    text: str
    numbers: str = ""


@dataclass(slots=True)
class FileDiff:
    """What happens to one file."""

    path: str
    lines: list[Line] = field(default_factory=list)
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Diff:
    """A whole patch, cut after so many lines."""

    files: list[FileDiff]
    left_out: int

    @property
    def is_long(self) -> bool:
        return sum(len(file.lines) for file in self.files) > OPEN_LINES

    @property
    def added(self) -> int:
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        return sum(file.removed for file in self.files)


def read(patch: str) -> Diff:
    """Every file of a patch. It is for looking at: whether it applies is not said here."""
    reader = _Reader()
    lines = patch.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for line in lines:
        reader.take(line)
    return Diff(reader.files, reader.left_out)


class _Reader:
    """Goes along the lines, counting what is left of a hunk, so that `--- x` in one is no header."""

    def __init__(self) -> None:
        self.files: list[FileDiff] = []
        self.left_out = 0
        self._shown = 0
        self._old = self._new = 0
        self._old_left = self._new_left = 0
        self._is_fresh = False
        """Whether the file was begun by `diff --git` and its --- and +++ are still to come."""

    def take(self, line: str) -> None:
        if self._old_left > 0 or self._new_left > 0 or line.startswith("\\"):
            self._content(line)
        elif hunk := HUNK.match(line):
            self._old, self._new = int(hunk[1]), int(hunk[3])
            self._old_left, self._new_left = int(hunk[2] or 1), int(hunk[4] or 1)
            self._show(Line("b", line))
        elif line.startswith("diff --git "):
            self._begin(line.rpartition(" b/")[2] or line[11:])
            self._is_fresh = True
        elif line.startswith("--- "):
            if not self._is_fresh:
                self._begin(_path(line))
            self._is_fresh = False
        elif line.startswith("+++ "):
            path = _path(line)
            if self.files and path != "/dev/null":
                self.files[-1].path = path
        elif not line.startswith("index ") and self.files and line:
            self._show(Line("b", line))

    def _begin(self, path: str) -> None:
        self.files.append(FileDiff(path))

    def _content(self, line: str) -> None:
        sign = line[:1] if line[:1] in KINDS else " "
        numbers = ""
        if sign in ("-", " ", ""):
            numbers, self._old, self._old_left = f"{self._old:>4}", self._old + 1, self._old_left - 1
        else:
            numbers = "    "
        if sign in ("+", " ", ""):
            numbers, self._new, self._new_left = f"{numbers}{self._new:>4}", self._new + 1, self._new_left - 1
        else:
            numbers += "    "
        if self.files and sign in "+-" and sign:
            self.files[-1].added += sign == "+"
            self.files[-1].removed += sign == "-"
        self._show(Line(KINDS[sign], line, "" if sign == "\\" else numbers))

    def _show(self, line: Line) -> None:
        if not self.files:
            self._begin("(no name)")
        self._shown += 1
        if self._shown > MOST_LINES:
            self.left_out += 1
            return
        text = line.text if len(line.text) <= LONGEST_LINE else f"{line.text[:LONGEST_LINE]} …"
        self.files[-1].lines.append(Line(line.kind, text, line.numbers))


def _path(line: str) -> str:
    name = line[4:].partition("\t")[0].rstrip("\r")
    return name[2:] if name.startswith(("a/", "b/")) else name
