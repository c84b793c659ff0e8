"""A patch is applied in a child of its own, which may be slow, large or damaged without harm."""

from pathlib import Path

import pytest
from dulwich.object_store import DiskObjectStore

from jarvis.patch.contained import apply_contained
from jarvis.patch.engine import apply
from jarvis.patch.refusal import Limits, PatchRefused, Why
from tests.patch.trees import make

PATCH = b"diff --git a/song b/song\n--- a/song\n+++ b/song\n@@ -1 +1 @@\n-one\n+eins\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def store(place: Path, files: dict[str, bytes]) -> bytes:
    """A tree in an object directory on disk."""
    tree_id, objects = make(files)
    kept = DiskObjectStore.init(str(place))
    for each in objects.values():
        kept.add_object(each)
    kept.close()
    return tree_id


def test_the_child_answers_what_the_engine_does(place: Path) -> None:
    tree_id = store(place, {"song": b"one\n", "d/other": b"x"})
    applied = apply_contained(PATCH, tree_id, place)
    _, objects = make({"song": b"one\n", "d/other": b"x"})
    here = apply(PATCH, tree_id, objects)
    assert (applied.tree_id, applied.files, applied.notes) == (here.tree_id, here.files, here.notes)
    assert {each.id for each in applied.new_objects} == {each.id for each in here.new_objects}
    assert applied.tree_id in {each.id for each in applied.new_objects}
    assert not (place / applied.tree_id[:2].decode() / applied.tree_id[2:].decode()).exists()  # nothing is written


def test_a_refusal_comes_through_whole(place: Path) -> None:
    tree_id = store(place, {"song": b"two\n"})
    with pytest.raises(PatchRefused) as refused:
        apply_contained(PATCH, tree_id, place)
    assert (refused.value.why, refused.value.line, refused.value.path) == (Why.MISMATCH, 4, "song")


def test_a_patch_that_takes_too_long_is_stopped(place: Path) -> None:
    """Unfinished lines in the middle of a hunk are the one search that is slow; without its own bound it is cut off."""
    tree_id = store(place, {"song": b"x\n" * 400_000})
    hunk = "@@ -300000,2100 +300000,2101 @@\n" + "-x\n" * 2099 + " y\n" + "+y\n" * 2100
    patch = b"diff --git a/song b/song\n--- a/song\n+++ b/song\n" + hunk.encode() * 400
    with pytest.raises(PatchRefused) as refused:
        apply_contained(patch, tree_id, place, Limits(), cpu_seconds=1, wall_seconds=0.05)
    assert refused.value.why is Why.LIMIT
