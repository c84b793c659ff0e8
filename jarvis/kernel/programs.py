"""Running one program: through a keeper that leaves nothing behind, watched, bounded, stoppable."""

import importlib.util
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jarvis.kernel import config
from jarvis.kernel.config import Settings
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.keeper import started_at as started_at
from jarvis.kernel.secrets import SHORTEST

GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 20.0
"""How long after its time a keeper may take to end everything before it is ended itself."""
CHUNK_BYTES = 64 * 1024
MOST_BYTES_PER_SECOND = 8_000_000
MOST_PASSES = 100
MARK = "JARVIS_MAINTENANCE"
"""A name in the environment of everything a command starts, by which what is left of it is found."""
HARMLESS = {
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_COLOR": "1",
    "DEBIAN_FRONTEND": "noninteractive",
}
UNSET = re.compile(
    r"LISTEN_(PID|FDS|FDNAMES)|CREDENTIALS_DIRECTORY|NOTIFY_SOCKET|WATCHDOG_(USEC|PID)|JARVIS_(\w+_FD|ARCHIVE_PATH|MAINTENANCE)"
)
"""What only the server is told by whoever started it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    reason: str
    """"exit" by itself, "timeout", "stop" (asked to), or "lost" (its keeper was killed)."""
    exit_code: int | None
    """As a shell says it: 128 + n when signal n ended it; None when nobody knows."""
    killed: int
    """Processes that had to be ended, the command's own included."""
    left: int
    """Processes that could not be."""


def environment(settings: Settings, environ: Mapping[str, str], mark: str) -> dict[str, str]:
    """What a command sees: ours, without any secret of Jarvis and without what only a server is told."""
    secrets = [secret for secret in settings.secrets() if len(secret) >= SHORTEST]
    hidden = {name for name, spec in config.specs().items() if spec.is_secret}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in hidden and not UNSET.fullmatch(name) and not any(secret in value for secret in secrets)
    }
    return {"PATH": os.defpath, **kept, **HARMLESS, MARK: mark}


@lru_cache(maxsize=1)
def _keeper_source() -> str:
    spec = importlib.util.find_spec("jarvis.kernel.keeper")
    assert spec is not None
    loader: Any = spec.loader  # a checkout's, or the archive's: both have it
    source: str = loader.get_source(spec.name)
    return source


