"""The frame around every page: what the strip says, which links stand in the rail, and the theme."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from jarvis import __version__
from jarvis.kernel.clock import Clock
from jarvis.kernel.context import Context
from jarvis.web.routes import Access

MOST_DOCKED = 5
"""As many links as fit across a phone; with more, the last is "More"."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """One page in the rail. Without a group it stands at the top, and in a phone's dock."""

    path: str
    label: str
    access: Access
    icon: str
    """Path data of a 24 × 24 drawing in strokes."""
    group: str = ""
    key: str = ""
    """The letter that goes there after `g`."""

    def is_for(self, ctx: Context) -> bool:
        """Whether this person gets a link to it."""
        if ctx.user_id is None:
            return self.access is Access.ALL
        return ctx.is_admin or self.access is not Access.ADMIN


@dataclass(frozen=True, slots=True)
class Link:
    """A nav item on one person's page."""

    item: NavItem
    is_current: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class Group:
    """Links under one heading of the rail."""

    title: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class StripState:
    """How Jarvis is, as the strip of every page says it."""

    kind: str = "ok"
    """"ok", "busy" (restarting), "attention" (degraded) or "danger" (locked down)."""
    word: str = "Ready"
    why: str = ""
    since: int | None = None
    by: str = ""
    running: int = 0
    """Tasks at work right now."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Path of a nav item → how many things there need a person."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody likes their pages."""

    theme: str = "system"
    """"system", "light" or "dark"."""
    has_keys: bool = True
    """Whether single keys do things."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What the layout shows around one page."""

    host: str
    now: int
    strip: StripState
    dock: tuple[Link, ...]
    groups: tuple[Group, ...]
    username: str
    role: str
    preferences: Preferences
    version: str = __version__

    @property
    def is_signed_in(self) -> bool:
        return bool(self.username)

    @property
    def is_short(self) -> bool:
        """Whether every link, with "Sign out", fits into a phone's dock."""
        return not self.groups

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link, in order."""
        return (*self.dock, *(link for group in self.groups for link in group.links))

    @property
    def need_you(self) -> int:
        """How many things wait for this very person: those on pages they may see."""
        return sum(link.waiting for link in self.links)

    @property
    def first_call(self) -> str:
        """Where to see what waits: the overview, or the first page that has something."""
        if self.leads_to("/admin"):
            return "/admin#person"
        return next(link.item.path for link in self.links if link.waiting)

    def leads_to(self, path: str) -> bool:
        """Whether this person has a link to a page."""
        return any(link.item.path == path for link in self.links)


ReadStrip = Callable[[Context], StripState]
ReadPreferences = Callable[[Context], Preferences]


@dataclass(frozen=True, slots=True)
class Shells:
    """Makes the shell of a page: who may see which links is decided here, once."""

    clock: Clock
    host: str
    nav: tuple[NavItem, ...]
    read_strip: ReadStrip
    read_preferences: ReadPreferences

    def __call__(self, ctx: Context, path: str) -> Shell:
        if ctx.user_id is None:
            return Shell(self.host, self.clock(), StripState(), (), (), "", "", Preferences())
        strip = self.read_strip(ctx)
        links = [Link(i, _is_at(i.path, path), strip.waiting.get(i.path, 0)) for i in self.nav if i.is_for(ctx)]
        dock, groups = _arranged(links)
        preferences = self.read_preferences(ctx)
        return Shell(self.host, self.clock(), strip, dock, groups, ctx.username, ctx.role, preferences)


def existing(nav: Iterable[NavItem], paths: Iterable[str]) -> tuple[NavItem, ...]:
    """The items whose pages there are."""
    known = frozenset(paths)
    return tuple(item for item in nav if item.path in known)


def _is_at(item: str, path: str) -> bool:
    return path == item or (path.startswith(item + "/") and item != "/admin")


def _arranged(links: list[Link]) -> tuple[tuple[Link, ...], tuple[Group, ...]]:
    """The dock and the groups; everything is docked when it fits beside "Sign out"."""
    if len(links) < MOST_DOCKED:
        return tuple(links), ()
    titles = dict.fromkeys(link.item.group for link in links if link.item.group)
    groups = (Group(t, tuple(link for link in links if link.item.group == t)) for t in titles)
    return tuple(link for link in links if not link.item.group), tuple(groups)
