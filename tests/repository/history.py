"""Repositories made for a test, object by object, without git."""

import stat
from pathlib import Path
from types import TracebackType

from dulwich.index import Index, IndexEntry
from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
DAY = 86_400
FILE, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000


class Maker:
    """Writes commits into a repository; each is a day after the one before."""

    def __init__(self, root: Path, bare: bool = False) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.repo = Repo.init_bare(root) if bare else Repo.init(root)
        self.repo.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
        self.files: dict[bytes, tuple[int, bytes]] = {}
        self.count = 0

    def __enter__(self) -> "Maker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.repo.close()

    def write(self, files: dict[str, str | bytes], mode: int = FILE) -> None:
        for name, text in files.items():
            self.files[name.encode()] = (mode, text.encode() if isinstance(text, str) else text)

    def remove(self, name: str) -> None:
        del self.files[name.encode()]

    def submodule(self, name: str, commit: str = "1" * 40) -> None:
        self.files[name.encode()] = (SUBMODULE, commit.encode())

    def commit(
        self,
        subject: str | bytes,
        author: str = "Alice <alice@example.org>",
        branch: str = "main",
        parents: list[bytes] | None = None,
        files: dict[str, str | bytes] | None = None,
    ) -> str:
        self.write(files or {})
        ref = Ref(f"refs/heads/{branch}".encode())
        commit = Commit()
        commit.tree = self._tree(self.files)
        before = [self.repo.refs[ref]] if ref in self.repo.refs else []
        commit.parents = [ObjectID(parent) for parent in parents] if parents is not None else before
        commit.author = commit.committer = author.encode()
        commit.author_time = commit.commit_time = START + self.count * DAY
        commit.author_timezone = commit.commit_timezone = 3600
        commit.message = subject if isinstance(subject, bytes) else subject.encode()
        self.repo.object_store.add_object(commit)
        self.repo.refs[ref] = commit.id
        self.count += 1
        return commit.id.decode()

    def tag(self, name: str, commit: str, annotated: bool = False) -> None:
        target = ObjectID(commit.encode())
        if annotated:
            tag = Tag()
            tag.name, tag.tagger, tag.message = name.encode(), b"Alice <alice@example.org>", b"release\n"
            tag.object = (Commit, target)
            tag.tag_time, tag.tag_timezone = START, 0
            self.repo.object_store.add_object(tag)
            target = tag.id
        self.repo.refs[Ref(f"refs/tags/{name}".encode())] = target

    def check_out(self) -> None:
        """Write the files of the last commit to the disk, and an index that matches them."""
        index = Index(self.repo.index_path(), read=False)
        for name, (mode, text) in sorted(self.files.items()):
            path = self.root / name.decode()
            path.parent.mkdir(parents=True, exist_ok=True)
            if mode == SUBMODULE:
                path.mkdir(exist_ok=True)
            elif mode == LINK:
                path.symlink_to(text.decode())
            else:
                path.write_bytes(text)
            seen = path.lstat()
            index[name] = IndexEntry(
                int(seen.st_ctime),
                int(seen.st_mtime),
                seen.st_dev,
                seen.st_ino,
                mode,
                seen.st_uid,
                seen.st_gid,
                0 if stat.S_ISDIR(seen.st_mode) else seen.st_size,
                self._id(mode, text),
            )
        index.write()

    def loose(self, object_id: str) -> Path:
        return Path(self.repo.commondir()) / "objects" / object_id[:2] / object_id[2:]

    def _id(self, mode: int, text: bytes) -> ObjectID:
        return ObjectID(text) if mode == SUBMODULE else Blob.from_string(text).id

    def _tree(self, files: dict[bytes, tuple[int, bytes]]) -> ObjectID:
        tree = Tree()
        folders: dict[bytes, dict[bytes, tuple[int, bytes]]] = {}
        for name, (mode, text) in files.items():
            top, _, rest = name.partition(b"/")
            if rest:
                folders.setdefault(top, {})[rest] = (mode, text)
                continue
            if mode != SUBMODULE:
                self.repo.object_store.add_object(Blob.from_string(text))
            tree.add(top, mode, self._id(mode, text))
        for name, inner in folders.items():
            tree.add(name, stat.S_IFDIR, self._tree(inner))
        self.repo.object_store.add_object(tree)
        return tree.id
