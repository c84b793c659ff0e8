"""Trees, files, searches, logs and diffs come from objects, bounded, and say so when cut."""

from pathlib import Path

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import Invalid, NotFound, TooLarge, Unavailable
from jarvis.repository.limits import Limits, printable
from jarvis.repository.reading import diff, log, read_file, search, tree
from tests.repository.history import DAY, START, Maker

NASTY = "a\x1b[31m\u202eb\n.txt"


def test_a_tree_lists_folders_first_and_what_each_is(tidepool: Maker) -> None:
    items = [(item.name, item.kind) for item in tree(tidepool.root).items]
    assert items == [
        ("bin", "folder"),
        ("docs", "folder"),
        ("tests", "folder"),
        ("tidepool", "folder"),
        ("LICENSE", "file"),
        ("Makefile", "file"),
        ("README.md", "file"),
        ("escape", "link"),
        ("latest", "link"),
        ("logo.png", "file"),
        ("vendored-lib", "submodule"),
    ]
    assert [item.name for item in tree(tidepool.root, None, "tidepool/").items] == ["__init__.py", "tables.py"]
    assert [item.name for item in tree(tidepool.root, "v1.0.0", "tests").items] == ["test_tables.py"]


@pytest.mark.parametrize("folder", ["nowhere", "README.md", "../..", "tidepool/../../..", "/etc", "latest"])
def test_a_folder_that_is_none_is_not_found(tidepool: Maker, folder: str) -> None:
    with pytest.raises(NotFound):
        tree(tidepool.root, None, folder)


def test_a_file_is_read_at_a_revision(tidepool: Maker) -> None:
    now, then = (
        read_file(tidepool.root, None, "tidepool/tables.py"),
        read_file(tidepool.root, "v1.0.0", "tidepool/tables.py"),
    )
    assert "% 24" in now.text
    assert "% 12" in then.text
    assert (now.language, now.lines, now.bytes, now.more) == ("Python", 2, 33, False)
    assert len(now.ref) == 7


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("tables.py", "tidepool/tables.py"),
        ("README", "README.md"),
        ("readme", "README.md"),
        ("Größe", "docs/größe.md"),
        ("./Makefile", "Makefile"),
        ("tables", "tidepool/tables.py"),
    ],
)
def test_a_name_finds_its_only_file(tidepool: Maker, name: str, path: str) -> None:
    assert read_file(tidepool.root, None, name).name == path


def test_a_name_of_several_files_asks_which(tidepool: Maker) -> None:
    tidepool.commit("More", files={"a/x.py": "", "b/x.py": ""})
    with pytest.raises(NotFound, match=r"Several files are called x\.py: a/x\.py, b/x\.py"):
        read_file(tidepool.root, None, "x.py")


def test_readme_is_never_a_program_of_that_name(maker: Maker) -> None:
    maker.commit("Begin", files={"src/readme.py": "x = 1\n"})
    with pytest.raises(NotFound):
        read_file(maker.root, None, "README")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "tidepool/../../secret", "nothing.py", "", ".git/config"])
def test_nothing_outside_the_tree_is_read(tidepool: Maker, name: str) -> None:
    (tidepool.root.parent / "secret").write_text("geheim")
    with pytest.raises(NotFound):
        read_file(tidepool.root, None, name)


def test_a_link_is_not_followed(tidepool: Maker) -> None:
    with pytest.raises(Invalid, match="escape is a link"):
        read_file(tidepool.root, None, "escape")
    with pytest.raises(Invalid, match="vendored-lib is a submodule"):
        read_file(tidepool.root, None, "vendored-lib")


def test_a_link_in_a_plain_directory_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.txt").write_text("geheim")
    (inside / "link.txt").symlink_to("../secret.txt")
    (inside / "out").symlink_to("..")
    (inside / "own.txt").write_text("own")
    assert read_file(inside, None, "own.txt").text == "own"
    for name in ("link.txt", "out/secret.txt", "../secret.txt"):
        with pytest.raises(NotFound):
            read_file(inside, None, name)


def test_a_binary_file_is_named_not_shown(tidepool: Maker) -> None:
    found = read_file(tidepool.root, None, "logo.png")
    assert (found.is_binary, found.text, found.bytes) == (True, "", 6)


def test_a_long_file_is_cut_and_a_huge_one_refused(maker: Maker) -> None:
    maker.commit("Begin", files={"long.txt": "line\n" * 1000})
    found = read_file(maker.root, None, "long.txt", max_bytes=50)
    assert (found.text, found.more, found.lines) == ("line\n" * 10, True, 1000)
    with pytest.raises(TooLarge):
        read_file(maker.root, None, "long.txt", limits=Limits(max_object_bytes=4000))


