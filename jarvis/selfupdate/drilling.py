"""The rollback drill: on a copy with a home and a port of its own, a harmless and a broken update, and the way back."""

import dataclasses
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jarvis.archive import build, launch, resources, swap
from jarvis.archive.container import Archive
from jarvis.archive.sources import BuildError, Source
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.programs import MARK, Program
from jarvis.system import actions as system

ANSWER_SECONDS = 90.0
TRIAL_SECONDS = 30
BROKEN_SECONDS = 5
"""The limit the broken one gets: what matters is how long after it the old one is ready."""
MOST_SECONDS = 600
LOOK_SECONDS = 0.1
ENTRY = "jarvis/serve.py"
HARMLESS = b"\n# A rollback drill was here.\n"
BROKEN = b"""

def run(start: Start, args: Arguments, console: Console) -> int:
    threading.Event().wait()
    return 0
"""


class DrillFailed(Exception):
    """A step did not go as it has to; the message says which."""


@dataclasses.dataclass
class Copy:
    """A copy of this installation that serves, in a directory of its own."""

    ctx: Context
    """Of the copy: its settings name its home."""
    path: Path
    say: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    pid: int = 0
    is_over: bool = False

    def serve(self) -> threading.Thread:
        """Start it; it ends with us, or when `is_over` is set."""
        program = Program(
            argv=[sys.executable, "-I", "-S", str(self.path), "serve", "--port", "0"],
            workdir=self.path.parent,
            environment=_environment(self.ctx.settings.jarvis_home),
            timeout_seconds=MOST_SECONDS,
            take=lambda data: None,
            is_cancelled=lambda: self.is_over or self.is_cancelled(),
            on_start=self._started,
        )
        thread = threading.Thread(target=program.run, name="drill", daemon=True)
        thread.start()
        return thread

    def _started(self, sign: str) -> None:
        self.pid = int(sign.split()[1])

    def update(self, candidate: Path, trace_id: str, seconds: int) -> swap.Marker:
        """As applying does it: files, marker, rename, restart."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            old, new = swap.sha256_of(fd), swap.sha256_of(str(candidate))
            marker = swap.Marker(trace_id, old, new, seconds=str(seconds), tries="1")
            swap.install(str(self.path), fd, str(candidate), marker)
        finally:
            os.close(fd)
        self.restart()
        return marker

    def restart(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def until(self, what: str, is_so: Callable[[], bool], seconds: float = ANSWER_SECONDS) -> float:
        """Wait until it is so and it answers /readyz with 200; how long that took. Raises DrillFailed."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            if self.is_cancelled():
                raise DrillFailed("it was cancelled")
            if is_so() and self._is_ready():
                return time.monotonic() - started
            time.sleep(LOOK_SECONDS)
        raise DrillFailed(f"{what}: not within {seconds:.0f} s")

    def _is_ready(self) -> bool:
        told, _ = system.ask_server(self.ctx)
        return told is not None and told.get("ok") is True

    def state(self) -> str:
        marker = swap.read_marker(str(self.path))
        return marker.state if marker is not None else ""


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {"PATH": os.defpath, **kept, "JARVIS_HOME": str(home), "BACKUP_INTERVAL_SECONDS": "0", MARK: str(home)}


def drill(ctx: Context, say: Callable[[str], None], is_cancelled: Callable[[], bool]) -> dict[str, Any]:
    """Try both updates and tell how long each step took; nothing of this installation is touched.

    Raises Unavailable where there is no archive to copy.
    """
    held = launch.archive()
    if held is None:
        raise Unavailable("This Jarvis runs from a checkout, so there is no archive to try an update on.")
    started, at = time.monotonic(), ctx.clock()
    steps: list[dict[str, Any]] = []
    problem = ""
    with tempfile.TemporaryDirectory(prefix="drill-", dir=ctx.settings.jarvis_home) as name:
        try:
            _through(ctx, held, Path(name), steps, say, is_cancelled)
        except (DrillFailed, BuildError, OSError, swap.SwapRefused) as error:
            problem = str(error)
    return {
        "ok": not problem,
        "at": rfc3339(at),
        "seconds": round(time.monotonic() - started, 1),
        "sha256": held.sha256(),
        "broken_limit_seconds": BROKEN_SECONDS,
        "steps": steps,
        "problem": problem or None,
    }


def _through(
    ctx: Context,
    held: Archive,
    place: Path,
    steps: list[dict[str, Any]],
    say: Callable[[str], None],
    is_cancelled: Callable[[], bool],
) -> None:
    def took(name: str, seconds: float, detail: str = "") -> None:
        steps.append({"name": name, "seconds": round(seconds, 2), "detail": detail})
        say(f"{name}: {seconds:.1f} s{f' ({detail})' if detail else ''}")

    began = time.monotonic()
    harmless, broken = (_candidate(held, place / name, code) for name, code in (("a", HARMLESS), ("b", BROKEN)))
    took("build both candidates", time.monotonic() - began)
    copy = _copy(ctx, held, place, say, is_cancelled)
    thread = copy.serve()
    try:
        took("start the copy", copy.until("the copy serves", lambda: bool(copy.pid)))
        _harmless(copy, harmless, took)
        _broken(copy, broken, took)
    finally:
        copy.is_over = True
        thread.join(ANSWER_SECONDS)


def _harmless(copy: Copy, candidate: Path, took: Callable[..., None]) -> None:
    copy.update(candidate, "trc_drill_harmless", TRIAL_SECONDS)
    took("harmless update verified", copy.until("the update is verified", lambda: copy.state() == swap.VERIFIED))
    marker = swap.read_marker(str(copy.path))
    if marker is None:
        raise DrillFailed("the marker is gone")
    swap.put_back(str(copy.path), marker, "admin", "drill")
    copy.restart()
    is_back = copy.until("the old version is back", lambda: copy.state() == swap.ROLLED_BACK)
    took("taken back by hand, old version ready", is_back)


def _broken(copy: Copy, candidate: Path, took: Callable[..., None]) -> None:
    marker = copy.update(candidate, "trc_drill_broken", BROKEN_SECONDS)
    seconds = copy.until("the broken update is taken back", lambda: copy.state() == swap.ROLLED_BACK)
    found = swap.read_marker(str(copy.path))
    took("broken update taken back by itself, old version ready", seconds, found.why if found else "")
    if swap.sha256_of(str(copy.path)) != marker.old:
        raise DrillFailed("the file at the path is not the old one")


def _copy(
    ctx: Context, held: Archive, place: Path, say: Callable[[str], None], is_cancelled: Callable[[], bool]
) -> Copy:
    (place / "opt").mkdir(mode=0o700)
    (place / "home").mkdir(mode=0o700)
    path = place / "opt" / "jarvis.pyz"
    with path.open("wb") as file:
        for at in range(0, held.size, 1 << 20):
            file.write(os.pread(held.fd, min(1 << 20, held.size - at), at))
    settings = dataclasses.replace(ctx.settings, jarvis_home=place / "home", allowed_hosts=())
    return Copy(dataclasses.replace(ctx, settings=settings), path, say, is_cancelled)


def _candidate(held: Archive, path: Path, code: bytes) -> Path:
    """This archive, built anew with a line more where it begins to serve."""
    files = dict(resources.source_files())
    source = Source({**files, ENTRY: files[ENTRY] + code}, resources.source_executables())
    path.write_bytes(build.build(source, build.from_archive(held, source)).data)
    return path
