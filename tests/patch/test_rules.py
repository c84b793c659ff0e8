"""What applies, by the rules: each is what git does with the same patch."""

import pytest

from jarvis.patch.refusal import Why
from tests.patch.trees import EXECUTABLE, FILE, LINK, refusal, result, run

SONG = b"one\ntwo\nthree\nfour\nfive\n"
HUNK = "@@ -2,3 +2,3 @@\n two\n-three\n+drei\n four\n"
HEAD = "diff --git a/song b/song\n--- a/song\n+++ b/song\n"


def test_a_hunk_changes_its_lines() -> None:
    assert result({"song": SONG, "other": b"x"}, HEAD + HUNK.replace("drei", "3")) == {
        "song": b"one\ntwo\n3\nfour\nfive\n",
        "other": b"x",
    }


def test_a_patch_without_git_header_works_too() -> None:
    assert result({"song": SONG}, "--- song.orig\n+++ song\n" + HUNK)["song"] == b"one\ntwo\ndrei\nfour\nfive\n"
    assert result({"a/song": SONG}, "--- x/a/song\n+++ y/a/song\n" + HUNK)["a/song"] == b"one\ntwo\ndrei\nfour\nfive\n"


def test_the_epoch_means_that_there_was_no_file() -> None:
    patch = (
        "--- a/new\t1970-01-01 00:00:00.000000000 +0000\n+++ b/new\t2026-12-01 10:00:00.5 +0100\n@@ -0,0 +1 @@\n+x\n"
    )
    assert result({}, patch) == {"new": b"x\n"}


@pytest.mark.parametrize("start", (1, 2, 5, 9, 40))
def test_a_hunk_is_sought_nearest_to_its_new_line(start: int) -> None:
    """Forward on a tie."""
    body = b"-\nx\n-\n" * 12
    found = result({"song": body}, HEAD + f"@@ -{max(start, 2)},3 +{start},3 @@\n -\n-x\n+X\n -\n")["song"]
    assert isinstance(found, bytes)
    at = found.split(b"\n").index(b"X")  # the context begins one before it
    nearest = min(range(0, 36, 3), key=lambda n: (abs(n - (start - 1)), -n))
    assert at == nearest + 1


def test_a_hunk_from_the_first_line_must_begin_the_file() -> None:
    why, words = refusal({"song": b"zero\n" + SONG}, HEAD + "@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n")
    assert why is Why.MISMATCH
    assert "line 4" in words


def test_a_hunk_without_context_at_its_end_must_end_the_file() -> None:
    assert refusal({"song": SONG}, HEAD + "@@ -2,2 +2,2 @@\n two\n-three\n+drei\n")[0] is Why.MISMATCH
    assert result({"song": SONG}, HEAD + "@@ -4,2 +4,2 @@\n four\n-five\n+funf\n")["song"] == SONG[:-5] + b"funf\n"


def test_what_a_hunk_wrote_matches_no_later_one() -> None:
    again = "@@ -2,3 +2,3 @@\n two\n-drei\n+trois\n four\n"
    assert refusal({"song": SONG}, HEAD + HUNK + again)[0] is Why.MISMATCH
    assert result({"song": SONG}, HEAD + HUNK + HEAD + again)["song"] == b"one\ntwo\ntrois\nfour\nfive\n"


def test_a_last_line_may_lack_its_newline() -> None:
    patch = HEAD + "@@ -4,2 +4,2 @@\n four\n-five\n\\ No newline at end of file\n+funf\n"
    assert result({"song": SONG[:-1]}, patch)["song"] == SONG[:-5] + b"funf\n"
    assert refusal({"song": SONG}, patch)[0] is Why.MISMATCH


def test_creating_deleting_and_modes() -> None:
    patch = (
        "diff --git a/new b/new\nnew file mode 100755\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+hi\n"
        "diff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n"
        "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
    )
    assert result({"d/old": b"bye\n", "old": b"bye\n", "run": b"x"}, patch) == {
        "d/old": b"bye\n",
        "new": (EXECUTABLE, b"hi\n"),
        "run": (EXECUTABLE, b"x"),
    }


