"""One socket that speaks RFC 6455: bytes in, messages out. Used by one thread."""

import collections
import logging
import socket

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

log = logging.getLogger(__name__)

RECV_BYTES = 65536
CONTROL_BYTES = 125
REASON_BYTES = 123


def text_frame(text: str) -> bytes:
    """One unmasked text frame; the same bytes serve every subscriber."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class _Violation(Exception):
    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Wire:
    """A WebSocket after its handshake.

    Answers pings and closes by itself, joins fragments, checks UTF-8. What is to be sent is queued and
    leaves with `flush`. `OSError` from any method means that the peer is gone.
    """

    __slots__ = (
        "_half_close",
        "_max_message",
        "_message",
        "_out",
        "_protocol",
        "frames",
        "is_open",
        "sock",
        "waiting",
    )

    def __init__(self, sock: socket.socket, max_message: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.is_open = True
        self.waiting = 0  # bytes queued
        self.frames = 0  # received since somebody last set it to zero
        # A ServerProtocol that did the handshake still waits for HTTP, hence a fresh one. It counts
        # control frames into a fragmented message, hence the allowance; the exact bound is kept here.
        self._protocol = ServerProtocol(state=State.OPEN, max_size=max_message + CONTROL_BYTES, logger=log)
        self._max_message = max_message
        self._message: bytearray | None = None
        self._out: collections.deque[bytes | memoryview] = collections.deque()
        self._half_close = False

    def queue(self, data: bytes) -> None:
        self._out.append(data)
        self.waiting += len(data)

    def flush(self) -> bool:
        """Send what the socket takes; True when nothing is left."""
        while self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                sent = 0
            self.waiting -= sent
            self._out.clear()
            if sent < len(data):
                self._out.append(memoryview(data)[sent:])
                return False
        if self._half_close:
            # close() now could send a reset and destroy the close frame: wait for the peer's end instead.
            self._half_close = False
            self.sock.shutdown(socket.SHUT_WR)
        return True

    def receive(self) -> list[str]:
        """Read once; the text messages completed by it."""
        try:
            data = self.sock.recv(RECV_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise ConnectionResetError("end of stream")
        return self.feed(data)

    def feed(self, data: bytes) -> list[str]:
        """Take bytes from the peer; the text messages completed by them."""
        was_open = self.is_open
        messages = []
        self._protocol.receive_data(data)
        try:
            for event in self._protocol.events_received():
                self.frames += 1
                text = self._assemble(event) if isinstance(event, Frame) else None
                if text is not None:
                    messages.append(text)
        except _Violation as violation:
            self._protocol.fail(violation.code, violation.reason)
        self._pump()
        return messages if was_open else []

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake, if nobody has."""
        if self._protocol.state is State.OPEN:
            short = reason.encode()[:REASON_BYTES].decode(errors="ignore")
            self._protocol.send_close(code, short)
            self._pump()

    def ping(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._pump()

    def _pump(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.queue(data)
            else:
                self._half_close = True
        self.is_open = self._protocol.state is State.OPEN

    def _assemble(self, frame: Frame) -> str | None:
        if frame.opcode is Opcode.BINARY:
            raise _Violation(CloseCode.UNSUPPORTED_DATA, "text frames only")
        if frame.opcode is Opcode.TEXT:
            self._message = bytearray()
        elif frame.opcode is not Opcode.CONT:
            return None
        assert self._message is not None  # the protocol refuses a continuation of nothing
        self._message += frame.data
        if len(self._message) > self._max_message:
            raise _Violation(CloseCode.MESSAGE_TOO_BIG, f"over {self._max_message} bytes")
        if not frame.fin:
            return None
        message, self._message = self._message, None
        try:
            return message.decode()
        except UnicodeDecodeError:
            raise _Violation(CloseCode.INVALID_DATA, "invalid UTF-8") from None
