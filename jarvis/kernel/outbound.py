"""HTTP going out: bounded, never through a redirect, never while the database is locked for writing."""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from jarvis.kernel.db import forbid_inside_write

if TYPE_CHECKING:
    import urllib3

CONNECT_SECONDS = 10.0
LARGEST_ANSWER = 8 * 1024 * 1024
MOST_KEPT_BYTES = 8 * 1024 * 1024
LARGEST_KEPT = 256 * 1024


class OutboundFault(Exception):
    """No usable answer came; the message says why, without what was sent."""

    def __init__(self, message: str, *, is_timeout: bool = False) -> None:
        super().__init__(message)
        self.is_timeout = is_timeout


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Kept:
    """Answers with an ETag, so that asking again costs little when nothing changed. Forgets the least recent first."""

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0

    def find(self, key: str) -> Answer | None:
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            return found

    def keep(self, key: str, answer: Answer) -> None:
        """Keep a whole answer unless it is large or says nothing to recognise it by."""
        if not answer.headers.get("etag") or len(answer.body) > LARGEST_KEPT:
            return
        with self._lock:
            old = self._answers.pop(key, None)
            self._answers[key] = answer
            self._bytes += len(answer.body) - (len(old.body) if old else 0)
            while self._bytes > self._most:
                self._bytes -= len(self._answers.popitem(last=False)[1].body)


class Opened:
    """An answer whose body is read as it comes; `close` ends it from any thread."""

    def __init__(self, response: "urllib3.BaseHTTPResponse") -> None:
        self._response = response
        self.status = int(response.status)
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def read(self, most: int = 65536) -> bytes:
        """What has come by now, at least a byte; b"" at the end. Raises OutboundFault when it was cut off."""
        with translated():
            found: bytes = self._response.read1(most, decode_content=True)
            return found

    def close(self) -> None:
        """End it, from any thread. Its connection is not used again: another thread may still be reading from it."""
        with contextlib.suppress(Exception):
            self._response.close()


@dataclass(slots=True)
class Outbound:
    """Sends requests over pooled connections, one pool for the process. Proxies come from the environment."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pools: dict[str, Any] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)

    def open(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | BinaryIO | None = None, seconds: float
    ) -> Opened:
        """Send, and wait for the head of the answer; `seconds` bounds each silence. Raises OutboundFault.

        A body that is a file is streamed; its content-length has to be among the headers.
        """
        forbid_inside_write("an HTTP request")
        import urllib3

        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
        with translated():
            response = self._pool(url).request(
                method,
                url,
                headers=dict(headers),
                body=body,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        return Opened(response)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | BinaryIO | None = None,
        seconds: float,
        most_bytes: int = LARGEST_ANSWER,
        whole_seconds: float | None = None,
    ) -> Answer:
        """Send, and read the whole answer. Raises OutboundFault when none comes or it is larger than allowed.

        `seconds` bounds each silence, `whole_seconds` all of it: a byte now and then is no progress.
        """
        began = time.monotonic()
        opened = self.open(method, url, headers=headers, body=body, seconds=seconds)
        try:
            found = bytearray()
            while chunk := opened.read():
                found += chunk
                if len(found) > most_bytes:
                    raise OutboundFault(f"the answer is larger than {most_bytes:,} bytes")
                if whole_seconds is not None and time.monotonic() - began > whole_seconds:
                    raise OutboundFault("its answer did not end in time", is_timeout=True)
            return Answer(opened.status, opened.headers, bytes(found))
        finally:
            opened.close()

    def _pool(self, url: str) -> Any:
        import urllib.request

        import urllib3

        scheme = url.partition(":")[0].lower()
        if scheme not in ("http", "https"):
            raise OutboundFault(f"{scheme[:20]!r} is no scheme to send to")
        host = urllib3.util.parse_url(url).host or ""
        proxies = {} if urllib.request.proxy_bypass(host) else urllib.request.getproxies()
        proxy = proxies.get(scheme, "")
        with self._lock:
            if proxy not in self._pools:
                options: dict[str, Any] = {"num_pools": 8, "maxsize": 64}
                self._pools[proxy] = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
            return self._pools[proxy]


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what urllib3 raises into one kind, in words that hold no header and no body."""
    import urllib3.exceptions as faults

    try:
        yield
    except faults.NewConnectionError as error:  # to urllib3 also a kind of timeout
        raise OutboundFault("nothing listens there, or its name is not known") from error
    except faults.TimeoutError as error:
        raise OutboundFault("it did not answer in time", is_timeout=True) from error
    except faults.SSLError as error:
        raise OutboundFault("its certificate is not to be trusted, or it speaks no TLS") from error
    except (faults.HTTPError, OSError, ValueError) as error:
        raise OutboundFault(f"the connection broke ({type(error).__name__})") from error
