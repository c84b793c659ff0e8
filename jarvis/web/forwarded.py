"""Who is really asking, when a trusted proxy stands in between."""

from collections.abc import Callable, Iterable
from typing import Any

from waitress.proxy_headers import MalformedProxyHeader, clear_untrusted_headers, parse_proxy_headers

from jarvis.web.refusal import Refusal

ENVIRON_KEY = "jarvis.forwarded"
TRUSTED = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"})
MARKS = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def is_forwarded(environ: dict[str, Any]) -> bool:
    """Whether anything in the request says that it came through a proxy."""
    return any(name in MARKS or name.startswith("HTTP_X_FORWARDED_") for name in environ)


def believing(application: Application, trusted_proxy: str | None, new_trace_id: Callable[[], str]) -> Application:
    """Wrap an application: forwarding headers count only from that peer, and are removed from all others.

    `environ["jarvis.forwarded"]` tells whether there were any, trusted or not: a peer on loopback that
    forwards is a proxy somebody forgot to name, not the person at the host.
    """

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[ENVIRON_KEY] = is_forwarded(environ)
        untrusted = {"X_FORWARDED_" + name for name in ("FOR", "HOST", "PROTO", "PORT", "BY")} | {"FORWARDED"}
        if trusted_proxy and environ["REMOTE_ADDR"] == trusted_proxy:
            try:
                untrusted = parse_proxy_headers(environ, 1, TRUSTED)
            except MalformedProxyHeader as fault:
                trace_id = new_trace_id()
                refusal = Refusal(400, f"The proxy's {fault.header} header is malformed.")
                body = refusal.body(trace_id)
                length = ("Content-Length", str(len(body)))
                start_response(refusal.status_line, [*refusal.headers(trace_id), length])
                return [body]
        clear_untrusted_headers(environ, untrusted)
        return application(environ, start_response)

    return serve
