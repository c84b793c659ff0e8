"""While a rehearsal runs nothing leaves this process: no program, no connection, no file beside the copy."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAMS = frozenset(
    ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn")
)
SIGNALS = frozenset(("os.kill", "os.killpg", "signal.pthread_kill"))
LOOKUPS = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"))
CONNECTIONS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))
PATHS = frozenset(
    ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown")
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Hears what Python is about to do to the outside (its audit events), notes it and forbids it.

    A hook cannot be taken out again, so it is for a process of its own; switched off it does nothing.
    """

    def __init__(self, place: Path) -> None:
        self._place = os.path.realpath(place)
        self._caught: list[str] = []
        self._is_on = False

    def __enter__(self) -> "Guard":
        self._is_on = True
        sys.addaudithook(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_on = False

    def take(self) -> list[str]:
        """What was caught since this was last asked."""
        caught, self._caught = self._caught, []
        return caught

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._is_on and (event in WATCHED or event == "open"):
            what = self._open(args) if event == "open" else WATCHED[event](self, event, args)
            if what:
                self._caught.append(what[:300])
                raise PermissionError(f"A rehearsal lets nothing out: {what[:300]}")

    def _open(self, args: tuple[Any, ...]) -> str:
        path, _, flags = args
        if not isinstance(flags, int) or not flags & WRITING or self._is_ours(path):
            return ""
        return f"write {_text(path)}"

    def _program(self, event: str, args: tuple[Any, ...]) -> str:
        named = args[1] if event in ("subprocess.Popen", "os.exec") and len(args) > 1 and args[1] else args[:1]
        return f"start {_text(named)}"

    def _signal(self, event: str, args: tuple[Any, ...]) -> str:
        return f"send signal {args[1]} to {args[0]}"

    def _lookup(self, event: str, args: tuple[Any, ...]) -> str:
        return f"look up {_text(args[0])}"

    def _connect(self, event: str, args: tuple[Any, ...]) -> str:
        address = args[1]
        if isinstance(address, (str, bytes)) and self._is_ours(address):
            return ""
        return f"reach {_text(address)}"

    def _touch(self, event: str, args: tuple[Any, ...]) -> str:
        paths = args[:2] if event in ("os.rename", "os.link") else args[1:2] if event == "os.symlink" else args[:1]
        beside = [path for path in paths if not self._is_ours(path)]
        return f"{event.removeprefix('os.')} {_text(beside[0])}" if beside else ""

    def _is_ours(self, path: object) -> bool:
        """Whether a path lies in the copy; a descriptor was opened before, and /dev/null keeps nothing."""
        if isinstance(path, int):
            return True
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        found = os.path.realpath(os.fsdecode(path))
        return found == os.devnull or found == self._place or found.startswith(self._place + os.sep)


Teller = Callable[[Guard, str, tuple[Any, ...]], str]
WATCHED: dict[str, Teller] = {
    **dict.fromkeys(PROGRAMS, Guard._program),
    **dict.fromkeys(SIGNALS, Guard._signal),
    **dict.fromkeys(LOOKUPS, Guard._lookup),
    **dict.fromkeys(CONNECTIONS, Guard._connect),
    **dict.fromkeys(PATHS, Guard._touch),
}
"""How each event is told, or "" when it stays within the copy."""


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    return os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else str(value)
