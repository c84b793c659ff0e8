"""A patch is shown file by file with the numbers of both sides."""

from jarvis.selfupdate import diffs

GIT = """\
diff --git a/one.py b/one.py
index 1111111..2222222 100644
--- a/one.py
+++ b/one.py
@@ -1,3 +1,4 @@ def one():
 kept
-gone
+come
+more
 end
diff --git a/old.py b/new.py
similarity index 100%
rename from old.py
rename to new.py
diff --git a/three.py b/three.py
new file mode 100644
--- /dev/null
+++ b/three.py
@@ -0,0 +1,2 @@
+--- not a header
++++ nor this
"""


def test_files_signs_and_numbers_are_those_of_the_patch():
    diff = diffs.read(GIT)
    assert [(file.path, file.added, file.removed) for file in diff.files] == [
        ("one.py", 2, 1),
        ("new.py", 0, 0),
        ("three.py", 2, 0),
    ]
    assert [(line.kind, line.numbers) for line in diff.files[0].lines] == [
        ("b", ""),
        ("span", "   1   1"),
        ("del", "   2    "),
        ("ins", "       2"),
        ("ins", "       3"),
        ("span", "   3   4"),
    ]
    assert (diff.added, diff.removed, diff.is_long) == (4, 1, False)


def test_a_rename_says_so():
    assert [line.text for line in diffs.read(GIT).files[1].lines] == [
        "similarity index 100%",
        "rename from old.py",
        "rename to new.py",
    ]


def test_patches_without_git_headers_are_read_too():
    diff = diffs.read("--- a.txt\n+++ b.txt\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n--- c\n+++ d\n")
    assert [file.path for file in diff.files] == ["b.txt", "d"]
    assert diff.files[0].lines[-1].kind == "b"


def test_a_long_patch_is_cut_and_counted():
    body = "".join(f"+{n}\n" for n in range(diffs.MOST_LINES + 50))
    diff = diffs.read(f"--- /dev/null\n+++ b/x\n@@ -0,0 +1,{diffs.MOST_LINES + 50} @@\n{body}")
    assert diff.left_out == 51
    assert diff.is_long


def test_what_is_no_patch_is_shown_anyhow():
    assert [line.text for line in diffs.read("@@ -1 +1 @@\n-a\n+b").files[0].lines] == ["@@ -1 +1 @@", "-a", "+b"]
    assert diffs.read("").files == []
