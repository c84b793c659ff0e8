"""The source tree: which files belong to it, and its git tree id, with or without git."""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

GIT = ["git", "-c", "safe.directory=*"]  # whoever builds a checkout runs its code anyway
LEFT_OUT = frozenset({"build", "dist", "__pycache__", "uv.lock"})
KEPT_HIDDEN = frozenset({".ci", ".github", ".gitignore", ".gitattributes"})
SHIPPED = ("jarvis/", "templates/", "static/")


class BuildError(Exception):
    """The archive cannot be built; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source tree in memory: path → bytes, and which of the files are executable."""

    files: Mapping[str, bytes]
    executables: frozenset[str] = field(default_factory=frozenset)

    def tree_id(self) -> str:
        """What `git write-tree` answers for these files: SHA-1 over blobs and trees (git's object format)."""
        root: dict[str, bytes | dict] = {}  # type: ignore[type-arg]  # as deep as the folders
        for path, data in self.files.items():
            *folders, name = path.split("/")
            here = root
            for folder in folders:
                here = here.setdefault(folder, {})  # type: ignore[assignment]
            here[name] = (b"100755 " if path in self.executables else b"100644 ") + _blob_id(data)
        return _tree_id(root).hex()

    def version(self) -> str:
        """What jarvis/__init__.py says; raises BuildError."""
        for line in self.files.get("jarvis/__init__.py", b"").decode().splitlines():
            if line.startswith("__version__"):
                return line.partition("=")[2].strip().strip("\"'")
        raise BuildError("jarvis/__init__.py names no __version__; this is not Jarvis's source tree.")

    def shipped(self) -> dict[str, bytes]:
        """The part that goes under lib/."""
        return {path: data for path, data in self.files.items() if path.startswith(SHIPPED)}


def _blob_id(data: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).digest()


def _tree_id(tree: Mapping[str, bytes | dict]) -> bytes:  # type: ignore[type-arg]
    """git sorts names as bytes, a folder as if its name ended in a slash."""
    lines = []
    for name, node in tree.items():
        if isinstance(node, dict):
            lines.append((name.encode() + b"/", b"40000 " + name.encode() + b"\0" + _tree_id(node)))
        else:
            mode, blob = node[:7], node[7:]
            lines.append((name.encode(), mode + name.encode() + b"\0" + blob))
    body = b"".join(line for _, line in sorted(lines))
    return hashlib.sha1(b"tree %d\0" % len(body) + body, usedforsecurity=False).digest()


def from_checkout(root: Path) -> Source:
    """The tracked files as they lie on disk; without git, all but hidden files and leftovers."""
    tracked = _git(root, "ls-files", "-z") if is_git(root) else None
    paths = tracked.split("\0") if tracked else list(_walk(root))
    files, executables = {}, set()
    for path in sorted(filter(None, paths)):
        file = root / path
        if file.is_symlink():
            raise BuildError(f"{path} is a symbolic link; the archive carries plain files only.")
        if file.is_file():  # else deleted, and not yet committed
            files[path] = file.read_bytes()
            if file.stat().st_mode & 0o100:
                executables.add(path)
    return Source(files, frozenset(executables))


def is_git(root: Path) -> bool:
    """Whether root itself is a checkout that git can read."""
    return (root / ".git").exists() and _git(root, "rev-parse", "--git-dir") is not None


def untracked(root: Path) -> list[str]:
    """Files that would ship if git knew them."""
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard") or ""
    return [path for path in listed.split("\0") if path.startswith((*SHIPPED, "tests/"))]


def commit(root: Path, tree_id: str) -> str | None:
    """HEAD's id when HEAD is exactly this tree; None when the tree was changed or git is not there."""
    if _git(root, "rev-parse", "HEAD^{tree}") != tree_id + "\n":
        return None
    return (_git(root, "rev-parse", "HEAD") or "").strip() or None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        run = subprocess.run([*GIT, "-C", str(root), *arguments], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = filter(_belongs, folders)
        for name in filter(_belongs, names):
            yield (Path(folder) / name).relative_to(root).as_posix()


def _belongs(name: str) -> bool:
    """Whether a file or folder is likely the project's own: hidden ones may hold secrets."""
    if name.startswith("."):
        return name in KEPT_HIDDEN
    return name not in LEFT_OUT and not name.endswith((".pyc", ".pyz", ".egg-info"))
