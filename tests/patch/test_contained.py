"""A patch is applied in a child of its own, which may be slow, large or damaged without harm."""

import resource
from pathlib import Path

import pytest
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob

from jarvis.patch.contained import ENDED, apply_contained
from jarvis.patch.engine import apply
from jarvis.patch.refusal import PatchRefused, Why
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


def hunks_far_off(count: int, before: int) -> tuple[bytes, bytes]:
    """A file, and a patch for it whose hunks all stand far from where they say."""
    body = b"x\n" * before + b"".join(b"a%d\nb%d\n" % (n, n) for n in range(count))
    hunks = b"".join(b"@@ -2,2 +%d,2 @@\n-a%d\n+A\n b%d\n" % (before // 2 - n, n, n) for n in range(count))
    return body, b"diff --git a/song b/song\n--- a/song\n+++ b/song\n" + hunks


def test_a_patch_that_takes_too_much_cpu_is_stopped(place: Path) -> None:
    body, patch = hunks_far_off(3000, 1_000_000)
    tree_id = store(place, {"song": body})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(PatchRefused) as refused:
        apply_contained(patch, tree_id, place, cpu_seconds=1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (refused.value.why, refused.value.reason) == (Why.LIMIT, ENDED)
    assert after.ru_utime - before.ru_utime > 0.5  # it was not refused at the door


def test_a_patch_that_takes_too_long_is_stopped(place: Path) -> None:
    tree_id = store(place, {"song": b"one\n"})
    with pytest.raises(PatchRefused) as refused:
        apply_contained(PATCH, tree_id, place, wall_seconds=0.001)
    assert (refused.value.why, refused.value.reason) == (Why.LIMIT, ENDED)


def test_a_missing_object_is_a_refusal_and_a_broken_place_an_error(place: Path) -> None:
    tree_id = store(place, {"song": b"one\n"})
    with pytest.raises(PatchRefused, match="missing"):
        apply_contained(PATCH, b"1" * 40, place)
    blob = place / Blob.from_string(b"one\n").id[:2].decode() / Blob.from_string(b"one\n").id[2:].decode()
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    with pytest.raises(OSError, match="failed"):
        apply_contained(PATCH, tree_id, place)
