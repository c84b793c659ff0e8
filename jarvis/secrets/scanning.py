"""Reading through files and histories in portions, within bounds, and telling where something was found."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jarvis.repository import actions as repository
from jarvis.secrets.findings import ALLOWED_FILE, Finding, Report, fingerprint, is_allowed
from jarvis.secrets.rules import Rules

MIB = 1024 * 1024
OVERLAP = 32 * 1024
"""Read twice at the seam of two portions, so that nothing is cut in half."""
MOST_FINDINGS = 1000
MOST_FILES = 1_000_000
MOST_BYTES = 16 * 1024 * MIB
MOST_SECONDS = 900.0
NOT_OURS = frozenset(
    (
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"),
    )
)
"""Folders that are not looked into: stores read otherwise, and what was installed or made by a tool."""
Place = tuple[int, int]
"""Device and inode: a file, whatever it is called."""


@dataclass
class Scanner:
    """One scan: the rules, what is let stand, what is not opened, and the report that grows."""

    rules: Rules
    allowed: frozenset[str] = frozenset()
    closed: frozenset[Place] = frozenset()
    """Files and folders that are never opened: our database, and where secrets belong."""
    stopwatch: Callable[[], float] = time.monotonic
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self._end = self.stopwatch() + MOST_SECONDS
        self._told: set[tuple[str, str]] = set()

    @property
    def is_over(self) -> bool:
        """Whether a bound was met; the report says which."""
        report = self.report
        bounds = {
            f"findings beyond {MOST_FINDINGS:,}": len(report.findings) >= MOST_FINDINGS,
            f"files beyond {MOST_FILES:,}": report.files >= MOST_FILES,
            f"what is beyond {MOST_BYTES // MIB:,} MiB": report.bytes >= MOST_BYTES,
            f"what was not reached in {MOST_SECONDS:.0f} s": self.stopwatch() >= self._end,
        }
        met = [what for what, is_met in bounds.items() if is_met]
        report.left_out += [what for what in met if what not in report.left_out]
        return bool(met)

    def text(
        self,
        place: str,
        text: str,
        first_line: int = 1,
        *,
        is_text: bool = True,
        has_lines: bool = True,
        until: int | None = None,
    ) -> None:
        """Look through one text; what was told already of that place or its history is not told again.

        What begins at `until` or after it is left to the next portion, which may know more of it.
        """
        for match in self.rules.matches(text, is_text=is_text):
            if until is not None and match.start >= until:
                continue
            start = text.rfind("\n", 0, match.start) + 1
            end = text.find("\n", match.start)
            if is_allowed(match, text[start : end if end >= 0 else len(text)][:2000], self.allowed):
                self.report.allowed += 1
                continue
            mark = fingerprint(match)
            line = first_line + text.count("\n", 0, match.start) if has_lines else 0
            path = place.rpartition(":")[2]
            if (path, mark) not in self._told:
                self._told.add((path, mark))
                self.report.findings.append(Finding(place, line, match.rule, match.says, mark))

    def folder(self, root: Path, label: str = "") -> None:
        """Every regular file under a folder; links are not followed."""
        for path in self._files(root):
            if self.is_over:
                return
            self.file(path, label + os.path.relpath(path, root) if path != root else label + path.name)

    def file(self, path: Path, place: str) -> None:
        """One file, in portions."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            self.report.left_out.append(f"{place}: {error.strerror}")
            return
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in self.closed:
                return
            self.report.files += 1
            try:
                self._portions(place, file.read)
            except OSError as error:
                self.report.left_out.append(f"{place}: {error.strerror}")

    def _portions(self, place: str, read: Callable[[int], bytes]) -> None:
        whole, line = read(MIB), 1
        is_text = b"\0" not in whole[:8000]
        self.report.bytes += len(whole)
        while more := read(MIB) if not self.is_over else b"":
            cut = len(whole) - OVERLAP
            start = whole.rfind(b"\n", max(cut - OVERLAP, 0), cut) + 1 or cut
            until = len(whole[:start].decode("utf-8", "replace"))
            text = whole.decode("utf-8", "replace")
            self.text(place, text, line, is_text=is_text, has_lines=is_text, until=until)
            line += whole.count(b"\n", 0, start)
            self.report.bytes += len(more)
            whole = whole[start:] + more
        self.text(place, whole.decode("utf-8", "replace"), line, is_text=is_text, has_lines=is_text)

    def _files(self, root: Path) -> Iterator[Path]:
        if not root.is_dir():
            yield root
            return
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.report.left_out.append(f"{folder}: {error.strerror}")
                continue
            for entry in entries:
                path = Path(entry.path)
                if entry.name == ALLOWED_FILE or place_of(path) in self.closed:
                    continue
                if entry.is_file(follow_symlinks=False):
                    yield path
                elif entry.is_dir(follow_symlinks=False) and entry.name not in NOT_OURS:
                    waiting.append(path)

    def history(self, root: Path) -> None:
        """What every commit brought, of the repository that the folder lies in."""
        sweep = repository.sweep(root)
        for found in sweep:
            place = f"{found.commit[:12]}:{found.path}" if found.path else f"the message of {found.commit[:12]}"
            is_text = b"\0" not in found.raw[:8000]
            self.report.bytes += len(found.raw)
            self.text(place, found.raw.decode("utf-8", "replace"), is_text=is_text, has_lines=is_text)
            if self.is_over:
                break
        self.report.commits += sweep.commits
        self.report.contents += sweep.contents
        self.report.left_out += sweep.left_out


def place_of(path: Path) -> Place | None:
    """Device and inode of what is there; None where there is nothing."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino
