"""Whether the database and another archive fit: each migration names the oldest release that can live with it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from jarvis import __version__
from jarvis.archive import launch, swap
from jarvis.archive.container import Archive, ArchiveFault
from jarvis.archive.resources import MIGRATION
from jarvis.kernel import migrate
from jarvis.kernel.config import Settings
from jarvis.kernel.migrate import Migration, release


class Release:
    """An archive on disk: its version, source tree and migrations. Raises ArchiveFault, OSError."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            archive = Archive(fd, str(path))
            manifest = json.loads(archive.read("BUILD.json"))
            found = [(MIGRATION.fullmatch(name.removeprefix("lib/")), name) for name in archive.names()]
            self.migrations = [
                Migration(int(match[1]), f"{match[1]}_{match[2]}", archive.read(name).decode())
                for match, name in found
                if match is not None
            ]
        finally:
            os.close(fd)
        self.version, self.tree = str(manifest["version"]), str(manifest["tree"])

    @property
    def name(self) -> str:
        return f"{self.version} (tree {self.tree[:12]})"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another file at the path of the archive that runs: the next restart takes it."""

    name: str
    """Its version, with its tree when the version alone does not tell them apart; "" for no archive at all."""
    refusal: str
    """Why a restart would not work, or ""."""

    @property
    def sentence(self) -> str:
        if self.refusal:
            return f"The file at the archive's path cannot run here: {self.refusal}"
        return f"Restart to run {self.name}."


def waiting(settings: Settings) -> Waiting | None:
    """What lies at the path of the running archive, when that is another file by now. Raises Unavailable."""
    held = launch.archive()
    if held is None:
        return None
    try:
        if os.path.samestat(Path(held.path).stat(), os.fstat(held.fd)):
            return None
    except OSError as error:
        return Waiting("", f"{held.path}: {error.strerror}")
    if swap.sha256_of(held.path) == held.sha256():
        return None
    found = read(Path(held.path))
    if isinstance(found, str):
        return Waiting("", found)
    name = found.version if found.version != __version__ else found.name
    return Waiting(name, why_not_live(settings, found))


def why_not_live(settings: Settings, other: Release) -> str:
    """Why another release, taking this one's place, could not use the database as it is, or ""."""
    return migrate.refusal_of(settings.app_db, {m.number: m.sha256 for m in other.migrations}, other.version)


def why_no_way_back(candidate: Release) -> str:
    """Why this release could not use the database once the candidate has migrated it, or ""."""
    known = {m.number for m in migrate.shipped()}
    for migration in candidate.migrations:
        if migration.number not in known and release(migration.oldest_release) > release(__version__):
            return f"its migration {migration.name} leaves a database for {migration.oldest_release} and newer"
    return ""


def read(path: Path) -> Release | str:
    """The release in a file, or why there is none."""
    try:
        return Release(path)
    except ArchiveFault as fault:
        return str(fault)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except (KeyError, ValueError, TypeError):
        return f"{path} is no archive of Jarvis"
