"""Reading one page of the web: only hosts on the list, never an address inside, however it is dressed."""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Denied, Unavailable, invalid

MOST_REDIRECTS, SECONDS, LARGEST, LONGEST_TEXT = 3, 15.0, 2 * 1024 * 1024, 40_000
READABLE = re.compile(r"(?:text/[\w.+-]+|application/(?:json|xml|[\w.+-]+\+(?:json|xml)))(?:;|$)", re.IGNORECASE)
HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """What was read: where it really came from, and its text."""

    url: str
    status: int
    content_type: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"url": self.url, "status": self.status, "content_type": self.content_type, "text": self.text}


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(f"The name {host} is not known.") from None
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def fetch(url: str, allowed: Iterable[str], resolve: Resolve = resolve) -> Page:
    """Read a page; each redirect is checked like the first address. Raises Denied, Invalid or Unavailable."""
    forbid_inside_write("a web fetch")
    names = tuple(name.lower().strip() for name in allowed)
    for _ in range(MOST_REDIRECTS + 1):
        found = _once(url, names, resolve)
        if isinstance(found, Page):
            return found
        url = urljoin(url, found)
    raise Unavailable(f"It was sent on more than {MOST_REDIRECTS} times.")


def _once(url: str, allowed: tuple[str, ...], resolve: Resolve) -> Page | str:
    """The page, or where it sends us."""
    scheme, host, port, target = _parts(url)
    if not any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in allowed):
        raise Denied(f"{host} is not among WEB_FETCH_ALLOWED_HOSTS.")
    addresses = resolve(host, port)
    inside = [address for address in addresses if not _is_public(address)]
    if inside or not addresses:
        raise Denied(f"{host} leads to an address inside ({inside[0] if inside else 'none'}), which is not read.")
    return _read(scheme, host, port, target, addresses[0], url)


def _parts(url: str) -> tuple[str, str, int, str]:
    if any(character <= " " or character == "\x7f" for character in url) or "\\" in url:
        raise invalid("url", "holds a space, a control character or a backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid("url", "is no address") from None
    host = (parts.hostname or "").lower().rstrip(".")
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(host):
        raise invalid("url", "must be http:// or https:// and a host name")
    if parts.username is not None or parts.password is not None:
        raise invalid("url", "may not hold a name or a password")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), _target(parts.path, parts.query)


def _target(path: str, query: str) -> str:
    return (path or "/") + (f"?{query}" if query else "")


def _is_public(address: str) -> bool:
    """Whether an address is out on the internet; one dressed as IPv6 is undressed first."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return found.ipv4_mapped is not None and _is_public(str(inner))
    return found.is_global and not found.is_multicast


def _read(scheme: str, host: str, port: int, target: str, address: str, url: str) -> Page | str:
    """Ask the very address that was checked, so that a name that changes in between changes nothing."""
    import urllib3

    from jarvis.kernel.outbound import OutboundFault, translated

    timeout = urllib3.Timeout(connect=SECONDS, read=SECONDS)
    pool: Any
    if scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address, port, timeout=timeout, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED"
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    named = host if port in (80, 443) else f"{host}:{port}"
    headers = {"Host": named, "User-Agent": "Jarvis", "Accept": "text/html, text/plain, application/json"}
    try:
        with translated():
            answer = pool.request("GET", target, headers=headers, retries=False, redirect=False, preload_content=False)
            return _taken(answer, url)
    except OutboundFault as fault:
        raise Unavailable(f"{host}: {fault}.") from fault
    finally:
        pool.close()


def _taken(answer: Any, url: str) -> Page | str:
    kind = answer.headers.get("Content-Type", "")
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
        return str(answer.headers["Location"])
    if not READABLE.match(kind):
        raise Unavailable(f"It is {kind[:60] or 'of no known type'}, which is no text.")
    found = bytearray()
    while len(found) <= LARGEST and (chunk := answer.read1(65536, decode_content=True)):
        found += chunk
    text = found[:LARGEST].decode("utf-8", "replace")
    text = as_text(text) if "html" in kind.lower() else text
    return Page(url, answer.status, kind.partition(";")[0], text[:LONGEST_TEXT])


class _Reader(HTMLParser):
    """Collects what a reader would see."""

    SKIPPED = frozenset(("script", "style", "noscript", "template", "svg", "head"))
    BREAKS = frozenset(("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre"))

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._skipping += tag in self.SKIPPED
        if tag in self.BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SKIPPED and self._skipping:
            self._skipping -= 1

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.parts.append(data)


def as_text(html: str) -> str:
    """A page's words without its markup."""
    reader = _Reader()
    reader.feed(html)
    lines = (" ".join(line.split()) for line in "".join(reader.parts).splitlines())
    return "\n".join(line for line in lines if line)
