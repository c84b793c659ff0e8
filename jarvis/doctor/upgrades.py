"""Findings about upgrades by hand: another archive lies where the one that runs came from."""

from collections.abc import Iterator

from jarvis import __version__
from jarvis.doctor.findings import Finding, Patient
from jarvis.kernel import fitting
from jarvis.kernel.errors import Unavailable
from jarvis.system import actions as system

RESTART = "jarvis restart"


def waiting(patient: Patient) -> Iterator[Finding]:
    """A newer file that waits for a restart, or one that a restart could not run."""
    if not patient.is_server:
        yield from _beside_server(patient)
        return
    try:
        found = fitting.waiting(patient.settings)
    except Unavailable:  # the database: other findings tell of it
        return
    if found is not None and found.refusal:
        fix = "put an archive there that fits, by renaming it into place"
        yield Finding("archive-unfit", "error", found.sentence, fix)
    elif found is not None:
        yield Finding("restart-pending", "warning", found.sentence, RESTART)


def _beside_server(patient: Patient) -> Iterator[Finding]:
    """A command runs the file that lies there now: the server says which release it is."""
    told, _ = system.ask_server(patient.ctx) if patient.ctx is not None else (None, 0.0)
    version = told.get("version") if told else None
    if isinstance(version, str) and version != __version__:
        message = f"The server still runs {version}. Restart to run {__version__}."
        yield Finding("restart-pending", "warning", message, RESTART)
