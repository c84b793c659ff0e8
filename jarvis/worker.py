"""The worker's frame: the home's lock, the listener, the lifeline and the signals, around whatever serves."""

import errno
import fcntl
import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jarvis import lifeline, systemd
from jarvis.kernel.clock import rfc3339, system_clock
from jarvis.kernel.errors import Misconfigured, Unavailable
from jarvis.process import conceal
from jarvis.signals import Signals

log = logging.getLogger(__name__)

LOCK_NAME = "serve.lock"
BACKLOG = 1024
ORPHANED_EXIT = 70
HURRIED_EXIT = 130
FLUSH_SECONDS = 1.0


class Lifeline(Protocol):
    """Whoever looks after this process: our supervisor, or a service manager without one."""

    holder_pid: int

    def adopt(self, listener: int, lock: int | None, plan: dict[str, object]) -> None:
        """Hand listener and lock over to whoever outlives us."""

    def ready(self) -> None:
        """Say that requests are answered now."""

    def beat(self) -> None:
        """Say that the worker still works; silence for a minute gets it killed."""

    def stopping(self, *, restart: bool = False) -> None:
        """Say that the drain has begun."""


class Alone:
    """The lifeline of `serve --no-supervisor`: the service manager hears us directly."""

    def __init__(self) -> None:
        self.holder_pid = os.getpid()
        self._notifier = systemd.Notifier(os.environ)

    def adopt(self, listener: int, lock: int | None, plan: dict[str, object]) -> None:
        """Nobody outlives us; both stay here."""

    def ready(self) -> None:
        self._notifier.tell("READY=1", "STATUS=Serving")

    def beat(self) -> None:
        if self._notifier.feed_seconds:
            self._notifier.tell("WATCHDOG=1")

    def stopping(self, *, restart: bool = False) -> None:
        self._notifier.tell("STOPPING=1", "STATUS=Draining")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the frame has to know of the settings."""

    home: Path
    host: str
    port: int
    drain_seconds: float
    log_format: str = "text"
    host_header: str = "127.0.0.1"
    """A name the server answers to."""
    takes_lock: bool = True
    """False for pages only, beside the home's server."""


Serve = Callable[[socket.socket, threading.Event, Lifeline], int]
"""Serves on the listener until the event is set, drains, and returns the exit code (0, or 88 to restart)."""


def run_worker(plan: Plan, serve: Serve, *, leave: Callable[[int], None] | None = None) -> int:
    """Take lock and listener, hand them over, and serve under the signals; main thread only.

    Raises Unavailable when the home or the port is taken, Misconfigured when the address is none.
    `leave` ends the process at once; it is called when the supervisor is gone, or on a second SIGINT.
    """
    conceal()
    line = _lifeline()
    drain = threading.Event()
    with _watching(line, drain, leave or leave_at_once), ExitStack() as held:
        lock = _home_lock(plan.home, line.holder_pid) if plan.takes_lock else None
        if lock is not None:
            held.callback(os.close, lock)
        listener = held.enter_context(inherited_listener() or bind(plan.host, plan.port))
        shown: dict[str, object] = {"home": str(plan.home), "drain_seconds": plan.drain_seconds}
        shown |= {"log_format": plan.log_format, "host": plan.host_header}
        line.adopt(listener.fileno(), lock, shown)
        return serve(listener, drain, line)


def _lifeline() -> Lifeline:
    try:
        return lifeline.from_environment(os.environ) or Alone()
    except (ValueError, OSError) as error:
        raise Misconfigured(f"{lifeline.SUPERVISOR_FD}: {error}") from None


def leave_at_once(code: int) -> None:
    """End the process without a drain, after at most a second for the log: safe, as a kill -9 is."""
    flush = threading.Thread(target=logging.shutdown, daemon=True)  # a stuck handler must not keep us
    flush.start()
    flush.join(FLUSH_SECONDS)
    os._exit(code)


