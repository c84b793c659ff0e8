"""How commands talk: text for people, one JSON value for programs, and what they start from."""

import getpass
import json
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from jarvis.kernel.clock import Clock
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Usage
from jarvis.kernel.log import escape_control, one_line

Arguments = dict[str, Any]


class Start(Protocol):
    """What a command may begin with; each part is made only when asked for."""

    clock: Clock

    @property
    def settings(self) -> Settings:
        """Raises Misconfigured naming every value that does not parse."""

    def context(self, *, registry: bool = False) -> Context:
        """The database, acting as the command line's user or the one named by --as.

        `registry` brings every feature's tasks, tools and slash commands along.
        """


@dataclass(frozen=True, slots=True)
class Console:
    """Where a command writes and reads."""

    is_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    source: TextIO = field(default_factory=lambda: sys.stdin)

    def answer(self, data: Any, text: str) -> None:
        """The result: `data` with --json, `text` otherwise."""
        if self.is_json:
            text = json.dumps(data, ensure_ascii=False, indent=2 if self.out.isatty() else None)
        _put(self.out, text + "\n")

    def table(self, rows: Sequence[Sequence[str]], heads: Sequence[str], empty: str) -> str:
        """Columns as wide as they need to be, or what to do when there is nothing."""
        if not rows:
            return empty
        shown = [[head.upper() for head in heads], *([_cell(cell) for cell in row] for row in rows)]
        widths = [max(map(width, column)) for column in zip(*shown, strict=True)]
        lines = ("  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
                 for row in shown)  # fmt: skip
        return "\n".join(line.rstrip() for line in lines)

    def say(self, text: str) -> None:
        """A remark on standard error: it is no part of the result."""
        _put(self.err, text + "\n")

    def write(self, text: str) -> None:
        """A piece of a result that streams."""
        _put(self.out, text)

    def password(self, *, from_stdin: bool, prompt: str = "Password: ", twice: bool = True) -> str:
        """A password typed without echo, or the first line of standard input."""
        if from_stdin:
            return self._first_line()
        if not self.source.isatty():
            raise Usage("There is no terminal to ask for the password: use --password-stdin.")
        try:
            first = getpass.getpass(prompt)
            again = getpass.getpass("Once more: ") if twice else first
        except EOFError:
            raise Usage("No password was given.") from None
        if again != first:
            raise Usage("The two passwords differ; nothing was changed.")
        return first

    def _first_line(self) -> str:
        try:
            return self.source.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            raise Usage("The password on standard input is not valid text.") from None


def _put(file: TextIO, text: str) -> None:
    """Write text that may come from anybody: what would steer a terminal is shown, not obeyed."""
    text = escape_control(text.replace("\r\n", "\n"))
    encoding = file.encoding or "utf-8"
    file.write(text.encode(encoding, "backslashreplace").decode(encoding))
    file.flush()


def _cell(text: str) -> str:
    return one_line(text).replace("\t", " ")


def width(text: str) -> int:
    """Columns a terminal gives a text: two for wide East Asian characters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text
    )
