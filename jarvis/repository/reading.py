"""The ways to read a repository: tree, file, search, log and diff, all bounded, none running git."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.errors import Invalid, JarvisError, NotFound, TooLarge, invalid
from jarvis.repository.history import Change, changes_of, compare, walk
from jarvis.repository.languages import BINARY_KIND, by_name
from jarvis.repository.limits import KIB, Deadline, Limits, decode, is_binary, printable, printable_lines
from jarvis.repository.objects import Commit, Objects
from jarvis.repository.sources import Found, Revision, Source
from jarvis.repository.views import DEFAULTS, view

MAX_ENTRIES = 500
MAX_HITS = 120
MAX_LINE = 240
MAX_DIFF_BYTES = 32 * KIB
MAX_DIFF_FILES = 200
MAX_DIFFED_BYTES = 512 * KIB
MAX_DIFFED_LINES = 8_000
MAX_NAMED_FILES = 8
MAX_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class TreeItem:
    name: str
    kind: str  # file | folder | link | submodule
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Tree:
    path: str
    ref: str
    folder: str
    items: tuple[TreeItem, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class File:
    """`text` is empty for a binary file; `more` means the text was cut."""

    path: str
    ref: str
    name: str
    bytes: int
    lines: int
    language: str
    is_binary: bool
    text: str
    more: bool


@dataclass(frozen=True, slots=True)
class Hit:
    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Search:
    path: str
    ref: str
    pattern: str
    hits: tuple[Hit, ...]
    files_searched: int
    files_matched: int
    more: bool


@dataclass(frozen=True, slots=True)
class LogEntry:
    id: str
    at: int
    author: str
    subject: str
    files_changed: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Log:
    path: str
    ref: str
    commits: tuple[LogEntry, ...]
    more: bool
    looked_at: int


@dataclass(frozen=True, slots=True)
class FileDelta:
    path: str
    kind: str
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Diff:
    path: str
    a: str
    b: str
    files: tuple[FileDelta, ...]
    text: str
    more: bool


def tree(path: Path | str, ref: str | None = None, subdir: str = "", limits: Limits = DEFAULTS) -> Tree:
    """The names in one folder of a revision; folders first."""
    with view(path, limits) as seen:
        source, name = seen.source(ref)
        items = _git_items(source, subdir) if isinstance(source, Revision) else _plain_items(source, subdir, limits)
        items.sort(key=lambda item: (item.kind != "folder", item.name))
        return Tree(seen.root, name, printable(subdir), tuple(items[:MAX_ENTRIES]), len(items) > MAX_ENTRIES)


def read_file(
    path: Path | str,
    ref: str | None = None,
    name: str = "README.md",
    max_bytes: int = 32 * KIB,
    limits: Limits = DEFAULTS,
) -> File:
    """One file of a revision. A name that is not a path is looked for; NotFound names the candidates."""
    with view(path, limits) as seen:
        source, short = seen.source(ref)
        found = _find(source, name, limits)
        raw = source.read(found, limits.max_object_bytes)
        binary = is_binary(raw)
        text = "" if binary else printable_lines(decode(raw[:max_bytes]))
        kind = by_name(found.name)
        return File(
            seen.root, short, printable(found.path), len(raw), raw.count(b"\n"),
            kind.language if kind and kind.family != "other" else "", binary, text, len(raw) > max_bytes,
        )  # fmt: skip


def search(
    path: Path | str,
    pattern: str,
    ref: str | None = None,
    max_hits: int = MAX_HITS,
    limits: Limits = DEFAULTS,
) -> Search:
    """Lines that contain the text, whatever its case; binary and very large files are passed over."""
    if not pattern.strip() or len(pattern) > 500 or "\n" in pattern:
        raise invalid("pattern", "Give one line of text to look for, at most 500 characters.")
    wanted = re.compile(re.escape(pattern.encode()), re.IGNORECASE)
    folded = pattern.casefold() if not pattern.isascii() else ""
    deadline = Deadline(limits.seconds, limits.stopwatch)
    with view(path, limits) as seen:
        source, short = seen.source(ref)
        files, complete = source.files(limits, deadline)
        hits: list[Hit] = []
        matched: set[str] = set()
        searched = total = 0
        for file in files:
            if len(hits) >= max_hits or total > limits.max_total_bytes or deadline.passed():
                complete = False
                break
            raw = _text(source, file, limits)
            searched, total = searched + 1, total + len(raw)
            for hit in _hits(file, raw, wanted, folded):
                if len(hits) >= max_hits:
                    break
                hits.append(hit)
                matched.add(hit.file)
        return Search(seen.root, short, printable(pattern), tuple(hits), searched, len(matched), not complete)


def log(
    path: Path | str,
    ref: str | None = None,
    n: int = 20,
    file: str | None = None,
    author: str | None = None,
    since: int | None = None,
    until: int | None = None,
    limits: Limits = DEFAULTS,
) -> Log:
    """The newest commits that fit; `since` and `until` are instants, `file` a path or folder."""
    deadline = Deadline(limits.seconds, limits.stopwatch)
    with view(path, limits) as seen:
        objects, names = seen.git()
        found: list[LogEntry] = []
        looked, more = 0, False
        for commit in walk(objects, [names.resolve(ref)]):
            if since is not None and commit.committed_at < since:
                break
            if len(found) >= n or looked >= limits.max_commits or deadline.passed():
                more = True
                break
            looked += 1
            if until is not None and commit.committed_at > until:
                continue
            if author and not _is_by(commit, author):
                continue
            changes = changes_of(objects, commit)
            if file is None or any(_is_under(change, file) for change in changes):
                found.append(entry_of(commit, changes))
        return Log(seen.root, printable(ref or names.branch or "HEAD"), tuple(found), more, looked)


def diff(path: Path | str, a: str, b: str = "HEAD", limits: Limits = DEFAULTS) -> Diff:
    """A unified diff from a to b, with counts for each file; the text is cut at 32 KiB."""
    deadline = Deadline(limits.seconds, limits.stopwatch)
    with view(path, limits) as seen:
        objects, _ = seen.git()
        before, after = seen.commit(a), seen.commit(b)
        changes = compare(objects, before.tree, after.tree, MAX_DIFF_FILES + 1)
        more = len(changes) > MAX_DIFF_FILES
        deltas: list[FileDelta] = []
        pieces: list[str] = []
        size = 0
        for change in changes[:MAX_DIFF_FILES]:
            lines = [] if deadline.passed() else _unified(objects, change)
            deltas.append(_delta(change, lines))
            size += sum(len(line) + 1 for line in lines)
            if size <= MAX_DIFF_BYTES and lines:
                pieces += lines
            else:
                more = True
        return Diff(seen.root, before.id[:7], after.id[:7], tuple(deltas), "\n".join(pieces), more)


def entry_of(commit: Commit, changes: list[Change]) -> LogEntry:
    files = tuple(printable(change.path) for change in changes[:MAX_NAMED_FILES])
    return LogEntry(commit.id[:7], commit.committed_at, commit.author.name, commit.subject, len(changes), files)


def as_data(value: Any) -> dict[str, Any]:
    """A reading as JSON-able values, its instants as RFC 3339."""
    result = _plain(asdict(value))
    assert isinstance(result, dict)
    return result


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    is_instant = isinstance(value, int) and (key == "at" or key.endswith("_at"))
    return rfc3339(value) if is_instant else value


def _git_items(source: Revision, subdir: str) -> list[TreeItem]:
    entry = source.entry(subdir)
    if entry is None or not entry.is_tree:
        raise NotFound(f"There is no folder {printable(subdir)[:200]} in this revision.")
    items = []
    for child in source.children(entry.id):
        kind = "folder" if child.is_tree else "link" if child.is_link else "submodule" if child.is_submodule else "file"
        size = source.size(Found("", kind, child.id)) if kind == "file" else None
        items.append(TreeItem(printable(decode(child.path)), kind, size))
    return items


def _plain_items(source: Source, subdir: str, limits: Limits) -> list[TreeItem]:
    prefix = subdir.strip("/") + "/" if subdir.strip("/.") else ""
    files, _ = source.files(limits, Deadline(limits.seconds, limits.stopwatch))
    below = [file for file in files if file.path.startswith(prefix)]
    if prefix and not below:
        raise NotFound(f"There is no folder {printable(subdir)[:200]} here.")
    folders = {file.path[len(prefix) :].partition("/")[0] for file in below if "/" in file.path[len(prefix) :]}
    items = [TreeItem(printable(name), "folder", None) for name in folders]
    direct = [file for file in below if "/" not in file.path[len(prefix) :]]
    return items + [TreeItem(printable(file.name), "file", source.size(file)) for file in direct]


def _find(source: Source, name: str, limits: Limits) -> Found:
    """The file at this path; else the only one with this path's ending, or this name without its suffix."""
    files, _ = source.files(limits, Deadline(limits.seconds, limits.stopwatch))
    wanted = name.strip().strip("/").removeprefix("./")
    exact = [file for file in files if file.path == wanted]
    lowered = wanted.lower()
    endings = [file for file in files if f"/{file.path.lower()}".endswith(f"/{lowered}")]
    stems = [file for file in files if _is_stem(file, wanted)]
    for candidates in (exact, _shallowest(endings), _shallowest(stems)):
        if len(candidates) == 1 and candidates[0].kind == "file":
            return candidates[0]
        if len(candidates) == 1:
            raise Invalid(f"{printable(wanted)[:200]} is a {candidates[0].kind}, which is not followed.")
        if candidates:
            names = ", ".join(printable(file.path) for file in candidates[:MAX_CANDIDATES])
            raise NotFound(f"Several files are called {printable(wanted)[:200]}: {names}.")
    raise NotFound(f"There is no file {printable(wanted)[:200]} in this revision.")


