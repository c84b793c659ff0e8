"""One HTTP connection: absolute deadlines, an orderly leave, a close that loses nothing."""

import socket
from typing import Any

from jarvis.web.refusal import Refusal
from jarvis.web.upgrade import UpgradeChannel

DISCARD_BYTES = 65536


class Channel(UpgradeChannel):
    """A waitress channel whose patience has an end.

    waitress's own timeout starts again at every byte and never ends a peer that stops reading, so a
    slow drip or a stuck reader would live, and hold a worker thread, for ever. `sweep` is called by the
    server's loop several times a second.
    """

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, **registry: Any) -> None:
        self._now = server.monotonic
        self._limits = server.limits
        self.idle_since: float = self._now()
        self.request_since: float | None = None  # the first byte of the request being read
        self._sent_at: float = self.idle_since
        self._lingering_until: float | None = None
        self._is_writing = False
        super().__init__(server, sock, addr, adj, **registry)

    # -- what waitress calls

    def received(self, data: bytes) -> bool:
        if self.request_since is None:
            self.request_since = self._now()
        return bool(super().received(data))

    def readable(self) -> bool:
        return self._lingering_until is not None or super().readable()

    def writable(self) -> bool:
        """Not while a worker is sending: the loop would spin on the ready socket and fight it for the GIL."""
        return self._lingering_until is None and not self._is_writing and super().writable()

    def write_soon(self, data: Any) -> int:
        self._is_writing = True
        try:
            return int(super().write_soon(data))
        finally:
            self._is_writing = False
            if self.total_outbufs_len:  # more than the socket took: the loop's turn
                self.server.pull_trigger()

    def _flush_outbufs_below_high_watermark(self) -> None:
        was_writing, self._is_writing = self._is_writing, False  # it may wait for the loop
        super()._flush_outbufs_below_high_watermark()
        self._is_writing = was_writing

    def handle_read(self) -> None:
        if self._lingering_until is None:
            super().handle_read()
            return
        try:
            self.recv(DISCARD_BYTES)  # closes at the end of the stream
        except OSError:
            self.handle_close()

    def handle_write(self) -> None:
        if not self.close_when_flushed or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif self.connected and not self.total_outbufs_len:
            self._linger()

    def handle_close(self) -> None:
        if self.request is not None:
            self.request.close()
        super().handle_close()

    def _flush_some(self, do_close: bool = True) -> bool:
        sent = bool(super()._flush_some(do_close=do_close))
        if sent:
            self._sent_at = self._now()
        return sent

    # -- what the server calls

    def begun(self) -> None:
        """A whole request has arrived and is about to be served."""
        self.request_since = None
        self.idle_since = self._now()

    def refuse(self, refusal: Refusal) -> None:
        """Answer without a worker thread, and end the connection."""
        if self.close_when_flushed or self.will_close:
            return
        answer = refusal.response(self.server.new_trace_id())
        with self.outbuf_lock:
            self.outbufs[-1].append(answer)
            self.total_outbufs_len += len(answer)
        self.close_when_flushed = True
        waiting, self.requests = self.requests, []
        for request in waiting:
            request.close()

    def sweep(self, now: float) -> None:
        """End what has taken too long. Called in the server's loop."""
        if self._lingering_until is not None:
            if now >= self._lingering_until:
                self.handle_close()
        elif self.total_outbufs_len:
            if now - self._sent_at >= self._limits.stall_seconds:
                self.handle_close()  # wakes the thread that waits for room
        elif self.requests or self.adopt is not None:
            self._sent_at = self.idle_since = now
            self.request_since = None  # the clock of a half-read follower starts when we read again
        else:
            self._sent_at = now
            self._sweep_waiting(now)

    def is_leaving(self) -> bool:
        """While draining the last request that has arrived is answered with `Connection: close`."""
        if not self.server.draining or len(self.requests) > 1 or self.request is not None:
            return False
        return not self._has_unread()

    def leave(self, now: float) -> None:
        """Close if nothing is going on here and nothing is on its way. Called while draining."""
        if self.requests or self.request is not None or self.adopt is not None or self.total_outbufs_len:
            return
        if self._lingering_until is not None or self.close_when_flushed or self.will_close:
            return
        if now - self.idle_since >= self._limits.drain_grace_seconds and not self._has_unread():
            self.handle_close()

    # -- the rest

    def _sweep_waiting(self, now: float) -> None:
        if self.request is None:
            self.request_since = None  # what came were blank lines; they do not make it less idle
            if now - self.idle_since >= self._limits.idle_seconds and not self._has_unread():
                self.handle_close()
            return
        if self.request_since is None:
            self.request_since = now
        reason = self._overdue(now - self.request_since)
        if reason:
            self.request.close()
            self.refuse(Refusal(408, reason))

    def _overdue(self, seconds: float) -> str:
        limits = self._limits
        if not self.request.headers_finished:
            return "The request's head took too long." if seconds >= limits.header_seconds else ""
        earned = self.request.body_bytes_received / limits.body_bytes_per_second
        return "The request's body came too slowly." if seconds >= limits.body_seconds + earned else ""

    def _has_unread(self) -> bool:
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except (OSError, AttributeError):  # nothing there, or closed by the other side or in the loop
            return False

    def _linger(self) -> None:
        """Half-close and read on for a while: a plain close with unread bytes resets the connection,
        and the reset destroys the answer on its way (RFC 9112 9.6)."""
        self._lingering_until = self._now() + self._limits.linger_seconds
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()
