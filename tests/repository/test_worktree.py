"""What is not committed is counted from index and disk alone, ignored files aside."""

import os
from pathlib import Path

import pytest

from jarvis.repository.summary import summarize
from jarvis.repository.worktree import DirtyState
from tests.repository.history import Maker


def dirty(maker: Maker) -> DirtyState:
    found = summarize(maker.root).dirty
    assert found is not None
    return found


def test_what_was_just_checked_out_is_clean(tidepool: Maker) -> None:
    assert dirty(tidepool).is_clean
    assert dirty(tidepool).is_complete


def test_a_touched_file_with_the_same_bytes_is_clean(tidepool: Maker) -> None:
    os.utime(tidepool.root / "README.md", (1, 1))
    assert dirty(tidepool).is_clean


def test_changes_are_counted_by_kind(tidepool: Maker) -> None:
    root = tidepool.root
    (root / "README.md").write_text("other\n")
    (root / "Makefile").unlink()
    (root / "new.txt").write_text("x")
    found = dirty(tidepool)
    assert (found.modified, found.deleted, found.untracked, found.staged) == (1, 1, 1, 0)
    assert set(found.examples) == {"M README.md", "D Makefile", "? new.txt"}


def test_a_change_of_the_same_length_is_seen(tidepool: Maker) -> None:
    path = tidepool.root / "tidepool/tables.py"
    path.write_text(path.read_text().replace("24", "42"))
    os.utime(path, (1, 1))
    assert dirty(tidepool).modified == 1


def test_what_the_index_holds_and_the_commit_does_not_is_staged(tidepool: Maker) -> None:
    tidepool.write({"staged.py": "x = 1\n"})
    for path in ("latest", "escape"):
        (tidepool.root / path).unlink()
    tidepool.check_out()
    assert dirty(tidepool).staged == 1


def test_a_link_that_points_elsewhere_is_modified_and_not_followed(tidepool: Maker) -> None:
    (tidepool.root / "latest").unlink()
    (tidepool.root / "latest").symlink_to("/etc/shadow")
    assert dirty(tidepool).modified == 1


def test_a_pipe_in_place_of_a_file_is_modified_and_hangs_nothing(tidepool: Maker) -> None:
    (tidepool.root / "README.md").unlink()
    os.mkfifo(tidepool.root / "README.md")
    os.mkfifo(tidepool.root / "tests" / ".gitignore")
    found = dirty(tidepool)
    assert found.modified == 1


@pytest.mark.parametrize(
    ("rules", "untracked"),
    [
        ("", ["build/a.o", "keep.log", "x.log"]),
        ("*.log\n", ["build/a.o"]),
        ("*.log\n!keep.log\n", ["build/a.o", "keep.log"]),
        ("build/\n# comment\n\n", ["keep.log", "x.log"]),
        ("/x.log\n", ["build/a.o", "keep.log"]),
    ],
)
def test_ignored_files_do_not_count(tidepool: Maker, rules: str, untracked: list[str]) -> None:
    root = tidepool.root
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/exclude").write_text(rules)
    (root / "build").mkdir()
    for name in ("build/a.o", "keep.log", "x.log"):
        (root / name).write_text("x")
    assert [line.removeprefix("? ") for line in dirty(tidepool).examples] == untracked


def test_an_inner_ignore_file_overrules_the_outer(tidepool: Maker) -> None:
    root = tidepool.root
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/exclude").write_text("*.log\n.gitignore\n")
    (root / "tests/.gitignore").write_text("!kept.log\n")
    (root / "tests/kept.log").write_text("x")
    (root / "tests/other.log").write_text("x")
    assert dirty(tidepool).examples == ("? tests/kept.log",)


def test_a_repository_inside_counts_once(tidepool: Maker) -> None:
    with Maker(tidepool.root / "inner") as inner:
        (inner.root / "a").write_text("x")
        (inner.root / "b").write_text("x")
    assert dirty(tidepool).untracked == 1


def test_a_pattern_made_to_backtrack_is_passed_over(tidepool: Maker) -> None:
    (tidepool.root / ".gitignore").write_text("*a" * 40 + "b\n")
    (tidepool.root / ("a" * 200)).write_text("x")
    assert dirty(tidepool).untracked == 2


def test_names_are_made_printable(tidepool: Maker) -> None:
    (tidepool.root / "a\x1b[2J\u202e").write_text("x")
    assert dirty(tidepool).examples == ("? a\\x1b[2J\\u202e",)


def test_a_corrupt_index_is_a_note_and_spoils_nothing(tidepool: Maker) -> None:
    (tidepool.root / ".git/index").write_bytes(b"DIRC\0\0\0\x02\0\0\0\x05garbage")
    found = summarize(tidepool.root)
    assert found.dirty is None
    assert any("index" in note for note in found.notes)
    assert found.commits is not None


def test_too_many_tracked_files_are_a_note(tidepool: Maker) -> None:
    (tidepool.root / ".git/index").write_bytes(b"DIRC\0\0\0\x02" + (1_000_000).to_bytes(4))
    found = summarize(tidepool.root)
    assert found.dirty is None
    assert found.notes == ("More than 30,000 files are tracked, so the work tree was not compared.",)


def test_no_index_is_no_dirty_state(maker: Maker) -> None:
    maker.commit("Begin", files={"a": "b"})
    assert summarize(maker.root).dirty is None


def test_nothing_is_written(tidepool: Maker) -> None:
    (tidepool.root / "README.md").write_text("changed\n")
    before = {path: path.lstat().st_mtime_ns for path in _all(tidepool.root)}
    summarize(tidepool.root)
    assert {path: path.lstat().st_mtime_ns for path in _all(tidepool.root)} == before


def _all(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))