def _is_stem(file: Found, wanted: str) -> bool:
    """`README` is README.md and readme.rst, but not readme.py; `cli` is cli.py."""
    stem = file.name.rpartition(".")[0]
    kind = by_name(file.name)
    return stem == wanted or (stem.lower() == wanted.lower() and kind is not None and kind.family == "prose")


def _shallowest(files: list[Found]) -> list[Found]:
    """A file at the top stands for its namesakes below it."""
    depth = min((file.path.count("/") for file in files), default=0)
    top = [file for file in files if file.path.count("/") == depth]
    return top if depth == 0 else files


def _text(source: Source, file: Found, limits: Limits) -> bytes:
    if file.kind != "file" or by_name(file.name) is BINARY_KIND:
        return b""
    try:
        raw = source.read(file, limits.max_counted_bytes)
    except JarvisError:
        return b""
    return b"" if is_binary(raw) else raw


def _hits(file: Found, raw: bytes, wanted: re.Pattern[bytes], folded: str) -> Iterator[Hit]:
    if folded:
        for number, line in enumerate(decode(raw).split("\n"), 1):
            if folded in line.casefold():
                yield _hit(file, number, line)
        return
    number, counted_to, last = 1, 0, -1
    for match in wanted.finditer(raw):
        number += raw.count(b"\n", counted_to, match.start())
        counted_to = match.start()
        if number != last:
            last = number
            start = raw.rfind(b"\n", 0, match.start()) + 1
            end = raw.find(b"\n", match.start())
            stop = len(raw) if end < 0 else end
            yield _hit(file, number, decode(raw[start : min(stop, start + 4000)]))


