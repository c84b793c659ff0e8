"""What doctor can find: a stable id, how bad it is, what it means, and what mends it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel.clock import Clock
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context

SEVERITIES = ("error", "warning", "info")
"""An error stops something from working; a warning will, or is unsafe; info is good to know."""
COMMANDS = ("jarvis", "chmod", "chown", "mkdir", "du", "timedatectl")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. The id never changes its meaning: scripts wait for it."""

    id: str
    severity: str
    message: str
    fix: str
    """The command that mends it, or what to do by hand."""
    path: Path | None = None
    """The file it is about, where `doctor --fix` mends that."""
    is_mendable: bool = False
    """Whether `doctor --fix` mends it."""

    @property
    def is_command(self) -> bool:
        """Whether `fix` can be typed as it stands."""
        return self.fix.partition(" ")[0] in COMMANDS and ", " not in self.fix

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "severity": self.severity,
            "message": self.message,
            "fix": self.fix,
            "mendable": self.is_mendable,
        }


@dataclass(frozen=True, slots=True)
class Patient:
    """The installation looked at. `ctx` is None where the database cannot be used."""

    settings: Settings
    clock: Clock
    ctx: Context | None

    @property
    def is_server(self) -> bool:
        """Whether this very process is the server."""
        return self.ctx is not None and "checks" in self.ctx.registry.status


Look = Callable[[Patient], Iterator[Finding]]
