"""A whole server of an archive, in a cage, on a spare loopback port: it must get ready and stay so."""

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.sandbox import Outcome
from jarvis.selfupdate.caged import Caged, Cancelled, last_lines, why_not

LOOK_SECONDS = 0.2
ANSWER_SECONDS = 5.0
MOST_MISSES = 3
"""So many looks in a row may find it not ready once it was: a loaded host is not the candidate's fault."""
LONGEST_ANSWER = 256 * 1024
SPARE_SECONDS = 300.0
"""What a canary may live at all; it is stopped long before."""
BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the parent saw of a canary."""

    ok: bool
    detail: str
    ready_seconds: float | None
    saw: list[str]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a canary may take to get ready, and how long it is watched after that."""

    ready_seconds: float
    watch_seconds: float


@dataclass
class Canary:
    """One server, watched from its start on; `verdict` waits until that is over and ends it."""

    caged: Caged
    archive: Path
    home: Path
    patience: Patience
    version: str
    _stop: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _outcome: Outcome | None = None
    _began: float = 0.0
    _output: bytearray = field(default_factory=bytearray)
    _last: str = "nothing was answered"
    _verdict: Verdict | None = None

    def start(self) -> None:
        """Open its socket and start it; the socket is the only way into the cage."""
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(BACKLOG)
        self._port: int = self._listener.getsockname()[1]
        self._began = time.monotonic()
        self._server = threading.Thread(target=self._run, name="canary", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="canary watch", daemon=True)
        self._server.start()
        self._watcher.start()

    def _run(self) -> None:
        try:
            self._outcome = self.caged.run(
                self.archive,
                ["serve", "--no-supervisor"],
                self.home,
                SPARE_SECONDS,
                listener=self._listener.fileno(),
                is_over=self._stop.is_set,
                on_output=self._hear,
            )
        except Cancelled:
            pass
        finally:
            self._ended.set()

    def _hear(self, data: bytes) -> None:
        self._output += data
        del self._output[:-64_000]

    def verdict(self) -> Verdict:
        """Wait until it is ready and was so for as long as it is watched, or until it is not; then end it.

        Raises Cancelled.
        """
        forbid_inside_write("a canary")
        self._watcher.join()
        has_ended = self._ended.is_set()
        self.stop()
        if self._verdict is None:
            raise Cancelled
        if has_ended and self._verdict.ok:
            return self._no(f"{self._end()} after it had been ready", self._verdict.ready_seconds)
        return self._verdict

    def stop(self) -> None:
        """End it and everything it started."""
        self._stop.set()
        self._watcher.join()
        self._server.join()
        self._listener.close()

    def _watch(self) -> None:
        self._verdict = self._judge()

    def _judge(self) -> Verdict | None:
        """What comes of it; None when it is stopped before anything can be said."""
        ready_at: float | None = None
        misses = 0
        while True:
            now = time.monotonic() - self._began
            if self._stop.is_set() or self.caged.is_cancelled():
                return None
            if self._ended.is_set():
                return self._no(f"{self._end()} after {now:.1f} s", ready_at)
            is_ready = self._is_ready()
            if is_ready and ready_at is None:
                ready_at = time.monotonic() - self._began
            misses = 0 if is_ready else misses + 1
            if misses >= MOST_MISSES and ready_at is not None and not self._ended.is_set():
                return self._no(f"it was ready after {ready_at:.1f} s and then was not: {self._last}", ready_at)
            if ready_at is None and now > self.patience.ready_seconds:
                return self._no(f"it was not ready within {self.patience.ready_seconds:.0f} s: {self._last}", None)
            if ready_at is not None and now - ready_at >= self.patience.watch_seconds:
                return self._passed(ready_at, now)
            self._ended.wait(LOOK_SECONDS)

    def _passed(self, ready_at: float, now: float) -> Verdict:
        for path, status in (("/healthz", 200), ("/login", (200, 303))):
            got, _ = self._get(path)
            if got not in (status if isinstance(status, tuple) else (status,)):
                return self._no(f"GET {path} answered {got or 'nothing'}", ready_at)
        return Verdict(True, f"ready in {ready_at:.1f} s, and still after {now:.1f} s", ready_at, [])

    def _no(self, why: str, ready_at: float | None) -> Verdict:
        return Verdict(False, why, ready_at, last_lines(bytes(self._output)))

    def _end(self) -> str:
        outcome = self._outcome
        if outcome is None:
            return "it could not be started"
        return why_not(outcome, SPARE_SECONDS) or "it ended by itself"

    def _is_ready(self) -> bool:
        status, body = self._get("/readyz")
        if status == 0:
            return False
        failing = ", ".join(name for name, check in _checks(body).items() if not check.get("ok") and check.get("core"))
        self._last = f"/readyz answered {status}" + (f", failing: {failing}" if failing else "")
        if status == 200 and body.get("ok") is True and body.get("version") != self.version:
            self._last = f"it says it is {str(body.get('version'))[:40]} and should be {self.version}"
            return False
        return status == 200 and body.get("ok") is True

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer; status 0 when none came."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            raw = answer.read(LONGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self._last = "it does not answer" if isinstance(error, TimeoutError) else f"no answer: {error}"
            return 0, {}
        finally:
            connection.close()
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = {}
        return answer.status, found if isinstance(found, dict) else {}


def _checks(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = body.get("checks")
    return {str(n)[:40]: c for n, c in found.items() if isinstance(c, dict)} if isinstance(found, dict) else {}
