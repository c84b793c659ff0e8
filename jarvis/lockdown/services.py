"""Locks when readiness fails again and again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError
from jarvis.lockdown import actions
from jarvis.system import store as system

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReadinessWatch:
    """Counts evaluations in a row whose core checks failed, once the server has been ready and while it stays up."""

    ctx: Context
    is_leaving: Callable[[], bool] = lambda: False
    """Whether failing is no surprise now: in a drain, or while an update is on trial."""
    _failed: int = 0
    _has_been_ready: bool = False
    _due: str = ""
    """Why it has to lock, as long as that could not be stored: a disk that failed may come back before we can."""

    def heard(self, is_ok: bool, why: str) -> None:
        """Take one evaluation in; at the threshold, lock."""
        if self._due:
            self._lock(self._due)
        if is_ok:
            self._has_been_ready, self._failed = True, 0
            return
        if not self._has_been_ready or self.is_leaving() or self._is_restarting():
            self._failed = 0
            return
        self._failed += 1
        if self._failed >= self.ctx.settings.lockdown_readyz_fail_threshold:
            self._lock(f"{self._failed} readiness evaluations in a row failed, the last: {why}")

    def _is_restarting(self) -> bool:
        try:
            with self.ctx.db.read() as tx:
                return system.state(tx).restarting
        except JarvisError:  # the database is what is not well
            return False

    def _lock(self, reason: str) -> None:
        self._due = reason
        try:
            actions.lock(self.ctx, reason, actions.READYZ)
        except JarvisError as error:  # tried again at the next evaluation
            log.error("a lockdown is due and cannot be stored: %s", error)
        else:
            self._due = ""
