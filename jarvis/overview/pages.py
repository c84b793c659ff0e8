"""/admin: is it all right, what wants a person, how it has been, what comes next."""

import hashlib
from dataclasses import dataclass
from typing import Any

from jarvis import __version__
from jarvis.agent import store as agent
from jarvis.backups import actions as backups_actions
from jarvis.backups import store as backups
from jarvis.kernel.clock import SECOND, parse_rfc3339, to_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.schema import Field
from jarvis.lockdown import store as lockdown
from jarvis.maintenance import actions as maintenance
from jarvis.overview import pictures, store
from jarvis.overview.attention import Wanted, wanted
from jarvis.overview.pictures import Gauge, Runs, Times
from jarvis.queue import store as tasks
from jarvis.restart import store as restarts
from jarvis.schedules import store as schedules
from jarvis.selfupdate import store as updates
from jarvis.system import actions as system
from jarvis.web import replies
from jarvis.web.parts import Parts
from jarvis.web.render import size
from jarvis.web.routes import Access, Reply, Request, Routes

PAGE = "/admin"
EVERY_SECONDS = 5
SHOWN = 5
DAY = 86_400 * SECOND
MINUTE = 60 * SECOND
"""Figures that always change are news once a minute."""
MOST_SAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Coming:
    """Something that will happen by itself."""

    what: str
    detail: str
    href: str
    at: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that was tried, and how it went; `is_ok` None: never yet."""

    what: str
    detail: str
    href: str
    is_ok: bool | None
    at: int | None


@dataclass(frozen=True, slots=True)
class Now:
    """What is swapped while the page is looked at."""

    host: str
    version: str
    says: str
    wanted: list[Wanted]
    status: dict[str, Any]
    runs: Runs
    times: Times
    coming: list[Coming]
    proofs: list[Proof]
    gauges: list[Gauge]
    host_says: str
    mark: str
    every: int


@dataclass(frozen=True, slots=True)
class OverviewPage:
    now: Now


def routes(parts: Parts) -> Routes:
    """The dashboard."""
    table = Routes("overview", pages=True)

    @table.get(PAGE, Access.ADMIN, "How everything is.", query={"seen": Field(kind="string", longest=40)})
    def index(request: Request) -> Reply:
        now = _now(request.ctx, parts.host)
        if not request.wants_partial:
            return request.page("overview/index.html", OverviewPage(now))
        if request.query.get("seen") == now.mark:
            return replies.no_content()
        return request.page("overview/_now.html", OverviewPage(now))

    return table


def _now(ctx: Context, host: str) -> Now:
    status, people_wanted = system.status(ctx), wanted(ctx)
    with ctx.db.read() as tx:
        now = tx.now
        runs = pictures.runs(tasks.outcomes_by_hour(tx, now - DAY), now)
        times = pictures.times(store.since(tx, now - DAY, MOST_SAMPLES), now)
        coming, proofs, (gauges, host_says) = _coming(ctx, tx), _proofs(ctx, tx), _host(ctx, tx)
    says = sentence(host, status, people_wanted)
    shown = (says, people_wanted, status["checks"], runs, coming, proofs, now // MINUTE)
    mark = hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]
    return Now(
        host, __version__, says, people_wanted, status, runs, times, coming, proofs, gauges, host_says, mark,
        EVERY_SECONDS,
    )  # fmt: skip


def sentence(host: str, status: dict[str, Any], found: list[Wanted]) -> str:
    """Is it all right? In one sentence."""
    if status["system"]["lockdown"]:
        return f"{host} is locked down: only reading works until somebody unlocks it."
    if status["system"]["restarting"]:
        return f"{host} is restarting; nothing is lost."
    answers = f"{host} answers." if status.get("ready") is not False else f"{host} is not ready."
    if not found:
        return f"{answers} Nothing wants a person."
    urgent = sum(one.kind == "danger" for one in found)
    many = "One thing wants" if len(found) == 1 else f"{len(found)} things want"
    return f"{answers} {many} a person, {f'{urgent} of them broken' if urgent else 'nothing is broken'}."


def _coming(ctx: Context, tx: Tx) -> list[Coming]:
    found = [
        Coming(one.name, f"schedule, {one.cron_expr}", f"/admin/schedules/{one.id}", one.next_due_at or 0)
        for one in schedules.coming(tx, SHOWN)
    ]
    at = backups_actions.next_due_at(ctx, tx)
    if at is not None:
        found.append(Coming("Backup", f"every {_span(ctx.settings.backup_interval_seconds)}", "/admin/backups", at))
    at = maintenance.next_due_at(ctx, tx)
    if at is not None:
        every = _span(ctx.settings.maintenance_interval_seconds)
        found.append(Coming("Maintenance", f"every {every}", "/admin/maintenance", at))
    return sorted(found, key=lambda one: one.at)[:SHOWN]


def _span(seconds: int) -> str:
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % unit == 0 and seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _proofs(ctx: Context, tx: Tx) -> list[Proof]:
    return [_rehearsed(tx), _backed_up(tx), _drilled(tx), _rolled_back(tx), _restarted(tx)]


def _rehearsed(tx: Tx) -> Proof:
    found = lockdown.last_rehearsal(tx)
    href = "/admin/lockdown#rehearsal"
    if found is None:
        return Proof("Lockdown rehearsal", "jarvis lockdown rehearse holds the first", href, None, None)
    said = "nothing got through" if found.is_ok else "something got through"
    return Proof("Lockdown rehearsal", said, href, found.is_ok, found.at)


def _backed_up(tx: Tx) -> Proof:
    found = next(iter(backups.newest(tx, 1)), None)
    if found is None:
        return Proof("Backup", "none has been made yet", "/admin/backups", None, None)
    said = found.problem or f"{size(found.bytes)}, opened and checked up to event {found.head_seq}"
    return Proof("Backup", said, "/admin/backups", found.problem is None, found.verified_at)


def _drilled(tx: Tx) -> Proof:
    held = next(iter(backups.newest_drills(tx, 1)), None)
    href = "/admin/backups#drill-h"
    if held is None:
        return Proof("Restore drill", "jarvis backup drill holds the first", href, None, None)
    said = held.problem or f"everything was there, ready in {(held.restore_ms + held.ready_ms) / 1000:.1f} s"
    return Proof("Restore drill", said, href, held.problem is None, held.created_at)


def _rolled_back(tx: Tx) -> Proof:
    held = updates.last_drill(tx)
    href = "/admin/selfupdate#drill-h"
    if held is None:
        return Proof("Rollback drill", "jarvis selfupdate drill holds the first", href, None, None)
    said = held["problem"] or f"the old version served again both times, {held['seconds']:.1f} s in all"
    return Proof("Rollback drill", said, href, bool(held["ok"]), parse_rfc3339(held["at"]))


def _restarted(tx: Tx) -> Proof:
    found = next((one for one in restarts.newest(tx, 2) if one.is_over), None)
    if found is None:
        return Proof("Restart", "none has been asked for yet", "/admin/restart", None, None)
    took = f"ready again in {found.seconds or 0:.1f} s" if found.state == "complete" else found.error or "it failed"
    return Proof("Restart", took, "/admin/restart", found.state == "complete", found.ended_at)


def _host(ctx: Context, tx: Tx) -> tuple[list[Gauge], str]:
    """What is used of the host, and how long it is up and how busy, in words."""
    last, seen = store.last(tx), system.vital()
    days = pictures.full_in_days(store.first_since(tx, tx.now - 7 * DAY), last)
    found = []
    if last is not None:
        soon = f", full in about {days} d" if days is not None else ""
        words = f"{size(last.disk_used)} of {size(last.disk_total)}{soon}"
        found.append(pictures.gauge("Disk", last.disk_used, last.disk_total, words))
    if seen.memory is not None:
        used, whole = seen.memory.total - seen.memory.available, seen.memory.total
        found.append(pictures.gauge("Memory", used, whole, f"{size(used)} of {size(whole)}"))
        if seen.worker_bytes is not None:
            words = f"{size(seen.worker_bytes)} of {size(whole)}"
            found.append(pictures.gauge("Jarvis worker", seen.worker_bytes, whole, words))
    budget = ctx.settings.provider_daily_token_budget
    spent = sum(one.input_tokens + one.output_tokens for one in agent.usage(tx, f"{to_datetime(tx.now):%Y-%m-%d}"))
    if budget:
        found.append(pictures.gauge("Model tokens today", spent, budget, f"{spent:,} of {budget:,}"))
    parts = []
    if seen.uptime_seconds is not None:
        days, hours = seen.uptime_seconds // 86_400, seen.uptime_seconds // 3600
        parts.append(f"up {days} d" if days else f"up {hours} h" if hours else f"up {seen.uptime_seconds // 60} min")
    if seen.load is not None:
        parts.append(f"load {seen.load.one:.2f} of {seen.cpus}")
    return found, ", ".join(parts)
