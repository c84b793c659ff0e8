"""Walking commits newest first, and what changed between two trees."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jarvis.repository.limits import Deadline, decode
from jarvis.repository.objects import Commit, Damaged, Entry, Objects

MAX_DEPTH = 128
MAX_CHANGES = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs; `kind` is added, modified, deleted or renamed."""

    kind: str
    path: str
    old_path: str
    old: Entry | None
    new: Entry | None


def walk(objects: Objects, starts: Iterable[str]) -> Iterator[Commit]:
    """Every commit reachable from the starts, by commit date, newest first."""
    seen: set[str] = set()
    queue: list[tuple[int, int, Commit]] = []
    order = 0
    for start in starts:
        if start not in seen:
            seen.add(start)
            first = objects.commit(start)
            heapq.heappush(queue, (-first.committed_at, order, first))
            order += 1
    while queue:
        commit = heapq.heappop(queue)[2]
        yield commit
        for parent in commit.parents:
            if parent not in seen:
                seen.add(parent)
                order += 1
                found = objects.commit(parent)
                heapq.heappush(queue, (-found.committed_at, order, found))


def changes_of(objects: Objects, commit: Commit, limit: int = MAX_CHANGES) -> list[Change]:
    """What a commit changed against its first parent; nothing for the cut edge of a shallow clone."""
    if commit.id in objects.shallow:
        return []
    before = objects.commit(commit.parents[0]).tree if commit.parents else None
    return compare(objects, before, commit.tree, limit)


def compare(objects: Objects, before: str | None, after: str | None, limit: int = MAX_CHANGES) -> list[Change]:
    """The files that differ between two trees, at most `limit`, whole-file renames joined."""
    found: list[Change] = []
    for change in _differences(objects, before, after, b"", 0):
        found.append(change)
        if len(found) >= limit:
            break
    return _joined(found)


def _differences(
    objects: Objects, before: str | None, after: str | None, prefix: bytes, depth: int
) -> Iterator[Change]:
    if before == after:
        return
    if depth > MAX_DEPTH:
        raise Damaged("The repository nests directories deeper than can be read.")
    old = _by_name(objects, before)
    new = _by_name(objects, after)
    for name in sorted(old.keys() | new.keys()):
        yield from _entry_differences(objects, old.get(name), new.get(name), prefix + name, depth)


def _by_name(objects: Objects, tree: str | None) -> dict[bytes, Entry]:
    return {} if tree is None else {entry.path: entry for entry in objects.tree(tree)}


def _entry_differences(
    objects: Objects, old: Entry | None, new: Entry | None, path: bytes, depth: int
) -> Iterator[Change]:
    if old and new and (old.id, old.mode) == (new.id, new.mode):
        return
    old_file = old if old and not old.is_tree else None
    new_file = new if new and not new.is_tree else None
    old_tree = old.id if old and old.is_tree else None
    new_tree = new.id if new and new.is_tree else None
    if old_file or new_file:
        kind = "added" if old_file is None else "deleted" if new_file is None else "modified"
        name = decode(path)
        yield Change(kind, name, name, old_file, new_file)
    if old_tree or new_tree:
        yield from _differences(objects, old_tree, new_tree, path + b"/", depth + 1)


def _joined(changes: list[Change]) -> list[Change]:
    """A file deleted here and added there with the same bytes was renamed."""
    gone = {change.old.id: change for change in changes if change.kind == "deleted" and change.old}
    moved: dict[str, Change] = {}
    result: list[Change] = []
    for change in changes:
        origin = gone.get(change.new.id) if change.kind == "added" and change.new else None
        if origin is not None and origin.path not in moved:
            moved[origin.path] = change
            change = Change("renamed", change.path, origin.path, origin.old, change.new)
        result.append(change)
    return [change for change in result if not (change.kind == "deleted" and change.path in moved)]


@dataclass(frozen=True, slots=True)
class Counted:
    """A bounded look over the whole history."""

    commits: int
    is_complete: bool
    first_at: int | None
    last_at: int | None
    authors: tuple[tuple[str, int], ...]
    damage: str


def count(objects: Objects, start: str, limit: int, deadline: Deadline, mailmap: "Mailmap") -> Counted:
    """Commits and their authors until the limit or the deadline; damage ends it and is named."""
    authors: dict[str, int] = {}
    total, first, last, damage = 0, None, None, ""
    complete = True
    try:
        for commit in walk(objects, [start]):
            if total >= limit or (total % 64 == 63 and deadline.passed()):
                complete = False
                break
            total += 1
            name = mailmap.name(commit.author.name, commit.author.email)
            authors[name] = authors.get(name, 0) + 1
            last = commit.committed_at if last is None else max(last, commit.committed_at)
            first = commit.committed_at if first is None else min(first, commit.committed_at)
    except Damaged as error:
        complete, damage = False, str(error)
    ranked = sorted(authors.items(), key=lambda item: (-item[1], item[0]))
    return Counted(total, complete, first, last, tuple(ranked), damage)


class Mailmap:
    """Author names as .mailmap joins them, and one name for one address otherwise."""

    def __init__(self, text: bytes | None) -> None:
        self._names: dict[str, str] = {}
        for line in decode(text or b"").splitlines()[:5000]:
            name, mails = _mailmap_line(line)
            if name:
                self._names.update((mail, name) for mail in mails)

    def name(self, name: str, email: str) -> str:
        return self._names.setdefault(email.lower(), name) if email else name


def _mailmap_line(line: str) -> tuple[str, list[str]]:
    """`Proper Name <mail> [[Commit Name] <commit mail>]`; joins by address, which is the common case."""
    text = line.split("#")[0]
    pieces = text.split("<")
    mails = [piece.split(">")[0].strip().lower() for piece in pieces[1:3] if ">" in piece]
    return pieces[0].strip(), mails
