"""Routes as declarations: a route cannot exist without saying who may call it."""

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError
from jarvis.kernel.schema import Field, Fields
from jarvis.web.identity import NOBODY, Caller


class Access(enum.Enum):
    """Who may call a route. Ownership is the action's to check."""

    ALL = "anyone"
    USER = "signed in"
    ADMIN = "admin"
    SIGNED = "a valid signature"
    LOCAL = "a token, or loopback"


@dataclass(slots=True)
class Request:
    """One request as a handler sees it: checked, bounded, and on whose behalf."""

    environ: Mapping[str, Any]
    ctx: Context
    path: dict[str, str]
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    typed: dict[str, str] | None = None
    """A form's values as text, before they were checked."""
    caller: Caller = NOBODY
    render: "Callable[[Request, str, object, int], Reply] | None" = None

    def page(self, template: str, context: object = None, status: int = 200) -> "Reply":
        """Render a template with a context dataclass, in the layout when it extends it."""
        assert self.render is not None
        return self.render(self, template, context, status)

    def header(self, name: str) -> str:
        value: str = self.environ.get("HTTP_" + name.upper().replace("-", "_"), "")
        return value

    @property
    def csrf(self) -> str:
        """The token that this session's forms carry."""
        return self.caller.csrf

    @property
    def via(self) -> str:
        """How the caller signed in: "cookie", "bearer" or ""."""
        return self.caller.via

    @property
    def url_path(self) -> str:
        value: str = self.environ["PATH_INFO"]
        return value

    @property
    def is_secure(self) -> bool:
        """Whether the caller came over https."""
        return bool(self.environ["wsgi.url_scheme"] == "https")

    @property
    def wants_partial(self) -> bool:
        """Whether htmx asked, and will swap what comes."""
        return bool(self.header("HX-Request")) and not self.header("HX-Boosted")


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a status, bytes or an iterable of bytes, and headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


Handler = Callable[[Request], Reply]
Again = Callable[[Request, JarvisError], Reply]
"""Shows a refused form once more, or raises the error to get the ordinary page about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method and path, who may call it, what it takes and what it answers."""

    method: str
    path: str
    run: Handler
    access: Access
    summary: str
    is_page: bool = False
    query: Fields = field(default_factory=dict)
    body: Fields | None = None
    answers: Mapping[int, str] = field(default_factory=dict)
    """Status → name of the schema answered, "Name[]" for a page of them, or a sentence."""
    most_bytes: int = 1 << 20
    takes_raw: bool = False
    again: Again | None = None
    tag: str = ""

    @property
    def must_know_caller(self) -> bool:
        """Whether it matters who is asking: not for /healthz, style sheets and the like."""
        return self.is_page or self.access not in (Access.ALL, Access.SIGNED)


LIST_QUERY: Fields = {
    "limit": Field(kind="integer", lowest=1, highest=200, help="How many at most (50)."),
    "after": Field(kind="string", longest=200, help="Opaque `next` of the page before."),
}


class Routes:
    """Collects a feature's routes, and the schemas their answers are named by."""

    def __init__(self, tag: str, *, pages: bool = False, schemas: Mapping[str, Fields] | None = None) -> None:
        self._tag = tag
        self._pages = pages
        self._routes: list[Route] = []
        self.schemas: Mapping[str, Fields] = schemas or {}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def include(self, other: "Routes") -> None:
        """Take another table's routes in."""
        self._routes += other

    def get(self, path: str, access: Access, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("GET", path, access, summary, more)

    def post(self, path: str, access: Access, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("POST", path, access, summary, more)

    def put(self, path: str, access: Access, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("PUT", path, access, summary, more)

    def patch(self, path: str, access: Access, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("PATCH", path, access, summary, more)

    def delete(self, path: str, access: Access, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, access, summary, more)

    def _add(
        self, method: str, path: str, access: Access, summary: str, more: dict[str, Any]
    ) -> Callable[[Handler], Handler]:
        if not isinstance(access, Access):
            raise TypeError(f"{method} {path} does not say who may call it")

        def register(handler: Handler) -> Handler:
            self._routes.append(
                Route(
                    method=method,
                    path=path,
                    run=handler,
                    access=access,
                    summary=summary,
                    is_page=self._pages,
                    tag=self._tag,
                    **more,
                )
            )
            return handler

        return register