def test_a_compression_bomb_is_not_unpacked(maker: Maker) -> None:
    maker.commit("Begin", files={"bomb.txt": b"\0" * 30_000_000})
    with pytest.raises(TooLarge):
        read_file(maker.root, None, "bomb.txt")


def test_control_and_bidi_characters_are_shown_as_escapes(maker: Maker) -> None:
    maker.commit(f"Sub{NASTY}ject".replace("\n", ""), "Eve\x07 <e@x>", files={NASTY: "one\x1b[2Jtwo\r\n"})
    assert tree(maker.root).items[0].name == "a\\x1b[31m\\u202eb\\x0a.txt"
    entry = log(maker.root).commits[0]
    assert entry.subject == "Suba\\x1b[31m\\u202eb.txtject"
    assert entry.author == "Eve\\x07"
    assert entry.files == ("a\\x1b[31m\\u202eb\\x0a.txt",)
    [hit] = search(maker.root, "two").hits
    assert hit.text == "one\\x1b[2Jtwo"


def test_printable_leaves_ordinary_text_alone() -> None:
    for text in ("Größe", "日本語", "naïve café", "👩‍💻", "a b"):
        assert printable(text) == text


def test_a_search_finds_whatever_the_case_with_line_and_text(tidepool: Maker) -> None:
    found = search(tidepool.root, "DEF TIDE")
    assert [(hit.file, hit.line, hit.text) for hit in found.hits] == [("tidepool/tables.py", 1, "def tide(at):")]
    assert (found.files_matched, found.more) == (1, False)
    assert search(tidepool.root, "größe").hits[0].file == "docs/größe.md"
    assert search(tidepool.root, "return at % 24", "v1.0.0").hits == ()


def test_a_search_is_literal(tidepool: Maker) -> None:
    assert search(tidepool.root, "def.*").hits == ()
    assert search(tidepool.root, "tide(at)").hits != ()


def test_a_search_stops_at_its_limit_and_says_so(maker: Maker) -> None:
    maker.commit("Begin", files={f"{n:03}.txt": "needle\n" * 3 for n in range(100)})
    found = search(maker.root, "needle", max_hits=7)
    assert (len(found.hits), found.more) == (7, True)
    ticks = iter(range(10_000))
    slow = search(maker.root, "needle", limits=Limits(seconds=20, stopwatch=lambda: float(next(ticks))))
    assert slow.more


@pytest.mark.parametrize("pattern", ["", "   ", "two\nlines", "x" * 501])
def test_a_search_for_nothing_is_refused(tidepool: Maker, pattern: str) -> None:
    with pytest.raises(Invalid):
        search(tidepool.root, pattern)


def test_a_log_is_newest_first_and_filtered(tidepool: Maker) -> None:
    subjects = [entry.subject for entry in log(tidepool.root).commits]
    assert subjects[0] == "Keep the names: Grüße"
    assert subjects[-1] == "Begin"
    assert [e.subject for e in log(tidepool.root, author="bob").commits] == ["Ship it", "Test the tables"]
    assert [e.subject for e in log(tidepool.root, file="tidepool/tables.py").commits] == [
        "Cross midnight",
        "Add the tables",
    ]
    assert [e.subject for e in log(tidepool.root, file="tests").commits] == ["Test the tables"]
    since = (START + 4 * DAY) * SECOND
    assert [e.subject for e in log(tidepool.root, since=since).commits] == ["Keep the names: Grüße", "Ship it"]
    assert [e.subject for e in log(tidepool.root, since=since, until=since).commits] == ["Ship it"]
    cut = log(tidepool.root, n=2)
    assert (len(cut.commits), cut.more) == (2, True)


def test_a_merge_is_walked_once(maker: Maker) -> None:
    root = maker.commit("Root", files={"a": "1"})
    left = maker.commit("Left", files={"b": "2"})
    right = maker.commit("Right", branch="side", parents=[root.encode()], files={"c": "3"})
    maker.commit("Merge", parents=[left.encode(), right.encode()])
    assert [entry.subject for entry in log(maker.root).commits] == ["Merge", "Right", "Left", "Root"]


