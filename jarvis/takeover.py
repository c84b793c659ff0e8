"""The supervisor executes the archive its worker already runs: same pid, same listener, same worker."""

import json
import os
import signal
import socket
import time
from collections.abc import MutableMapping

from jarvis import lifeline
from jarvis.life import Worker
from jarvis.process import Child, Held, HeldArchive

SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LISTENERS = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def execute(archive: HeldArchive, argv: list[str], held: Held, worker: Worker, *, is_json: bool) -> None:
    """Become the supervisor of the held archive's own code. Returns never; raises OSError, and all is as before.

    A signal that comes in between waits: it is blocked here, and let through once the new code listens.
    """
    told = {
        "listener": held.listener,
        "lock": held.lock,
        "channel": worker.child.channel.fileno(),
        "pid": worker.child.pid,
        "drain_seconds": held.drain_seconds,
        "host": held.host,
        "is_json": is_json,
    }
    environ = {name: value for name, value in os.environ.items() if name not in LISTENERS}
    environ |= archive.environment() | {lifeline.TAKEOVER: json.dumps(told)}
    passed = [fd for fd in (held.listener, held.lock, told["channel"], *archive.fds()) if isinstance(fd, int)]
    command = archive.command() + argv
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for fd in passed:
        os.set_inheritable(fd, True)
    try:
        os.execve(command[0], command, environ)  # noqa: S606  no shell is wanted
    finally:
        for fd in passed:
            os.set_inheritable(fd, False)
        listen()


def listen() -> None:
    """Let through what was blocked while nobody would have heard it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Taken:
    """What the code before us handed over."""

    __slots__ = ("held", "is_json", "wants_restart", "worker")

    def __init__(self, held: Held, worker: Worker, *, is_json: bool, wants_restart: bool) -> None:
        self.held, self.worker, self.is_json = held, worker, is_json
        self.wants_restart = wants_restart
        """Whether the worker runs an archive that was taken back."""


def take(environ: MutableMapping[str, str]) -> Taken | None:
    """What was handed over to this process, if it was executed in another supervisor's place; raises ValueError."""
    text = environ.pop(lifeline.TAKEOVER, None)
    if text is None:
        return None
    try:
        told = json.loads(text)
        held = Held(lifeline.inherited(str(told["listener"])))
        held.lock = None if told["lock"] is None else lifeline.inherited(str(told["lock"]))
        held.is_adopted, held.host = True, str(told["host"])
        held.drain_seconds = float(told["drain_seconds"])
        channel = socket.socket(fileno=lifeline.inherited(str(told["channel"])))
        pid, is_json, is_back = int(told["pid"]), bool(told["is_json"]), told.get("restart") is True
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"{lifeline.TAKEOVER} makes no sense: {error}") from None
    channel.setblocking(False)
    worker = Worker(Child(pid, channel), time.monotonic())
    worker.is_ready = worker.has_beaten = True
    return Taken(held, worker, is_json=is_json, wants_restart=is_back)
