"""The repository that updates are made in: a bare one under the home, or SELFUPDATE_REPO; by dulwich alone.

Nothing here runs git or a hook, reads a configuration outside the repository, or touches an index or a work tree.
Jarvis writes objects and one branch, `refs/heads/jarvis`, whose commits tell what ran and when.
"""

import contextlib
import functools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jarvis.archive import resources
from jarvis.archive.sources import BuildError, Source
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, Invalid, JarvisError, NotFound, Unavailable

if TYPE_CHECKING:
    from dulwich.objects import Commit, ObjectID, ShaFile
    from dulwich.repo import Repo

HOME_NAME = "source.git"
BRANCH = b"refs/heads/jarvis"
AUTHOR = "Jarvis <jarvis@localhost>"
TRACE = b"Trace-Id: "
MOST_COMMITS = 20_000
MOST_FILES = 20_000
MOST_BYTES = 256 * 1024 * 1024
FILE, EXECUTABLE, FOLDER, LINK, SUBMODULE = 0o100644, 0o100755, 0o040000, 0o120000, 0o160000
MICROSECONDS = 1_000_000
NO_LINKS = ("HEAD", "config", "objects", "objects/pack", "refs", "refs/heads", "logs", "packed-refs")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What runs now, as the repository knows it."""

    commit: str
    tree: str
    version: str


def place(settings: Settings) -> Path:
    """Where the repository is, or will be."""
    return Path(settings.selfupdate_repo) if settings.selfupdate_repo else settings.jarvis_home / HOME_NAME


@contextmanager
def opened(ctx: Context) -> Iterator["SourceRepository"]:
    """The repository, made from the running source if there is none yet; raises Unavailable.

    Must not be held inside a database write: it reads and writes files.
    """
    path = place(ctx.settings)
    if not ctx.settings.selfupdate_repo and not os.path.lexists(path):
        _make(path, ctx.clock())
    with contextlib.closing(_open(path)) as repo:
        yield SourceRepository(repo, path, ctx.clock)


def running() -> Source:
    """The source tree of what runs: the archive's own, or the checkout's files."""
    return Source(dict(resources.source_files()), resources.source_executables())


class SourceRepository:
    """The repository while it is open."""

    def __init__(self, repo: "Repo", path: Path, clock: Any) -> None:
        self._repo, self.path, self._clock = repo, path, clock

    @property
    def objects(self) -> Any:
        """What jarvis.patch asks for objects."""
        return self._repo.object_store

    @property
    def objects_place(self) -> Path:
        """The directory that jarvis.patch.contained asks for."""
        return Path(self._repo.commondir()) / "objects"

    def baseline(self) -> Baseline:
        """The commit whose tree is exactly what runs now; it is added to the branch when it is in none."""
        source = running()
        tree = source.tree_id()
        known = self._commit_of(_id(tree))
        title = f"Run jarvis {source.version()}"
        commit = known.decode() if known else self.commit("", tree, _objects_of(source), title, AUTHOR)
        return Baseline(commit, tree, source.version())

    def head(self) -> str | None:
        """The newest commit of the branch."""
        found = self._head()
        return found.decode() if found else None

    def has_tree(self, tree_id: str | bytes) -> bool:
        """Whether a tree is in the repository."""
        return _id(tree_id) in self._repo.object_store

    def files(self, tree_id: str | bytes) -> dict[str, tuple[int, bytes]]:
        """Every file and link of a tree by path, with mode and content; raises NotFound, Invalid."""
        return {path: (mode, content) for path, mode, content in self._walk(_id(tree_id))}

    def source(self, tree_id: str | bytes) -> Source:
        """A tree as the builder takes it; raises Invalid for what an archive cannot carry."""
        files = self.files(tree_id)
        odd = next((path for path, (mode, _) in files.items() if mode not in (FILE, EXECUTABLE)), None)
        if odd is not None:
            raise Invalid(f"{odd} is no plain file; an archive carries nothing else.")
        executables = frozenset(path for path, (mode, _) in files.items() if mode == EXECUTABLE)
        return Source({path: content for path, (_, content) in files.items()}, executables)

    def keep(self, objects: Iterable["ShaFile"]) -> None:
        """Store objects that are not there yet, so that a later commit finds them."""
        missing = [(each, None) for each in objects if each.id not in self._repo.object_store]
        if missing:
            self._repo.object_store.add_objects(missing)

    def commit(self, trace_id: str, tree: str | bytes, objects: Iterable["ShaFile"], message: str, author: str) -> str:
        """Put a tree on the branch, with its trace id in message and reflog; the same again changes nothing.

        Raises Conflict when the branch moved meanwhile or is checked out somewhere, NotFound for an unknown tree.
        """
        from dulwich.objects import ZERO_SHA
        from dulwich.refs import Ref

        self._require_not_checked_out()
        self.keep(objects)
        tree_id = _id(tree)
        if tree_id not in self._repo.object_store:
            raise NotFound(f"the tree {tree_id.decode()} is not in {self.path}.")
        head = self._head()
        if head is not None and self._is_recorded(head, tree_id, trace_id):
            return head.decode()
        commit = _commit(tree_id, head, _message(message, trace_id), author, self._clock())
        self._repo.object_store.add_object(commit)
        is_set = self._repo.refs.set_if_equals(
            Ref(BRANCH),
            head or ZERO_SHA,
            commit.id,
            committer=commit.committer,
            timestamp=commit.commit_time,
            timezone=0,
            message=f"selfupdate {trace_id}: {_title(message)}".encode() if trace_id else _title(message).encode(),
        )
        if not is_set:
            raise Conflict("the branch jarvis of the source repository moved meanwhile; try again.")
        return commit.id.decode()

    def _head(self) -> "ObjectID | None":
        from dulwich.refs import Ref

        try:
            return self._repo.refs[Ref(BRANCH)]
        except KeyError:
            return None

    def _is_recorded(self, head: "ObjectID", tree: "ObjectID", trace_id: str) -> bool:
        newest = self._commit(head)
        trace = TRACE + trace_id.encode()
        return newest.tree == tree and (not trace_id or trace in newest.message.splitlines())

    def _commit(self, sha: "ObjectID") -> "Commit":
        from dulwich.objects import Commit

        found = self._repo.object_store[sha]
        if not isinstance(found, Commit):
            raise Unavailable(f"{sha.decode()} in {self.path} should be a commit.")
        return found

    def _commit_of(self, tree: "ObjectID") -> "ObjectID | None":
        """The newest commit with this tree: on our branch, else at HEAD or on any other."""
        from dulwich.objects import Commit

        if tree not in self._repo.object_store:
            return None
        refs = self._repo.refs.as_dict()
        order = sorted(refs, key=lambda name: (name != BRANCH, name != b"HEAD", name))
        waiting = [refs[name] for name in order if name == b"HEAD" or name.startswith(b"refs/heads/")]
        seen: set[bytes] = set()
        while waiting and len(seen) < MOST_COMMITS:
            sha = waiting.pop(0)
            if sha in seen or sha not in self._repo.object_store:
                continue
            seen.add(sha)
            found = self._repo.object_store[sha]
            if isinstance(found, Commit):
                if found.tree == tree:
                    return sha
                waiting += found.parents
        return None

    def _walk(self, tree_id: "ObjectID") -> Iterator[tuple[str, int, bytes]]:
        from dulwich.objects import Blob, Tree

        count = size = 0
        waiting = [("", tree_id)]
        while waiting:
            folder, sha = waiting.pop()
            tree = self._object(sha)
            if not isinstance(tree, Tree):
                raise Invalid(f"{sha.decode()} is no tree.")
            for name, mode, inner in tree.items():
                path = folder + _plain(name)
                if mode == FOLDER:
                    waiting.append((path + "/", inner))
                    continue
                blob = self._object(inner) if mode & 0o170000 != SUBMODULE else None
                if not isinstance(blob, Blob):
                    raise Invalid(f"{path} is no file.")
                content = blob.as_raw_string()
                count, size = count + 1, size + len(content)
                if count > MOST_FILES or size > MOST_BYTES:
                    raise Invalid("this tree is larger than Jarvis handles.")
                yield path, mode, content

    def _object(self, sha: "ObjectID") -> "ShaFile":
        try:
            found: ShaFile = self._repo.object_store[sha]
        except KeyError:
            raise NotFound(f"the object {sha.decode()} is not in {self.path}.") from None
        return found

    def _require_not_checked_out(self) -> None:
        """The branch under somebody's work tree must not move: their next commit would undo it."""
        control = Path(self._repo.commondir())
        heads = [control / "HEAD", *control.glob("worktrees/*/HEAD")]
        for head in heads[1:] if self._repo.bare else heads:
            with contextlib.suppress(OSError):
                if head.read_bytes().strip() == b"ref: " + BRANCH:
                    raise Conflict(f"the branch jarvis is checked out in {self.path}; check out another one there.")


