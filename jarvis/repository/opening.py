"""Finding and opening a repository that somebody else may have prepared as a trap.

Nothing in a repository is ever executed: dulwich reads objects, and neither hooks, filters,
fsmonitor nor external diffs exist here. What is left to guard against is being led elsewhere:
a `.git` planted above the directory, or a pointer (gitfile, commondir, alternates, symlink)
into a repository that its author could not read but we can. So a pointer is followed only when
its author is us or root, or owns the target too; and config includes are not read.
"""

import functools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jarvis.kernel.errors import Denied, JarvisError, NotFound, Unavailable
from jarvis.repository.limits import KIB, decode, printable

if TYPE_CHECKING:
    from dulwich.config import ConfigFile
    from dulwich.repo import Repo

MAX_LEVELS = 64
MAX_ALTERNATES = 8
POINTER_BYTES = 4 * KIB
CONFIG_BYTES = 256 * KIB
CONTROL_NAMES = [
    "HEAD",
    "config",
    "index",
    "packed-refs",
    "shallow",
    "refs",
    "info",
    "info/grafts",
    "objects",
    "objects/info",
    "objects/info/alternates",
    "objects/pack",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question about a directory is answered from."""

    root: Path
    control: Path | None
    inside: str

    @property
    def is_git(self) -> bool:
        return self.control is not None

    @property
    def is_bare(self) -> bool:
        return self.control == self.root


def locate(path: Path | str) -> Place:
    """The repository the path lies in, or the path itself when there is none.

    Raises NotFound when the path is no directory, Denied when what was found may not be trusted.
    """
    start = Path(os.path.realpath(path))
    try:
        here = start.stat()
    except (OSError, ValueError):
        raise NotFound(f"There is no directory {printable(str(path))}.") from None
    if not stat.S_ISDIR(here.st_mode):
        raise NotFound(f"{printable(str(path))} is not a directory.")
    for level in (start, *start.parents)[:MAX_LEVELS]:
        if level.stat().st_dev != here.st_dev:
            break
        control = _control_of(level, owner(start))
        if control is not None:
            inside = "" if level == start else str(start.relative_to(level))
            return Place(level, control, inside)
    return Place(start, None, "")


@contextmanager
def opened(place: Place) -> Iterator["Repo"]:
    """The repository open for reading; raises Unavailable when dulwich cannot make sense of it."""
    if place.control is None:
        raise NotFound(f"{printable(str(place.root))} is not in a git repository.")
    common = _common_of(place.control)
    for directory in {place.control, common}:
        _check_control(directory)
    _check_alternates(common / "objects", MAX_ALTERNATES)
    try:
        repo = _reader_class()(str(place.root), controldir=str(place.control), worktree=_worktree(place))
    except JarvisError:
        raise
    except Exception as error:  # whatever a damaged control directory provokes in the library
        raise Unavailable(f"The repository at {printable(str(place.root))} cannot be opened: {_why(error)}") from None
    with repo:
        yield repo


def owner(path: Path) -> int:
    """Who the path itself belongs to; of a link, not of what it points to."""
    return path.lstat().st_uid


def _worktree(place: Place) -> str | None:
    return None if place.is_bare else str(place.root)


@functools.cache
def _reader_class() -> type["Repo"]:
    from dulwich.config import ConfigFile
    from dulwich.repo import Repo

    class Reader(Repo):
        """A repository whose configuration cannot pull in other files."""

        def get_config(self) -> "ConfigFile":
            config = Path(self.commondir()) / "config"
            if not config.is_file():
                return ConfigFile()
            if config.stat().st_size > CONFIG_BYTES:
                raise Unavailable("its config file is larger than 256 KiB.")
            with config.open("rb") as file:
                return ConfigFile.from_file(file, expand_includes=False)

    return Reader


def _control_of(level: Path, asker: int) -> Path | None:
    """The git directory of this level, if it has one."""
    dot_git = level / ".git"
    found: Path | None = None
    if dot_git.is_dir():
        found = _followed(dot_git, dot_git.resolve()) if (dot_git / "objects").is_dir() else None
        found = found or (dot_git if (dot_git / "commondir").is_file() else None)
    elif dot_git.is_file():
        found = _pointed_to(dot_git, b"gitdir: ")
    elif all((level / name).is_dir() for name in ("objects", "refs")) and (level / "HEAD").is_file():
        found = level
    if found is not None:
        trusted = {os.geteuid(), 0, asker}
        for owned in (level, dot_git if dot_git.exists() else level):
            if owner(owned) not in trusted:
                raise Denied(f"{printable(str(owned))} belongs to neither this user nor the owner of the directory.")
    return found


def _pointed_to(pointer: Path, prefix: bytes) -> Path:
    text = _small(pointer)
    if not text.startswith(prefix):
        raise Unavailable(f"{printable(str(pointer))} does not point to a git directory.")
    name = os.fsdecode(text.removeprefix(prefix).rstrip(b"\r\n"))
    target = Path(os.path.realpath(pointer.parent / name))
    if not target.is_dir():
        raise Unavailable(f"{printable(str(pointer))} points to {printable(str(target))}, which is no directory.")
    return _followed(pointer, target)


def _followed(pointer: Path, target: Path) -> Path:
    author = owner(pointer)
    if author in (os.geteuid(), 0) or owner(target) == author:
        return target
    raise Denied(f"{printable(str(pointer))} points to {printable(str(target))}, which its author does not own.")


def _common_of(control: Path) -> Path:
    pointer = control / "commondir"
    return _pointed_to(pointer, b"") if pointer.is_file() else control


def _check_control(directory: Path) -> None:
    for name in CONTROL_NAMES:
        _check_kind(directory / name)
    packs = directory / "objects" / "pack"
    if packs.is_dir():
        for entry in sorted(packs.iterdir()):
            _check_kind(entry)


def _check_kind(path: Path) -> None:
    """A pipe or device would hang the reader; a symlink must be ours to follow."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode) and path.exists():
        _followed(path, path.resolve())
        mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        raise Denied(f"{printable(str(path))} is neither a file nor a directory.")


def _check_alternates(objects: Path, left: int) -> None:
    pointer = objects / "info" / "alternates"
    if not pointer.is_file():
        return
    for line in _small(pointer).splitlines():
        if not line or line.startswith(b"#"):
            continue
        if left == 0:
            raise Denied("The repository borrows objects from too many others.")
        target = Path(os.path.realpath(objects / os.fsdecode(line)))
        if target.is_dir():
            _check_alternates(_followed(pointer, target), left - 1)


def _small(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(POINTER_BYTES)


def _why(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    said = decode(text) if isinstance(text, bytes) else str(text)
    return printable(f"{type(error).__name__} {said}".strip()[:200])