@dataclass
class Program:
    """One program on its way. `run` returns when nothing of it is left, or nothing more can be done."""

    argv: list[str]
    workdir: Path
    environment: Mapping[str, str]
    """All it sees; MARK among it is the mark by which what is left of it is found."""
    timeout_seconds: float
    take: Callable[[bytes], None]
    """Told what it writes, as it comes."""
    is_cancelled: Callable[[], bool]
    on_start: Callable[[str], None] = lambda sign: None
    """Told by which sign the program can be found again after a crash."""
    on_look: Callable[[], None] = lambda: None
    """Called now and then while it runs."""
    limits: Mapping[str, Any] | None = None
    """What the keeper is told beside: rlimits, landlock, memory, processes."""
    listener: int | None = None
    """A descriptor that the program finds as its third: a socket that is open already."""
    _budget_from: float = 0.0
    _budget: int = 0

    def run(self) -> Outcome:
        """Start it and watch it. Must not be called inside a write."""
        forbid_inside_write("a program")
        keeper = self._start()
        try:
            self._tell_keeper(keeper)
            said = self._watch(keeper)
        finally:
            self._end(keeper)
        return _outcome(said)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _keeper_source()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=dict(self.environment),
            start_new_session=True,
            pass_fds=() if self.listener is None else (self.listener,),
        )

    def _tell_keeper(self, keeper: subprocess.Popen[bytes]) -> None:
        assert keeper.stdin is not None
        told = {"argv": self.argv, "cwd": str(self.workdir), "timeout": self.timeout_seconds, "grace": GRACE_SECONDS}
        told |= self.limits or {}
        if self.listener is not None:
            told["listener"] = self.listener
        keeper.stdin.write(json.dumps(told).encode() + b"\n")
        keeper.stdin.flush()

    def _watch(self, keeper: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Take output and reports until the keeper has ended; everything it said."""
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        reports, output = keeper.stdout.fileno(), keeper.stderr.fileno()
        poll = select.poll()
        for fd in (reports, output):
            os.set_blocking(fd, False)
            poll.register(fd, select.POLLIN | select.POLLHUP)
        said: dict[str, Any] = {}
        raw, open_fds = b"", {reports, output}
        give_up = time.monotonic() + self.timeout_seconds + GRACE_SECONDS + PATIENCE_SECONDS
        while reports in open_fds and time.monotonic() < give_up:
            for fd, _ in poll.poll(LOOK_SECONDS * 1000):
                data = _read(fd)
                if data == b"":
                    poll.unregister(fd)
                    open_fds.discard(fd)
                elif fd == output:
                    self._take(data or b"")
                else:
                    raw = self._heed(raw + (data or b""), said)
            self.on_look()
            if self.is_cancelled():
                give_up = min(give_up, time.monotonic() + GRACE_SECONDS + PATIENCE_SECONDS)
                self._let_go(keeper)
        while (data := _read(output)) and open_fds >= {output}:
            self._take(data)
        return said

    def _heed(self, raw: bytes, said: dict[str, Any]) -> bytes:
        """Understand the whole lines of a report; what is left over waits for its end."""
        *lines, rest = raw.split(b"\n")
        for line in lines:
            report = json.loads(line)
            said |= report
            if "started" in report:
                self.on_start(sign(report["pid"], report["started"]))
        return rest

    def _take(self, data: bytes) -> None:
        """Some output. Beyond what is worth reading per second the command has to wait for us."""
        self.take(data)
        now = time.monotonic()
        if now - self._budget_from >= 1:
            self._budget_from, self._budget = now, 0
        self._budget += len(data)
        if self._budget > MOST_BYTES_PER_SECOND:
            time.sleep(max(0.0, 1 - (now - self._budget_from)))

    @staticmethod
    def _let_go(keeper: subprocess.Popen[bytes]) -> None:
        if keeper.stdin is not None and not keeper.stdin.closed:
            keeper.stdin.close()

    def _end(self, keeper: subprocess.Popen[bytes]) -> None:
        """See the keeper off, and whatever it should have ended if it was ended itself."""
        self._let_go(keeper)
        try:
            keeper.wait(GRACE_SECONDS + PATIENCE_SECONDS if keeper.poll() is None else 0)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        for stream in (keeper.stdout, keeper.stderr):
            if stream is not None:
                stream.close()
        if keeper.returncode != 0:
            end_marked(self.environment[MARK])


def _read(fd: int) -> bytes | None:
    try:
        return os.read(fd, CHUNK_BYTES)
    except BlockingIOError:
        return None


def _outcome(said: dict[str, Any]) -> Outcome:
    if "reason" not in said:
        return Outcome("lost", None, 0, 0)
    number = said["signal"]
    return Outcome(said["reason"], 128 + number if number else said["exit"], said["killed"], said["left"])


def sign(pid: int, started: int) -> str:
    """What tells one process from every other there was: the boot, its pid and its start."""
    return f"{_boot()} {pid} {started}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def end_marked(mark: str, leader: str = "") -> int:
    """End what is left of a command whose keeper died: what carries its mark, and its leader's group.

    A pid is only believed with its boot and start. Returns how many processes were ended.
    """
    match = re.fullmatch(r"(\S+) (\d+) (\d+)", leader)
    if match and match[1] == _boot() and started_at(int(match[2])) == int(match[3]):
        _signal(os.killpg, int(match[2]))
    ended: set[int] = set()
    for _ in range(MOST_PASSES):  # again: what was forking while we looked
        found = marked(mark)
        if not found:
            break
        ended |= {pid for pid in found if _signal(os.kill, pid)}
    return len(ended)


def marked(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                names = (entry / "environ").read_bytes().split(b"\0")
            except OSError:  # gone, or not ours to look at
                continue
            if wanted in names:
                found.append(int(entry.name))
    return found


def _signal(send: Callable[[int, int], None], pid: int) -> bool:
    try:
        send(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True