def test_a_diff_counts_and_shows_lines(tidepool: Maker) -> None:
    found = diff(tidepool.root, "v1.0.0", "main")
    kinds = {item.path: (item.kind, item.added, item.removed) for item in found.files}
    assert kinds["tidepool/tables.py"] == ("modified", 1, 1)
    assert kinds["docs/größe.md"] == ("added", 1, 0)
    assert "-    return at % 12\n+    return at % 24" in found.text
    assert "Binary file logo.png added" in found.text
    assert "Submodule vendored-lib changed" in found.text
    assert diff(tidepool.root, "main", "main").files == ()


def test_a_renamed_file_is_one_change(maker: Maker) -> None:
    maker.commit("Begin", files={"old.py": "x = 1\n" * 20})
    maker.remove("old.py")
    maker.commit("Rename", files={"new.py": "x = 1\n" * 20})
    [change] = diff(maker.root, "HEAD~1").files
    assert (change.kind, change.path) == ("renamed", "new.py")


def test_a_file_that_became_a_folder_is_both(maker: Maker) -> None:
    maker.commit("Begin", files={"thing": "x\n"})
    maker.remove("thing")
    maker.commit("Grow", files={"thing/part": "y\n"})
    kinds = sorted((item.kind, item.path) for item in diff(maker.root, "HEAD^").files)
    assert kinds == [("added", "thing/part"), ("deleted", "thing")]


def test_a_large_diff_is_cut_and_says_so(maker: Maker) -> None:
    maker.commit("Begin", files={"a": "x\n"})
    maker.commit("Grow", files={f"many/{n}": "y\n" * 2000 for n in range(30)})
    found = diff(maker.root, "HEAD~1")
    assert found.more
    assert len(found.text) < 40_000


def test_revisions_are_named_in_every_usual_way(tidepool: Maker) -> None:
    head = log(tidepool.root).commits[0].id
    for name in ("HEAD", "main", "refs/heads/main", "@", head, tidepool.repo.head().decode(), None):
        assert log(tidepool.root, name, n=1).commits[0].id == head
    assert log(tidepool.root, "HEAD~2", n=1).commits[0].subject == "Cross midnight"
    assert log(tidepool.root, "HEAD^^", n=1).commits[0].subject == "Cross midnight"
    assert log(tidepool.root, "v1.10.0", n=1).commits[0].subject == "Ship it"
    assert log(tidepool.root, "dev", n=1).commits[0].subject == "Test the tables"


@pytest.mark.parametrize(
    "name", ["nowhere", "HEAD~99", "HEAD^2", "deadbeef", "--output=x", "~1", "a..b", "\0", "x" * 5000]
)
def test_a_revision_that_is_none_is_not_found(tidepool: Maker, name: str) -> None:
    with pytest.raises(NotFound):
        log(tidepool.root, name)


def test_an_empty_repository_has_no_log(maker: Maker) -> None:
    with pytest.raises(NotFound, match="no commits yet"):
        log(maker.root)


def test_a_corrupt_object_is_named(tidepool: Maker) -> None:
    entry = read_file(tidepool.root, None, "tidepool/tables.py")
    blob = next(path for path in (tidepool.root / ".git/objects").glob("??/*") if _holds(tidepool, path, entry.text))
    blob.chmod(0o644)
    blob.write_bytes(b"not zlib")
    with pytest.raises(Unavailable, match=r"damaged: object [0-9a-f]{7} cannot be read"):
        read_file(tidepool.root, None, "tidepool/tables.py")
    blob.unlink()
    with pytest.raises(Unavailable, match=r"object [0-9a-f]{7} is missing"):
        read_file(tidepool.root, None, "tidepool/tables.py")
    assert search(tidepool.root, "def test").hits != ()


def test_a_corrupt_commit_ends_the_history_with_a_word(tidepool: Maker) -> None:
    first = log(tidepool.root).commits[-1].id
    [path] = (tidepool.root / ".git/objects" / first[:2]).glob(f"{first[2:]}*")
    path.unlink()
    from jarvis.repository.summary import summarize

    found = summarize(tidepool.root)
    assert found.commits is not None
    assert not found.commits.is_complete
    assert any(f"object {first} is missing" in note for note in found.notes)


def test_a_plain_directory_has_no_history(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("needle\n")
    assert [item.name for item in tree(tmp_path).items] == ["a.txt"]
    assert search(tmp_path, "needle").hits[0].file == "a.txt"
    for ask in (lambda: log(tmp_path), lambda: diff(tmp_path, "a"), lambda: read_file(tmp_path, "main", "a.txt")):
        with pytest.raises(NotFound, match="not in a git repository"):
            ask()


def _holds(maker: Maker, path: Path, text: str) -> bool:
    import zlib

    return zlib.decompress(path.read_bytes()).partition(b"\0")[2] == text.encode()
