"""The thread that runs an application's WebSocket callbacks, so that the hub never waits for them."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from jarvis.web.connection import Connection, P

log = logging.getLogger(__name__)

POLICY, INTERNAL = 1008, 1011
STOP_SECONDS = 5.0


def nothing(connection: Connection[Any]) -> None:
    """For an event nobody asked for."""


def all_allowed(principals: Sequence[Any]) -> Sequence[bool]:
    return [True] * len(principals)


@dataclass(frozen=True, slots=True)
class Callbacks(Generic[P]):
    """What the application does; see Hub."""

    on_message: Callable[[Connection[P], str], None]
    on_open: Callable[[Connection[P]], None] = nothing
    on_close: Callable[[Connection[P]], None] = nothing
    still_allowed: Callable[[Sequence[P]], Sequence[bool]] = all_allowed


class Inbox(Generic[P]):
    """Runs callbacks one after another, in the order in which they were asked for.

    `close` closes a connection with a code and a reason: after a callback failed (1011), or when its
    principal may not stay (1008). No message of a connection that was closed from here is delivered.
    """

    def __init__(self, callbacks: Callbacks[P], close: Callable[[Connection[P], int, str], None]) -> None:
        self._callbacks = callbacks
        self._close = close
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="hub-inbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued and end; a callback that hangs is left behind after a while."""
        self._jobs.put(None)
        self._thread.join(STOP_SECONDS)

    def depth(self) -> int:
        return self._jobs.qsize()

    def opened(self, connection: Connection[P]) -> None:
        """Greet it, once it is certain that its session did not end during the handshake."""

        def greet() -> None:
            self._judge([connection])
            if connection.is_welcome:
                self._callbacks.on_open(connection)

        self._jobs.put(lambda: self._guard(connection, greet))

    def received(self, connection: Connection[P], text: str) -> None:
        def deliver() -> None:
            if connection.is_welcome:
                self._callbacks.on_message(connection, text)

        self._jobs.put(lambda: self._guard(connection, deliver))

    def closed(self, connection: Connection[P]) -> None:
        self._jobs.put(lambda: self._callbacks.on_close(connection))

    def recheck(self, connections: Sequence[Connection[P]]) -> None:
        """Close who may not stay any longer."""
        self._jobs.put(lambda: self._judge(connections))

    def _judge(self, connections: Sequence[Connection[P]]) -> None:
        verdicts = self._callbacks.still_allowed([connection.principal for connection in connections])
        for connection, may_stay in zip(connections, verdicts, strict=True):
            if not may_stay:
                self._expel(connection, POLICY, "session ended")

    def _expel(self, connection: Connection[P], code: int, reason: str) -> None:
        connection.is_welcome = False
        self._close(connection, code, reason)

    def _guard(self, connection: Connection[P], what: Callable[[], None]) -> None:
        try:
            what()
        except Exception:
            log.exception("the application failed on connection %d", connection.id)
            self._expel(connection, INTERNAL, "internal error")

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                log.exception("a callback of the hub failed")
