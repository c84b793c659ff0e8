"""Every WebSocket, in one thread over epoll; topics, replay without gaps, and sessions that end.

Two threads: `hub` moves bytes and never waits for anything else; `hub-inbox` runs the application's
callbacks one after another, so they may read the database. Every public method may be called from any
thread, returns at once, and takes effect in the order of the calls.
"""

import collections
import contextlib
import itertools
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic

from jarvis.kernel.errors import RateLimited, TryAgain
from jarvis.web.connection import Connection, HubLimits, Kind, P
from jarvis.web.handshake import prepare
from jarvis.web.inbox import Callbacks, Inbox, all_allowed, nothing
from jarvis.web.topics import Subscription, Topics
from jarvis.web.wire import Wire, text_frame

log = logging.getLogger(__name__)

GOING_AWAY, POLICY, TRY_LATER = 1001, 1008, 1013
EVENTS_PER_TURN = 512
TICK_SECONDS = 1.0
DEFAULT_LIMITS = HubLimits()


class Hub(Generic[P]):
    """Accepts, serves and closes WebSockets.

    `on_open`, `on_message` and `on_close` run in the inbox thread, in this order for each connection.
    `still_allowed` gets a batch of principals and says for each whether it may stay: asked for every new
    connection before `on_open`, on a timer, and after `recheck`; who may not is closed with 1008. When it
    raises, everybody stays until the next time. `owner` says whose the connections are for the cap.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[Connection[P], str], None],
        on_open: Callable[[Connection[P]], None] = nothing,
        on_close: Callable[[Connection[P]], None] = nothing,
        still_allowed: Callable[[Sequence[P]], Sequence[bool]] = all_allowed,
        owner: Callable[[P], Hashable] | None = None,
        limits: HubLimits = DEFAULT_LIMITS,
        html_subprotocol: str = "jarvis.html",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = Inbox(Callbacks(on_message, on_open, on_close, still_allowed), self.close)
        self._owner = owner
        self._limits = limits
        self._html_subprotocol = html_subprotocol
        self._now = monotonic
        self._ids = itertools.count(1)
        self._connections: dict[int, Connection[P]] = {}
        self._owners: collections.Counter[Hashable] = collections.Counter()
        self._topics: Topics[P] = Topics()
        self._dirty: list[Connection[P]] = []
        self._counts: collections.Counter[str] = collections.Counter()
        self._calls: collections.deque[Callable[[], None]] = collections.deque()
        self._draining = False
        self._stopping = False
        self._empty = threading.Event()
        self._next_tick = self._now()
        self._next_recheck = self._now() + limits.recheck_seconds
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._is_woken = False
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    # -- life

    def start(self) -> None:
        self._inbox.start()
        self._thread.start()

    def drain(self, seconds: float = 5.0) -> bool:
        """Refuse new connections, close all with 1001 and wait for them; True when all went in time."""
        self._draining = True
        self._call(lambda: self._close_each(lambda _: True, GOING_AWAY, "restarting"))
        return self._empty.wait(seconds)

    def stop(self) -> None:
        """End both threads; whoever is still connected is cut off. Ends the hub for good."""
        if self._stopping:
            return
        self._stopping = True
        self.wake()
        self._thread.join()
        self._inbox.stop()
        self._epoll.close()
        os.close(self._wake_fd)

    def wake(self) -> None:
        """Make the hub look at the clock now."""
        self._call(lambda: None)

    def after(self, what: Callable[[], None]) -> None:
        """Run something quick in the hub's thread, after everything asked of it before."""
        self._call(what)

    def stats(self) -> dict[str, int]:
        """Counters, and the present numbers of connections and topics, for /metrics."""
        now = {"connections": len(self._connections), "topics": len(self._topics)}
        return dict(self._counts) | now

    # -- connections

    def accept(self, environ: dict[str, Any], principal: P) -> Connection[P]:
        """Turn a WSGI request into a connection; afterwards return an empty response.

        It is not open yet: greet it and subscribe it in `on_open`. Raises BadHandshake,
        TryAgain when full or draining, RateLimited when this owner has too many.
        """
        handshake = prepare(environ, self._html_subprotocol)
        if self._draining or len(self._connections) >= self._limits.connections:
            raise TryAgain("Too many live connections; try again later.", retry_after_seconds=5)
        if self._owner is not None and self._owners[self._owner(principal)] >= self._limits.per_owner:
            raise RateLimited("You have too many live connections open.", retry_after_seconds=30)
        connection = Connection(next(self._ids), principal, "html" if handshake.is_html else "json")

        def adopt(sock: socket.socket, behind: bytes) -> None:
            if self._stopping:
                sock.close()
                return
            self._call(lambda: self._adopt(connection, sock, handshake.response, behind))

        handshake.hand_over(adopt)
        return connection

    def send(self, connection: Connection[P], text: str) -> None:
        frame = text_frame(text)
        self._call(lambda: self._write(connection, frame))

    def close(self, connection: Connection[P], code: int, reason: str) -> None:
        self._call(lambda: self._close(connection, code, reason))

    def close_where(self, predicate: Callable[[P], bool], code: int, reason: str) -> None:
        """Close the connections of every principal the predicate picks. It runs in the hub: be quick."""
        self._call(lambda: self._close_each(predicate, code, reason))

    def recheck(self) -> None:
        """Ask `still_allowed` about everybody now, because something has changed."""
        self._call(self._ask_recheck)

    # -- topics

    def publish(self, topic: str, frames: Mapping[Kind, str], *, seq: int | None = None) -> None:
        """Send each subscriber the frame of its kind, unless a replay already brought it this seq."""
        encoded = {kind: text_frame(text) for kind, text in frames.items()}
        self._call(lambda: self._publish(topic, encoded, seq))

    def subscribe(
        self, connection: Connection[P], topic: str, *, required: str = "", replay: bool = False
    ) -> Subscription[P]:
        """Subscribe; with `replay`, what is published is held until `replay_done`.

        Read the past only after this returned, then nothing lies between the past and the live frames.
        """
        subscription = Subscription(connection, topic, required, replay)
        self._call(lambda: self._subscribe(subscription))
        return subscription

    def replay_done(self, subscription: Subscription[P], frames: Iterable[str], through: int) -> None:
        """Send the past, then what was held with a seq above `through`, then everything live.

        All the frames together must fit the outbox; beyond that, tell the client to load afresh.
        """
        encoded = [text_frame(text) for text in frames]
        self._call(lambda: self._release(subscription, encoded, through))

    def follow(
        self,
        connection: Connection[P],
        topic: str,
        past: Callable[[], tuple[Iterable[str], int]],
        *,
        required: str = "",
    ) -> None:
        """Subscribe without a gap: `past` is called here and gives the frames and the last seq they cover."""
        subscription = self.subscribe(connection, topic, required=required, replay=True)
        try:
            frames, through = past()
        except BaseException:
            self.unsubscribe(connection, topic)
            raise
        self.replay_done(subscription, frames, through)

    def unsubscribe(self, connection: Connection[P], topic: str) -> None:
        self._call(lambda: self._topics.remove(connection, topic))

    def revoke(self, predicate: Callable[[P], bool], required: str) -> None:
        """End the subscriptions with this requirement of every principal the predicate picks.

        Nothing published after this call reaches them.
        """
        self._call(lambda: self._revoke(predicate, required))

    # -- the hub's thread: the loop

    def _call(self, what: Callable[[], None]) -> None:
        self._calls.append(what)
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(OSError):  # stopped
                os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        while not self._stopping:
            self._turn(max(0.0, min(TICK_SECONDS, self._next_tick - self._now())))
        self._run_calls()
        for connection in list(self._connections.values()):
            self._drop(connection)

    def _turn(self, seconds: float) -> None:
        for fd, event in self._epoll.poll(seconds, EVENTS_PER_TURN):
            if fd == self._wake_fd:
                os.eventfd_read(self._wake_fd)
            elif fd in self._connections:
                self._attend(self._connections[fd], event)
        self._run_calls()
        if self._now() >= self._next_tick:
            self._next_tick = self._now() + TICK_SECONDS
            self._tick(self._now())
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.is_dirty = False
            self._flush(connection)
        if self._draining and not self._connections:
            self._empty.set()

    def _run_calls(self) -> None:
        self._is_woken = False  # before looking, or a wake-up could be lost
        for _ in range(len(self._calls)):
            what = self._calls.popleft()
            try:
                what()
            except Exception:
                log.exception("a call into the hub failed")

    def _tick(self, now: float) -> None:
        for connection in list(self._connections.values()):
            quiet = now - connection.heard_at
            if connection.deadline is not None:
                if now >= connection.deadline:
                    self._drop(connection)
            elif connection.is_pinged and quiet >= 2 * self._limits.ping_seconds:
                self._counts["ping_timeouts"] += 1
                self._drop(connection)
            elif not connection.is_pinged and quiet >= self._limits.ping_seconds and connection.wire:
                connection.is_pinged = True
                connection.wire.ping()
                self._touch(connection)
        if now >= self._next_recheck:
            self._next_recheck = now + self._limits.recheck_seconds
            self._ask_recheck()

    # -- the hub's thread: one connection

    def _adopt(self, connection: Connection[P], sock: socket.socket, response: bytes, behind: bytes) -> None:
        if self._stopping:
            sock.close()
            return
        wire = connection.wire = Wire(sock, self._limits.message_bytes)
        connection.heard_at = connection.tokens_at = self._now()
        connection.tokens = self._limits.frames_burst
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        self._count_owner(connection, 1)
        wire.queue(response)
        self._touch(connection)
        self._inbox.opened(connection)
        if self._draining:
            self._close(connection, GOING_AWAY, "restarting")
        elif self._is_crowded(connection):
            self._close(connection, TRY_LATER, "too many connections")
        elif behind:
            self._take(connection, wire.feed(behind))

    def _is_crowded(self, connection: Connection[P]) -> bool:
        """Handshakes are checked before they are counted, so a few at once may slip through."""
        if len(self._connections) > self._limits.connections:
            return True
        if self._owner is None:
            return False
        return self._owners[self._owner(connection.principal)] > self._limits.per_owner

    def _attend(self, connection: Connection[P], event: int) -> None:
        wire = connection.wire
        if wire is None:
            return
        try:
            if event & select.EPOLLOUT:
                self._flush(connection)
            if event & ~select.EPOLLOUT and connection.wire is not None:
                self._take(connection, wire.receive())
        except OSError:
            self._drop(connection)
        except Exception:
            log.exception("connection %d failed", connection.id)
            self._drop(connection)

    def _take(self, connection: Connection[P], messages: list[str]) -> None:
        """Hand on what was received, within the limits."""
        wire, limits = connection.wire, self._limits
        if wire is None:
            return
        now = connection.heard_at = self._now()
        connection.is_pinged = False
        frames, wire.frames = wire.frames, 0
        self._touch(connection)
        if wire.waiting > self._limits.outbox_bytes:  # it pings, and does not read the pongs
            self._relieve(connection, wire)
        if not connection.spend(frames, now, limits.frames_per_second, limits.frames_burst):
            self._counts["too_fast"] += 1
            self._close(connection, POLICY, "too many messages")
            return
        for text in messages:
            if self._inbox.depth() >= limits.inbox_messages:
                self._close(connection, TRY_LATER, "busy")
                return
            self._counts["messages"] += 1
            self._inbox.received(connection, text)

    def _write(self, connection: Connection[P], frame: bytes) -> None:
        wire = connection.wire
        if wire is None or not wire.is_open:
            return
        wire.queue(frame)
        self._counts["frames"] += 1
        if wire.waiting > self._limits.outbox_bytes:
            self._relieve(connection, wire)
        elif not connection.is_dirty and not connection.is_watched_out:
            connection.is_dirty = True
            self._dirty.append(connection)

    def _relieve(self, connection: Connection[P], wire: Wire) -> None:
        """Send what can be sent now; who still has too much waiting does not read, and goes."""
        self._flush(connection)
        if connection.wire is not None and wire.waiting > self._limits.outbox_bytes:
            self._counts["slow_consumers"] += 1
            self._drop(connection)  # a close frame would wait behind the rest for ever

    def _touch(self, connection: Connection[P]) -> None:
        """Have it flushed at the end of this turn; a closing one must be gone by its deadline."""
        if connection.wire is not None and not connection.wire.is_open and connection.deadline is None:
            connection.deadline = self._now() + self._limits.close_seconds
        if not connection.is_dirty and not connection.is_watched_out:
            connection.is_dirty = True
            self._dirty.append(connection)

    def _flush(self, connection: Connection[P]) -> None:
        wire = connection.wire
        if wire is None:
            return
        try:
            is_blocked = not wire.flush()
            if is_blocked != connection.is_watched_out:
                connection.is_watched_out = is_blocked
                self._epoll.modify(wire.sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if is_blocked else 0))
        except OSError:
            self._drop(connection)

    def _close(self, connection: Connection[P], code: int, reason: str) -> None:
        if connection.wire is not None:
            connection.is_welcome = False
            connection.wire.close(code, reason)
            self._touch(connection)

    def _close_each(self, predicate: Callable[[P], bool], code: int, reason: str) -> None:
        for connection in list(self._connections.values()):
            if predicate(connection.principal):
                self._close(connection, code, reason)

    def _drop(self, connection: Connection[P]) -> None:
        wire, connection.wire = connection.wire, None
        if wire is None:
            return
        fd = wire.sock.fileno()
        del self._connections[fd]
        self._epoll.unregister(fd)
        wire.sock.close()
        self._count_owner(connection, -1)
        self._topics.remove_all(connection)
        self._inbox.closed(connection)

    def _count_owner(self, connection: Connection[P], change: int) -> None:
        if self._owner is not None:
            owner = self._owner(connection.principal)
            self._owners[owner] += change
            if self._owners[owner] <= 0:
                del self._owners[owner]

    # -- the hub's thread: topics

    def _subscribe(self, subscription: Subscription[P]) -> None:
        if subscription.connection.wire is not None:
            self._topics.add(subscription)

    def _publish(self, topic: str, frames: dict[Kind, bytes], seq: int | None) -> None:
        for subscription in self._topics.subscribers(topic):
            connection = subscription.connection
            frame = frames.get(connection.kind)
            if frame is None or not subscription.is_news(seq):
                continue
            if not subscription.is_replaying:
                self._write(connection, frame)
                continue
            subscription.hold(seq, frame)
            if subscription.held_bytes > self._limits.outbox_bytes:
                self._close(connection, TRY_LATER, "fell behind")

    def _release(self, subscription: Subscription[P], past: list[bytes], through: int) -> None:
        connection = subscription.connection
        if connection.topics.get(subscription.topic) is not subscription or not subscription.is_replaying:
            return  # unsubscribed or revoked meanwhile
        for frame in past:
            self._write(connection, frame)
        for frame in subscription.release(through):
            self._write(connection, frame)

    def _revoke(self, predicate: Callable[[P], bool], required: str) -> None:
        for connection in list(self._connections.values()):
            if predicate(connection.principal):
                self._topics.remove_required(connection, required)

    def _ask_recheck(self) -> None:
        everybody = list(self._connections.values())
        if everybody:
            self._inbox.recheck(everybody)
