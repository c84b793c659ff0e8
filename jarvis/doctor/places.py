"""Findings about files: home, settings files, database, workspace, room on the disk."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from jarvis.doctor.findings import Finding, Patient
from jarvis.kernel import config, envfile
from jarvis.system.readiness import LEAST_FREE_BYTES

PLENTY_BYTES = 1_000_000_000
MEND = "jarvis doctor --fix"


def home(patient: Patient) -> Iterator[Finding]:
    """The home is there, ours, writable, and nobody else's business."""
    place = patient.settings.jarvis_home
    status = status_of(place)
    if status is None:
        yield Finding("home-missing", "warning", f"There is no home at {place} yet.", MEND, place, True)
    elif not stat.S_ISDIR(status.st_mode):
        yield Finding("home-unusable", "error", f"{place} is no directory.", "set JARVIS_HOME to a directory")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield Finding("home-unusable", "error", f"{place} cannot be written to.", f"chown -R {_me()} {place}")
    else:
        yield from too_open("home-permissions", place, status, 0o700)


def environment(patient: Patient) -> Iterator[Finding]:
    """The settings files are there, believed, and not for everybody to read."""
    for warning in patient.settings.warnings:
        yield _warned(warning)
    own = patient.settings.jarvis_home / ".env"
    if status_of(own) is None:
        yield Finding("env-missing", "info", f"There is no settings file {own}; the defaults hold.", MEND, own, True)
    for path in patient.settings.files:
        status = status_of(path)
        if status is not None:
            yield from too_open("env-permissions", path, status, 0o600)
    yield from _unknown(own)


def _unknown(path: Path) -> Iterator[Finding]:
    """Names in our own settings file that mean nothing; those that are nearly right are warned of already."""
    known, quiet = config.specs(), list[str]()
    names = envfile.parse(path, envfile.read_trusted(path, quiet) or "", quiet)
    strange = [name for name in names if name not in known and not config.nearest(name)]
    if strange:
        named = ", ".join(name[:40] for name in strange[:5]) + (" …" if len(strange) > 5 else "")
        message = f"{path} sets what is no setting of this release: {named}."
        yield Finding("unknown-key", "info", message, "take them out, if they are not for another program")


def _warned(warning: str) -> Finding:
    if "unknown setting" in warning:
        return Finding("unknown-setting", "warning", warning, "mend the name in that file; it is never rewritten")
    path = Path(warning.partition(" is ignored: ")[0])
    if "others may write" in warning:
        message = f"{warning} None of its settings count."
        return Finding("env-permissions", "error", message, f"chmod 600 {path}", path, _is_ours(path))
    return Finding("env-ignored", "warning", warning, "mend that file, or remove it")


def database_file(patient: Patient) -> Iterator[Finding]:
    """The database is there and not for everybody to read."""
    path = patient.settings.app_db
    status = status_of(path)
    if status is None:
        if status_of(path.parent) is not None and not os.access(path.parent, os.X_OK):
            return  # who cannot look cannot tell; the home is a finding already
        has_served = (patient.settings.jarvis_home / "serve.lock").exists()
        lost = f"The database {path} is gone, though a server has run here."
        if has_served:
            yield Finding("database-missing", "error", lost, "put a backup of the database in its place")
        else:
            yield Finding("database-missing", "warning", f"There is no database at {path} yet.", MEND, path, True)
        return
    if not os.access(path, os.R_OK | os.W_OK):
        fix = f"chmod 600 {path}" if _is_ours(path) else f"chown {_me()} {path}"
        yield Finding("database-unusable", "error", f"{path} cannot be read and written by this user.", fix)
    yield from too_open("database-permissions", path, status, 0o600)


def workspace(patient: Patient) -> Iterator[Finding]:
    """The directory the assistant looks after is there."""
    place = patient.settings.workspace
    if not place.is_dir():
        yield Finding("workspace-missing", "warning", f"WORKSPACE={place} is no directory.", f"mkdir -p {place}")


def disk(patient: Patient) -> Iterator[Finding]:
    """There is room to write."""
    place = patient.settings.jarvis_home
    while not os.access(place, os.F_OK):
        place = place.parent
    status = os.statvfs(place)
    free, share = status.f_bavail * status.f_frsize, status.f_bavail / max(status.f_blocks, 1)
    message = f"{free / 1e9:.1f} GB ({share:.0%}) are free under {place}."
    if free < LEAST_FREE_BYTES:
        yield Finding("disk-low", "error", f"Only {message} Nothing can be stored safely.", f"du -xh {place} | sort -h")
    elif free < PLENTY_BYTES:
        yield Finding("disk-low", "warning", f"Only {message}", f"du -xh {place} | sort -h")


def too_open(id: str, path: Path, status: os.stat_result, wanted: int) -> Iterator[Finding]:
    """A finding when others may do more with a path than they should."""
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 & ~wanted:
        message = f"{path} is open to other users of this host (mode {mode:04o})."
        yield Finding(id, "warning", message, f"chmod {wanted:o} {path}", path, _is_ours(path))


def status_of(path: Path) -> os.stat_result | None:
    """What is at a path; None where there is nothing to see."""
    try:
        return path.stat()
    except OSError:
        return None


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid() and not path.is_symlink()
    except OSError:
        return False


def _me() -> str:
    return str(os.geteuid())
