"""The files of one revision, or of a plain directory, behind one small interface."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jarvis.kernel.errors import NotFound, TooLarge
from jarvis.repository.history import MAX_DEPTH
from jarvis.repository.limits import Deadline, Limits, decode
from jarvis.repository.objects import Damaged, Entry, Objects

SKIPPED_DIRECTORIES = frozenset(["node_modules", "__pycache__", ".git", ".hg", ".svn", ".tox", ".venv", "venv"])


@dataclass(frozen=True, slots=True)
class Found:
    """One file: its path with forward slashes, what it is, and the key to read it by."""

    path: str
    kind: str  # file | link | submodule
    key: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Source(Protocol):
    """Somewhere files come from. `read` raises TooLarge or Damaged."""

    def files(self, limits: Limits, deadline: Deadline) -> tuple[list[Found], bool]:
        """Every file, and whether that is all of them."""

    def read(self, file: Found, max_bytes: int) -> bytes: ...

    def size(self, file: Found) -> int | None: ...


class Revision:
    """The files of one commit, read from its trees and never from the disk."""

    def __init__(self, objects: Objects, tree: str) -> None:
        self._objects = objects
        self._tree = tree

    def files(self, limits: Limits, deadline: Deadline) -> tuple[list[Found], bool]:
        found: list[Found] = []
        for path, entry in self._under(self._tree, b"", 0):
            if len(found) >= limits.max_files or (len(found) % 256 == 255 and deadline.passed()):
                return found, False
            found.append(Found(decode(path), _kind(entry), entry.id))
        return found, True

    def read(self, file: Found, max_bytes: int) -> bytes:
        return self._objects.blob(file.key, max_bytes)

    def size(self, file: Found) -> int | None:
        return self._objects.size(file.key)

    def entry(self, path: str) -> Entry | None:
        """What stands at this path in the tree: names only, so `..` and links lead nowhere."""
        current = Entry(b"", 0o040000, self._tree)
        for part in [part for part in path.split("/") if part not in ("", ".")]:
            if not current.is_tree:
                return None
            names = {decode(entry.path): entry for entry in self._objects.tree(current.id)}
            if part not in names:
                return None
            current = names[part]
        return current

    def children(self, tree: str) -> list[Entry]:
        return self._objects.tree(tree)

    def _under(self, tree: str, prefix: bytes, depth: int) -> Iterator[tuple[bytes, Entry]]:
        if depth > MAX_DEPTH:
            raise Damaged("The repository nests directories deeper than can be read.")
        for entry in self._objects.tree(tree):
            path = prefix + entry.path
            if entry.is_tree:
                yield from self._under(entry.id, path + b"/", depth + 1)
            else:
                yield path, entry


def _kind(entry: Entry) -> str:
    return "link" if entry.is_link else "submodule" if entry.is_submodule else "file"


class Directory:
    """The visible files of a plain directory; links are never followed, hidden files left out."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self, limits: Limits, deadline: Deadline) -> tuple[list[Found], bool]:
        found: list[Found] = []
        waiting = [("", 0)]
        while waiting:
            folder, depth = waiting.pop()
            if deadline.passed() or len(found) >= limits.max_files:
                return found[: limits.max_files], False
            for name, mode in self._names(folder):
                path = f"{folder}/{name}" if folder else name
                if stat.S_ISDIR(mode) and depth < MAX_DEPTH:
                    waiting.append((path, depth + 1))
                elif stat.S_ISREG(mode):
                    found.append(Found(path, "file", path))
        return sorted(found, key=lambda file: file.path), True

    def read(self, file: Found, max_bytes: int) -> bytes:
        with os.fdopen(self._open(file.path), "rb") as handle:
            if os.fstat(handle.fileno()).st_size > max_bytes:
                raise TooLarge(f"The file is larger than {max_bytes:,} bytes.")
            return handle.read(max_bytes)

    def size(self, file: Found) -> int | None:
        try:
            return (self._root / file.path).lstat().st_size
        except OSError:
            return None

    def _names(self, folder: str) -> list[tuple[str, int]]:
        try:
            with os.scandir(self._root / folder) as entries:
                seen = [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries]
        except OSError:
            return []
        return sorted((n, m) for n, m in seen if not n.startswith(".") and n not in SKIPPED_DIRECTORIES)

    def _open(self, path: str) -> int:
        """Open below the root one name at a time, refusing links on the way and pipes at the end."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") for part in parts):
            raise NotFound("There is no such file.")
        parent = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                child = os.open(part, flags, dir_fd=parent)
                os.close(parent)
                parent = child
            last = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            handle = os.open(parts[-1], last, dir_fd=parent)
        except OSError:
            raise NotFound("There is no such file.") from None
        finally:
            os.close(parent)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise NotFound("There is no such file.")
        return handle
