"""From a WSGI call to a route's handler and back: hosts, identity, origin, body, faults, headers."""

import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import bottle

from jarvis.kernel import log, schema
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, JarvisError, Malformed, NotFound, Unauthenticated
from jarvis.web import bodies, faults, identity
from jarvis.web.foreground import Foreground
from jarvis.web.identity import NOBODY, Caller
from jarvis.web.metrics import Metrics
from jarvis.web.render import Renderer
from jarvis.web.replies import PRIVATE, see_other
from jarvis.web.routes import Access, Reply, Request, Route

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))
SHOWN_AGAIN = frozenset((401, 403, 409, 422, 429))
"""What a form is shown again for, with what was typed."""

MakeContext = Callable[[Caller, Mapping[str, Any]], Context]
StartResponse = Callable[..., Any]


class Router(bottle.Router):  # type: ignore[misc]
    """bottle's router, its patterns joined once at the end and not after each of a hundred routes."""

    def _compile(self, method: str) -> None:
        """Wait for `compile`."""

    def compile(self) -> None:
        for method in self.dyna_routes:
            super()._compile(method)


class Application:
    """Every route behind one WSGI callable."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        make_context: MakeContext,
        authenticate: identity.Authenticate,
        hosts: identity.Hosts,
        cors_origins: tuple[str, ...],
        renderer: Renderer,
        metrics: Metrics,
    ) -> None:
        self.routes = list(routes)
        self._make_context = make_context
        self._authenticate = authenticate
        self._hosts = hosts
        self._cors = frozenset(origin.lower().rstrip("/") for origin in cors_origins)
        self.renderer = renderer
        self.metrics = metrics
        self.foreground = Foreground()
        self._router = Router()
        for route in self.routes:
            rule = route.path.replace("{", "<").replace("}", ">")
            self._router.add(rule, route.method, route)
        self._router.compile()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        with self.foreground:
            reply, path = self._answer(environ)
        method = environ["REQUEST_METHOD"]
        seconds = time.perf_counter() - started
        self.metrics.observe(method if method in METHODS else "other", path, reply.status, seconds)
        return _send(reply, method, start_response)

    def _answer(self, environ: dict[str, Any]) -> tuple[Reply, str]:
        """The reply to anything, and the path of the route that gave it. Never raises."""
        route: Route | None = None
        request: Request | None = None
        try:
            self._hosts.check(environ.get("HTTP_HOST", ""))
            route, path = self._match(environ)
            request = self._begin(route, path, environ)
            reply = self._admit(route, request) or route.run(self._filled(route, request))
        except Exception as error:
            faults.report(error, environ["REQUEST_METHOD"], environ["PATH_INFO"])
            route = route or _missed(NotFound(), environ)
            request = request or self._request(NOBODY, {}, environ)
            reply = self._fault(error, route, request)
        finally:
            log.trace.set("")
        return self._finish(reply, environ, request.ctx.trace_id), route.path

    def _match(self, environ: dict[str, Any]) -> tuple[Route, dict[str, str]]:
        """The route asked for; one that answers with the fault when there is none."""
        try:
            environ["PATH_INFO"] = environ["PATH_INFO"].encode("latin-1").decode("utf-8")
        except UnicodeError:
            return _missed(Malformed("The address is not valid UTF-8."), environ), {}
        if environ["REQUEST_METHOD"] == "OPTIONS" and environ["PATH_INFO"].startswith("/api/"):
            return _PREFLIGHT, {}
        try:
            route, path = self._router.match(environ)
        except bottle.HTTPError as missed:
            return _missed(_explained(missed), environ), {}
        return route, path

    def _begin(self, route: Route, path: dict[str, str], environ: dict[str, Any]) -> Request:
        caller = identity.identify(environ, self._authenticate) if route.must_know_caller else NOBODY
        request = self._request(caller, path, environ)
        log.trace.set(request.ctx.trace_id)
        return request

    def _request(self, caller: Caller, path: dict[str, str], environ: dict[str, Any]) -> Request:
        ctx = self._make_context(caller, environ)
        return Request(environ, ctx, path, caller=caller, render=self.renderer.reply)

    def _admit(self, route: Route, request: Request) -> Reply | None:
        """Raise or redirect unless the caller may use the route."""
        caller, environ = request.caller, request.environ
        if route.method in identity.UNSAFE and route.access is not Access.SIGNED and caller.via != "bearer":
            by_cookie = caller.via == "cookie"
            identity.check_same_origin(environ, is_required=by_cookie, also=frozenset() if by_cookie else self._cors)
        if route.access in (Access.ALL, Access.SIGNED):
            return None
        if route.access is Access.LOCAL and identity.is_direct_loopback(environ):
            return None
        if caller.principal is None:
            if route.is_page:
                return _to_sign_in(route, request)
            raise Unauthenticated("Sign in first: send Authorization: Bearer TOKEN, or the session cookie.")
        if route.access is Access.ADMIN and caller.principal.role != "admin":
            raise Denied("Only an admin may do this.")
        return None

    def _filled(self, route: Route, request: Request) -> Request:
        """The request with its query and body read and checked."""
        if route.query:
            request.query = bodies.query(route.query, request.environ)
        if route.method in identity.UNSAFE:
            request.raw = bodies.read(request.environ, route.most_bytes)
            if not route.takes_raw:
                request.body = _body(route, request)
        return request

    def _fault(self, error: Exception, route: Route, request: Request) -> Reply:
        if not route.is_page:
            return faults.as_problem(error, request.ctx.trace_id)
        try:
            reply = _shown_again(error, route, request) or self._fault_page(error, request)
        except Exception as second:  # the page that should tell of it failed as well
            faults.report(second, "showing", request.url_path)
            return faults.as_problem(error, request.ctx.trace_id)
        return Reply(reply.status, reply.body, {**reply.headers, **faults.headers_of(error)})

    def _fault_page(self, error: Exception, request: Request) -> Reply:
        shown = faults.page(error, request.ctx.trace_id)
        template = "errors/_fault.html" if request.wants_partial else "errors/fault.html"
        return self.renderer.reply(request, template, shown, shown.status)

    def _finish(self, reply: Reply, environ: Mapping[str, Any], trace_id: str) -> Reply:
        headers = {**SECURITY, "X-Request-Id": trace_id, **reply.headers}
        if self._cors and environ["PATH_INFO"].startswith("/api/"):
            headers["Vary"] = "Origin"
            if environ.get("HTTP_ORIGIN", "").lower() in self._cors:
                headers |= _cors_headers(environ["HTTP_ORIGIN"])
        return Reply(reply.status, reply.body, headers)


def _send(reply: Reply, method: str, start_response: StartResponse) -> Iterable[bytes]:
    headers = list(reply.headers.items())
    is_whole = isinstance(reply.body, bytes)
    if is_whole and reply.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append(("Content-Length", str(len(reply.body))))
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
    if method != "HEAD":
        body: Iterable[bytes] = [reply.body] if is_whole else reply.body
        return body
    if hasattr(reply.body, "close"):
        reply.body.close()
    return []


_PREFLIGHT = Route(
    method="OPTIONS",
    path="preflight",
    run=lambda request: Reply(HTTPStatus.NO_CONTENT, b"", PRIVATE),
    access=Access.ALL,
    summary="What a browser asks before it lets another site's page call the API.",
)


def _missed(error: JarvisError, environ: Mapping[str, Any]) -> Route:
    """The route that stands at every address without one."""

    def refuse(request: Request) -> Reply:
        raise error

    is_page = "text/html" in environ.get("HTTP_ACCEPT", "") and not environ["PATH_INFO"].startswith("/api/")
    return Route(method="GET", path="unrouted", run=refuse, access=Access.ALL, summary="", is_page=is_page)


def _explained(missed: bottle.HTTPError) -> JarvisError:
    if missed.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return NotFound("There is nothing at this address.")
    allowed = set(str(missed.headers["Allow"]).split(","))
    return faults.WrongMethod(", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))))


def _to_sign_in(route: Route, request: Request) -> Reply:
    location = _sign_in(route, request.environ)
    if request.wants_partial:  # a redirect would be followed and swapped into the page
        return Reply(HTTPStatus.UNAUTHORIZED, b"", {"HX-Redirect": location, "WWW-Authenticate": "Bearer", **PRIVATE})
    return see_other(location)


def _sign_in(route: Route, environ: Mapping[str, Any]) -> str:
    if route.method != "GET" or environ["PATH_INFO"] in ("/", "/chat") or environ.get("HTTP_HX_REQUEST"):
        return "/login"
    query = environ.get("QUERY_STRING", "")
    target = environ["PATH_INFO"] + (f"?{query}" if query else "")
    return "/login?next=" + quote(target, safe="/")


def _body(route: Route, request: Request) -> dict[str, Any]:
    if not route.is_page:
        return bodies.json_fields(route.body, request.environ, request.raw)
    values = bodies.form(request.environ, request.raw)
    sent = values.pop("csrf_token", "") or request.header("X-CSRF-Token")
    request.typed = values
    if route.access is not Access.ALL:  # signing in acts for nobody yet; its Origin has been checked
        identity.check_form(request.caller, sent)
    return schema.from_text(route.body or {}, values)


def _shown_again(error: Exception, route: Route, request: Request) -> Reply | None:
    """The form that was refused, when the route can show it again and it was read at all."""
    if route.again is None or request.typed is None or not isinstance(error, JarvisError):
        return None
    return route.again(request, error) if error.status in SHOWN_AGAIN else None


def _cors_headers(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Expose-Headers": "Location, Retry-After, X-Request-Id",
        "Access-Control-Max-Age": "600",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
