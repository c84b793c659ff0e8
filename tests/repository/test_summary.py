"""A summary says what a repository is, completely or with what was cut short."""

import json
from pathlib import Path

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.kernel.errors import NotFound
from jarvis.repository.limits import Limits
from jarvis.repository.summary import summarize, summary_data
from tests.repository.history import DAY, START, Maker


def test_it_tells_what_the_repository_is(tidepool: Maker) -> None:
    found = summarize(tidepool.root)
    assert (found.kind, found.name, found.license, found.readme) == ("git", "tidepool", "MIT", "README.md")
    assert found.description == "Tidepool computes tide tables for small harbours."
    assert found.notes == ()


def test_it_counts_files_lines_and_languages(tidepool: Maker) -> None:
    found = summarize(tidepool.root)
    assert (found.size.files, found.size.links, found.size.submodules, found.size.binary_files) == (12, 2, 1, 1)
    assert found.size.is_complete
    shares = {item.name: item.share for item in found.languages}
    assert shares == {
        "Python": pytest.approx(6 / 14, abs=0.001),
        "Makefile": pytest.approx(8 / 14, abs=0.001),
        "Markdown": None,
    }
    assert sum(item.files for item in found.languages if item.name == "Python") == 4  # one by its shebang


def test_it_tells_folders_by_what_they_seem_to_be(tidepool: Maker) -> None:
    folders = {folder.name: (folder.role, folder.language) for folder in summarize(tidepool.root).folders}
    assert folders == {
        "tidepool": ("", "Python"),
        "tests": ("tests", "Python"),
        "bin": ("scripts", "Python"),
        "docs": ("documentation", ""),
    }


def test_it_tells_commits_people_and_references(tidepool: Maker) -> None:
    found = summarize(tidepool.root)
    assert found.commits is not None
    assert found.references is not None
    assert (found.commits.count, found.commits.is_complete) == (6, True)
    assert found.commits.first_at == START * SECOND
    assert found.commits.last_at == (START + 5 * DAY) * SECOND
    assert [(person.name, person.commits) for person in found.contributors] == [("Alice", 3), ("Bobby", 2), ("Zoë", 1)]
    refs = found.references
    assert (refs.current, refs.branches, refs.latest_tag, refs.tag_count) == ("main", ("main", "dev"), "v1.10.0", 2)


def test_it_tells_what_changed_last_and_most(tidepool: Maker) -> None:
    found = summarize(tidepool.root)
    assert [entry.subject for entry in found.recent][:2] == ["Keep the names: Grüße", "Ship it"]
    assert found.recent[0].files == ("docs/größe.md",)
    assert found.hot is not None
    assert [(file.path, file.changes) for file in found.hot.files] == [("tidepool/tables.py", 2)]


def test_it_hints_at_build_and_test(tidepool: Maker) -> None:
    hints = [(hint.kind, hint.command) for hint in summarize(tidepool.root).hints]
    assert hints == [("build", "make build"), ("test", "make test"), ("test", "make test-slow")]


def test_it_answers_from_anywhere_inside(tidepool: Maker) -> None:
    found = summarize(tidepool.root / "tidepool")
    assert (found.name, found.inside) == ("tidepool", "tidepool")


def test_the_data_is_json_with_rfc3339_times(tidepool: Maker) -> None:
    data = summary_data(tidepool.root)
    json.dumps(data)
    assert data["commits"]["first_at"] == "2023-11-14T22:13:20.000Z"
    assert data["recent"][0]["at"] == "2023-11-19T22:13:20.000Z"


def test_an_empty_repository_is_no_failure(maker: Maker) -> None:
    found = summarize(maker.root)
    assert found.commits is None
    assert found.size.files == 0
    assert found.references is not None
    assert found.references.current == "main"


def test_a_detached_head_has_no_current_branch(tidepool: Maker) -> None:
    head = tidepool.repo.head()
    (tidepool.root / ".git" / "HEAD").write_bytes(head + b"\n")
    refs = summarize(tidepool.root).references
    assert refs is not None
    assert (refs.current, refs.head) == (None, head.decode()[:7])


def test_a_bare_repository_has_no_dirty_state(tmp_path: Path) -> None:
    with Maker(tmp_path / "tidepool.git", bare=True) as made:
        made.commit("Begin", files={"a.py": "x = 1\n"})
        found = summarize(made.root)
    assert (found.kind, found.name, found.dirty) == ("bare", "tidepool", None)


def test_a_shallow_clone_says_so_and_makes_up_no_beginning(tidepool: Maker) -> None:
    head = tidepool.repo.head()
    (tidepool.root / ".git" / "shallow").write_bytes(head + b"\n")
    found = summarize(tidepool.root)
    assert found.commits is not None
    assert (found.commits.count, found.commits.is_shallow, found.commits.first_at) == (1, True, None)
    assert found.recent[0].files_changed == 0


def test_a_mailmap_joins_names(tidepool: Maker) -> None:
    tidepool.commit("Map", files={".mailmap": "Robert Bobson <bob@example.org>\n"})
    assert ("Robert Bobson", 2) in [(p.name, p.commits) for p in summarize(tidepool.root).contributors]


def test_the_name_is_that_of_its_origin_without_the_address(tidepool: Maker) -> None:
    with (tidepool.root / ".git" / "config").open("a") as file:
        file.write('[remote "origin"]\n\turl = https://alice:geheim@git.example/harbour/tides.git\n')
    data = summary_data(tidepool.root)
    assert data["name"] == "tides"
    assert "geheim" not in json.dumps(data)


def test_a_plain_directory_is_surveyed_and_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\ny = 2\n")
    (tmp_path / "README").write_text("This directory holds a program that counts boats.\n")
    (tmp_path / ".env").write_text("SECRET=1\n")
    (tmp_path / "out").symlink_to("/etc")
    found = summarize(tmp_path)
    assert (found.kind, found.commits, found.references, found.dirty) == ("directory", None, None, None)
    assert found.size.files == 2
    assert found.description == "This directory holds a program that counts boats."


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no directory"):
        summarize(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotFound, match="not a directory"):
        summarize(tmp_path / "file")


def test_out_of_time_it_says_what_it_did_not_count(tidepool: Maker) -> None:
    for number in range(70):
        tidepool.commit(f"Change {number}", files={f"many/{number}.py": "x = 1\n" * number})
    ticks = iter(range(1_000_000))
    found = summarize(tidepool.root, Limits(seconds=0.0, stopwatch=lambda: float(next(ticks))))
    assert found.commits is not None
    assert not found.commits.is_complete
    assert found.commits.first_at is None
    assert not found.size.is_complete
    assert "files" in found.notes[0]


def test_a_cap_on_commits_is_kept_and_told(tidepool: Maker) -> None:
    commits = summarize(tidepool.root, Limits(max_commits=4)).commits
    assert commits is not None
    assert (commits.count, commits.is_complete) == (4, False)


def test_vendored_generated_and_lock_files_count_for_no_language(maker: Maker) -> None:
    maker.commit(
        "Begin",
        files={
            "a.go": "package a\n",
            "vendor/b.go": "package b\n" * 9,
            "c.pb.go": "package c\n",
            "package-lock.json": "{}\n",
            "d.js": "// Code generated. DO NOT EDIT\n",
        },
    )
    found = summarize(maker.root)
    assert [(item.name, item.files) for item in found.languages] == [("Go", 1)]
    assert found.size.foreign_files == 4
