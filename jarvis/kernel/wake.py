"""Told, not polled: one flag a process, raised by its own commits and by those of others."""

import contextlib
import logging
import os
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

PREFIX = "wake-"


class Wake:
    """A counter of commits that threads can wait on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._run_dir: Path | None = None
        self._own = ""

    @property
    def count(self) -> int:
        return self._count

    def signal(self) -> None:
        """Something was committed here: wake this process's threads and its neighbours."""
        self.raise_flag()
        if self._run_dir is not None:
            _poke_others(self._run_dir, self._own)

    def raise_flag(self) -> None:
        """Wake this process's threads."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout: float) -> int:
        """Block until the count differs from `seen`, or for timeout seconds; returns the count."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, timeout)
            return self._count

    def among(self, run_dir: Path) -> None:
        """Poke the processes listening in run_dir after each commit."""
        self._run_dir = run_dir

    def listen(self, run_dir: Path) -> "Listener":
        """Be one of the processes poked.

        Where no socket can be made (a read-only home, no /proc) the listener is deaf:
        `is_deaf` says so, and followers see other processes' commits when their wait ends.
        """
        listener = Listener(self, run_dir)
        self._own = listener.name
        self._run_dir = run_dir
        return listener


@dataclass(slots=True)
class Ear:
    """One loop's way of waiting: told at once after a quiet time, and in a stream of commits only now and then.

    A thread that each of three hundred commits a second wakes takes the interpreter from those
    who make them, and finds little each time.
    """

    wake: Wake
    gather_seconds: float
    seen: int = -1
    _came_at: float = 0.0

    def wait(self, timeout: float) -> None:
        """Block until something was committed since `seen`, or for timeout seconds."""
        began = time.monotonic()
        left = min(timeout, self._came_at + self.gather_seconds - began)
        if left > 0:
            time.sleep(left)
        self.seen = self.wake.wait(self.seen, max(0.0, began + timeout - time.monotonic()))
        self._came_at = time.monotonic()


class Listener:
    """A datagram socket in run_dir and the thread that waits on it."""

    def __init__(self, wake: Wake, run_dir: Path) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"  # a pid is not unique across containers
        self._wake = wake
        self._path = run_dir / self.name
        self._is_closing = False
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)
        try:
            run_dir.mkdir(mode=0o700, exist_ok=True)
            self._socket = _bound(run_dir, self.name)
        except OSError as error:
            log.warning("commits of other processes are seen late: no socket in %s (%s)", run_dir, error.strerror)
            return
        self._thread.start()

    @property
    def is_deaf(self) -> bool:
        return self._socket is None

    def _run(self) -> None:
        assert self._socket is not None
        poked = select.poll()
        poked.register(self._socket, select.POLLIN)
        while not self._is_closing:
            poked.poll()
            self._drain(self._socket)
            self._wake.raise_flag()

    def _drain(self, listening: socket.socket) -> None:
        """Take every poke at once: a burst of commits wakes followers once."""
        with contextlib.suppress(BlockingIOError):
            while not self._is_closing:
                listening.recv(16)

    def close(self) -> None:
        """Stop listening; the thread has ended when this returns."""
        self._is_closing = True
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def _bound(run_dir: Path, name: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        with _opened(run_dir) as directory:
            listening.bind(_address(directory, name))
    except BaseException:
        listening.close()
        raise
    return listening


@contextlib.contextmanager
def _opened(run_dir: Path) -> Iterator[int]:
    directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory
    finally:
        os.close(directory)


def _address(directory: int, name: str) -> str:
    return f"/proc/self/fd/{directory}/{name}"  # socket paths end at 108 bytes; a home may be longer


def _poke_others(run_dir: Path, own: str) -> None:
    """Best effort: the commit has happened, and whoever is not reached looks again by itself."""
    with contextlib.suppress(OSError):
        names = [n for n in os.listdir(run_dir) if n.startswith(PREFIX) and n != own]
        if not names:
            return
        with (
            _opened(run_dir) as directory,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
        ):
            for name in names:
                _poke(sender, directory, name)


def _poke(sender: socket.socket, directory: int, name: str) -> None:
    try:
        sender.sendto(b"!", _address(directory, name))
    except ConnectionRefusedError:  # left behind by a process that was killed
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)
    except OSError:  # full: it has been woken already; gone: nobody to wake
        return
