"""Commits, trees and blobs of one open repository, each read behind a size check."""

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import NotFound, TooLarge, Unavailable
from jarvis.repository.limits import Limits, decode, printable

if TYPE_CHECKING:
    from dulwich.pack import Pack
    from dulwich.repo import Repo

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
DELTAS = (6, 7)
LINK_MODE = 0o120000
SUBMODULE_MODE = 0o160000
TREE_MODE = 0o040000
KIND_MASK = 0o170000
HEX = re.compile(r"[0-9a-f]{4,64}")
STEPS = re.compile(r"(?:~\d{0,6}|\^\d?)")
MAX_PREFIX_MATCHES = 2
IDENTITY = re.compile(rb"(?P<name>[^<]{0,200})<(?P<mail>[^>]{0,200})> (?P<at>-?\d{1,12})(?: (?P<zone>[+-]\d{4}))?")
LAST_SECOND = 253_402_300_799  # the end of the year 9999, the last a datetime can hold


class Damaged(Unavailable):
    """An object is missing or does not hold what its name promises."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    authored_at: int
    committed_at: int
    message: str

    @property
    def subject(self) -> str:
        return printable(self.message.strip().split("\n", 1)[0])[:200]


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree."""

    path: bytes
    mode: int
    id: str

    @property
    def is_tree(self) -> bool:
        return self.mode & KIND_MASK == TREE_MODE

    @property
    def is_link(self) -> bool:
        return self.mode & KIND_MASK == LINK_MODE

    @property
    def is_submodule(self) -> bool:
        return self.mode & KIND_MASK == SUBMODULE_MODE


class Objects:
    """Reads objects by their hexadecimal id; raises Damaged, or TooLarge above the limit."""

    def __init__(self, repo: "Repo", limits: Limits) -> None:
        self._repo = repo
        self._limits = limits
        self._store = repo.object_store
        self._files: dict[str, int] = {}
        self._packs: list[Pack] | None = None
        self.shallow = {name.decode("ascii", "replace") for name in repo.get_shallow()}

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def raw(self, object_id: str, kind: int, max_bytes: int | None = None) -> bytes:
        limit = self._limits.max_object_bytes if max_bytes is None else max_bytes
        found, text = self._fetch(object_id, limit)
        if found != kind:
            raise Damaged(f"The repository is damaged: object {object_id[:7]} is of another kind than expected.")
        return text

    def size(self, object_id: str) -> int | None:
        """Bytes of a packed object without inflating it; None for a loose one."""
        where = self._packed(bytes.fromhex(object_id))
        return None if where is None else self._packed_size(*where)

    def commit(self, object_id: str) -> Commit:
        commit = parse_commit(object_id, self.raw(object_id, COMMIT))
        if object_id in self.shallow:
            return Commit(
                commit.id,
                commit.tree,
                (),
                commit.author,
                commit.authored_at,
                commit.committed_at,
                commit.message,
            )
        return commit

    def tree(self, object_id: str) -> list[Entry]:
        from dulwich.objects import parse_tree

        text = self.raw(object_id, TREE)
        width = self._repo.object_format.oid_length
        try:
            return [Entry(name, mode, sha.decode("ascii")) for name, mode, sha in parse_tree(text, width)]
        except Exception:  # malformed bytes surface as several library errors
            raise Damaged(f"The repository is damaged: tree {object_id[:7]} cannot be parsed.") from None

    def blob(self, object_id: str, max_bytes: int | None = None) -> bytes:
        return self.raw(object_id, BLOB, max_bytes)

    def peel(self, object_id: str) -> str:
        """The commit behind a tag, or the id itself."""
        for _ in range(8):
            kind, text = self._fetch(object_id, self._limits.max_object_bytes)
            if kind == COMMIT:
                return object_id
            target = text[7:].split(b"\n", 1)[0] if kind == TAG and text.startswith(b"object ") else b""
            if not target:
                break
            object_id = target.decode("ascii", "replace")
        raise NotFound(f"{object_id[:12]} is not a commit.")

    def with_prefix(self, prefix: str) -> list[str]:
        """Ids that begin so, at most two: more than one is ambiguous already."""
        found: list[str] = []
        for name in self._store.iter_prefix(prefix.encode()):
            text = name.decode("ascii")
            if text not in found:
                found.append(text)
            if len(found) == MAX_PREFIX_MATCHES:
                break
        return found

    def _fetch(self, object_id: str, limit: int) -> tuple[int, bytes]:
        from dulwich.objects import ObjectID

        name = _binary(object_id)
        where = self._packed(name)
        size = None if where is None else self._packed_size(*where)
        if size is not None and size > limit:
            raise TooLarge(f"Object {object_id[:7]} holds {size:,} bytes; the limit is {limit:,}.")
        self._limit_loose(limit)
        try:
            source = self._store if where is None else where[0]
            kind, text = source.get_raw(ObjectID(object_id.encode()))
        except KeyError:
            raise Damaged(f"The repository is damaged or incomplete: object {object_id[:7]} is missing.") from None
        except Exception as error:  # a corrupt pack raises whatever the byte at fault provokes
            if "exceed" in str(error):
                raise TooLarge(f"Object {object_id[:7]} is larger than {limit:,} bytes.") from None
            raise Damaged(f"The repository is damaged: object {object_id[:7]} cannot be read.") from None
        return int(kind), text

    def _limit_loose(self, limit: int) -> None:
        if hasattr(self._store, "loose_object_size_limit"):
            self._store.loose_object_size_limit = limit

    def _packed(self, name: bytes) -> tuple["Pack", int] | None:
        if self._packs is None:
            self._packs = list(getattr(self._store, "packs", ()))
        for pack in self._packs:
            try:
                return pack, pack.index.object_offset(name)  # type: ignore[arg-type]
            except KeyError:
                continue
            except Exception:  # a corrupt index
                raise Damaged("The repository is damaged: a pack index cannot be read.") from None
        return None

    def _packed_size(self, pack: "Pack", offset: int) -> int | None:
        path = str(pack.data.path)
        if path not in self._files:
            self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return _size_in(os.pread(self._files[path], 96, offset), self._repo.object_format.oid_length)


