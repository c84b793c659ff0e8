"""Put Jarvis together: the only module that knows every feature."""

import getpass
import importlib
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jarvis.kernel import log, migrate
from jarvis.kernel.clock import Clock
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.db import Database, Tx, Who
from jarvis.kernel.errors import Misconfigured, Unavailable
from jarvis.kernel.ids import Ids
from jarvis.kernel.registry import Registry
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake
from jarvis.policy import store as policy
from jarvis.selfupdate import store as updates
from jarvis.system import store as system
from jarvis.users import store as users
from jarvis.web.identity import Caller

if TYPE_CHECKING:
    from jarvis.chat.live import Live
    from jarvis.kernel.service import Loop, Services
    from jarvis.system.readiness import Readiness
    from jarvis.web.application import Application
    from jarvis.web.metrics import Metrics, Sample
    from jarvis.web.parts import Parts
    from jarvis.web.routes import Routes
    from jarvis.web.server import Server
    from jarvis.web.shell import NavItem, Preferences, ReadStrip, StripState

BUG_ICON = "M8 8h8v7a4 4 0 0 1-8 0zM9.5 8a2.5 2.5 0 0 1 5 0M3.5 12H8m8 0h4.5M5 19l3-2m11 2-3-2M5 6l3 2.5M19 6l-3 2.5"
PEOPLE_ICON = "M9 11a3.5 3.5 0 1 0-.01 0M3 20c0-4 2.5-6 6-6s6 2 6 6M16 5a3 3 0 0 1 0 6m2 3c2 1 3 3 3 6"
FEATURE_ROUTES = (
    "jarvis.users.api",
    "jarvis.users.pages",
    "jarvis.users.admin_pages",
    "jarvis.events.api",
    "jarvis.events.pages",
    "jarvis.lockdown.api",
    "jarvis.lockdown.pages",
    "jarvis.restart.api",
    "jarvis.restart.pages",
    "jarvis.policy.api",
    "jarvis.policy.pages",
    "jarvis.settings.pages",
    "jarvis.search.api",
    "jarvis.notes.api",
    "jarvis.notes.pages",
    "jarvis.doctor.pages",
    "jarvis.schedules.api",
    "jarvis.schedules.pages",
    "jarvis.chat.api",
    "jarvis.chat.pages",
    "jarvis.bugs.api",
    "jarvis.bugs.pages",
    "jarvis.maintenance.api",
    "jarvis.maintenance.pages",
    "jarvis.github.api",
    "jarvis.github.pages",
    "jarvis.backups.api",
    "jarvis.backups.pages",
    "jarvis.selfupdate.api",
    "jarvis.selfupdate.pages",
    "jarvis.queue.api",
    "jarvis.queue.pages",
    "jarvis.overview.pages",
)
"""Modules with `routes(parts: Parts) -> Routes`, in the order /docs shows them."""

FEATURE_PARTS = (
    "jarvis.users.tools",
    "jarvis.queue.report",
    "jarvis.chat.actions",
    "jarvis.events.slash",
    "jarvis.events.tools",
    "jarvis.system.readiness",
    "jarvis.system.slash",
    "jarvis.system.tools",
    "jarvis.lockdown.slash",
    "jarvis.restart.slash",
    "jarvis.lockdown.tasks",
    "jarvis.rehearsal",
    "jarvis.repository.tools",
    "jarvis.host.tools",
    "jarvis.notes.tools",
    "jarvis.policy.slash",
    "jarvis.policy.tasks",
    "jarvis.schedules.report",
    "jarvis.schedules.tasks",
    "jarvis.schedules.tools",
    "jarvis.chat.tasks",
    "jarvis.agent.plain",
    "jarvis.agent.router",
    "jarvis.agent.tasks",
    "jarvis.search.slash",
    "jarvis.search.tools",
    "jarvis.queue.tools",
    "jarvis.bugs.slash",
    "jarvis.bugs.tools",
    "jarvis.maintenance.report",
    "jarvis.maintenance.tasks",
    "jarvis.maintenance.tools",
    "jarvis.github.pull_tasks",
    "jarvis.backups.report",
    "jarvis.github.tasks",
    "jarvis.backups.tasks",
    "jarvis.drill",
    "jarvis.selfupdate.tasks",
    "jarvis.selfupdate.tools",
)
"""Modules with any of the constants below, which the registry takes up."""
CONSTANTS = ("TASKS", "TOOLS", "SLASH", "CHECKS", "STATUS", "REFUSED", "MODELS")