def _hit(file: Found, number: int, line: str) -> Hit:
    return Hit(printable(file.path), number, printable(line.strip().replace("\t", " "))[:MAX_LINE])


def _is_by(commit: Commit, author: str) -> bool:
    wanted = author.casefold()
    return wanted in commit.author.name.casefold() or wanted in commit.author.email.casefold()


def _is_under(change: Change, path: str) -> bool:
    wanted = path.strip("/").removeprefix("./")
    return any(
        name == wanted or name.startswith(f"{wanted}/") or f"/{name}".endswith(f"/{wanted}")
        for name in (change.path, change.old_path)
    )


def _unified(objects: Objects, change: Change) -> list[str]:
    sides: list[bytes] = []
    for entry in (change.old, change.new):
        if entry is not None and entry.is_submodule:
            return [f"Submodule {printable(change.path)} changed"]
        try:
            sides.append(b"" if entry is None else objects.blob(entry.id, MAX_DIFFED_BYTES))
        except TooLarge:
            return [f"File {printable(change.path)} is too large to compare"]
    if any(map(is_binary, sides)):
        return [f"Binary file {printable(change.path)} {change.kind}"]
    a, b = _lines(sides[0]), _lines(sides[1])
    if max(len(a), len(b)) > MAX_DIFFED_LINES:
        return [f"File {printable(change.path)} is too long to compare"]
    sides_named = (
        f"a/{printable(change.old_path)}" if change.old else "/dev/null",
        f"b/{printable(change.path)}" if change.new else "/dev/null",
    )
    return list(difflib.unified_diff(a, b, *sides_named, lineterm="")) or [
        f"File {printable(change.path)} {change.kind}"
    ]


def _lines(raw: bytes) -> list[str]:
    lines = printable_lines(decode(raw)).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _delta(change: Change, lines: list[str]) -> FileDelta:
    body = lines[2:]
    added = sum(line.startswith("+") for line in body)
    removed = sum(line.startswith("-") for line in body)
    return FileDelta(printable(change.path), change.kind, added, removed)
