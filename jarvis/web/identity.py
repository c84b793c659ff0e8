"""Who is calling: a Bearer token or the session cookie, never both, and from where."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jarvis.kernel.errors import Denied, Malformed

COOKIE = "jarvis_session"
UNSAFE = frozenset(("POST", "PUT", "PATCH", "DELETE"))


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, as the users feature knows them."""

    user_id: str
    username: str
    role: str
    session_id: str | None
    """None for an API token."""


Authenticate = Callable[[str], Principal | None]


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says of its sender. `token` is the secret itself; never log it."""

    principal: Principal | None
    via: str
    token: str

    @property
    def csrf(self) -> str:
        return csrf_token(self.token) if self.via == "cookie" else ""


NOBODY = Caller(None, "", "")


def identify(environ: Mapping[str, Any], authenticate: Authenticate) -> Caller:
    """The caller. An Authorization header switches the cookie off, whatever it holds."""
    authorization = environ.get("HTTP_AUTHORIZATION")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        principal = authenticate(token.strip()) if scheme.lower() == "bearer" else None
        return Caller(principal, "bearer", token.strip()) if principal else NOBODY
    token = cookie(environ.get("HTTP_COOKIE", ""), COOKIE)
    principal = authenticate(token) if token else None
    return Caller(principal, "cookie", token) if principal else NOBODY


def set_cookie(token: str, seconds: int, *, is_secure: bool) -> str:
    """The Set-Cookie header that signs a browser in; with an empty token it signs it out."""
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={token}; Path=/; Max-Age={seconds if token else 0}; HttpOnly; SameSite=Lax{secure}"


def cookie(header: str, name: str) -> str:
    """One cookie's value from a Cookie header, or ""."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip().strip('"')
    return ""


def csrf_token(session_token: str) -> str:
    """The token this session's forms carry; it says nothing about the session's own."""
    return hmac.new(session_token.encode(), b"csrf", hashlib.sha256).hexdigest()


def origin_of(environ: Mapping[str, Any]) -> str:
    return f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}".lower()


def check_same_origin(environ: Mapping[str, Any], *, is_required: bool, also: frozenset[str] = frozenset()) -> None:
    """Raise Denied unless a browser says the request comes from our own pages, or from one of `also`.

    Without either header it is no browser: fine where no cookie speaks for the caller.
    """
    origin = environ.get("HTTP_ORIGIN")
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if origin is not None:
        if origin.lower() != origin_of(environ) and origin.lower() not in also:
            raise Denied("This request comes from another site's page and was not carried out.")
    elif site is not None:
        if site not in ("same-origin", "none"):
            raise Denied("This request comes from another site's page and was not carried out.")
    elif is_required:
        raise Denied("A request signed in by cookie must carry an Origin header. Scripts use a Bearer token.")


def check_form(caller: Caller, sent: str) -> None:
    """Raise Denied unless a form carries its session's CSRF token."""
    if caller.via == "cookie" and not hmac.compare_digest(sent.encode(), caller.csrf.encode()):
        raise Denied("This form is out of date: reload the page and send it again.")


class Hosts:
    """The host names this server answers to, against DNS rebinding."""

    def __init__(self, allowed: tuple[str, ...], bind_host: str) -> None:
        names = allowed or ("localhost", "127.0.0.1", "::1", bind_host)
        self._names = frozenset(name.lower().strip("[]") for name in names)

    def check(self, host: str) -> None:
        """Raise Malformed when the Host header names somebody else."""
        if hostname(host) not in self._names and "*" not in self._names:
            raise Malformed("This server does not answer to that host name. Add it to ALLOWED_HOSTS.")


def hostname(host: str) -> str:
    """The name in a Host header, in lower case, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_direct_loopback(environ: Mapping[str, Any]) -> bool:
    """Whether the client is on this host and nothing forwarded it: a loopback peer and Host."""
    marks = (
        "jarvis.forwarded",  # set by the server, which takes untrusted forwarding headers away
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_REAL_IP",
        "HTTP_VIA",
    )
    if any(environ.get(name) for name in marks):
        return False
    return _is_loopback(environ.get("REMOTE_ADDR", "")) and _is_loopback(hostname(environ.get("HTTP_HOST", "")))


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
