"""What in a work tree differs from its commit, judged without filters, hooks or fsmonitor."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jarvis.kernel.errors import TooLarge
from jarvis.repository.limits import KIB, MIB, Deadline, decode, printable
from jarvis.repository.objects import LINK_MODE, SUBMODULE_MODE, Damaged, Objects

if TYPE_CHECKING:
    from dulwich.ignore import IgnoreFilter
    from dulwich.index import IndexEntry
    from dulwich.repo import Repo

MAX_HASHED_BYTES = 8 * MIB
MAX_INDEXED = 30_000  # reading more entries would take longer than a summary may
MAX_IGNORE_BYTES = 64 * KIB
MAX_UNTRACKED = 5_000
MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class DirtyState:
    """Counts against HEAD; `examples` are paths marked S, M, D, U (conflict) or ?."""

    staged: int
    modified: int
    deleted: int
    conflicted: int
    untracked: int
    is_complete: bool
    examples: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.staged or self.modified or self.deleted or self.conflicted or self.untracked)


def dirty_state(
    repo: "Repo", objects: Objects, root: Path, head_tree: dict[str, str] | None, deadline: Deadline
) -> DirtyState | None:
    """None without an index. Content is hashed raw: a file git would convert may count as modified."""
    index = _index(repo)
    if index is None:
        return None
    marks: list[tuple[str, str]] = []
    complete = head_tree is not None
    conflicted = 0
    for number, (path, entry) in enumerate(index.items()):
        if number % 64 == 63 and deadline.passed():
            complete = False
            break
        if entry is None:
            conflicted += 1
            marks.append(("U", path))
            continue
        marks += [(mark, path) for mark in _marks(root, path, entry, head_tree)]
    marks += [("S", path) for path in (head_tree or {}) if path not in index]
    untracked, is_all = _untracked(root, index, deadline)
    marks += [("?", path) for path in untracked]
    count = {letter: sum(mark == letter for mark, _ in marks) for letter in "SMD?"}
    examples = tuple(f"{mark} {printable(path)}" for mark, path in marks[:MAX_LISTED])
    return DirtyState(
        count["S"], count["M"], count["D"], conflicted, count["?"], complete and is_all, examples
    )  # fmt: skip


def _index(repo: "Repo") -> "dict[str, IndexEntry | None] | None":
    """Tracked paths; a conflicted one has no entry."""
    from dulwich.index import ConflictedIndexEntry, Index

    path = Path(repo.index_path())
    if not path.is_file():
        return None
    if _indexed(path) > MAX_INDEXED:
        raise TooLarge(f"More than {MAX_INDEXED:,} files are tracked, so the work tree was not compared.")
    try:
        index = Index(path, object_format=repo.object_format)
    except Exception:  # whatever the byte at fault provokes in the parser
        raise Damaged("The repository is damaged: its index cannot be read.") from None
    return {decode(name): None if isinstance(entry, ConflictedIndexEntry) else entry for name, entry in index.items()}


def _indexed(path: Path) -> int:
    """The number of entries, from the header (gitformat-index(5))."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(12)[8:12])


def _marks(root: Path, path: str, entry: "IndexEntry", head: dict[str, str] | None) -> Iterator[str]:
    object_id = entry.sha.decode("ascii")
    if head is not None and head.get(path) != object_id:
        yield "S"
    if entry.mode == SUBMODULE_MODE or entry.extended_flags & 0x4000:  # skip-worktree: absent on purpose
        return
    try:
        seen = (root / path).lstat()
    except (OSError, ValueError):
        yield "D"
        return
    if not _is_same(seen, entry) and _is_changed(root / path, seen, entry, object_id):
        yield "M"


def _is_same(seen: os.stat_result, entry: "IndexEntry") -> bool:
    mtime = entry.mtime
    seconds, nanoseconds = mtime if isinstance(mtime, tuple) else (int(mtime), 0)
    exact = nanoseconds == 0 or seen.st_mtime_ns % 1_000_000_000 == nanoseconds
    return seen.st_size == entry.size and int(seen.st_mtime) == seconds and exact


def _is_changed(path: Path, seen: os.stat_result, entry: "IndexEntry", object_id: str) -> bool:
    is_link = stat.S_ISLNK(seen.st_mode)
    if is_link != (entry.mode & 0o170000 == LINK_MODE) or not (is_link or stat.S_ISREG(seen.st_mode)):
        return True
    if seen.st_size != entry.size & 0xFFFFFFFF or seen.st_size > MAX_HASHED_BYTES:
        return seen.st_size != entry.size or seen.st_size > MAX_HASHED_BYTES
    from dulwich.object_format import get_object_format
    from dulwich.objects import Blob

    text = os.fsencode(path.readlink()) if is_link else _read_regular(path)
    name = "sha256" if len(object_id) == 64 else "sha1"
    return text is None or Blob.from_string(text).get_id(get_object_format(name)).decode() != object_id


def _read_regular(path: Path, limit: int = MAX_HASHED_BYTES) -> bytes | None:
    """The bytes of a regular file that is not a link; a pipe put in its place cannot block."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read(limit) if stat.S_ISREG(os.fstat(handle).st_mode) else None


def _untracked(root: Path, tracked: "dict[str, IndexEntry | None]", deadline: Deadline) -> tuple[list[str], bool]:
    """Files neither tracked nor ignored; a folder that is a repository of its own counts as one."""
    found: list[str] = []
    base = _filters(root, [".git/info/exclude", ".gitignore"])
    waiting: list[tuple[str, tuple[tuple[str, IgnoreFilter], ...]]] = [("", tuple(("", f) for f in base))]
    while waiting:
        folder, filters = waiting.pop()
        if deadline.passed() or len(found) >= MAX_UNTRACKED:
            return found, False
        for name, is_directory in _children(root / folder):
            path = f"{folder}/{name}" if folder else name
            if path in tracked or _is_ignored(path + "/" * is_directory, filters):
                continue
            if is_directory and not (root / path / ".git").exists():
                own = tuple((f"{path}/", f) for f in _filters(root / path, [".gitignore"]))
                waiting.append((path, filters + own))
            else:
                found.append(path)
    return sorted(found), True


def _children(folder: Path) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return [(e.name, e.is_dir(follow_symlinks=False)) for e in entries if e.name != ".git"]
    except OSError:
        return []


def _filters(folder: Path, names: list[str]) -> "list[IgnoreFilter]":
    from dulwich.ignore import IgnoreFilter

    texts = [_read_regular(folder / name, MAX_IGNORE_BYTES) for name in names]
    return [IgnoreFilter(_patterns(text)) for text in texts if text]


def _patterns(text: bytes) -> list[bytes]:
    lines = (line.rstrip(b"\r\n") for line in text.splitlines())
    return [line for line in lines if line.strip() and not line.startswith(b"#") and _is_cheap(line)]


def _is_cheap(pattern: bytes) -> bool:
    """Patterns become regular expressions; many stars in one would backtrack for minutes."""
    return len(pattern) < 500 and pattern.replace(b"**", b"*").count(b"*") <= 4


def _is_ignored(path: str, filters: "tuple[tuple[str, IgnoreFilter], ...]") -> bool:
    """The innermost file that has an opinion decides."""
    for prefix, rules in reversed(filters):
        verdict = rules.is_ignored(path.removeprefix(prefix))
        if verdict is not None:
            return bool(verdict)
    return False