def test_a_delete_must_leave_nothing() -> None:
    patch = "diff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n"
    assert refusal({"old": b"bye\nbye\n"}, patch)[0] is Why.MISMATCH


def test_renaming_and_copying_read_the_baseline() -> None:
    swap = (
        "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n"
        "diff --git a/b b/a\nsimilarity index 100%\nrename from b\nrename to a\n"
        "diff --git a/a b/c\nsimilarity index 100%\ncopy from a\ncopy to c\n"
    )
    assert result({"a": b"A", "b": b"B"}, swap) == {"a": b"B", "b": b"A", "c": b"A"}


def test_creating_over_a_file_needs_it_gone_in_the_same_patch() -> None:
    create = "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+new\n"
    delete = "diff --git a/x b/x\ndeleted file mode 120000\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-to\n" + (
        "\\ No newline at end of file\n"
    )
    files = {"x": (LINK, b"to")}
    assert refusal(files, create)[0] is Why.MISMATCH
    assert result(files, delete + create) == {"x": b"new\n"}


def test_a_file_where_a_folder_stands_is_refused() -> None:
    create = "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+new\n"
    assert refusal({"x/y": b"y"}, create)[0] is Why.CONFLICT
    gone = "diff --git a/x/y b/x/y\ndeleted file mode 100644\n--- a/x/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n"
    assert result({"x/y": b"y\n"}, create + gone) == {"x": b"new\n"}


def test_what_was_dropped_in_silence_is_told() -> None:
    """git applies the first file and says nothing about the second."""
    bad = "--- a/other\n+++ b/other\n@@ bad @@\n-x\n+y\n"
    assert refusal({"song": SONG, "other": b"x\n"}, HEAD + HUNK + bad)[0] is Why.DROPPED
    assert refusal({"song": SONG}, HEAD + HUNK + "+one more\n")[0] is Why.DROPPED
    mail = "From: Alice <alice@example.org>\nSubject: sing\n\nin German\n---\n song | 2 +-\n\n"
    assert result({"song": SONG}, mail + HEAD + HUNK + "-- \n2.39.5\n\n")["song"] == b"one\ntwo\ndrei\nfour\nfive\n"


@pytest.mark.parametrize("head", ("diff --git a/song b/song\n", ""))
def test_a_quoted_name_ends_on_its_line(head: str) -> None:
    """git would look for the closing quote in the lines that follow."""
    patch = f'{head}--- a/song\n+++ "b/song\n' + HUNK
    assert refusal({"song": SONG}, patch)[0] is Why.MALFORMED
    assert result({"song": SONG}, patch.replace('"b/song', '"b/song"'))["song"] == b"one\ntwo\ndrei\nfour\nfive\n"


def test_it_tells_path_by_path_what_it_did() -> None:
    patch = (
        HEAD + HUNK + "diff --git a/jarvis/policy/a.py b/jarvis/policy/b.py\nold mode 100644\nnew mode 100755\n"
        "similarity index 100%\nrename from jarvis/policy/a.py\nrename to jarvis/policy/b.py\n"
    )
    applied = run({"song": SONG, "jarvis/policy/a.py": b"x"}, patch)
    moved, song = applied.files
    assert (song.path, song.kind, song.added_lines, song.removed_lines, song.flags) == ("song", "changed", 1, 1, ())
    assert (moved.kind, moved.old_path, moved.path) == ("renamed", "jarvis/policy/a.py", "jarvis/policy/b.py")
    assert (moved.mode_before, moved.mode_after) == (FILE, EXECUTABLE)
    assert moved.flags == ("policy", "new executable", "mode")


@pytest.mark.parametrize("text", ("", "hello\n", "--- a/x\n+++ b/x\n", "diff --git a/x b/x\n"))
def test_no_patch_is_no_patch(text: str) -> None:
    assert refusal({"x": b"x"}, text)[0] in (Why.MALFORMED, Why.DROPPED)
