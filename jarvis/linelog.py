"""The log of the parent process: the kernel's line shapes, without the cost of `logging`."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress


class LineLog:
    """Writes one line a message to a descriptor; what is not printable is escaped, so a line stays a line."""

    def __init__(self, *, is_json: bool = False, fd: int = 2, wall: Callable[[], int] = time.time_ns) -> None:
        self.is_json = is_json
        self._fd = fd
        self._wall = wall

    def info(self, text: str) -> None:
        self._write("INFO", text)

    def warning(self, text: str) -> None:
        self._write("WARNING", text)

    def error(self, text: str) -> None:
        self._write("ERROR", text)

    def _write(self, level: str, text: str) -> None:
        at = _rfc3339(self._wall())
        if self.is_json:
            line = json.dumps({"time": at, "level": level, "logger": "supervisor", "message": text})
        else:
            line = f"{at} {level} supervisor: {_printable(text)}"
        with suppress(OSError):  # a closed terminal must not take the service with it
            os.write(self._fd, f"{line}\n".encode())


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1_000_000:03d}Z"
