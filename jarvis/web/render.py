"""Jinja pages: templates from the checkout or the zip, one layout, no request-time surprises."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from jarvis.archive import resources
from jarvis.kernel.clock import Clock, rfc3339, to_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.log import escape_control
from jarvis.web.assets import Assets
from jarvis.web.replies import html
from jarvis.web.reveal import marked, pretty
from jarvis.web.routes import Reply, Request
from jarvis.web.shell import Shell

MOST_FRAMES = 500

MakeShell = Callable[[Context, str], Shell]
"""Everything the layout needs beside the page itself: (ctx, path of the page) → shell."""


class Renderer:
    """Turns a template and a context dataclass into a reply. Pages need `shell`, which knows every route."""

    def __init__(self, clock: Clock, assets: Assets, shell: MakeShell | None = None, *, is_live: bool = False) -> None:
        self.shell = shell
        self._clock = clock
        self.environment = jinja2.Environment(
            loader=jinja2.FunctionLoader(_load if not is_live else _load_live),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=is_live,
        )
        self._frames: dict[tuple[object, ...], Markup] = {}
        self._keeps_frames = not is_live
        self.environment.globals |= {"static": assets.url, "rails": self._rails, "keys": self._keys}
        self.environment.filters |= {
            "rfc3339": rfc3339,
            "exact": exact,
            "precise": precise,
            "hour": lambda instant: to_datetime(instant).strftime("%H:%M"),
            "when": self._when,
            "ago": lambda instant: ago(instant, clock()),
            "size": size,
            "json": lambda value: marked(pretty(value)),
            "plain": lambda value: escape_control(str(value)),
            "short_id": lambda value: f"{value[:4]}…{value[-6:]}",
        }

    def reply(self, request: Request, template: str, context: object, status: int = 200) -> Reply:
        return html(self.text(template, context, request), status)

    def text(self, template: str, context: object, request: Request | None = None) -> str:
        """The rendered template. Without a request it must be a partial that needs no layout."""
        values = _values(context)
        if request is not None:
            values |= {"csrf": request.csrf, "me": request.ctx, "url_path": request.url_path}
            if not template.rpartition("/")[2].startswith("_"):
                assert self.shell is not None
                values["shell"] = self.shell(request.ctx, request.url_path)
        return self.environment.get_template(template).render(values)

    def _rails(self, shell: Shell, csrf: str) -> Markup:
        """The links around every page; the same for the same person, page and counts, so kept."""
        links = tuple((link.item.path, link.is_current, link.waiting) for link in shell.links)
        return self._frame(("shared/_rails.html", links, shell.username, shell.role, csrf), shell, csrf)

    def _keys(self, shell: Shell) -> Markup:
        links = tuple(link.item.path for link in shell.links)
        return self._frame(("shared/_keys.html", links), shell, "")

    def _frame(self, key: tuple[object, ...], shell: Shell, csrf: str) -> Markup:
        kept = self._frames.get(key)
        if kept is None:
            template = self.environment.get_template(str(key[0]))
            kept = Markup(template.render(shell=shell, csrf=csrf))  # noqa: S704 — rendered with autoescape
            if len(self._frames) >= MOST_FRAMES:
                self._frames.clear()
            if self._keeps_frames:
                self._frames[key] = kept
        return kept

    def _when(self, instant: int | None) -> Markup:
        if instant is None:
            return Markup('<span class="quiet">never</span>')
        return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
            rfc3339(instant), exact(instant), ago(instant, self._clock())
        )


def _values(context: object) -> dict[str, Any]:
    if context is None:
        return {}
    if isinstance(context, Mapping):
        return dict(context)
    assert dataclasses.is_dataclass(context)
    return {field.name: getattr(context, field.name) for field in dataclasses.fields(context)}


def _load(name: str) -> str | None:
    try:
        return resources.read_text(f"templates/{name}")
    except FileNotFoundError:
        return None


def _load_live(name: str) -> tuple[str, str, Callable[[], bool]] | None:
    source = _load(name)
    return None if source is None else (source, name, lambda: _load(name) == source)


def exact(instant: int) -> str:
    """2026-11-23 02:44:51 UTC."""
    return to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S UTC")


def precise(instant: int) -> str:
    """2026-11-23 02:44:51.120 UTC: for events, where milliseconds tell."""
    return f"{to_datetime(instant):%Y-%m-%d %H:%M:%S}.{instant // 1000 % 1000:03d} UTC"


def ago(instant: int, now: int) -> str:
    """ "31 min ago", "in 4 min", "just now"."""
    seconds = abs(now - instant) // 1_000_000
    if seconds < 5:
        return "just now"
    for limit, unit, name in (
        (90, 1, "s"),
        (5400, 60, "min"),
        (129_600, 3600, "h"),
        (float("inf"), 86400, "d"),
    ):
        if seconds < limit:
            amount = f"{(seconds + unit // 2) // unit} {name}"
            return f"in {amount}" if instant > now else f"{amount} ago"
    raise AssertionError


def size(count: int) -> str:
    """A number of bytes as people read it: 3.4 GB."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
