"""What a command writes: scrubbed of secrets as it comes, both ends kept, the middle counted and dropped."""

import codecs
import os
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jarvis.kernel.log import escape_control

HEAD_BYTES, TAIL_BYTES = 128 * 1024, 128 * 1024
LONGEST_PENDING = 8 * 1024
LONGEST_KEY = 24_000
SNAPSHOT_SECONDS = 1.0
COLOUR = re.compile(
    r"\x1b\[[0-9;:?]{0,40}[ -/]?[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>]"
)
KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY")
KEY_ENDS = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

Redact = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Ends:
    """The first and the last of an output, as text, and what lies between."""

    head: str
    tail: str
    """Empty when the head is all of it."""
    total_bytes: int
    total_lines: int

    @property
    def left_out_bytes(self) -> int:
        kept = len(self.head.encode("utf-8", "replace")) + len(self.tail.encode("utf-8", "replace"))
        return max(0, self.total_bytes - kept) if self.tail else 0

    def lines(self) -> list[str]:
        return self.head.splitlines() + self.tail.splitlines()


class Scrubber:
    """Text that arrives in pieces, let out without secrets: a secret cut by a piece is still one."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        self._pending = ""

    def feed(self, text: str, *, is_last: bool = False) -> str:
        """What may be shown by now."""
        self._pending += text.replace("\r\n", "\n").replace("\r", "\n")
        cut = len(self._pending) if is_last else self._safe_cut()
        ready, self._pending = self._pending[:cut], self._pending[cut:]
        return clean(self._redact(ready)) if ready else ""

    def _safe_cut(self) -> int:
        cut = self._pending.rfind("\n") + 1
        begins = [match.start() for match in KEY_BEGINS.finditer(self._pending, 0, cut)]
        if begins and not KEY_ENDS.search(self._pending, begins[-1], cut) and len(self._pending) < LONGEST_KEY:
            return begins[-1]
        return cut or self._cut_in_line()

    def _cut_in_line(self) -> int:
        """Where a line too long to wait for can be cut without cutting a secret."""
        if len(self._pending) < LONGEST_PENDING:
            return 0
        whole = self._redact(self._pending)
        for cut in range(len(self._pending) // 2, len(self._pending) // 4, -256):
            if self._redact(self._pending[:cut]) + self._redact(self._pending[cut:]) == whole:
                return cut
        return 0 if len(self._pending) < LONGEST_KEY else len(self._pending)


def clean(text: str) -> str:
    """Text without colours, and with every other control character shown instead of obeyed."""
    return escape_control(COLOUR.sub("", text))


class Output:
    """Keeps one command's output in a file for its head and one for its tail, bounded whatever comes."""

    def __init__(self, path: Path, redact: Redact, tell: Callable[[str], None] = lambda text: None) -> None:
        self._path, self._redact, self._tell = path, redact, tell
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._scrubber = Scrubber(redact)
        self._head = open(path, "x", encoding="utf-8", errors="replace", opener=_private)  # noqa: SIM115
        self._head_bytes = 0
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._told_at = 0.0
        self._is_stale = False
        self.total_bytes = 0
        self.total_lines = 0

    def add(self, data: bytes) -> None:
        """Some more, as the command wrote it."""
        self.total_bytes += len(data)
        self.total_lines += data.count(b"\n")
        if self._head_bytes < HEAD_BYTES:
            self._keep_head(self._scrubber.feed(self._decode(data)))
        else:
            self._keep_tail(data)

    def _keep_head(self, text: str) -> None:
        self._head.write(text)
        self._head.flush()
        self._head_bytes += len(text.encode("utf-8", "replace"))
        self._tell(text)
        if self._head_bytes >= HEAD_BYTES:
            self._keep_head_end()

    def _keep_head_end(self) -> None:
        rest = self._scrubber.feed(self._decode(b"", final=True), is_last=True)
        self._head.write(rest)
        self._head.flush()

    def _keep_tail(self, data: bytes) -> None:
        self._ring.append(data)
        self._ring_bytes += len(data)
        while self._ring_bytes - len(self._ring[0]) >= TAIL_BYTES:
            self._ring_bytes -= len(self._ring.popleft())
        self._is_stale = True
        self.show()

    def show(self) -> None:
        """Bring the tail on disk up to date, once a second at most."""
        if self._is_stale and time.monotonic() - self._told_at >= SNAPSHOT_SECONDS:
            self._write_tail()

    def _write_tail(self) -> None:
        self._told_at, self._is_stale = time.monotonic(), False
        fresh = self._path.with_suffix(".fresh")
        fresh.write_text(self._tail(), "utf-8", "replace")
        fresh.replace(tail_of(self._path))

    def _tail(self) -> str:
        """The last of the output, from the start of a line, without what is left of a secret cut off."""
        text = b"".join(self._ring)[-TAIL_BYTES:].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        first = text.find("\n") + 1
        text = text[first:] if first else text[4096:]
        ends = KEY_ENDS.search(text)
        if ends and not KEY_BEGINS.search(text, 0, ends.start()):
            text = text[ends.end() :]
        return clean(self._redact(text))

    def close(self) -> Ends:
        """The end: everything is on disk. Returns both ends."""
        if self._head_bytes < HEAD_BYTES:
            self._keep_head(self._scrubber.feed(self._decode(b"", final=True), is_last=True))
        if self._is_stale:
            self._write_tail()
        self._head.close()
        return read(self._path, self.total_bytes, self.total_lines)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def tail_of(path: Path) -> Path:
    return path.with_suffix(".tail")


def read(path: Path, total_bytes: int, total_lines: int) -> Ends:
    """What is on disk of an output, also while it is written or after a crash; empty when it is gone."""
    return Ends(_text(path), _text(tail_of(path)), total_bytes, total_lines)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