def make_registry() -> Registry:
    """Every feature's tasks, tools, slash commands, readiness checks and shares of the status."""
    registry = Registry()
    for name in FEATURE_PARTS:
        module = importlib.import_module(name)
        for constant in CONSTANTS:
            registry.add(*getattr(module, constant, ()))
    return registry


def make_context(settings: Settings, clock: Clock, registry: Registry) -> Context:
    """The system's own context on an open database. Nothing is migrated here."""
    ids = Ids(clock)
    db = Database.open(settings.app_db, clock, ids, Redactor(settings.secrets()), Wake())
    db.wake.among(settings.jarvis_home / "run")
    return Context(db, settings, clock, ids, registry, "system").traced()


def command_context(settings: Settings, clock: Clock, as_user: str | None, *, registry: bool) -> Context:
    """What a command works with: the database as it is, acting as `cli` or the user named.

    A home without a database gets one; a database of another release is refused with what to do.
    """
    log.configure(settings.log_level, settings.log_format, Redactor(settings.secrets()))
    if not os.access(settings.app_db, os.F_OK):  # unlike exists(), no exception where the home is closed to us
        migrate.migrate(settings.app_db, clock)
    check_standing(settings)
    ctx = make_context(settings, clock, make_registry() if registry else Registry())
    return _acting(ctx, as_user)


def check_standing(settings: Settings) -> None:
    """Raise Unavailable unless the database is there and fits this release."""
    if not os.access(settings.app_db, os.F_OK):
        raise Unavailable(f"There is no database at {settings.app_db} yet. Start the server: jarvis serve")
    standing = migrate.standing(settings.app_db)
    if standing.refusal:
        raise Unavailable(f"The database {settings.app_db} cannot be used. {standing.refusal}")
    if standing.pending:
        raise Unavailable(f"The database is {len(standing.pending)} migrations behind. Run: jarvis migrate")


def _acting(ctx: Context, as_user: str | None) -> Context:
    person = f"cli:{_os_user()}"
    with ctx.db.read() as tx:
        user = users.get_by_name(tx, as_user.lower()) if as_user else users.get(tx, users.CLI_USER_ID)
    if user.is_disabled:
        raise Misconfigured(f"{user.username} is disabled.")
    actor = user.username if as_user else person
    acting = ctx.acting(actor=actor, user_id=user.id, username=user.username, role=user.role)
    return _from_client(acting, person)


def _from_client(ctx: Context, client: str) -> Context:
    from dataclasses import replace

    return replace(ctx, client=client)


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a uid without a name, as in many containers
        return str(os.getuid())


@dataclass(frozen=True, slots=True)
class Web:
    """Makes a request's context."""

    base: Context

    def context(self, caller: Caller, environ: Mapping[str, Any]) -> Context:
        base, person = self.base, caller.principal
        trace_id, span_id = base.ids.new("trc"), base.ids.new("spn")
        actor = person.username if person else "nobody"
        return Context(
            base.db.seen_by(Who(actor, trace_id, span_id, "")),
            base.settings,
            base.clock,
            base.ids,
            base.registry,
            actor,
            person.user_id if person else None,
            person.username if person else "",
            person.role if person else "",
            person.session_id if person else None,
            environ.get("REMOTE_ADDR", ""),
        )


def host_name() -> str:
    """What this host calls itself, for titles and the strip."""
    return socket.gethostname().split(".")[0] or "this host"


