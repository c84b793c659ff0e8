"""The rehearsal of a lockdown: a locked copy of everything is asked for everything, and what it did is judged.

It walks the registry and the routes, so what a feature adds is rehearsed without a line here.
"""

import dataclasses
import logging
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, Unavailable
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.lockdown import actions

if TYPE_CHECKING:
    from jarvis.kernel.config import Settings
    from jarvis.rehearsing import Attempt
    from jarvis.web.routes import Routes

NOWHERE = "http://127.0.0.1:9"
PREFIX = "rehearsal-"
SPARE_BYTES = 64 << 20
STALE_SECONDS = 3600


def rehearse(base: Context, more: "Iterable[Routes]" = ()) -> dict[str, Any]:
    """Try everything on a locked copy; the report, kept in the database. In a process of its own: see Guard."""
    from jarvis.lockdown.guard import Guard
    from jarvis.rehearsing import Copy, Trial

    base.require_admin()
    started = base.clock()
    with _place(base.settings) as place, _quiet(), Guard(place) as guard:
        attempts = list(Trial(Copy(base, copied(base.settings, place)), guard, list(more)).everything())
    report = told(attempts, started, base.clock())
    actions.keep_rehearsal(base, report)
    return report


def told(attempts: "list[Attempt]", started: int, ended: int) -> dict[str, Any]:
    """The report: what was tried, how much of each kind, and what got through."""
    from jarvis import __version__
    from jarvis.kernel.clock import rfc3339

    kinds: dict[str, int] = {}
    for attempt in attempts:
        kinds[attempt.kind] = kinds.get(attempt.kind, 0) + 1
    leaks = [{"kind": a.kind, "name": a.name, "what": what} for a in attempts for what in a.leaks]
    return {
        "ok": not leaks,
        "at": rfc3339(started),
        "seconds": round((ended - started) / 1e6, 1),
        "version": __version__,
        "tried": kinds,
        "leaks": leaks,
        "attempts": [{"kind": a.kind, "name": a.name, "outcome": a.outcome} for a in attempts],
    }


@contextmanager
def _place(settings: "Settings") -> Iterator[Path]:
    """A private directory with a copy of the database, gone afterwards."""
    from jarvis.kernel.snapshot import snapshot

    home = settings.jarvis_home
    _clear_away(home)
    needed = 2 * settings.app_db.stat().st_size + SPARE_BYTES
    if shutil.disk_usage(home).free < needed:
        raise Unavailable(f"A rehearsal needs {needed // 2**20} MB free in {home} for its copy of the database.")
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    before = Path.cwd()
    try:
        snapshot(settings.app_db, place / "jarvis.db")
        os.chdir(place)  # what is written under a name alone is written here
        yield place
    finally:
        os.chdir(before)
        shutil.rmtree(place, ignore_errors=True)


def _clear_away(home: Path) -> None:
    """Remove what rehearsals that were killed have left; none takes so long."""
    for left in home.glob(f"{PREFIX}*"):
        if time.time() - left.lstat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hundreds of refusals are not news for the log, and compiled modules are not written."""
    level, is_writing = logging.root.manager.disable, sys.dont_write_bytecode
    logging.disable(logging.CRITICAL)
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        logging.disable(level)
        sys.dont_write_bytecode = is_writing


def copied(settings: "Settings", place: Path) -> "Settings":
    """The settings with every path in the copy, every secret gone, every address nowhere, every feature on."""
    from jarvis.kernel import config

    changed: dict[str, Any] = {}
    for name, spec in config.specs().items():
        value = getattr(settings, name.lower())
        if spec.is_place:
            changed[name.lower()] = place / name.lower()
        elif spec.is_secret:
            changed[name.lower()] = type(value)()
        elif isinstance(value, str) and value.startswith(("http://", "https://")):
            changed[name.lower()] = NOWHERE
        elif name.endswith("_ENABLED"):
            changed[name.lower()] = True
    return dataclasses.replace(
        settings,
        **changed
        | {
            "jarvis_home": place,
            "app_db": place / "jarvis.db",
            "maintenance_commands": (f"touch {place / 'maintained'}",),
            "maintenance_interval_seconds": 1,
            "maintenance_workdir": str(place),
            "primary_provider": "builtin",
            "fallback_provider": "builtin",
            "github_webhook_secret": secrets.token_hex(16),
            "github_token": secrets.token_hex(16),
            "github_repo_allowlist": (),
            "github_issue_sync_repo": "nobody/nothing",
            "restart_command": "",
            "backup_s3_endpoint": "",
            "backup_encrypt_command": "",
            "jarvis_cache_dir": str(place),
        },
    )


def _run(ctx: Context, run: TaskRun) -> dict[str, Any]:
    """Rehearse here when a command asks, which ends with it; from the queue in a process of its own."""
    report = rehearse(ctx) if not run.id else _elsewhere(ctx)
    return {name: report[name] for name in ("ok", "at", "seconds", "tried", "leaks")}


def _elsewhere(ctx: Context) -> dict[str, Any]:
    import subprocess

    from jarvis.archive import launch

    held = launch.archive()
    environ = {**os.environ, "JARVIS_HOME": str(ctx.settings.jarvis_home), "APP_DB": str(ctx.settings.app_db)}
    if held is not None:
        environ[launch.PATH_MARK] = held.path
    words = [*_program(), "lockdown", "rehearse", "--json"]
    fds = (held.fd,) if held is not None else ()
    done = subprocess.run(words, env=environ, pass_fds=fds, capture_output=True, timeout=600, check=False)
    report = actions.last_rehearsal(ctx)
    if done.returncode not in (0, 1) or report is None:
        raise Conflict(f"The rehearsal could not be held: {done.stderr.decode('utf-8', 'replace')[-500:]}")
    return report


def _program() -> list[str]:
    from jarvis.archive import launch
    from jarvis.process import Checkout

    return launch.command() if launch.archive() is not None else Checkout().command()


TASKS = (
    TaskHandler(
        actions.REHEARSAL,
        _run,
        "Tries everything against a locked copy and says what got through.",
        max_attempts=1,
        concurrency=1,
        is_runnable_by_hand=True,
        runs_in_lockdown=True,
    ),
)