def _binary(object_id: str) -> bytes:
    try:
        return bytes.fromhex(object_id)
    except ValueError:
        raise Damaged(f"The repository is damaged: {printable(object_id)[:12]} is no object id.") from None


def _varint(data: bytes, at: int, value: int, shift: int) -> tuple[int, int]:
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _size_in(head: bytes, id_length: int) -> int | None:
    """The object's size from its first bytes in a pack (gitformat-pack(5))."""
    try:
        kind, size, at = head[0] >> 4 & 7, head[0] & 15, 1
        if head[0] & 0x80:
            size, at = _varint(head, 1, size, 4)
        if kind not in DELTAS:
            return size
        at = at + id_length if kind == DELTAS[1] else _varint(head, at, 0, 0)[1]
        delta = zlib.decompressobj().decompress(head[at:], 24)
        _, at = _varint(delta, 0, 0, 0)
        return _varint(delta, at, 0, 0)[0]
    except (IndexError, zlib.error):
        return None


def parse_commit(object_id: str, text: bytes) -> Commit:
    """The parts of a commit object; raises Damaged without a tree or an author."""
    head, _, message = text.partition(b"\n\n")
    fields: dict[bytes, bytes] = {}
    parents: list[str] = []
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"parent":
            parents.append(value.decode("ascii", "replace"))
        else:
            fields.setdefault(key, value)
    author, authored_at = _identity(fields.get(b"author", b""))
    _, committed_at = _identity(fields.get(b"committer", b""))
    tree = fields.get(b"tree", b"").decode("ascii", "replace")
    if not HEX.fullmatch(tree):
        raise Damaged(f"The repository is damaged: commit {object_id[:7]} names no tree.")
    return Commit(object_id, tree, tuple(parents), author, authored_at, committed_at, _message(fields, message))


def _message(fields: dict[bytes, bytes], raw: bytes) -> str:
    try:
        return raw.decode(fields.get(b"encoding", b"utf-8").decode("ascii", "replace"))
    except (LookupError, UnicodeDecodeError, ValueError):
        return decode(raw)


def _identity(raw: bytes) -> tuple[Person, int]:
    match = IDENTITY.match(raw)
    if match is None:
        return Person(printable(decode(raw.split(b"<")[0].strip()))[:100] or "unknown", ""), 0
    seconds = min(max(int(match["at"]), 0), LAST_SECOND)
    name = printable(decode(match["name"].strip())) or "unknown"
    return Person(name, printable(decode(match["mail"].strip()))), seconds * SECOND


class Names:
    """The repository's references, read once."""

    def __init__(self, repo: "Repo", objects: Objects) -> None:
        self._objects = objects
        self.all = _references(repo)
        self.branch, self.head = _head(repo, self.all)

    def under(self, prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): sha for name, sha in self.all.items() if name.startswith(prefix)}

    def resolve(self, ref: str | None) -> str:
        """The commit a branch, tag, abbreviated id or `HEAD~2` names; raises NotFound."""
        asked = "HEAD" if ref is None or ref in ("", "@") else ref
        base = STEPS.sub("", asked) if not asked.startswith(("^", "~")) else ""
        commit = self._objects.peel(self._base(base, asked))
        for step in STEPS.findall(asked.removeprefix(base)):
            commit = self._stepped(commit, step, asked)
        return commit

    def _base(self, base: str, asked: str) -> str:
        if base == "HEAD":
            if self.head is None:
                raise NotFound("The repository has no commits yet.")
            return self.head
        for pattern in ("{}", "refs/{}", "refs/heads/{}", "refs/tags/{}", "refs/remotes/{}"):
            if pattern.format(base) in self.all:
                return self.all[pattern.format(base)]
        found = self._objects.with_prefix(base) if HEX.fullmatch(base) else []
        if len(found) == 1:
            return found[0]
        problem = "is the beginning of several ids" if found else "is no branch, tag or commit here"
        raise NotFound(f"{printable(asked)[:80]} {problem}.")

    def _stepped(self, commit: str, step: str, asked: str) -> str:
        number = int(step[1:] or 1)
        times, parent = (number, 1) if step[0] == "~" else (1, number)
        for _ in range(times if parent else 0):
            parents = self._objects.commit(commit).parents
            if len(parents) < parent:
                raise NotFound(f"{printable(asked)[:80]} goes back further than the history does.")
            commit = parents[parent - 1]
        return commit


def _references(repo: "Repo") -> dict[str, str]:
    try:
        found = repo.refs.as_dict()
    except Exception:  # packed-refs and loose files are somebody else's bytes
        raise Damaged("The repository is damaged: its references cannot be read.") from None
    names = {decode(name): decode(sha) for name, sha in found.items()}
    return {name: sha for name, sha in names.items() if HEX.fullmatch(sha)}


def _head(repo: "Repo", references: dict[str, str]) -> tuple[str | None, str | None]:
    """(current branch or None when detached, commit or None when unborn)."""
    path = Path(repo.controldir()) / "HEAD"
    try:
        text = decode(path.read_bytes()[:1000]).strip()
    except OSError:
        raise Damaged("The repository is damaged: it has no HEAD.") from None
    if not text.startswith("ref:"):
        return None, text if HEX.fullmatch(text) else None
    name = text.removeprefix("ref:").strip()
    return name.removeprefix("refs/heads/"), references.get(name)
