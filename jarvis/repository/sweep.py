"""Every text that a repository's history holds, each read once, with the commit that brought it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jarvis.kernel.errors import JarvisError
from jarvis.repository.history import MAX_DEPTH, walk
from jarvis.repository.limits import Deadline, Limits, decode, printable
from jarvis.repository.objects import TAG, Objects
from jarvis.repository.views import view

MIB = 1024 * 1024
THOROUGH = Limits(seconds=600.0, max_commits=1_000_000, max_object_bytes=64 * MIB, max_total_bytes=16 * 1024 * MIB)


@dataclass(frozen=True, slots=True)
class Text:
    """The contents of a file as one commit brought it; without a path, the message of a commit or tag."""

    commit: str
    path: str
    raw: bytes


@dataclass
class Sweep:
    """Reads what branches, tags, stashes and remotes reach. What was left out is told, never skipped in silence.

    Of a path within a repository it reads what lies under that path, and names it from there.
    """

    path: Path
    limits: Limits = THOROUGH
    commits: int = 0
    contents: int = 0
    left_out: list[str] = field(default_factory=list)
    is_git: bool = False
    """Whether there was a repository; known once it has been read."""

    def __iter__(self) -> Iterator[Text]:
        self._deadline = Deadline(self.limits.seconds, self.limits.stopwatch)
        self._seen: set[bytes] = set()
        self._bytes = 0
        with view(self.path, self.limits) as seen:
            self.is_git = seen.objects is not None
            self._inside = f"{seen.place.inside}/".encode() if seen.place.inside else b""
            if seen.objects is None or seen.names is None:
                return
            starts = list(dict.fromkeys(seen.names.all.values()))
            if seen.names.head is not None:
                starts.append(seen.names.head)
            yield from self._history(seen.objects, starts)

    def _history(self, objects: Objects, starts: list[str]) -> Iterator[Text]:
        tips: list[str] = []
        for start in starts:
            yield from self._tag(objects, start, tips)
        trees: list[tuple[str, str]] = []
        try:
            for commit in walk(objects, tips):
                if self.commits >= self.limits.max_commits or self._is_over():
                    self.left_out.append(f"commits before {commit.id[:12]}")
                    break
                self.commits += 1
                trees.append((commit.id, commit.tree))
                if not self._inside:
                    yield Text(commit.id, "", commit.message.encode("utf-8", "surrogatepass"))
        except JarvisError as error:
            self.left_out.append(str(error))
        for commit_id, tree in reversed(trees):  # oldest first, so that the commit named is the one that brought it
            if self._is_over():
                self.left_out.append(f"files of {commit_id[:12]} and of what came after it")
                return
            yield from self._tree(objects, commit_id, tree)

    def _tag(self, objects: Objects, start: str, tips: list[str]) -> Iterator[Text]:
        """The message of an annotated tag; the commit behind any reference goes to the tips."""
        try:
            tips.append(objects.peel(start))
        except JarvisError as error:
            self.left_out.append(f"the reference to {start[:12]}: {error}")
            return
        if tips[-1] != start and not self._inside:
            yield Text(start, "", objects.raw(start, TAG))

    def _tree(self, objects: Objects, commit: str, root: str) -> Iterator[Text]:
        waiting = [(root, b"", 0)]
        while waiting:
            tree, above, depth = waiting.pop()
            if depth > MAX_DEPTH or not self._is_new(tree):
                continue
            try:
                entries = objects.tree(tree)
            except JarvisError as error:
                self.left_out.append(str(error))
                continue
            for entry in entries:
                path = above + entry.path
                if entry.is_tree and self._may_hold(path + b"/"):
                    waiting.append((entry.id, path + b"/", depth + 1))
                elif not (entry.is_tree or entry.is_submodule) and path.startswith(self._inside):
                    name = printable(decode(path.removeprefix(self._inside)))
                    yield from self._blob(objects, commit, name, entry.id) if self._is_new(entry.id) else ()

    def _blob(self, objects: Objects, commit: str, path: str, blob: str) -> Iterator[Text]:
        try:
            raw = objects.blob(blob)
        except JarvisError as error:
            self.left_out.append(f"{commit[:12]}:{path}: {error}")
            return
        self.contents += 1
        self._bytes += len(raw)
        yield Text(commit, path, raw)

    def _may_hold(self, folder: bytes) -> bool:
        """Whether a folder lies in the one asked for, or on the way to it."""
        return folder.startswith(self._inside) or self._inside.startswith(folder)

    def _is_new(self, object_id: str) -> bool:
        name = bytes.fromhex(object_id)
        if name in self._seen:
            return False
        self._seen.add(name)
        return True

    def _is_over(self) -> bool:
        return self._bytes > self.limits.max_total_bytes or self._deadline.passed()