def navigation() -> "tuple[NavItem, ...]":
    """Every page that can stand in the rail, in order; who sees which follows from its access."""
    from jarvis.web.routes import Access
    from jarvis.web.shell import NavItem

    user, admin = Access.USER, Access.ADMIN
    return (
        NavItem("/chat", "Chat", user, "M4 5h16v11H9l-5 4z", key="c"),
        NavItem("/admin", "Overview", admin, "M4 20V10M10 20V4M16 20v-8M21 20H3", key="o"),
        NavItem("/admin/approvals", "Approvals", admin, "M5 12l5 5L20 7", key="a"),
        NavItem("/admin/bugs", "Bugs", user, BUG_ICON, key="b"),
        NavItem("/admin/schedules", "Schedules", user, "M12 7v5l3 2M12 4a8 8 0 1 0 .01 0", "Work", "s"),
        NavItem("/admin/maintenance", "Maintenance", admin, "M4 20l9-9M14 4l6 6-4 4-6-6z", "Work"),
        NavItem("/admin/tasks", "Tasks", admin, "M4 7h3m3 0h10M4 12h3m3 0h10M4 17h3m3 0h10", "Work", "t"),
        NavItem("/admin/selfupdate", "Self-update", admin, "M12 19V6m-5 5 5-5 5 5", "Change"),
        NavItem("/admin/permissions", "Permissions", admin, "M12 4l7 3v5c0 4-3 7-7 8-4-1-7-4-7-8V7z", "Change"),
        NavItem("/admin/lockdown", "Lockdown", admin, "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3", "Change"),
        NavItem("/admin/restart", "Restart", admin, "M19 12a7 7 0 1 1-2-5m2-3v4h-4", "Change"),
        NavItem("/admin/events", "Events", admin, "M5 5h14M5 10h14M5 15h9M5 20h6", "Record", "e"),
        NavItem("/admin/backups", "Backups", admin, "M5 5h14v5H5zM5 14h14v5H5zM8 7.5h.01M8 16.5h.01", "Record"),
        NavItem("/admin/github", "GitHub", admin, "M7 5v14M7 9c0 4 10 2 10 6M17 5v10", "Record"),
        NavItem("/admin/doctor", "Doctor", admin, "M9 4h6v5h5v6h-5v5H9v-5H4V9h5z", "System"),
        NavItem("/admin/users", "Users", admin, PEOPLE_ICON, "System", "u"),
        NavItem("/admin/settings", "Settings", admin, "M4 8h9m4 0h3M15 6v4M4 16h3m4 0h9M9 14v4", "System"),
        NavItem("/notes", "Notes", user, "M6 4h9l4 4v12H6zM9 11h7M9 15h7", "You"),
        NavItem("/account", "Account", user, "M12 11a4 4 0 1 0-.01 0M4.5 20c.5-4 3-6 7.5-6s7 2 7.5 6", "You"),
    )  # fmt: skip


def make_parts(base: Context, *, is_live: bool = False) -> "Parts":
    """What the features' routes share. `is_live` reads templates and static files anew at each use."""
    from jarvis.kernel.throttle import Throttle
    from jarvis.web.assets import Assets
    from jarvis.web.metrics import Metrics
    from jarvis.web.parts import Parts
    from jarvis.web.render import Renderer

    settings, files = base.settings, Assets(is_live=is_live)
    return Parts(
        settings=settings,
        host=host_name(),
        logins=Throttle(settings.rate_limit_logins_per_minute),
        posts=Throttle(settings.rate_limit_messages_per_minute),
        renderer=Renderer(base.clock, files, is_live=is_live),
        assets=files,
        metrics=Metrics(),
    )


def build_application(
    base: Context,
    *,
    is_live: bool = False,
    read_strip: "ReadStrip | None" = None,
    more: "Iterable[Routes]" = (),
    parts: "Parts | None" = None,
) -> "Application":
    """Every feature's pages and API behind one WSGI callable.

    `more` adds routes that only the server has; `parts` are those it was made with.
    """
    from jarvis.users.recognition import Recognition
    from jarvis.web import assets, docs
    from jarvis.web.application import Application
    from jarvis.web.identity import Hosts
    from jarvis.web.shell import Shells, existing

    settings, parts = base.settings, parts or make_parts(base, is_live=is_live)
    tables: list[Routes] = [importlib.import_module(name).routes(parts) for name in FEATURE_ROUTES]
    tables += [*more, docs.routes_for(lambda: tables), assets.routes_for(parts.assets)]
    routes = [route for table in tables for route in table]
    nav = existing(navigation(), (route.path for route in routes if route.method == "GET"))
    parts.renderer.shell = Shells(base.clock, parts.host, nav, read_strip or strip_state, _preferences)
    web = Web(base)
    return Application(
        routes,
        make_context=web.context,
        authenticate=Recognition(base),
        hosts=Hosts(settings.allowed_hosts, settings.bind_host),
        cors_origins=settings.web_cors_origins,
        renderer=parts.renderer,
        metrics=parts.metrics,
    )


