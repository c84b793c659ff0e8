"""Findings about what runs: database contents, people, the record, the server and its port."""

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from jarvis.doctor import stopping
from jarvis.doctor.findings import Finding, Patient
from jarvis.events import store as record
from jarvis.kernel import config, events, migrate
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.errors import JarvisError
from jarvis.system import server
from jarvis.system import store as system
from jarvis.users import store as users

LINKS_CHECKED = 5000
SKEW_SECONDS = 60
LOOKED_AT = ("migrations", "disk")
"""Readiness checks that doctor makes better itself."""


def database(patient: Patient) -> Iterator[Finding]:
    """The database fits this release."""
    path = patient.settings.app_db
    if not os.access(path, os.R_OK | os.W_OK):  # said by the look at the files
        return
    try:
        standing = migrate.standing(path)
    except JarvisError as error:
        yield Finding("database-unusable", "error", str(error), "put a backup of the database in its place")
        return
    if standing.refusal:
        message = f"The database cannot be used. {standing.refusal}"
        fix = "run the release that made it, or put a backup in its place"
        yield Finding("database-unusable", "error", message, fix)
    elif standing.pending:
        names = ", ".join(migration.name for migration in standing.pending)
        message = f"The database lacks migrations of this release: {names}."
        yield Finding("migrations-pending", "error", message, "jarvis migrate")


def people(patient: Patient) -> Iterator[Finding]:
    """Somebody can administer."""
    if patient.ctx is None:
        return
    with patient.ctx.db.read() as tx:
        admins, everybody = users.count_active_admins(tx), users.count(tx)
    if admins:
        return
    message = "No admin can sign in yet." if everybody else "Nobody can sign in yet."
    fix = "jarvis user add NAME --role admin" + ("" if everybody else ", or jarvis doctor --fix for a setup link")
    yield Finding("no-admin", "warning", message, fix, is_mendable=not everybody)


def chain(patient: Patient) -> Iterator[Finding]:
    """The newest part of the record is whole, and its clock runs forward."""
    if patient.ctx is None:
        return
    with patient.ctx.db.read() as tx:
        found = events.verify_newest(tx, LINKS_CHECKED)
        newest = record.newest(tx, record.Filter(), 1)
        now = tx.now
    if found.problems:
        message = f"The record of events was tampered with or damaged: {found.problems[0]}."
        yield Finding("chain-broken", "error", message, "jarvis events verify")
    if newest and newest[0].at > now + SKEW_SECONDS * SECOND:
        message = f"The newest event is of {rfc3339(newest[0].at)}, which is still to come: the clock was set back."
        yield Finding("clock-skew", "warning", message, "timedatectl status")


def flags(patient: Patient) -> Iterator[Finding]:
    """Nothing is locked."""
    if patient.ctx is None:
        return
    with patient.ctx.db.read() as tx:
        state = system.state(tx)
    if state.lockdown:
        message = f"Jarvis is locked down: {state.lockdown_reason or 'no reason was given'}."
        yield Finding("locked-down", "warning", message, "jarvis unlock-code rotate, then /unlock CODE in the chat")


def production(patient: Patient) -> Iterator[Finding]:
    """APP_ENV=prod would start."""
    if patient.settings.app_env == "prod":
        for reason in config.unsafe_for_production(patient.settings):
            yield Finding("prod-unsafe", "error", reason, "jarvis config check")


def providers(patient: Patient) -> Iterator[Finding]:
    """The models that are to answer can be asked; APP_ENV=prod does not start without."""
    if patient.settings.app_env == "prod":
        return
    for name in dict.fromkeys((patient.settings.primary_provider, patient.settings.fallback_provider)):
        if wanted := config.missing_settings(patient.settings, name):
            message = f"{name} is to answer, and cannot be asked without {' and '.join(wanted)}."
            yield Finding("provider-misconfigured", "warning", message, "jarvis config check")


def github(patient: Patient) -> Iterator[Finding]:
    """What is to be done with GitHub can be; APP_ENV=prod does not start without the token and the secret."""
    settings, wanted = patient.settings, []
    if not (settings.github_pr_summary_enabled or settings.github_issue_sync_enabled):
        return
    if settings.app_env != "prod":
        wanted += [name for name in ("GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET") if not getattr(settings, name.lower())]
    if settings.github_issue_sync_enabled and not settings.github_issue_sync_repo:
        wanted.append("GITHUB_ISSUE_SYNC_REPO")
    if wanted:
        message = f"GitHub is switched on and cannot be used without {' and '.join(wanted)}."
        yield Finding("github-misconfigured", "warning", message, "jarvis config check")


def serving(patient: Patient) -> Iterator[Finding]:
    """A server runs on this home and is well, or could start."""
    if patient.ctx is not None and patient.is_server:
        yield from _checks(patient.ctx.registry.status["checks"].run(patient.ctx))
        return
    found = server.running(patient.settings)
    if found is None:
        yield Finding("server-not-running", "info", "No server runs on this home.", "jarvis serve")
        yield from _port(patient)
        return
    told = server.ask_ready(found, patient.settings)
    if told is None:
        message = f"A server (process {found.pid or 'unknown'}) holds this home but does not answer."
        yield Finding("server-silent", "error", message, "look at its log, then stop it and start it again")
    else:
        yield from _checks(told["checks"])


def drain(patient: Patient) -> Iterator[Finding]:
    """systemd waits as long for the server to stop as running work is given."""
    found = server.running(patient.settings)
    unit = stopping.unit_of(found.pid) if found is not None and found.pid else ""
    budget = stopping.stop_seconds(unit) if unit else None
    wanted = patient.settings.restart_drain_timeout_seconds + stopping.DRAIN_MARGIN_SECONDS
    if budget is not None and budget < wanted:
        message = (
            f"{unit} gives a stop {budget:g} s, and running work is given {wanted - stopping.DRAIN_MARGIN_SECONDS} s"
            f" (RESTART_DRAIN_TIMEOUT_SECONDS): systemd would kill it."
        )
        yield Finding("drain-budget", "warning", message, f"set TimeoutStopSec={wanted} or more in {unit}")


def _checks(checks: Mapping[str, Any]) -> Iterator[Finding]:
    for name, check in checks.items():
        if name not in LOOKED_AT and isinstance(check, Mapping) and not check.get("ok"):
            severity = "error" if check.get("core") else "warning"
            yield Finding("check-failing", severity, f"{name}: {check.get('detail', '')}", "jarvis status")


def _port(patient: Patient) -> Iterator[Finding]:
    host, port = patient.settings.bind_host, patient.settings.bind_port
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Another program listens on {host}:{port}."
            yield Finding("port-in-use", "error", message, "jarvis serve --port N, or set BIND_PORT")
        else:
            message = f"BIND_HOST={host} cannot be listened on: {error.strerror}."
            yield Finding("bind-impossible", "error", message, "set BIND_HOST to an address of this host")
