"""Processes: concealing this one, and starting the worker from the held archive or a checkout."""

# ruff: noqa: PTH100, PTH120
# os.path and not pathlib: the supervisor imports this, and pathlib costs it 2 MB.

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from jarvis import lifeline, systemd

PR_SET_DUMPABLE = 4
KEPT_BACK = (
    *systemd.VARIABLES,
    lifeline.SUPERVISOR_FD,
    lifeline.LISTEN_FD,
    lifeline.LOCK_FD,
    lifeline.ARCHIVE_PATH,
    lifeline.TAKEOVER,
)


def conceal() -> bool:
    """Keep other processes of this user out of our memory and environment: PR_SET_DUMPABLE of prctl(2).

    An exec undoes it, so each process asks for itself, first thing. False where it cannot be had.
    """
    try:
        import ctypes
    except ImportError:  # an interpreter built without libffi
        return False
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


class Held:
    """What outlives every worker."""

    __slots__ = ("drain_seconds", "host", "is_adopted", "listener", "lock")

    def __init__(self, listener: int | None = None) -> None:
        self.host = "127.0.0.1"
        self.listener = listener
        self.lock: int | None = None
        self.is_adopted = False
        self.drain_seconds = lifeline.DEFAULT_DRAIN_SECONDS


class HeldArchive:
    """The archive as a descriptor: a file dropped in its place is not seen until `resolve`."""

    def __init__(self, path: str, fd: int | None = None) -> None:
        self.path = os.path.abspath(path)
        if fd is None:
            self.fd = self._open()
        else:  # a copy: the caller's number is on its sys.path and has to stay what it is
            self.fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self.own_fd = self.before_fd = self.fd

    def command(self) -> list[str]:
        return [sys.executable, "-I", "-S", f"/proc/self/fd/{self.fd}"]

    def fds(self) -> list[int]:
        return [self.fd]

    def environment(self) -> dict[str, str]:
        return {lifeline.ARCHIVE_PATH: self.path}

    def resolve(self) -> None:
        """Hold the file now at the path; raises OSError and changes nothing when it cannot be opened.

        The one this process runs from and the last one stay open: a trial may need either.
        """
        fresh = self._open()
        if self.before_fd not in (self.own_fd, self.fd):
            os.close(self.before_fd)
        self.before_fd, self.fd = self.fd, fresh

    def revert(self) -> None:
        """Hold again what was held before the last `resolve`."""
        self.before_fd, self.fd = self.fd, self.before_fd

    def _open(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)


class Checkout:
    """The package as it lies in a directory, for those who work on it."""

    def __init__(self) -> None:
        self.root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

    def command(self) -> list[str]:
        # -m would put the working directory first on sys.path, and that may be a stranger's repository.
        start = f"import runpy, sys; sys.path.insert(0, {self.root!r}); "
        return [
            sys.executable,
            "-P",
            "-c",
            start + "runpy.run_module('jarvis', run_name='__main__', alter_sys=True)",
        ]

    def fds(self) -> list[int]:
        return []

    def environment(self) -> dict[str, str]:
        return {}

    def resolve(self) -> None:
        """Nothing is held: every start reads the files as they are."""

    def revert(self) -> None:
        """There is nothing before it."""


Program = HeldArchive | Checkout


class Child:
    """A started worker and our end of its lifeline."""

    __slots__ = ("channel", "pid")

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel

    def poll(self) -> int | None:
        """Its exit code, minus the signal's number for a death by signal, None while it lives."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # it ended before this code took over
            return -signal.SIGKILL
        return os.waitstatus_to_exitcode(status) if pid else None

    def send(self, signum: int) -> None:
        with suppress(ProcessLookupError):  # only one that ended before this code took over
            os.kill(self.pid, signum)  # until we reap it, its number belongs to nobody else


class Spawner:
    """Starts workers with exactly the descriptors and variables that are theirs."""

    def __init__(self, program: Program, argv: list[str], environ: Mapping[str, str]) -> None:
        self._program = program
        self._argv = argv
        self._environ = {name: value for name, value in environ.items() if name not in KEPT_BACK}

    def resolve(self) -> None:
        """Let the next worker come from the file now at the archive's path; raises OSError."""
        self._program.resolve()

    def revert(self) -> None:
        """Let the next worker come from the file before that."""
        self._program.revert()

    def start(self, held: Held) -> Child:
        """Start a worker in a process group of its own; raises OSError.

        Of its own, so that Ctrl-C reaches the supervisor alone and the worker hears of it once.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        passed = {lifeline.SUPERVISOR_FD: theirs.fileno()}
        if held.listener is not None:
            passed[lifeline.LISTEN_FD] = held.listener
        if held.lock is not None:
            passed[lifeline.LOCK_FD] = held.lock
        environ = self._environ | self._program.environment() | {k: str(fd) for k, fd in passed.items()}
        try:
            pid = _spawn(self._program.command() + self._argv, environ, [*passed.values(), *self._program.fds()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return Child(pid, ours)


def _spawn(command: list[str], environ: Mapping[str, str], fds: list[int]) -> int:
    # One thread, so nothing else can start a child while these are inheritable.
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        return os.posix_spawn(command[0], command, environ, setpgroup=0, setsigmask=[])
    finally:
        for fd in fds:
            os.set_inheritable(fd, False)
