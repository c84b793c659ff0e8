"""Whether a server runs on this home, and where: for the command line beside it."""

import fcntl
import http.client
import json
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jarvis.kernel.config import Settings
from jarvis.kernel.db import forbid_inside_write

ANSWER_SECONDS = 1.0
LONGEST_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Running:
    """The server that holds this home. `url` is empty until it has said where it listens."""

    pid: int
    url: str


def running(settings: Settings) -> Running | None:
    """The server on this home, or None. Its lock is the truth; the file beside it only an address."""
    if not _is_locked(settings):
        return None
    try:
        told = json.loads((settings.jarvis_home / "run" / "server.json").read_text("utf-8"))
        return Running(int(told["pid"]), str(told["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Running(0, "")


def _is_locked(settings: Settings) -> bool:
    try:
        fd = os.open(settings.jarvis_home / "serve.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def ask_ready(server: Running, settings: Settings) -> dict[str, Any] | None:
    """What the server's /readyz says, or None when it does not answer within a second.

    Only this host is asked: what stands in the home may not send us anywhere else.
    """
    forbid_inside_write("asking the server")
    address = urlsplit(server.url)
    if address.scheme != "http" or address.hostname not in _own_names(settings) or not address.port:
        return None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Host": _host_header(settings, address.netloc)})
        told = json.loads(connection.getresponse().read(LONGEST_ANSWER))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return told if isinstance(told, dict) and isinstance(told.get("checks"), dict) else None


def _own_names(settings: Settings) -> tuple[str, ...]:
    return ("127.0.0.1", "::1", "localhost", settings.bind_host)


def _host_header(settings: Settings, address: str) -> str:
    """A name the server answers to."""
    named = [name for name in settings.allowed_hosts if name != "*"]
    return named[0] if named else address
