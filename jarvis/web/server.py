"""The HTTP server: waitress on a listening socket that outlives it."""

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from jarvis.kernel.clock import system_clock
from jarvis.kernel.ids import Ids
from jarvis.web.channel import Channel
from jarvis.web.forwarded import Application, believing
from jarvis.web.refusal import Refusal

log = logging.getLogger(__name__)

LOOP_SECONDS = 1.0
SWEEP_SECONDS = 0.25
DRAIN_LOOP_SECONDS = 0.05
ACCEPT_BATCH = 32
ACCEPT_PAUSE_SECONDS = 1.0
RECV_BYTES = 16384
OVERLOADED = Refusal(503, "Too many requests are waiting; try again shortly.", retry_after_seconds=2)


class Flag(Protocol):
    """Something that can be set, such as threading.Event."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost; sizes in bytes, times in seconds."""

    threads: int = 8
    connections: int = 1000
    queued: int = 100
    header_bytes: int = 32 * 1024
    body_bytes: int = 26 * 1024 * 1024
    header_seconds: float = 15.0
    body_seconds: float = 30.0  # and one more for every body_bytes_per_second received
    body_bytes_per_second: int = 1024
    idle_seconds: float = 45.0
    stall_seconds: float = 30.0  # a reader that takes nothing of a waiting response
    linger_seconds: float = 2.0
    drain_grace_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Stats:
    """Counted since start (`requests`, `refused`), and as it is now."""

    requests: int
    refused: int
    channels: int
    in_flight: int
    queued: int


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """The worker threads and the queue before them."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted = 0

    def add_task(self, task: Channel, *, first: bool = False) -> None:
        with self.lock:
            if first:
                self.queue.appendleft(task)
            else:
                self.queue.append(task)
            self.accepted += 1
            self.queue_cv.notify()

    def depth(self) -> int:
        return len(self.queue)

    def busy(self) -> int:
        """Requests being served or waiting."""
        with self.lock:
            working: int = max(0, self.active_count)
            return len(self.queue) + working


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections; what its channels know of the server."""

    channel_class = Channel

    def __init__(
        self,
        application: Application,
        sock: socket.socket,
        limits: Limits,
        vital_paths: frozenset[str],
        new_trace_id: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self.limits = limits
        self.monotonic = monotonic
        self.new_trace_id = new_trace_id
        self.draining = False
        self.refused = 0
        self._vital_paths = vital_paths
        self._accept_again_at = 0.0
        dispatcher = Dispatcher()
        dispatcher.set_thread_count(limits.threads)
        super().__init__(
            application,
            {},
            True,
            sock,
            dispatcher=dispatcher,
            adj=_adjustments(sock, limits),
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
            bind_socket=False,
        )

    @property
    def map(self) -> dict[int, Any]:
        found: dict[int, Any] = self._map
        return found

    @property
    def channels(self) -> list[Channel]:
        return list(self.active_channels.values())

    def add_task(self, channel: Channel) -> None:
        """Queue a channel whose first request is complete; beyond the bound it is refused at once."""
        channel.begun()
        vital = channel.requests[0].path in self._vital_paths
        if not vital and self.task_dispatcher.depth() >= self.limits.queued:
            self.refused += 1
            channel.refuse(OVERLOADED)
            return
        self.task_dispatcher.add_task(channel, first=vital)

    def readable(self) -> bool:
        return bool(super().readable()) and self.monotonic() >= self._accept_again_at

    def handle_accept(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                accepted = self.accept()
                if accepted is None:
                    return
                sock, addr = accepted
                self.set_socket_options(sock)
            except OSError as fault:  # out of descriptors: they wait in the backlog meanwhile
                log.warning("cannot accept connections just now: %s", fault)
                self._accept_again_at = self.monotonic() + ACCEPT_PAUSE_SECONDS
                return
            self.channel_class(self, sock, addr, self.adj, map=self._map)

    def maintenance(self, now: float) -> None:
        """waitress's timeouts are replaced by the channels' own."""


def _adjustments(sock: socket.socket, limits: Limits) -> Any:
    return Adjustments(
        sockets=[sock],
        ident=None,
        connection_limit=limits.connections,
        asyncore_use_poll=True,
        channel_request_lookahead=0,  # or the bytes behind an upgrade would be parsed as HTTP
        max_request_header_size=limits.header_bytes + 1,
        max_request_body_size=limits.body_bytes + 1,
        recv_bytes=RECV_BYTES,
        outbuf_overflow=256 * 1024,
        outbuf_high_watermark=8 * 1024 * 1024,
        expose_tracebacks=False,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=False,  # `believing` does, and remembers that they were there
    )


class Server:
    """Serves a WSGI application on a socket that is already listening.

    The socket is duplicated, so the caller keeps its own and the backlog stays when this server goes.
    Requests to `vital_paths` are served first and never refused for load.
    """

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        *,
        limits: Limits = Limits(),
        trusted_proxy: str | None = None,
        vital_paths: frozenset[str] = frozenset(),
        new_trace_id: Callable[[], str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        logging.getLogger("waitress").setLevel(logging.ERROR)
        make_id = new_trace_id or (lambda: Ids(system_clock).new("trc"))
        wrapped = believing(application, trusted_proxy, make_id)
        self._listener = Listener(wrapped, listener.dup(), limits, vital_paths, make_id, monotonic)
        self._limits = limits
        self._monotonic = monotonic
        self._next_sweep = 0.0
        self._closed = False

    @property
    def draining(self) -> bool:
        """Whether it has stopped accepting and is finishing what it has."""
        return bool(self._listener.draining)

    def wake(self) -> None:
        """Make the loop look around at once. Any thread; a signal handler may call it too."""
        if not self._closed:
            self._listener.pull_trigger()

    def stats(self) -> Stats:
        """Figures for /metrics. Any thread."""
        dispatcher = self._listener.task_dispatcher
        return Stats(
            requests=dispatcher.accepted,
            refused=self._listener.refused,
            channels=len(self._listener.active_channels),
            in_flight=dispatcher.busy(),
            queued=dispatcher.depth(),
        )

    def serve_until(self, stopping: Flag, drain_seconds: float = 20.0) -> bool:
        """Serve until the flag is set, then drain; once. True when nothing was cut off.

        Who sets the flag calls `wake`; otherwise it is seen within a second. New connections stay in
        the listener's backlog for the next server from the moment the flag is seen.
        """
        try:
            while not stopping.is_set():
                self._turn(LOOP_SECONDS)
            return self._drain(drain_seconds)
        finally:
            self._close()

    def _turn(self, seconds: float) -> None:
        now = self._monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            for channel in self._listener.channels:
                channel.sweep(now)
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._listener.map, count=1)

    def _drain(self, seconds: float) -> bool:
        listener = self._listener
        listener.draining = True
        listener.accepting = False
        started = self._monotonic()
        for channel in listener.channels:
            channel.idle_since = max(channel.idle_since, started)
        while listener.channels or listener.task_dispatcher.busy():
            now = self._monotonic()
            if now - started >= seconds:
                log.warning("drain ended with %d connections open", len(listener.channels))
                return False
            for channel in listener.channels:
                channel.leave(now)
            self._turn(DRAIN_LOOP_SECONDS)
        return True

    def _close(self) -> None:
        self._closed = True
        for channel in self._listener.channels:
            channel.handle_close()
        self._listener.task_dispatcher.shutdown(timeout=1)
        self._listener.close()
