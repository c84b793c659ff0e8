"""What supervisor and worker say to each other: one JSON datagram a message, descriptors beside it."""

import json
import math
import os
import socket
import stat
from array import array
from contextlib import suppress

SUPERVISOR_FD = "JARVIS_SUPERVISOR_FD"
LISTEN_FD = "JARVIS_LISTEN_FD"
LOCK_FD = "JARVIS_LOCK_FD"
ARCHIVE_PATH = "JARVIS_ARCHIVE_PATH"
TAKEOVER = "JARVIS_TAKEOVER"

RESTART_EXIT = 88
"""The worker's exit code for "start me again, from the file now at the archive's path"."""

MESSAGE_BYTES = 16_384
FDS = 8
DEFAULT_DRAIN_SECONDS = 20.0
LONGEST_DRAIN_SECONDS = 86_400.0


# No dataclasses in what the supervisor imports: the module alone costs it 3 MB.
class Message:
    """One thing a worker said, with the descriptors that came beside it; whoever receives it owns them."""

    __slots__ = ("fds", "fields", "kind")

    def __init__(self, kind: str, fields: dict[str, object], fds: list[int]) -> None:
        self.kind = kind
        self.fields = fields
        self.fds = fds

    def drain_seconds(self) -> float:
        """How long the worker says a drain may take; the default when it says nothing sensible."""
        said = self.fields.get("drain_seconds")
        if not isinstance(said, int | float) or not math.isfinite(said) or said < 0:
            return DEFAULT_DRAIN_SECONDS
        return min(float(said), LONGEST_DRAIN_SECONDS)

    def host(self) -> str:
        """The name by which this host reaches the worker."""
        said = self.fields.get("host")
        return said if isinstance(said, str) and said.isprintable() and " " not in said else "127.0.0.1"

    def close(self) -> None:
        """Give back the descriptors nobody wanted."""
        while self.fds:
            os.close(self.fds.pop())


def receive(channel: socket.socket) -> Message:
    """Read the next message of a non-blocking channel.

    Raises BlockingIOError when there is none yet, EOFError when the other side is gone, ValueError
    when it is no message.
    """
    data, fds = _receive(channel)
    if not data:
        raise EOFError
    message = Message("", {}, fds)
    try:
        fields = json.loads(data)
        message.fields, message.kind = fields, str(fields["kind"])
    except (ValueError, TypeError, KeyError, RecursionError):
        message.close()
        raise ValueError("not a message") from None
    return message


# Not socket.send_fds and recv_fds: until 3.13 at least they drop the flags they are given.
def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    room = socket.CMSG_LEN(FDS * array("i").itemsize)
    data, ancillary, _, _ = channel.recvmsg(MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    fds = array("i")
    for level, kind, packed in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(packed[: len(packed) - len(packed) % fds.itemsize])
    return data, fds.tolist()


class Lifeline:
    """The worker's end of the pipe to its supervisor: nothing said here ever raises or stops the worker."""

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(True)
        self.channel = channel
        self.holder_pid = os.getppid()

    def adopt(self, listener: int, lock: int | None, plan: dict[str, object]) -> None:
        """Hand the listener and, if it took one, the home lock over, so that they outlive this worker."""
        self._say("adopt", plan, fds=[listener] if lock is None else [listener, lock])

    def ready(self) -> None:
        self._say("ready")

    def beat(self) -> None:
        """Say "still working"; a supervisor that is itself stopped misses it and nobody waits."""
        self._say("beat", flags=socket.MSG_DONTWAIT)

    def stopping(self, *, restart: bool = False) -> None:
        """Say that the drain has begun, and whether a new worker is wanted after it."""
        self._say("stopping", {"restart": restart}, flags=socket.MSG_DONTWAIT)

    def _say(
        self,
        kind: str,
        fields: dict[str, object] | None = None,
        *,
        fds: list[int] | None = None,
        flags: int = 0,
    ) -> None:
        data = json.dumps({**(fields or {}), "kind": kind}).encode()
        # A full pipe loses a beat; a closed one is the watching thread's to act on.
        with suppress(BlockingIOError, ConnectionError):
            beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
            self.channel.sendmsg([data], beside, flags)


def is_gone(channel: socket.socket) -> bool:
    """Whether the other end of a readable channel was closed, by its process or by the kernel for it."""
    try:
        return not channel.recv(MESSAGE_BYTES, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def from_environment(environ: "os._Environ[str]") -> Lifeline | None:
    """Take the pipe this process was started with, if a supervisor started it; raises ValueError.

    The variable goes, so that no child of the worker takes itself for one.
    """
    text = environ.pop(SUPERVISOR_FD, None)
    if text is None:
        return None
    fd = inherited(text)
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        raise ValueError(f"{SUPERVISOR_FD} names no socket")
    return Lifeline(socket.socket(fileno=fd))


def inherited(text: str) -> int:
    """The open descriptor a variable names, closed for children from now on; raises ValueError."""
    try:
        fd = int(text)
        os.set_inheritable(fd, False)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text[:20]!r} is no open descriptor") from None
    return fd
