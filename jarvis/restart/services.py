"""Takes up a restart that was asked for, by whichever process."""

import logging
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.service import Loop
from jarvis.kernel.wake import Ear
from jarvis.restart import actions

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
LOOK_SECONDS = 5.0
COMMAND_SECONDS = 60.0
PATIENCE_SECONDS = 30.0
"""So long after its command, and the drain, this server expects to be gone."""


@dataclass(slots=True)
class Restarter:
    """Begins the drain when a restart is asked for, or runs RESTART_COMMAND, which is to do it all."""

    ctx: Context
    drain: Callable[[], None]
    """Makes this server drain and leave for a new one."""
    monotonic: Callable[[], float] = time.monotonic
    ear: Ear = field(init=False)
    _commanded_at: float | None = None

    def __post_init__(self) -> None:
        self.ear = Ear(self.ctx.db.wake, GATHER_SECONDS)

    def step(self) -> bool:
        """Look once."""
        self.ear.seen = self.ctx.db.wake.count
        if actions.begin_drain(self.ctx) is not None:
            self._go()
        elif self._commanded_at is not None and self.monotonic() - self._commanded_at > self._patience():
            self._commanded_at = None
            actions.call_off(self.ctx, "RESTART_COMMAND ended well, and yet nothing has restarted Jarvis")
        return False

    def _patience(self) -> float:
        return self.ctx.settings.restart_drain_timeout_seconds + PATIENCE_SECONDS

    def _go(self) -> None:
        if not self.ctx.settings.restart_command:
            self.drain()
            return
        actions.leave(self.ctx)
        why = run_command(self.ctx.settings.restart_command)
        if why:
            actions.call_off(self.ctx, why)
        else:
            self._commanded_at = self.monotonic()

    def loop(self) -> Loop:
        return Loop("restart", self.step, LOOK_SECONDS, self.ear.wait)


def run_command(command: str) -> str:
    """Run the operator's command, which is to end and start us; why that did not work, or ""."""
    forbid_inside_write("the restart command")
    try:
        ran = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, ValueError) as error:
        return f"RESTART_COMMAND cannot be run: {error}"
    except subprocess.TimeoutExpired:
        return f"RESTART_COMMAND did not end within {COMMAND_SECONDS:.0f} s"
    said = " ".join((ran.stderr or ran.stdout).split())[-200:]
    return f"RESTART_COMMAND ended with {ran.returncode}: {said}" if ran.returncode else ""
