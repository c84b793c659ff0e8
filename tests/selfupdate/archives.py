"""Archives as small as can be told apart, and one in a process that runs it: what stands around a rename."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jarvis.archive import launch, swap
from jarvis.archive.container import Archive
from jarvis.archive.writer import ZipWriter
from jarvis.kernel import migrate


def pack(path: Path, name: str, *, version: str = "0.1.0", migrations: dict[str, str] | None = None) -> Path:
    """An archive that carries every migration of this tree, and these beside."""
    out = ZipWriter()
    out.add("BUILD.json", json.dumps({"version": version, "tree": name.ljust(40, "0")}).encode())
    shipped = {migration.name: migration.sql for migration in migrate.shipped()}
    for each, sql in (shipped | (migrations or {})).items():
        out.add(f"lib/jarvis/users/migrations/{each}.sql", sql.encode())
    path.write_bytes(out.finish())
    path.chmod(0o755)
    return path


class Installed:
    """An archive at its path and the process that runs from it."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        self.path, self._patch = path, patch
        self.running: Archive | None = None
        self.start()

    @property
    def sha256(self) -> str:
        return swap.sha256_of(str(self.path))

    @property
    def marker(self) -> swap.Marker | None:
        return swap.read_marker(str(self.path))

    def start(self) -> None:
        """Another process: it runs what lies at the path now."""
        self.stop()
        self.running = Archive(os.open(self.path, os.O_RDONLY), str(self.path))
        self._patch.setattr(launch, "archive", lambda: self.running)

    def stop(self) -> None:
        if self.running is not None:
            os.close(self.running.fd)
            self.running = None


@contextmanager
def installed(folder: Path) -> Iterator[Installed]:
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        found = Installed(pack(folder / "jarvis.pyz", "old"), patch)
        try:
            yield found
        finally:
            found.stop()
