"""WebSockets on the server's own port: the upgrade request is an ordinary WSGI request.

The application accepts by calling `environ["jarvis.upgrade"](adopt)`. waitress then writes nothing; once
the request is done, its loop lets go of the socket and calls `adopt(sock, behind)`, where `behind` are
the bytes that came after the request. A refused upgrade is any ordinary response; it ends the connection,
because the bytes behind the request were never read as HTTP.
"""

import socket
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from jarvis.web.parser import Parser
from jarvis.web.refusal import Refusal

ENVIRON_KEY = "jarvis.upgrade"

Adopt = Callable[[socket.socket, bytes], None]
"""Takes over a socket, with the bytes already read from it. Called in the server's loop."""


def announce_close(task: Any) -> None:
    """End the connection after this response, and say so in it."""
    if not task.wrote_header:
        # An old "keep-alive" would be confirmed beside our "close".
        task.request.headers["CONNECTION"] = "close"
    task.set_close_on_finish()


class Task(WSGITask):  # type: ignore[misc]
    """Serves one request; may give its connection away."""

    def service(self) -> None:
        """waitress swallows an OSError of the application's when socket errors are not logged: do not."""
        self.start()
        self.execute()
        self.finish()

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        if self.request.is_upgrade:
            environ[ENVIRON_KEY] = self._accept
        return environ

    def execute(self) -> None:
        super().execute()
        if self.channel.adopt is not None:
            self.close_on_finish = False  # whatever the application returned was not written

    def write(self, data: bytes) -> None:
        if self.channel.adopt is not None:
            self.content_bytes_written += len(data)
            return
        if self.request.is_upgrade or self.channel.is_leaving():
            announce_close(self)
        super().write(data)

    def set_close_on_finish(self) -> None:
        """waitress ends the connection after every answer without a length, even 204 and 304: those stay."""
        asked = self.request.headers.get("CONNECTION", "").lower()
        if self.version == "1.0" or self.has_body or asked == "close":
            super().set_close_on_finish()

    def _accept(self, adopt: Adopt) -> None:
        if self.wrote_header or self.channel.adopt is not None:
            raise RuntimeError("a response was already started")
        self.channel.adopt = adopt
        self.channel.behind = self.request.behind


class RefusalTask(ErrorTask):  # type: ignore[misc]
    """Answers what waitress itself refuses as problem+json."""

    def execute(self) -> None:
        error = self.request.error
        detail = "Internal error" if error.code == 500 else str(error.body)
        trace_id = self.channel.server.new_trace_id()
        refusal = Refusal(error.code, detail)
        body = refusal.body(trace_id)
        self.status = refusal.status_line
        self.response_headers.extend(refusal.headers(trace_id))
        self.content_length = len(body)
        announce_close(self)
        self.write(body)


class UpgradeChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that can leave waitress once the application accepted an upgrade on it."""

    socket: Any
    requests: list[Any]
    close_when_flushed: Any
    will_close: Any
    parser_class = Parser
    task_class = Task
    error_task_class = RefusalTask
    adopt: Adopt | None = None
    behind = b""

    def is_leaving(self) -> bool:
        """Whether the response being written should be the last one here."""
        return False

    def readable(self) -> bool:
        return self.adopt is None and bool(super().readable())

    def writable(self) -> bool:
        return (self.adopt is not None and not self.requests) or bool(super().writable())

    def handle_write(self) -> None:
        if self.adopt is None or self.requests or self.will_close or self.close_when_flushed:
            super().handle_write()
            return
        if self.total_outbufs_len:  # the response to an earlier, pipelined request
            self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif self.connected and not self.total_outbufs_len:
            self._hand_over(self.adopt)

    def _hand_over(self, adopt: Adopt) -> None:
        sock, self.socket = self.socket, None
        self.del_channel()
        self.connected = False
        for buffer in self.outbufs:
            buffer.close()
        try:
            adopt(sock, self.behind)
        except Exception:
            sock.close()
            raise
