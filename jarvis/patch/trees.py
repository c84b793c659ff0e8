"""A git tree seen lazily: only what a patch asks for is read, and only what it touches is built again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dulwich.objects import Blob, ShaFile, Tree

from jarvis.patch.refusal import PatchRefused, Why, shown

FOLDER, FILE, EXECUTABLE, LINK, SUBMODULE = 0o040000, 0o100644, 0o100755, 0o120000, 0o160000
KIND = 0o170000


class Objects(Protocol):
    """Where git objects come from: dulwich's object stores, repositories and plain dicts will do."""

    def __getitem__(self, sha: bytes, /) -> ShaFile: ...
    def __contains__(self, sha: bytes, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a path."""

    mode: int
    id: bytes

    @property
    def is_folder(self) -> bool:
        return self.mode & KIND == FOLDER


def canonical(mode: int) -> int:
    """The mode that git writes for a file of this one."""
    if mode & KIND == LINK:
        return LINK
    if mode & KIND in (SUBMODULE, FOLDER):
        return SUBMODULE
    return EXECUTABLE if mode & 0o100 else FILE


class View:
    """One tree. Raises PatchRefused where an object of it is missing."""

    def __init__(self, tree_id: bytes, objects: Objects) -> None:
        self.tree_id, self.objects = tree_id, objects
        self._folders: dict[bytes, dict[bytes, Entry]] = {}

    def find(self, path: bytes) -> Entry | None:
        """The file, link, submodule or folder at a path; a link is not followed."""
        here = self.tree_id
        *folders, name = path.split(b"/")
        for folder in folders:
            entry = self.folder(here).get(folder)
            if entry is None or not entry.is_folder:
                return None
            here = entry.id
        return self.folder(here).get(name)

    def file(self, path: bytes) -> Entry | None:
        """As find, for what an index would list: no folders."""
        entry = self.find(path)
        return None if entry is None or entry.is_folder else entry

    def folder(self, tree_id: bytes) -> dict[bytes, Entry]:
        """The entries of one tree by name."""
        known = self._folders.get(tree_id)
        if known is None:
            tree = self._object(tree_id)
            if not isinstance(tree, Tree):
                raise PatchRefused(f"{tree_id.decode()} is no tree", why=Why.MISMATCH)
            known = self._folders[tree_id] = {name: Entry(mode, sha) for name, mode, sha in tree.items()}
        return known

    def content(self, entry: Entry) -> bytes:
        """The bytes of a file, of a link its target, of a submodule the line that diff shows."""
        if entry.mode & KIND == SUBMODULE:
            return b"Subproject commit " + entry.id + b"\n"
        blob = self._object(entry.id)
        if not isinstance(blob, Blob):
            raise PatchRefused(f"{entry.id.decode()} is no file", why=Why.MISMATCH)
        return blob.as_raw_string()

    def _object(self, sha: bytes) -> ShaFile:
        try:
            return self.objects[sha]
        except KeyError:
            raise PatchRefused(f"the object {sha.decode()} is missing", why=Why.MISMATCH) from None


@dataclass(slots=True)
class _Change:
    """What becomes of one name in a folder."""

    is_set: bool = False
    entry: Entry | None = None
    inside: dict[bytes, "_Change"] = field(default_factory=dict)


def rebuild(view: View, changes: Mapping[bytes, Entry | None]) -> tuple[bytes, list[ShaFile]]:
    """The tree with these paths set or removed: its id, and the trees made for it.

    Raises PatchRefused where a file would stand in the place of a folder.
    """
    root: dict[bytes, _Change] = {}
    for path, entry in changes.items():
        here = root
        *folders, name = path.split(b"/")
        for folder in folders:
            here = here.setdefault(folder, _Change()).inside
        change = here.setdefault(name, _Change())
        change.is_set, change.entry = True, entry
    made: list[ShaFile] = []
    tree_id = _folder(view, view.tree_id, root, b"", made)
    if tree_id is None:
        empty = Tree()
        made.append(empty)
        return empty.id, made
    return tree_id, made


def _folder(
    view: View, tree_id: bytes | None, changes: dict[bytes, _Change], path: bytes, made: list[ShaFile]
) -> bytes | None:
    """One folder changed; None when nothing is left of it."""
    before = view.folder(tree_id) if tree_id is not None else {}
    entries = dict(before)
    for name, change in changes.items():
        entry = _entry(view, before.get(name), change, path + name, made)
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
    if not entries:
        return None
    if entries == before and tree_id is not None:
        return tree_id
    tree = _tree(entries)
    made.append(tree)
    return tree.id


def _entry(view: View, was: Entry | None, change: _Change, path: bytes, made: list[ShaFile]) -> Entry | None:
    is_folder = was is not None and was.is_folder
    file = change.entry if change.is_set else None if is_folder else was
    folder = was.id if was is not None and is_folder else None
    if change.inside:
        folder = _folder(view, folder, change.inside, path + b"/", made)
    if file is not None and folder is not None:
        raise PatchRefused("a file and a folder cannot have the same name", path=shown(path), why=Why.CONFLICT)
    return file if folder is None else Entry(FOLDER, folder)


def _tree(entries: Mapping[bytes, Entry]) -> Tree:
    """git sorts names as bytes, a folder as if its name ended in a slash."""
    order = sorted((name + b"/" if entry.is_folder else name, name, entry) for name, entry in entries.items())
    body = b"".join(b"%o %b\0" % (entry.mode, name) + bytes.fromhex(entry.id.decode()) for _, name, entry in order)
    tree = Tree()
    tree.set_raw_string(body)
    return tree