@dataclass
class Vitals:
    """How the running server itself is; `services` and `server` are there once they are started."""

    live: "Live"
    services: "Services | None" = None
    server: "Server | None" = None
    is_leaving: bool = False
    """Whether the drain has begun."""

    def check_loops(self, ctx: Context) -> str:
        """The readiness check over the service loops."""
        if self.services is None:
            return "not started yet"
        stale = self.services.stale()
        if stale:
            raise Unavailable(f"not beating: {', '.join(stale)}")
        count = len(self.services.loops)
        return f"{count} of {count} beating"

    def samples(self, ctx: Context) -> "list[Sample]":
        """What /metrics shows beside the requests."""
        from jarvis.overview import figures
        from jarvis.system.samples import samples

        found = samples(ctx) + figures.samples(ctx)
        for name, value in self.live.hub.stats().items():
            found.append((f"jarvis_hub_{name}", "gauge", "", value))
        if self.server is not None:
            stats = self.server.stats()
            found += [
                ("jarvis_http_connections", "gauge", "", stats.channels),
                ("jarvis_http_in_flight", "gauge", "", stats.in_flight),
                ("jarvis_http_queued", "gauge", "", stats.queued),
                ("jarvis_http_overload_refusals_total", "counter", "", stats.refused),
            ]
        for loop in self.services.loops if self.services else ():
            found.append(("jarvis_loop_restarts_total", "counter", f'loop="{loop.name}"', loop.restarts))
        return found


@dataclass(frozen=True, slots=True)
class Served:
    """What a server is made of, put together and not yet started."""

    application: "Application"
    live: "Live"
    readiness: "Readiness"
    vitals: Vitals
    metrics: "Metrics"
    loops: "list[Loop]"


def build(ctx: Context, *, is_live: bool) -> Served:
    """Everything a server serves, over one context; `ctx.registry` is completed with its own checks."""
    from jarvis.chat.live import Live
    from jarvis.kernel.registry import Check
    from jarvis.kernel.service import Loop
    from jarvis.lockdown.services import ReadinessWatch
    from jarvis.selfupdate.actions import settling
    from jarvis.system import api as system_api
    from jarvis.system.readiness import Readiness

    readiness = Readiness(ctx)
    parts = make_parts(ctx, is_live=is_live)
    live = Live(ctx, parts.renderer)
    vitals = Vitals(live)
    readiness.heard = ReadinessWatch(ctx, lambda: vitals.is_leaving or settling.is_on_its_way()).heard
    more = [live.routes(), system_api.routes(readiness, parts.metrics, vitals.samples)]
    application = build_application(ctx, is_live=is_live, more=more, parts=parts)
    ctx.registry.add(Check("loops", True, vitals.check_loops), *readiness.parts())
    readying = Loop("readiness", readiness.step, ctx.settings.readiness_interval_seconds)
    return Served(application, live, readiness, vitals, parts.metrics, [*live.loops(), readying])


def _needing(tx: Tx) -> dict[str, int]:
    """What waits for an admin, by the page it waits on."""
    return {"/admin/approvals": policy.pending(tx), "/admin/selfupdate": updates.waiting(tx)}


def strip_state(ctx: Context) -> "StripState":
    """What the strip says: locked down, restarting, or ready."""
    from jarvis.web.shell import StripState

    with ctx.db.read() as tx:
        state = system.state(tx)
        waiting = _needing(tx) if ctx.is_admin else {}
    if state.lockdown:
        why, by = state.lockdown_reason or "", state.lockdown_by or ""
        return StripState("danger", "Locked down", why, state.lockdown_at, by, waiting=waiting)
    if state.restarting:
        return StripState("busy", "Restarting", "running work is finishing; nothing is lost", waiting=waiting)
    return StripState(waiting=waiting)


def _preferences(ctx: Context) -> "Preferences":
    from jarvis.web.shell import Preferences

    assert ctx.user_id is not None
    with ctx.db.read() as tx:
        user = users.get(tx, ctx.user_id)
    return Preferences(user.theme, bool(user.has_keys))
