"""An open repository, or a plain directory, for the length of one question."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jarvis.kernel.errors import NotFound
from jarvis.repository.limits import Limits, decode, printable
from jarvis.repository.objects import Commit, Names, Objects
from jarvis.repository.opening import Place, locate, opened
from jarvis.repository.sources import Directory, Revision, Source

if TYPE_CHECKING:
    from dulwich.repo import Repo

DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class View:
    """An open repository, or a directory when `objects` is None."""

    place: Place
    objects: Objects | None
    names: Names | None
    origin: str = ""
    """The last part of the address it was cloned from; the address itself may hold a password."""

    def source(self, ref: str | None) -> tuple[Source, str]:
        """Where the files of a revision come from, and its short name."""
        if self.objects is None or self.names is None:
            if ref:
                raise NotFound(f"{self.root} is not in a git repository, so it has no {printable(ref)[:80]}.")
            return Directory(self.place.root), ""
        commit = self.commit(ref)
        return Revision(self.objects, commit.tree), commit.id[:7]

    def commit(self, ref: str | None) -> Commit:
        objects, names = self.git()
        return objects.commit(names.resolve(ref))

    def git(self) -> tuple[Objects, Names]:
        if self.objects is None or self.names is None:
            raise NotFound(f"{self.root} is not in a git repository.")
        return self.objects, self.names

    @property
    def root(self) -> str:
        return printable(str(self.place.root))


@contextmanager
def view(path: Path | str, limits: Limits = DEFAULTS) -> Iterator[View]:
    """Open what is at the path for the length of one question."""
    place = locate(path)
    if not place.is_git:
        yield View(place, None, None)
        return
    with opened(place) as repo:
        objects = Objects(repo, limits)
        try:
            yield View(place, objects, Names(repo, objects), _origin(repo))
        finally:
            objects.close()


def _origin(repo: "Repo") -> str:
    try:
        url = decode(repo.get_config().get((b"remote", b"origin"), b"url"))
    except KeyError:
        return ""
    name = re.split(r"[/:\\]", url.rstrip("/"))[-1].removesuffix(".git")
    return printable(name)[:100] if re.fullmatch(r"[\w.-]{1,100}", name) else ""
