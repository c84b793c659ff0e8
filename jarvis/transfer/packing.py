"""The archive that is exported: a zip of JSON lines, written row by row and read within bounds.

Nothing of it is ever unpacked to a disk, and only the names below are read, so no path in it leads anywhere.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from jarvis.kernel.errors import Conflict, TooLarge

FORMAT = 1
PARTS = ("people", "settings", "permissions", "threads", "messages", "bugs", "schedules")
"""What an archive holds, in the order it is taken up: later ones name earlier ones."""
MANIFEST = "manifest.json"
LARGEST_ARCHIVE = 512 * 1024 * 1024
LARGEST_PART = 2 * 1024 * 1024 * 1024
LARGEST_LINE = 8 * 1024 * 1024
MOST_ROWS = 2_000_000
MOST_TIMES_SMALLER = 400
"""JSON lines shrink to a tenth; what shrinks to less than this was made to fill a disk or a memory."""


Rows = Iterable[dict[str, Any]]


def write(file: BinaryIO, manifest: dict[str, Any], parts: Iterable[tuple[str, Rows]]) -> dict[str, int]:
    """Write an archive; returns how many rows of each part went into it."""
    counts: dict[str, int] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in parts:
            assert name in PARTS
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as part:
                counts[name] = 0
                for row in rows:
                    part.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
                    counts[name] += 1
        archive.writestr(MANIFEST, json.dumps(manifest | {"format": FORMAT, "rows": counts}))
    return counts


class Archive:
    """An archive that somebody brought: whatever is in it may be meant ill."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > LARGEST_ARCHIVE:
            raise TooLarge(f"{path} holds more than {LARGEST_ARCHIVE:,} bytes.")
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest = self._read_manifest()
            self._check()
        except zipfile.BadZipFile as error:
            raise Conflict(f"{path} is no export of Jarvis: {error}.") from None

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *raised: object) -> None:
        self._zip.close()

    def _read_manifest(self) -> dict[str, Any]:
        try:
            with self._zip.open(MANIFEST) as file:
                found = json.loads(file.read(LARGEST_LINE))
        except (KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError):
            raise Conflict("The archive is no export of Jarvis: it has no manifest that can be read.") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Conflict(f"The archive is of another format than {FORMAT}: use the release that made it.")
        return found

    def _check(self) -> None:
        known = {MANIFEST, *(f"{name}.jsonl" for name in PARTS)}
        names = [entry.filename for entry in self._zip.infolist()]
        if len(set(names)) != len(names) or not set(names) <= known:
            raise Conflict("The archive holds what no export does.")
        for entry in self._zip.infolist():
            shrunk = max(entry.compress_size, 1)
            is_bomb = entry.file_size > 1_000_000 and entry.file_size / shrunk > MOST_TIMES_SMALLER
            if entry.file_size > LARGEST_PART or is_bomb:
                raise TooLarge(f"{entry.filename} in the archive holds {entry.file_size:,} bytes; no export does.")

    def rows(self, part: str) -> Iterator[dict[str, Any]]:
        """The rows of a part, one by one; raises Conflict or TooLarge at what is none."""
        name = f"{part}.jsonl"
        if name not in self._zip.namelist():
            return
        read = 0
        try:
            with self._zip.open(name) as raw, io.BufferedReader(raw) as lines:  # type: ignore[type-var]
                number = 0
                while line := lines.readline(LARGEST_LINE + 1):
                    number, read = number + 1, read + len(line)
                    if len(line) > LARGEST_LINE or read > LARGEST_PART or number > MOST_ROWS:
                        raise TooLarge(f"{name} in the archive is larger than an export may be.")
                    yield _row(line, f"{name}:{number}")
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise Conflict(f"{name} in the archive is damaged: {error}.") from None


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise Conflict(f"{where} is not JSON.") from None
    if not isinstance(row, dict):
        raise Conflict(f"{where} is not an object.")
    return row
