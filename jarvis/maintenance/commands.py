"""Maintenance commands: run by the shell as the operator wrote them, and what is left of them found again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jarvis.kernel.programs import MARK, Outcome, Program, end_marked, environment, marked, sign, started_at
from jarvis.maintenance.output import Output

__all__ = ["MARK", "Command", "Outcome", "end_marked", "environment", "marked", "sign", "started_at"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command on its way. `run` returns when nothing of it is left, or nothing more can be done."""

    text: str
    workdir: Path
    environment: Mapping[str, str]
    timeout_seconds: float
    output: Output
    is_cancelled: Callable[[], bool]
    on_start: Callable[[str], None]
    """Told by which sign the command can be found again after a crash."""

    def run(self) -> Outcome:
        """Start it and watch it. Must not be called inside a write."""
        return Program(
            ["/bin/sh", "-c", self.text],
            self.workdir,
            self.environment,
            self.timeout_seconds,
            self.output.add,
            self.is_cancelled,
            self.on_start,
            self.output.show,
        ).run()
