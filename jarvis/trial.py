"""The supervisor's ring: is the archive on trial ready in time, and who has to run in its place."""

import errno
import os
import socket

from jarvis.archive import swap
from jarvis.archive.swap import Marker
from jarvis.life import Worker
from jarvis.process import Held, HeldArchive

GOES_ON, TAKE_OVER, FAILED, OVER = "goes on", "take over", "failed", "over"
LOOK_SECONDS = 0.25
ANSWER_SECONDS = 3.0
ANSWER_BYTES = 64 * 1024
MOST_DEATHS = 2
SETTLE_SECONDS = 30.0
"""On top of the limit for what follows the change of supervisors: the worker has to find itself as well as before."""


class Probe:
    """One GET /readyz through the listener, as a client would; `step` never waits."""

    def __init__(self, listener: int, host: str, now: float) -> None:
        self.said = "/readyz does not answer"
        self._give_up_at = now + ANSWER_SECONDS
        self._answer = b""
        family, address = _address(listener)
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.connect_ex(address)
        self._request = f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    def step(self, now: float) -> bool | None:
        """Whether it is ready; None while that is not known yet."""
        try:
            while self._request:
                self._request = self._request[self._socket.send(self._request) :]
            while len(self._answer) < ANSWER_BYTES and (read := self._socket.recv(ANSWER_BYTES)):
                self._answer += read
        except (BlockingIOError, InterruptedError):
            if now < self._give_up_at:
                return None
        except OSError as error:  # ENOTCONN while it connects
            if error.errno == errno.ENOTCONN and now < self._give_up_at:
                return None
        words = self._answer.split(b" ", 2)
        if len(words) > 1 and words[1].isdigit():
            self.said = f"/readyz answers {words[1].decode()}"
        return words[1:2] == [b"200"]

    def close(self) -> None:
        self._socket.close()


def _address(listener: int) -> tuple[int, tuple[str, int] | str]:
    """Where a client on this host reaches the listener."""
    with socket.socket(fileno=os.dup(listener)) as copy:
        family, address = copy.family, copy.getsockname()
    if family == socket.AF_INET and address[0] == "0.0.0.0":  # noqa: S104
        address = ("127.0.0.1", address[1])
    elif family == socket.AF_INET6 and address[0] == "::":
        address = ("::1", *address[1:])
    return family, address


class Trial:
    """One update under way, as the supervisor sees it; `own` is the digest of the code that supervises."""

    def __init__(self, path: str, marker: Marker, own: str, now: float) -> None:
        self.trace_id = marker.trace_id
        self.why = ""
        self._path = path
        self._own = own
        self._wanted = marker.new if marker.state == swap.TRIAL else marker.old
        self._limit = marker.limit_seconds
        self._ready_by: float | None = now + self._limit
        self._settled_by = now + self._limit + SETTLE_SECONDS
        self._look_at = now
        self._tries, self._good = marker.ready_tries, 0
        self._probe: Probe | None = None
        self._said = "the worker has not got as far as serving"
        self._deaths: list[str] = []
        self.is_deciding = marker.state == swap.TRIAL

    @property
    def due(self) -> float:
        """When to look again."""
        return self._look_at

    def died(self, how: str) -> None:
        """A worker died that was not asked to leave."""
        self._good = 0
        self._close_probe()
        self._deaths.append(how)

    def look(self, now: float, held: Held, worker: Worker | None) -> str:
        """What has to happen: GOES_ON, TAKE_OVER, FAILED (`why` says it) or OVER."""
        if now < self._look_at:
            return GOES_ON
        self._look_at = now + LOOK_SECONDS
        marker = swap.read_marker(self._path)
        if marker is None or marker.trace_id != self.trace_id:
            return OVER
        is_ready = self._is_ready(now, held, worker)
        if marker.state == swap.TRIAL and self._has_failed(now):
            return FAILED
        if self._own == self._wanted:
            return GOES_ON if marker.state == swap.TRIAL else OVER
        return TAKE_OVER if is_ready else GOES_ON

    def _has_failed(self, now: float) -> bool:
        if len(self._deaths) >= MOST_DEATHS:
            self.why = f"{len(self._deaths)} workers in a row died, the last with {self._deaths[-1]}"
        elif self._ready_by is not None and now >= self._ready_by:
            self.why = f"it was not ready within {self._limit:.0f} s: {self._said}"
        elif now >= self._settled_by:
            self.why = f"it was not found in order within {self._limit + SETTLE_SECONDS:.0f} s"
        return bool(self.why)

    def _is_ready(self, now: float, held: Held, worker: Worker | None) -> bool:
        """Whether /readyz has answered 200 so many times in a row."""
        if worker is None or not worker.is_ready or held.listener is None:
            return False
        if self._probe is None:
            self._probe = Probe(held.listener, held.host, now)
        found = self._probe.step(now)
        if found is not None:
            self._good = self._good + 1 if found else 0
            self._said = self._probe.said
            self._close_probe()
        if self._good >= self._tries:
            self._ready_by = None
        return self._good >= self._tries

    def _close_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def put_back(self, spare_fd: int) -> None:
        """Put the old archive back at the path; raises SwapRefused, OSError."""
        marker = swap.read_marker(self._path)
        if marker is not None and marker.trace_id == self.trace_id:
            swap.put_back(self._path, marker, "supervisor", self.why, spare_fd)


def begin(archive: HeldArchive, now: float) -> Trial | None:
    """The trial, or the way back from one, that the held archive is on; None when there is none."""
    marker = swap.read_marker(archive.path)
    if marker is None or marker.state not in (swap.TRIAL, swap.BACK):
        return None
    own, held = swap.sha256_of(archive.own_fd), swap.sha256_of(archive.fd)
    if held != (marker.new if marker.state == swap.TRIAL else marker.old):
        return None
    if own == held == marker.new:
        swap.change_marker(archive.path, marker.trace_id, holder=own)
    if own == held == marker.old:
        return None
    return Trial(archive.path, marker, own, now)
