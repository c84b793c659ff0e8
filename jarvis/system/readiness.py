"""Is it all right? Evaluated by a service, kept in memory, read by whoever asks."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jarvis import __version__
from jarvis.kernel import migrate
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, Unavailable
from jarvis.kernel.registry import Check, StatusPart
from jarvis.system import store

log = logging.getLogger(__name__)

LEAST_FREE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    is_ok: bool
    is_core: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.is_ok, "core": self.is_core, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All checks at one instant."""

    at: int
    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """Whether every core check is fine; a provider that is down does not count."""
        return bool(self.findings) and all(f.is_ok for f in self.findings if f.is_core)


class Readiness:
    """The last evaluation, and how to make the next."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self.last = Evaluation(0, ())
        self.heard: Callable[[bool, str], None] = lambda is_ok, why: None
        """Told of each evaluation: whether it was fine, and what was not."""

    def step(self) -> bool:
        """Evaluate once; always False, as there is never more to do at once."""
        self.evaluate()
        return False

    def evaluate(self) -> Evaluation:
        with self._lock:
            before = self.last
            findings = tuple(_try(self._ctx, check) for check in self._ctx.registry.checks.values())
            self.last = Evaluation(self._ctx.clock(), findings)
        failed = ", ".join(f"{f.name}: {f.detail}" for f in self.last.findings if not f.is_ok and f.is_core)
        if before.findings and before.is_ok != self.last.is_ok:
            log.warning("readiness is now %s%s", "ok" if self.last.is_ok else "failing: ", failed)
        self.heard(self.last.is_ok, failed)
        return self.last

    def parts(self) -> tuple[StatusPart, ...]:
        """Readiness as shares of the status: `ready`, and `checks` by name."""
        return (
            StatusPart("ready", lambda ctx: self.as_json()[0]),
            StatusPart("checks", lambda ctx: self.as_json()[1]["checks"]),
        )

    def as_json(self) -> tuple[bool, dict[str, Any]]:
        """Whether to answer 200, and what GET /readyz shows."""
        try:
            with self._ctx.db.read() as tx:
                state = store.state(tx)
        except JarvisError:
            state = store.State(False, False, None, None, None)
        is_ok = self.last.is_ok and not state.restarting
        return is_ok, {
            "ok": is_ok,
            "checks": {finding.name: finding.as_json() for finding in self.last.findings},
            "restarting": state.restarting,
            "lockdown": state.lockdown,
            "version": __version__,
        }


def _try(ctx: Context, check: Check) -> Finding:
    try:
        return Finding(check.name, True, check.is_core, check.run(ctx))
    except JarvisError as error:
        return Finding(check.name, False, check.is_core, str(error))
    except Exception:
        log.exception("check %s failed unexpectedly", check.name)
        return Finding(check.name, False, check.is_core, "The check itself failed; the log has more.")


def _database(ctx: Context) -> str:
    started = ctx.clock()
    with ctx.db.write() as tx:
        store.probe(tx)
    return f"write {(ctx.clock() - started) / 1000:.1f} ms"


def _migrations(ctx: Context) -> str:
    wanted = max(m.number for m in migrate.shipped())
    with ctx.db.read() as tx:
        found = store.newest_migration(tx)
    if found < wanted:
        raise Unavailable(f"The database is at {found}, this release needs {wanted}. Run: jarvis migrate")
    return f"{found} of {wanted}"


def _disk(ctx: Context) -> str:
    status = os.statvfs(ctx.settings.jarvis_home)
    free = status.f_bavail * status.f_frsize
    if free < LEAST_FREE_BYTES:
        raise Unavailable(f"Only {free // 2**20} MB are free in {ctx.settings.jarvis_home}.")
    return f"{free / 1e9:.1f} GB free"


CHECKS = (
    Check("database", True, _database),
    Check("migrations", True, _migrations),
    Check("disk", True, _disk),
)
