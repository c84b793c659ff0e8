"""Changes to files that doctor makes, each with what it takes to put it back."""

import difflib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.doctor.findings import Finding
from jarvis.kernel import config, migrate
from jarvis.kernel.clock import Clock
from jarvis.kernel.errors import Conflict, Unavailable

MODES = {
    "home-permissions": 0o700,
    "env-permissions": 0o600,
    "database-permissions": 0o600,
    "folder-permissions": 0o700,
    "secret-permissions": 0o600,
}
ORDER = ("home-missing", "database-missing", "env-missing", *MODES)
"""What depends on what: the database wants a home, and the journal a database."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that is to be made."""

    finding: str
    path: Path
    says: str
    """What it does: "make …", "chmod …"."""


def remedies(findings: list[Finding]) -> list[Remedy]:
    """What can be mended by a change to a file, in the order that works."""
    found = [
        Remedy(finding.id, finding.path, _says(finding))
        for finding in findings
        if finding.is_mendable and finding.path is not None and finding.id in ORDER
    ]
    return sorted(found, key=lambda remedy: ORDER.index(remedy.finding))


def _says(finding: Finding) -> str:
    what = {
        "home-missing": "make the home",
        "database-missing": "make the database",
        "env-missing": "make the settings file",
    }
    return f"{what[finding.id]} {finding.path}" if finding.id in what else finding.fix


def diff(remedy: Remedy) -> list[str]:
    """What the change would make different, as lines of a unified diff or in its manner."""
    path = remedy.path
    match remedy.finding:
        case "home-missing":
            return [f"+ {path}/ (a directory, mode 0700)"]
        case "database-missing":
            return [f"+ {path} (a database of this release, mode 0600)"]
        case "env-missing":
            made = settings_file().splitlines()
            return list(difflib.unified_diff([], made, "/dev/null", str(path), lineterm=""))
    before = stat.S_IMODE(path.lstat().st_mode)
    return [f"- {path} mode {before:04o}", f"+ {path} mode {MODES[remedy.finding]:04o}"]


def apply(remedy: Remedy, clock: Clock) -> dict[str, Any]:
    """Make the change; returns what it takes to put it back. Raises Unavailable."""
    try:
        return _apply(remedy, clock)
    except OSError as error:
        raise Unavailable(f"Could not {remedy.says}: {error.strerror}.") from error


def _apply(remedy: Remedy, clock: Clock) -> dict[str, Any]:
    path = remedy.path
    match remedy.finding:
        case "home-missing":
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return {"kind": "made", "path": str(path)}
        case "database-missing":
            migrate.migrate(path, clock)
            return {"kind": "kept", "path": str(path)}
        case "env-missing":
            return {"kind": "made", "path": str(path), "sha256": _write_new(path, settings_file())}
    mode = MODES[remedy.finding]
    before = _set_mode(path, mode)
    return {"kind": "mode", "path": str(path), "before": before, "after": mode}


def _write_new(path: Path, text: str) -> str:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def _set_mode(path: Path, mode: int, expected: int | None = None) -> int:
    """Change the mode of what is no link, without opening it (that would drop the database's locks).

    Returns the mode it had. Raises Conflict when that is not the one expected.
    """
    status = path.lstat()
    before = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode) or before != (before if expected is None else expected):
        raise Conflict(f"{path} has been changed meanwhile; doctor leaves it alone.")
    path.chmod(mode)
    return before


def undo(change: dict[str, Any]) -> str:
    """Put a change back; says what was done. Raises Conflict where that would lose something."""
    path = Path(change["path"])
    if change["kind"] == "kept":
        raise Conflict(f"{path} holds data by now; doctor does not remove it. Remove it by hand if you mean that.")
    if change["kind"] == "mode":
        _set_mode(path, int(change["before"]), expected=int(change["after"]))
        return f"chmod {int(change['before']):o} {path}"
    return _remove(path, change.get("sha256"))


def _remove(path: Path, sha256: str | None) -> str:
    try:
        if sha256 is None:
            path.rmdir()
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise Conflict(f"{path} was changed since doctor made it; nothing was removed.")
        else:
            path.unlink()
    except OSError as error:
        raise Conflict(f"{path} cannot be removed: {error.strerror}.") from error
    return f"removed {path}"


def settings_file() -> str:
    """A settings file in which every setting stands with its meaning, commented out."""
    lines = ["# Settings of Jarvis. Take away the # to set one; `jarvis config show` tells what holds.", ""]
    for name, spec in config.specs().items():
        if name != "JARVIS_HOME":  # this file is found through it
            lines += [f"# {spec.help}", f"#{name}={spec.default}", ""]
    return "\n".join(lines)
