"""A repository prepared as a trap leads nowhere, hangs nothing and runs nothing."""

import os
import shutil
from pathlib import Path

import pytest

from jarvis.kernel.errors import Denied, JarvisError, NotFound, Unavailable
from jarvis.repository import opening
from jarvis.repository.opening import locate, opened
from jarvis.repository.reading import log, read_file
from jarvis.repository.summary import summarize
from tests.repository.history import Maker

STRANGER = 4711


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Paths that belong to a stranger, as far as the reader can see."""
    paths: set[Path] = set()

    def owner(path: Path) -> int:
        return STRANGER if any(path == own or own in path.parents for own in paths) else os.geteuid()

    monkeypatch.setattr(opening, "owner", owner)
    return paths


def test_the_repository_above_is_found(tidepool: Maker) -> None:
    place = locate(tidepool.root / "tests")
    assert (place.root, place.inside, place.is_git, place.is_bare) == (tidepool.root, "tests", True, False)


def test_a_repository_of_somebody_else_may_be_read(tidepool: Maker, foreign: set[Path]) -> None:
    foreign.add(tidepool.root)
    assert locate(tidepool.root / "tests").is_git


def test_a_git_directory_planted_above_is_refused(tidepool: Maker, foreign: set[Path]) -> None:
    foreign.add(tidepool.root / ".git")
    with pytest.raises(Denied, match="belongs to neither"):
        locate(tidepool.root / "tests")


def test_a_foreign_pointer_to_our_repository_is_refused(tidepool: Maker, tmp_path: Path, foreign: set[Path]) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / ".git").write_text(f"gitdir: {tidepool.root / '.git'}\n")
    foreign.add(trap)
    with pytest.raises(Denied, match="its author does not own"):
        locate(trap)


def test_a_foreign_link_to_our_repository_is_refused(tidepool: Maker, tmp_path: Path, foreign: set[Path]) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / ".git").symlink_to(tidepool.root / ".git")
    foreign.add(trap)
    with pytest.raises(Denied):
        locate(trap)


@pytest.mark.parametrize("lead", ["alternates", "commondir", "objects", "HEAD"])
def test_a_foreign_repository_borrows_nothing_of_ours(
    tidepool: Maker, tmp_path: Path, foreign: set[Path], lead: str
) -> None:
    trap = tmp_path / "trap"
    with Maker(trap) as made:
        made.commit("Bait", files={"a": "b"})
    ours = tidepool.root / ".git"
    if lead == "alternates":
        (trap / ".git/objects/info/alternates").write_text(f"{ours / 'objects'}\n")
    elif lead == "commondir":
        (trap / ".git/commondir").write_text(f"{ours}\n")
    else:
        target = trap / ".git" / lead
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        target.symlink_to(ours / lead)
    foreign.add(trap)
    with pytest.raises(Denied, match="its author does not own"), opened(locate(trap)):
        pass


def test_our_own_alternates_work(tidepool: Maker, tmp_path: Path) -> None:
    with Maker(tmp_path / "clone") as made:
        (made.root / ".git/objects/info").mkdir(exist_ok=True)
        (made.root / ".git/objects/info/alternates").write_text(f"{tidepool.root / '.git/objects'}\n")
        (made.root / ".git/refs/heads/main").write_bytes(tidepool.repo.head() + b"\n")
        assert len(log(made.root).commits) == 6


def test_alternates_in_a_circle_end(maker: Maker) -> None:
    (maker.root / ".git/objects/info").mkdir(exist_ok=True)
    (maker.root / ".git/objects/info/alternates").write_text(f"{maker.root / '.git/objects'}\n")
    with pytest.raises(Denied, match="too many"):
        log(maker.root)


def test_a_linked_work_tree_is_read(tidepool: Maker, tmp_path: Path) -> None:
    admin = tidepool.root / ".git/worktrees/side"
    admin.mkdir(parents=True)
    (admin / "HEAD").write_text("ref: refs/heads/dev\n")
    (admin / "commondir").write_text("../..\n")
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {admin}\n")
    (admin / "gitdir").write_text(f"{side / '.git'}\n")
    found = summarize(side)
    assert found.references is not None
    assert found.references.current == "dev"
    assert found.commits is not None
    assert found.commits.count == 3


def test_config_includes_are_not_read(tidepool: Maker, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (tidepool.root / ".git/config").open("a") as file:
        file.write(f"[include]\n\tpath = {pipe}\n")
    assert len(log(tidepool.root).commits) == 6


def test_a_work_tree_named_in_the_config_is_not_where_we_look(tidepool: Maker, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_text("geheim")
    with (tidepool.root / ".git/config").open("a") as file:
        file.write(f"[core]\n\tworktree = {elsewhere}\n")
    dirty = summarize(tidepool.root).dirty
    assert dirty is not None
    assert dirty.is_clean


@pytest.mark.parametrize("name", ["HEAD", "config", "packed-refs", "index", "shallow", "objects/info/alternates"])
def test_a_pipe_in_place_of_a_file_hangs_nothing(tidepool: Maker, name: str) -> None:
    path = tidepool.root / ".git" / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with pytest.raises((Denied, NotFound, Unavailable)):
        log(tidepool.root)


def test_no_hook_filter_or_monitor_runs(tidepool: Maker, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    hooks = tidepool.root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "pre-commit", "post-index-change", "fsmonitor-watchman"):
        shutil.copy(script, hooks / name)
    with (tidepool.root / ".git/config").open("a") as file:
        file.write(
            f"[core]\n\tfsmonitor = {script}\n\tpager = {script}\n\thooksPath = {hooks}\n"
            f'[filter "x"]\n\tclean = {script}\n'
            f"\tsmudge = {script}\n[diff]\n\texternal = {script}\n"
        )
    (tidepool.root / ".gitattributes").write_text("* filter=x diff=x\n")
    (tidepool.root / "README.md").write_text("changed\n")
    summarize(tidepool.root)
    read_file(tidepool.root, None, "README.md")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config", "[core]\nrepositoryformatversion = 99\n"),
        ("config", "[core\n\0broken"),
        ("HEAD", "garbage"),
        ("HEAD", ""),
        ("packed-refs", "\0\xff garbage\nmore"),
        ("config", "[extensions]\n\tmystery = 1\n[core]\n\trepositoryformatversion = 1\n"),
    ],
)
def test_a_damaged_control_file_is_a_clear_error(tidepool: Maker, name: str, text: str) -> None:
    (tidepool.root / ".git" / name).write_text(text)
    try:
        log(tidepool.root)
    except JarvisError as error:
        assert str(error)
        assert "Traceback" not in str(error)


def test_a_link_loop_among_references_is_survived(tidepool: Maker) -> None:
    heads = tidepool.root / ".git/refs/heads"
    (heads / "a").write_text("ref: refs/heads/b\n")
    (heads / "b").write_text("ref: refs/heads/a\n")
    try:
        assert len(log(tidepool.root).commits) == 6
    except JarvisError as error:
        assert "references" in str(error)


def test_importing_brings_no_dulwich_along() -> None:
    import subprocess
    import sys

    script = (
        "import sys, jarvis.repository.summary, jarvis.repository.reading;"
        "sys.exit(any(name.startswith('dulwich') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_porcelain_is_never_imported(tidepool: Maker) -> None:
    import subprocess
    import sys

    script = (
        f"import sys; from jarvis.repository import reading, summary; summary.summarize({str(tidepool.root)!r});"
        f"reading.diff({str(tidepool.root)!r}, 'HEAD~1');"
        "sys.exit(any('porcelain' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_control_names_cover_what_is_opened_by_name() -> None:
    assert {"HEAD", "config", "index", "packed-refs", "shallow", "objects/info/alternates"} <= set(
        opening.CONTROL_NAMES
    )
