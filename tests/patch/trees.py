"""Trees in memory to apply patches to, and what stands in them afterwards."""

from collections.abc import Mapping

from dulwich.objects import Blob, ShaFile, Tree

from jarvis.patch.engine import Applied, apply
from jarvis.patch.refusal import USUAL, Limits, PatchRefused, Why

FILE, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
Files = Mapping[str, bytes | tuple[int, bytes]]


def make(files: Files) -> tuple[bytes, dict[bytes, ShaFile]]:
    """A tree of these files, of (mode, content) where it is no plain file: its id and all objects."""
    objects: dict[bytes, ShaFile] = {}
    root: dict[bytes, object] = {}
    for path, given in files.items():
        mode, content = given if isinstance(given, tuple) else (FILE, given)
        if mode != SUBMODULE:
            blob = Blob.from_string(content)
            objects[blob.id] = blob
            content = blob.id
        here = root
        *folders, name = path.encode().split(b"/")
        for folder in folders:
            here = here.setdefault(folder, {})  # type: ignore[assignment]
        here[name] = (mode, content)
    return _tree(root, objects), objects


def _tree(entries: Mapping[bytes, object], objects: dict[bytes, ShaFile]) -> bytes:
    tree = Tree()
    for name, entry in entries.items():
        mode, sha = (0o040000, _tree(entry, objects)) if isinstance(entry, dict) else entry  # type: ignore[misc]
        tree.add(name, mode, sha)
    objects[tree.id] = tree
    return tree.id


def read(tree_id: bytes, objects: Mapping[bytes, ShaFile], under: str = "") -> dict[str, bytes | tuple[int, bytes]]:
    """What stands in a tree, in the form that make takes."""
    found: dict[str, bytes | tuple[int, bytes]] = {}
    tree = objects[tree_id]
    assert isinstance(tree, Tree)
    for name, mode, sha in tree.items():
        path = under + name.decode()
        if mode == 0o040000:
            found |= read(sha, objects, path + "/")
        else:
            content = sha if mode == SUBMODULE else objects[sha].as_raw_string()
            found[path] = content if mode == FILE else (mode, content)
    return found


def run(files: Files, patch: str | bytes, limits: Limits = USUAL) -> Applied:
    """Apply a patch to a tree of these files."""
    tree_id, objects = make(files)
    return apply(patch.encode() if isinstance(patch, str) else patch, tree_id, objects, limits)


def result(files: Files, patch: str | bytes, limits: Limits = USUAL) -> dict[str, bytes | tuple[int, bytes]]:
    """What stands in the tree afterwards, read through the objects that the engine made."""
    tree_id, objects = make(files)
    applied = apply(patch.encode() if isinstance(patch, str) else patch, tree_id, objects, limits)
    return read(applied.tree_id, objects | {made.id: made for made in applied.new_objects})


def refusal(files: Files, patch: str | bytes, limits: Limits = USUAL) -> tuple[Why, str]:
    """Why a patch is refused, and in which words; fails when it is not."""
    try:
        applied = run(files, patch, limits)
    except PatchRefused as refused:
        return refused.why, str(refused)
    raise AssertionError(f"not refused: {applied.files}")
