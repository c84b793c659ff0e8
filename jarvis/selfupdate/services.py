"""Follows an update that is on trial, or on its way back, until it is settled."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from jarvis.archive import swap
from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop
from jarvis.selfupdate import states
from jarvis.selfupdate.actions import applying, settling
from jarvis.system import actions as system

LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Settler:
    """Looks twice a second whether something is on its way; nothing is, nearly always, and that is one failed open."""

    ctx: Context
    is_supervised: bool
    started_at: float
    monotonic: Callable[[], float] = time.monotonic

    def step(self) -> bool:
        """Look once, and do what has come due."""
        found = settling.standing()
        if found is not None:
            self._settle(found)
        return False

    def _settle(self, found: settling.Standing) -> None:
        if found.what == swap.GOING_BACK:
            if swap.sha256_of(found.path) == found.marker.old:  # else a restart would only run this one again
                applying.ask_restart_back(self.ctx, found.marker.trace_id)
            return
        told, _ = system.ask_server(self.ctx)
        is_ready = told is not None and told.get("ok") is True
        if found.what == swap.IS_BACK and is_ready:
            settling.conclude(self.ctx, found)
        elif found.what == swap.ON_TRIAL:
            self._judge(found, is_ready)

    def _judge(self, found: settling.Standing, is_ready: bool) -> None:
        uptime = self.monotonic() - self.started_at
        verdict = settling.verdict(
            self.ctx, found, is_ready=is_ready, uptime_seconds=uptime, is_supervised=self.is_supervised
        )
        if verdict == states.VERIFIED:
            settling.verify(self.ctx, found)
        elif verdict:
            settling.send_back(self.ctx, found, verdict.removeprefix("back: "))


def loops(ctx: Context, *, is_supervised: bool = False) -> list[Loop]:
    """The service of this feature."""
    return [Loop("selfupdate", Settler(ctx, is_supervised, time.monotonic()).step, LOOK_SECONDS)]
