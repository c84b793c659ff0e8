"""An archive run in a cage: which words, what it may see, and how its end reads."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jarvis.kernel import sandbox
from jarvis.kernel.sandbox import Cage, Outcome

MEMORY_BYTES = 768 << 20
PROCESSES = 64
FILE_BYTES = 4 << 30
OUTPUT_BYTES = 200_000
LAST_LINES = 12
LONGEST_LINE = 300
# Whoever has a socket open already hands it over as the service manager does: sd_listen_fds(3). The pid is known
# only inside.
ADOPT = (
    "import os, sys; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.set_inheritable(3, True);"
    " os.execv(sys.executable, [sys.executable, '-I', '-S', *sys.argv[1:]])"
)


class Cancelled(Exception):
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True)
class Caged:
    """Runs archives in one kind of cage; what is stopped raises Cancelled."""

    kind: str
    folder: Path
    """Everything readable that is no system file lies in here, and what may be written."""
    is_cancelled: Callable[[], bool]

    def run(
        self,
        archive: Path,
        words: list[str],
        home: Path,
        seconds: float,
        *,
        listener: int | None = None,
        is_over: Callable[[], bool] = lambda: False,
        on_output: Callable[[bytes], None] = lambda data: None,
    ) -> Outcome:
        """Run one command of an archive on a home, to its end."""
        outcome = sandbox.run(
            [*_python(listener), str(archive), *words],
            self._cage(archive, home, seconds),
            self.kind,
            is_cancelled=lambda: self.is_cancelled() or is_over(),
            on_output=on_output,
            listener=listener,
        )
        if outcome.killed_for == "cancelled" and self.is_cancelled():
            raise Cancelled
        return outcome

    def _cage(self, archive: Path, home: Path, seconds: float) -> Cage:
        scratch = home / "tmp"
        scratch.mkdir(exist_ok=True)
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "JARVIS_HOME": str(home),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return Cage(
            cwd=home,
            read=(archive, *_interpreter(), *self._trees()),
            write=(home,),
            env=env,
            seconds=seconds,
            memory_bytes=MEMORY_BYTES,
            processes=PROCESSES,
            file_bytes=FILE_BYTES,
            output_bytes=OUTPUT_BYTES,
        )

    def _trees(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.folder / "baseline-src",) if path.is_dir())


def _python(listener: int | None) -> list[str]:
    python = str(Path(sys.executable).resolve())
    return [python, "-I", "-S"] if listener is None else [python, "-I", "-S", "-c", ADOPT]


def _interpreter() -> tuple[Path, ...]:
    """Where this Python lies, when that is not among the system's own directories."""
    places = {Path(sys.base_prefix).resolve(), Path(sys.base_exec_prefix).resolve()}
    return tuple(place for place in sorted(places) if not str(place).startswith(sandbox.SYSTEM))


def why_not(outcome: Outcome, seconds: float) -> str:
    """Why a command did not end well, in a sentence; "" when it did."""
    said = {
        "timeout": f"it did not end within {seconds:.0f} s",
        "memory": f"it took more than {MEMORY_BYTES >> 20} MB of memory",
        "processes": f"it started more than {PROCESSES} processes",
        "output": "it wrote more than anybody would read",
        "lost": "the process that watched it was killed",
    }.get(outcome.killed_for)
    if said:
        return said
    if outcome.exit_code == 0:
        return ""
    last = last_lines(outcome.output)[-1:]
    return f"it ended with exit code {outcome.exit_code}{f': {last[0]}' if last else ''}"


def last_lines(output: bytes) -> list[str]:
    """The end of what a program wrote, for people: bounded, and without control characters."""
    lines = [line.rstrip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return ["".join(c if c.isprintable() else " " for c in line)[:LONGEST_LINE] for line in lines[-LAST_LINES:]]