@contextmanager
def _watching(line: Lifeline, drain: threading.Event, leave: Callable[[int], None]) -> Iterator[None]:
    """Turn signals into the drain event and a lost supervisor into leaving, on a thread of its own.

    A handler must not set the event itself: it could interrupt the very thread that holds its lock.
    """
    ended, end = os.pipe2(os.O_CLOEXEC)
    with Signals(signal.SIGTERM, signal.SIGINT) as signals:
        channel = line.channel if isinstance(line, lifeline.Lifeline) else None
        watch = threading.Thread(
            target=_watch, args=(signals, channel, ended, drain, leave), name="lifeline", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            os.close(end)
            watch.join()
            os.close(ended)
            if channel is not None:
                channel.close()


def _watch(
    signals: Signals,
    channel: socket.socket | None,
    ended: int,
    drain: threading.Event,
    leave: Callable[[int], None],
) -> None:
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    poll.register(ended, select.POLLIN)
    if channel is not None:
        poll.register(channel, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if channel is not None and channel.fileno() in ready and lifeline.is_gone(channel):
            log.critical("the supervisor is gone; leaving at once")
            return leave(ORPHANED_EXIT)
        for signum in signals.take():
            if signum == signal.SIGINT and drain.is_set():
                return leave(HURRIED_EXIT)
            drain.set()
        if ended in ready:
            return None


def _home_lock(home: Path, holder_pid: int) -> int:
    """The lock the supervisor kept for us when it is this home's, else a new one."""
    text = os.environ.pop(lifeline.LOCK_FD, None)
    if text is None:
        return acquire_home_lock(home, holder_pid)
    try:
        fd = lifeline.inherited(text)
        if os.path.samestat(os.fstat(fd), (home / LOCK_NAME).lstat()):
            return fd
    except FileNotFoundError:
        pass  # somebody removed it; a second server would not see our lock
    except ValueError as error:
        raise Misconfigured(f"{lifeline.LOCK_FD}: {error}") from None
    os.close(fd)
    return acquire_home_lock(home, holder_pid)


def acquire_home_lock(home: Path, holder_pid: int | None = None) -> int:
    """Lock the home for one server; returns the descriptor that holds it until it is closed everywhere.

    The file says who, for people to read. Raises Unavailable, naming the home and the holder.
    """
    path = home / LOCK_NAME
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {error.strerror}.") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"pid {holder_pid or os.getpid()}\nstarted {rfc3339(system_clock())}\n".encode(), 0)
    except BlockingIOError:
        message = f"Another server already runs on {home}{_holder(fd)}; stop it or set JARVIS_HOME."
        os.close(fd)
        raise Unavailable(message) from None
    except OSError as error:
        os.close(fd)
        raise Unavailable(f"{path} cannot be locked: {error.strerror}.") from None
    return fd


def _holder(fd: int) -> str:
    words = os.pread(fd, 200, 0).decode(errors="replace").split()
    return f" (pid {words[1]})" if len(words) > 1 and words[1].isdecimal() else ""


def inherited_listener() -> socket.socket | None:
    """The socket kept open for us by the supervisor or by the service manager, if one was.

    Raises Misconfigured when what they name is not a listening socket.
    """
    text = os.environ.pop(lifeline.LISTEN_FD, None)
    try:
        fd = systemd.take_listener(os.environ) if text is None else lifeline.inherited(text)
        return None if fd is None else socket.socket(fileno=fd)
    except (ValueError, OSError) as error:
        raise Misconfigured(f"The inherited listener cannot be used: {error}") from None


def bind(host: str, port: int) -> socket.socket:
    """Listen on this address; port 0 takes a free one. An IPv6 address hears IPv6 only.

    Raises Unavailable when the port is taken or not ours to use, Misconfigured when it is no address.
    """
    if not 0 <= port <= 65535:  # getaddrinfo would take it modulo 65536
        raise Misconfigured(f"BIND_PORT {port} is no port; use 0 to 65535.")
    listener = None
    try:
        flags = socket.AI_PASSIVE
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        raise _refused(host, port, error) from None
    return listener


def _refused(host: str, port: int, error: Exception) -> Misconfigured | Unavailable:
    number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
    if number == errno.EADDRINUSE:
        return Unavailable(f"Port {port} on {host} is in use by another program; stop it or set BIND_PORT.")
    if number in (errno.EACCES, errno.EPERM):
        return Unavailable(f"Port {port} on {host} needs more privilege than this user has; set BIND_PORT.")
    if number is None or number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return Misconfigured(f"BIND_HOST {host!r} with BIND_PORT {port} is no address of this host: {error}.")
    return Unavailable(f"{host} port {port} cannot be listened on: {error}.")
