"""Rules that hold for whatever is thrown at the engine."""

import difflib

from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis.patch import dangers, names
from jarvis.patch.engine import apply
from jarvis.patch.placement import _nearest
from jarvis.patch.refusal import USUAL, Limits, PatchRefused
from tests.patch.trees import make, read

LINE = st.sampled_from(("a\n", "b\n", "c\n", "\n", "+x\n", "-- y\n", "@@ -1 +1 @@\n", "--- z\n", "\\ n\n"))
TEXTS = st.lists(LINE, min_size=1, max_size=25)
FEW = settings(max_examples=150, deadline=None)


def unified(before: list[str], after: list[str], context: int = 3) -> bytes:
    return "".join(difflib.unified_diff(before, after, "a/song", "b/song", n=context)).encode()


@FEW
@given(TEXTS, TEXTS)
def test_a_difference_applied_is_the_other_text(before: list[str], after: list[str]) -> None:
    """difflib is another maker of patches than git."""
    if before == after:
        return
    tree_id, objects = make({"song": "".join(before).encode(), "d/other": b"x"})
    applied = apply(unified(before, after), tree_id, objects)
    made = objects | {each.id: each for each in applied.new_objects}
    assert read(applied.tree_id, made) == {"song": "".join(after).encode(), "d/other": b"x"}
    assert applied.tree_id == make({"song": "".join(after).encode(), "d/other": b"x"})[0]


@FEW
@given(TEXTS, TEXTS)
def test_the_same_again_gives_the_same_and_changes_nothing_given(before: list[str], after: list[str]) -> None:
    if before == after:
        return
    tree_id, objects = make({"song": "".join(before).encode()})
    given_before = dict(objects)
    patch = unified(before, after)
    assert apply(patch, tree_id, objects).tree_id == apply(patch, tree_id, objects).tree_id
    assert objects == given_before


@FEW
@given(
    st.binary(max_size=400),
    st.sampled_from((b"", b"diff --git a/song b/song\n", b"--- a/song\n+++ b/song\n@@ -1 +1 @@\n")),
)
def test_any_bytes_are_applied_or_refused_and_nothing_else(noise: bytes, head: bytes) -> None:
    tree_id, objects = make({"song": b"a\n"})
    try:
        apply(head + noise, tree_id, objects)
    except PatchRefused as refused:
        assert str(refused).endswith(".")
        assert all(c.isprintable() for c in str(refused))


@FEW
@given(st.text(alphabet="ab", max_size=60), st.text(alphabet="ab", min_size=1, max_size=4), st.integers(0, 60))
def test_the_nearest_place_is_found(image: str, needle: str, wanted: int) -> None:
    wanted = min(wanted, len(image))
    places = [at for at in range(len(image)) if image.startswith(needle, at)]
    nearest = min(places, key=lambda at: (abs(at - wanted), -at), default=None)
    assert _nearest(image, needle, wanted) == nearest


@FEW
@given(st.binary(min_size=1, max_size=30))
def test_a_quoted_name_reads_back(name: bytes) -> None:
    quoted = b'"' + b"".join(b"\\%03o" % byte for byte in name) + b'"'
    assert names.unquote(quoted + b" rest") == (name, len(quoted))


@FEW
@given(st.text(alphabet="./giGI~1t \u200c\uff0e:\\\0é-", max_size=12))
def test_a_path_that_is_taken_stays_in_the_tree(path: str) -> None:
    name = path.encode("utf-8", "surrogatepass")
    if dangers.name_problem(name, USUAL) == "":
        parts = path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not any(part.casefold() == ".git" for part in parts)
        assert path.isprintable() or all(ord(c) > 126 for c in path if not c.isprintable())


@FEW
@given(st.binary(max_size=200))
def test_no_header_makes_a_path_that_is_dangerous(noise: bytes) -> None:
    tree_id, objects = make({"song": b"a\n"})
    patch = b"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/" + noise + b"\n@@ -0,0 +1 @@\n+x\n"
    try:
        applied = apply(patch, tree_id, objects, Limits(is_guarded=False))
    except PatchRefused:
        return
    for each in applied.files:
        assert dangers.name_problem(each.path.encode(), USUAL) == ""
