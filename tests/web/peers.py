"""The other side of the socket: servers run in a thread, raw HTTP and raw WebSocket clients."""

import base64
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from jarvis.kernel.errors import JarvisError
from jarvis.web.connection import Connection, HubLimits
from jarvis.web.hub import Hub
from jarvis.web.server import Limits, Server

TIMEOUT = 10.0
TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def until(condition: Callable[[], bool]) -> None:
    """Look until it is true; fails after a while."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


class FakeMonotonic:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The smallest application: the body's length, and the method."""
    size = len(environ["wsgi.input"].read())
    body = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {size}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class RunningServer:
    """A Server in a thread, on a listener of its own or a given one."""

    def __init__(self, application: Any, listener: socket.socket | None = None, **options: Any) -> None:
        self._own = listener is None
        self.listener = listener or socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self.listener.getsockname()
        self.stopping = threading.Event()
        self.server = Server(application, self.listener, **options)
        self.drain_seconds = 10.0
        self.drained: bool | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.drained = self.server.serve_until(self.stopping, self.drain_seconds)

    def begin_stop(self) -> None:
        self.stopping.set()
        self.server.wake()

    def wait(self) -> bool | None:
        self._thread.join(TIMEOUT * 3)
        assert not self._thread.is_alive()
        if self._own:
            self.listener.close()
        return self.drained

    def stop(self) -> bool | None:
        self.begin_stop()
        return self.wait()


class Raw:
    """A TCP client that says exactly what it is told."""

    def __init__(self, address: tuple[str, int], **options: Any) -> None:
        self.sock = socket.create_connection(address, timeout=TIMEOUT, **options)
        self._read = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def close(self) -> None:
        self.sock.close()

    def exactly(self, size: int) -> bytes:
        pieces, missing = [self._read], size - len(self._read)
        while missing > 0:
            pieces.append(self.sock.recv(65536))
            if not pieces[-1]:
                raise EOFError(b"".join(pieces)[:200])
            missing -= len(pieces[-1])
        whole = b"".join(pieces)
        self._read = whole[size:]
        return whole[:size]

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        found, self._read = self._read, b""
        with suppress(ConnectionResetError):
            while data := self.sock.recv(65536):
                found += data
        return found

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """One HTTP response with a Content-Length, or none at all."""
        while b"\r\n\r\n" not in self._read:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(self._read)
            self._read += data
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(first.split()[1]), headers, self.exactly(int(headers.get("content-length", "0")))

    def problem(self) -> dict[str, Any]:
        """A response that must be problem details with the security headers, and the end after it."""
        status, headers, body = self.response()
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        problem: dict[str, Any] = json.loads(body)
        assert problem["status"] == status
        assert problem["trace_id"] == headers["x-request-id"]
        assert self.rest() == b""
        return problem


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """One WebSocket frame, right or wrong."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if mask else 0
    if len(data) < 126:
        head = struct.pack("!BB", first, flag | len(data))
    elif len(data) < 65536:
        head = struct.pack("!BBH", first, flag | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, flag | 127, len(data))
    if not mask:
        return head + data
    key = b"\x01\x02\x03\x04"
    repeated = key * (len(data) // 4 + 1)
    return head + key + bytes(a ^ b for a, b in zip(data, repeated, strict=False))


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def upgrade_request(path: str = "/ws", *extra: str, key: bytes = b"") -> bytes:
    nonce = base64.b64encode(key or os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Key: {nonce}",
        "Sec-WebSocket-Version: 13",
        *extra,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Peer(Raw):
    """A WebSocket client after its handshake."""

    def __init__(self, address: tuple[str, int], path: str = "/ws", *extra: str, behind: bytes = b"") -> None:
        super().__init__(address)
        self.send(upgrade_request(path, *extra) + behind)
        status, self.headers, body = self.response()
        assert status == 101, (status, body)

    def frame(self) -> tuple[int, bytes]:
        first, second = self.exactly(2)
        assert first & 0x80
        assert not second & 0x80
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        return first & 0x0F, self.exactly(size)

    def text(self) -> str:
        opcode, data = self.frame()
        assert opcode == TEXT, (opcode, data)
        return data.decode()

    def say(self, text: str) -> None:
        self.send(frame(TEXT, text.encode()))

    def close_code(self) -> int:
        """Read on to the close frame, answer it, see the end behind it; the code (1005 for none)."""
        while True:
            opcode, data = self.frame()
            if opcode == CLOSE:
                break
        self.send(frame(CLOSE, data))
        assert self.rest() == b""
        return struct.unpack("!H", data[:2])[0] if data else 1005

    def is_silent(self) -> bool:
        """Whether the next thing to arrive is the answer to a ping sent now."""
        self.send(frame(PING, b"anything else?"))
        return self.frame() == (PONG, b"anything else?")


class RunningHub:
    """A hub behind a server; /ws/NAME connects the principal NAME."""

    def __init__(self, *, limits: HubLimits | None = None, **options: Any) -> None:
        self.opened: list[Connection[str]] = []
        self.closed: list[Connection[str]] = []
        self.changed = threading.Condition()
        options.setdefault("on_message", self._echo)
        self.hub: Hub[str] = Hub(on_open=self._opened, on_close=self._closed, limits=limits or HubLimits(), **options)
        self.hub.start()
        self.running = RunningServer(self._application, limits=Limits(threads=4))
        self.address = self.running.address

    def _application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/refused"):
            start_response("403 Forbidden", [("Content-Length", "2")])
            return [b"no"]
        if not environ["PATH_INFO"].startswith("/ws"):
            return hello(environ, start_response)
        try:
            self.hub.accept(environ, environ["PATH_INFO"].removeprefix("/ws").removeprefix("/"))
        except JarvisError as fault:
            body = str(fault).encode()
            start_response(f"{fault.status} No", [("Content-Length", str(len(body)))])
            return [body]
        start_response("200 OK", [])
        return [b""]

    def _echo(self, connection: Connection[str], text: str) -> None:
        self.hub.send(connection, text)

    def _opened(self, connection: Connection[str]) -> None:
        with self.changed:
            self.opened.append(connection)
            self.changed.notify_all()

    def _closed(self, connection: Connection[str]) -> None:
        with self.changed:
            self.closed.append(connection)
            self.changed.notify_all()

    def connect(self, name: str = "", *extra: str) -> tuple[Peer, Connection[str]]:
        """A client, and the hub's side of it."""
        before = len(self.opened)
        peer = Peer(self.address, f"/ws/{name}", *extra)
        self.until(lambda: len(self.opened) > before)
        return peer, self.opened[-1]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a callback to make it true."""
        with self.changed:
            assert self.changed.wait_for(condition, TIMEOUT)

    def settle(self) -> None:
        """Wait until the hub has done all that was asked of it."""
        done = threading.Event()
        self.hub.after(done.set)
        assert done.wait(TIMEOUT)

    def stop(self) -> None:
        self.hub.stop()
        self.running.stop()