def _id(tree: str | bytes) -> "ObjectID":
    from dulwich.objects import ObjectID

    return ObjectID(tree.encode() if isinstance(tree, str) else tree)


def _plain(name: bytes) -> str:
    """One name of a tree as part of a path; raises Invalid for one that leads elsewhere."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise Invalid("a name in this tree is not UTF-8.") from None
    if text in ("", ".", "..") or "/" in text or "\0" in text or text.lower() == ".git":
        raise Invalid(f"a name in this tree is {text!r}.")
    return text


def _title(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0][:200] if lines else ""


def _message(message: str, trace_id: str) -> bytes:
    """The message with the trace id as its only trailer of that name."""
    mark = TRACE.decode().strip().lower()
    lines = [line.rstrip() for line in message.strip().splitlines() if not line.lower().startswith(mark)]
    text = "\n".join(lines) + "\n"
    return (text + f"\n{TRACE.decode()}{trace_id}\n" if trace_id else text).encode()


def _commit(tree: "ObjectID", parent: "ObjectID | None", message: bytes, author: str, at: int) -> "Commit":
    from dulwich.objects import Commit

    commit = Commit()
    commit.tree, commit.parents = tree, [parent] if parent else []
    commit.author = commit.committer = _identity(author)
    commit.author_time = commit.commit_time = at // MICROSECONDS
    commit.author_timezone = commit.commit_timezone = 0
    commit.message, commit.encoding = message, b"UTF-8"
    return commit


def _identity(author: str) -> bytes:
    """`Name <address>` with nothing in it that git would not read back."""
    name, _, address = author.partition("<")
    keep = {ord(c): None for c in "<>\n\r\0"}
    name, address = name.translate(keep).strip() or "jarvis", address.translate(keep).strip() or "jarvis@localhost"
    return f"{name} <{address}>".encode()


def _objects_of(source: Source) -> list["ShaFile"]:
    """The blobs and trees of a source tree."""
    from dulwich.objects import Blob, Tree

    made: dict[bytes, ShaFile] = {}
    root: dict[str, Any] = {}
    for path, content in source.files.items():
        blob = Blob.from_string(content)
        made[blob.id] = blob
        *folders, name = path.split("/")
        here = root
        for folder in folders:
            here = here.setdefault(folder, {})
        here[name] = (EXECUTABLE if path in source.executables else FILE, blob.id)

    def tree_of(entries: dict[str, Any]) -> "ObjectID":
        tree = Tree()
        for name, entry in entries.items():
            mode, sha = (FOLDER, tree_of(entry)) if isinstance(entry, dict) else entry
            tree.add(name.encode(), mode, sha)
        made[tree.id] = tree
        return tree.id

    if tree_of(root).decode() != source.tree_id():
        raise Unavailable("the source tree of what runs does not have the id it says.")
    return list(made.values())


def _make(path: Path, at: int) -> None:
    """A bare repository with what runs now; whole or not at all, and of two that make it one wins."""
    from dulwich.config import ConfigFile, StackedConfig

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        kind = _repository_class()
        repo = kind.init_bare(str(draft), config=StackedConfig([ConfigFile()]), default_branch=b"jarvis")
        with contextlib.closing(repo):
            repo.object_store.fsync_object_files = True
            shutil.rmtree(draft / "hooks", ignore_errors=True)
            SourceRepository(repo, draft, lambda: at).baseline()
        _sync(draft)
        try:
            draft.rename(path)
        except OSError:
            if not path.is_dir():
                raise
        _sync(path.parent)
    except (OSError, BuildError) as error:
        raise Unavailable(f"the source repository {path} cannot be made: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _open(path: Path) -> "Repo":
    """Open a repository that only we or root could have prepared; raises Unavailable."""
    try:
        found = path.lstat()
    except OSError as error:
        raise Unavailable(f"the source repository {path} cannot be read: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise Unavailable(f"the source repository {path} must be a directory, and no link to one.")
    try:
        repo = _repository_class()(str(path))
        with contextlib.suppress(AttributeError):
            repo.object_store.fsync_object_files = True
        _require_ours(Path(repo.commondir()))
    except JarvisError:
        raise
    except Exception as error:  # whatever a damaged control directory provokes in the library
        raise Unavailable(
            f"the source repository {path} cannot be opened: {error}. Moved away, it is made anew."
        ) from None
    return repo


def _require_ours(control: Path) -> None:
    for name in ("", *NO_LINKS):
        part = control / name
        if not os.path.lexists(part):
            continue
        found = part.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise Unavailable(f"{part} is a link; Jarvis writes only where it is told to.")
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o002:
            raise Unavailable(f"{part} belongs to, or can be written by, somebody else.")


@functools.cache
def _repository_class() -> type["Repo"]:
    from dulwich.config import ConfigFile, StackedConfig
    from dulwich.repo import Repo

    class Reader(Repo):
        """A repository that reads no configuration but its own, and no file that names."""

        def get_config(self) -> ConfigFile:
            config = Path(self.commondir()) / "config"
            if not config.is_file():
                return ConfigFile()
            with config.open("rb") as file:
                return ConfigFile.from_file(file, expand_includes=False)

        def get_config_stack(self) -> StackedConfig:
            return StackedConfig([self.get_config()])

    return Reader
