"""One look at a repository: what it is, how large, who works on it and what changed last."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel.errors import JarvisError
from jarvis.repository.hints import Hint, hints, license_of, manifest, text_of
from jarvis.repository.history import Counted, Mailmap, changes_of, count, walk
from jarvis.repository.limits import Deadline, Limits, printable
from jarvis.repository.objects import Commit, Damaged, Names, Objects
from jarvis.repository.opening import opened
from jarvis.repository.reading import LogEntry, as_data, entry_of
from jarvis.repository.readme import gist
from jarvis.repository.sources import Directory, Found, Revision, Source
from jarvis.repository.survey import Folder, LanguageShare, Size, survey
from jarvis.repository.views import DEFAULTS, View, view
from jarvis.repository.worktree import DirtyState, dirty_state

RECENT = 10
LOOKED_AT_FOR_HOT = 200
HOT = 8
TOP = 5
NAMED_BRANCHES = 12
README_NAMES = ("readme.md", "readme.rst", "readme.txt", "readme", "readme.markdown", "readme.adoc")


@dataclass(frozen=True, slots=True)
class Contributor:
    name: str
    commits: int


@dataclass(frozen=True, slots=True)
class Commits:
    """`is_complete` is False when counting was cut short: then there are more than `count`."""

    count: int
    is_complete: bool
    is_shallow: bool
    first_at: int | None
    last_at: int | None


@dataclass(frozen=True, slots=True)
class References:
    """`current` is None when HEAD is detached."""

    current: str | None
    head: str | None
    branches: tuple[str, ...]
    branch_count: int
    remote_branch_count: int
    tag_count: int
    latest_tag: str | None
    latest_tag_at: int | None


@dataclass(frozen=True, slots=True)
class HotFile:
    path: str
    changes: int


@dataclass(frozen=True, slots=True)
class Hot:
    """The files changed most often in the newest `commits` commits."""

    files: tuple[HotFile, ...]
    commits: int


@dataclass(frozen=True, slots=True)
class RepositorySummary:
    """`kind` is git, bare or directory; `notes` say what was cut short or could not be read."""

    path: str
    inside: str
    kind: str
    name: str
    version: str
    description: str
    readme: str
    languages: tuple[LanguageShare, ...]
    size: Size
    folders: tuple[Folder, ...]
    root_files: tuple[str, ...]
    hints: tuple[Hint, ...]
    license: str
    references: References | None
    commits: Commits | None
    contributors: tuple[Contributor, ...]
    contributor_count: int
    recent: tuple[LogEntry, ...]
    hot: Hot | None
    dirty: DirtyState | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _History:
    references: References | None = None
    commits: Commits | None = None
    contributors: tuple[Contributor, ...] = ()
    contributor_count: int = 0
    recent: tuple[LogEntry, ...] = ()
    hot: Hot | None = None
    dirty: DirtyState | None = None


def summarize(path: Path | str, limits: Limits = DEFAULTS) -> RepositorySummary:
    """Summarise the repository the path lies in, or the plain directory when it lies in none.

    Takes at most about `limits.seconds`; what that cut short is in `notes`.
    """
    notes: list[str] = []
    with view(path, limits) as seen:
        head = seen.commit(None) if seen.names is not None and seen.names.head else None
        source = _source(seen, head)
        found, is_all = source.files(limits, _share(limits, 0.2)) if source else ([], True)
        by_path = {file.path: file for file in found}
        history = _history(seen, head, by_path, source, limits, notes)
        counted = survey(source or Directory(seen.place.root), found, is_all, limits, _share(limits, 0.35))
        if not counted.size.is_complete:
            notes.append(
                f"Lines and languages come from {counted.size.files_counted:,} of "
                f"{'more than ' * (not is_all)}{counted.size.files:,} files."
            )
        says = manifest(source, by_path) if source else None
        readme = next((by_path[n].path for n in sorted(by_path, key=_readme_rank) if _readme_rank(n) < 99), "")
        text = gist(text_of(source, by_path, readme)) if source and readme else ""
        return RepositorySummary(
            path=seen.root,
            inside=printable(seen.place.inside),
            kind="bare" if seen.place.is_bare else "git" if seen.place.is_git else "directory",
            name=_name(seen, says.name if says else ""),
            version=says.version if says else "",
            description=printable(text or (says.description if says else "")),
            readme=printable(readme),
            languages=counted.languages,
            size=counted.size,
            folders=counted.folders,
            root_files=counted.root_files,
            hints=hints(source, by_path) if source else (),
            license=license_of(source, by_path) if source else "",
            references=history.references,
            commits=history.commits,
            contributors=history.contributors,
            contributor_count=history.contributor_count,
            recent=history.recent,
            hot=history.hot,
            dirty=history.dirty,
            notes=tuple(notes),
        )


def summary_data(path: Path | str, limits: Limits = DEFAULTS) -> dict[str, Any]:
    """`summarize` as JSON-able values."""
    return as_data(summarize(path, limits))


def _share(limits: Limits, part: float) -> Deadline:
    return Deadline(limits.seconds * part, limits.stopwatch)


def _source(seen: View, head: Commit | None) -> Source | None:
    if seen.objects is None:
        return Directory(seen.place.root)
    return Revision(seen.objects, head.tree) if head else None


def _readme_rank(path: str) -> int:
    lowered = path.lower()
    return README_NAMES.index(lowered) if lowered in README_NAMES else 99


def _name(seen: View, declared: str) -> str:
    return declared or seen.origin or printable(seen.place.root.name.removesuffix(".git")) or "/"


def _history(
    seen: View,
    head: Commit | None,
    files: dict[str, Found],
    source: Source | None,
    limits: Limits,
    notes: list[str],
) -> _History:
    if seen.objects is None or seen.names is None:
        return _History()
    dirty = _dirty(seen, files, limits, notes)
    references = _references(seen.objects, seen.names)
    if head is None:
        return _History(references=references, dirty=dirty)
    mailmap = Mailmap(text_of(source, files, ".mailmap").encode() if source else None)
    recent, hot = _latest(seen.objects, head, _share(limits, 0.2), notes)
    counted = count(seen.objects, head.id, limits.max_commits, _share(limits, 0.25), mailmap)
    if counted.damage:
        notes.append(counted.damage)
    people = tuple(Contributor(name, commits) for name, commits in counted.authors[:TOP])
    return _History(
        references, _commits(counted, bool(seen.objects.shallow)), people, len(counted.authors), recent, hot, dirty
    )  # fmt: skip


def _commits(counted: Counted, is_shallow: bool) -> Commits:
    first = counted.first_at if counted.is_complete and not is_shallow else None
    return Commits(counted.commits, counted.is_complete, is_shallow, first, counted.last_at)


def _latest(
    objects: Objects, head: Commit, deadline: Deadline, notes: list[str]
) -> tuple[tuple[LogEntry, ...], Hot | None]:
    recent: list[LogEntry] = []
    touched: Counter[str] = Counter()
    looked = 0
    try:
        for commit in walk(objects, [head.id]):
            if looked >= LOOKED_AT_FOR_HOT or deadline.passed():
                break
            changes = changes_of(objects, commit)
            looked += 1
            if len(recent) < RECENT:
                recent.append(entry_of(commit, changes))
            if len(commit.parents) < 2:
                touched.update(change.path for change in changes)
    except Damaged as error:
        notes.append(str(error))
    hot = sorted(((path, n) for path, n in touched.items() if n > 1), key=lambda item: (-item[1], item[0]))
    return tuple(recent), Hot(tuple(HotFile(printable(path), n) for path, n in hot[:HOT]), looked)


def _references(objects: Objects, names: Names) -> References:
    branches = names.under("refs/heads/")
    tags = names.under("refs/tags/")
    latest = _latest_tag(objects, tags)
    ordered = sorted(branches, key=lambda name: (name != names.branch, name))
    return References(
        current=printable(names.branch) if names.branch else None,
        head=names.head[:7] if names.head else None,
        branches=tuple(printable(name) for name in ordered[:NAMED_BRANCHES]),
        branch_count=len(branches),
        remote_branch_count=sum(not name.endswith("/HEAD") for name in names.under("refs/remotes/")),
        tag_count=len(tags),
        latest_tag=printable(latest[1]) if latest else None,
        latest_tag_at=latest[0] if latest else None,
    )


def _latest_tag(objects: Objects, tags: dict[str, str]) -> tuple[int, str] | None:
    """The tag on the newest commit among the last two hundred by name, version numbers counted as numbers."""
    dated: list[tuple[int, list[int], str]] = []
    for name in sorted(tags, key=_version)[-200:]:
        try:
            dated.append((objects.commit(objects.peel(tags[name])).committed_at, _version(name), name))
        except JarvisError:
            continue
    if not dated:
        return None
    at, _, name = max(dated)
    return at, name


def _version(name: str) -> list[int]:
    return [int(part) for part in "".join(c if c.isdigit() else " " for c in name[:60]).split()][:6]


def _dirty(seen: View, files: dict[str, Found], limits: Limits, notes: list[str]) -> DirtyState | None:
    if seen.place.is_bare or seen.objects is None:
        return None
    head = {path: file.key for path, file in files.items()}
    try:
        with opened(seen.place) as repo:
            return dirty_state(repo, seen.objects, seen.place.root, head, _share(limits, 0.2))
    except JarvisError as error:
        notes.append(str(error))
        return None
