"""The service manager's side: sd_notify(3), sd_listen_fds(3) and the watchdog, without its library."""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

FIRST_FD = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
VARIABLES = (
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
)
"""What is meant for this process alone and is kept from its children."""

Environ = MutableMapping[str, str]


class Notifier:
    """Tells the service manager how we are; silent without one, and never raises or waits."""

    def __init__(self, environ: Environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        known = address if address.startswith(("/", "@")) else ""  # vsock: is not for us
        self._address = "\0" + known[1:] if known.startswith("@") else known
        self.feed_seconds = _feed_seconds(environ) if self._address else None

    def tell(self, *lines: str) -> None:
        """Send these assignments as one datagram."""
        if not self._address:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        with (
            suppress(OSError),  # the manager went away or is full; the service matters more
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager,
        ):
            manager.sendto(text.encode(errors="replace"), self._address)


def _feed_seconds(environ: Environ) -> float | None:
    """Half the watchdog's bound when it is set and meant for this process: sd_watchdog_enabled(3)."""
    usec = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 2_000_000 if usec.isdecimal() and int(usec) > 0 else None


def take_listener(environ: Environ) -> int | None:
    """The listening socket the manager opened for this process, or None; raises ValueError.

    Of several the one named `jarvis` (FileDescriptorName=) is meant; the rest are closed. None of
    them reaches a child by itself.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environ.get("LISTEN_FDS", "")
    fds = range(FIRST_FD, FIRST_FD + (int(count) if count.isdecimal() else 0))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    named = {fd: names[place] if place < len(names) else "" for place, fd in enumerate(fds)}
    listening = [fd for fd in fds if _is_listening(fd)]
    chosen = listening if len(listening) < 2 else [fd for fd in listening if named[fd] == "jarvis"]
    if fds and len(chosen) != 1:
        raise ValueError(
            f"{len(listening)} of {len(fds)} sockets from the service manager can be listened on; "
            "exactly one must be, or be named jarvis (FileDescriptorName=)"
        )
    for fd in fds:
        if fd in chosen:
            os.set_inheritable(fd, False)
        else:
            os.close(fd)
    return chosen[0] if chosen else None


def _is_listening(fd: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(fd)) as copy:
            if copy.type != socket.SOCK_STREAM:
                return False
            return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False
