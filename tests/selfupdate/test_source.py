"""The source repository holds exactly what runs, grows by compare-and-swap, and is never led elsewhere."""

import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo

from jarvis.archive.sources import Source
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, Invalid, JarvisError, NotFound, Unavailable
from jarvis.patch.engine import apply
from jarvis.selfupdate import source

TREE = Source(
    {"jarvis/__init__.py": b'__version__ = "1.2.3"\n', "bin/run": b"#!/bin/sh\n", "README.md": b"Jarvis\n"},
    frozenset({"bin/run"}),
)
PATCH = b"diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-Jarvis\n+J\n"
ALICE = "Alice <alice@example.org>"
HEAD = b"refs/heads/jarvis"


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Source], None]:
    """Say which source runs; a small one at first."""

    def run(tree: Source) -> None:
        monkeypatch.setattr(source, "running", lambda: tree)

    run(TREE)
    return run


def update(repo: source.SourceRepository, patch: bytes = PATCH, trace: str = "trc_1") -> str:
    applied = apply(patch, repo.baseline().tree.encode(), repo.objects)
    return repo.commit(trace, applied.tree_id, applied.new_objects, "Say it shorter\n\nBecause.", ALICE)


def test_it_is_made_of_what_runs(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        base = repo.baseline()
        assert (base.tree, base.version, base.commit) == (TREE.tree_id(), "1.2.3", repo.head())
        found = repo.source(base.tree)
    assert (found.files, found.executables) == (TREE.files, TREE.executables)
    with source.opened(ctx) as repo:
        assert repo.baseline() == base
    place = source.place(ctx.settings)
    assert place.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in ctx.settings.jarvis_home.iterdir() if "source.git" in path.name] == ["source.git"]


def test_the_running_checkout_is_read_whole() -> None:
    """Without the small stand-in: the id is the one that git itself gives these files."""
    whole = Source(dict(source.resources.source_files()), source.resources.source_executables())
    objects = {each.id: each for each in source._objects_of(whole)}
    assert whole.tree_id().encode() in objects


def test_an_update_becomes_a_commit_with_its_trace(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        first = repo.head()
        made = update(repo)
        assert repo.files(repo.baseline().tree)["README.md"] == (
            0o100644,
            b"Jarvis\n",
        )
        assert update(repo) == made  # once more changes nothing
    with Repo(str(source.place(ctx.settings))) as git:
        commit = git[made.encode()]
        assert isinstance(commit, Commit)
        assert (commit.parents, commit.author) == ([first.encode() if first else b""], ALICE.encode())
        assert commit.message == b"Say it shorter\n\nBecause.\n\nTrace-Id: trc_1\n"
        log = Path(git.controldir(), "logs/refs/heads/jarvis").read_bytes().splitlines()
        assert log[-1].endswith(b"\tselfupdate trc_1: Say it shorter")


def test_a_message_cannot_bring_another_trace_along(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        tree = repo.baseline().tree
        sly = "Say\n\ntrace-id: trc_9\nTrace-Id: trc_8"
        made = repo.commit("trc_1", tree, [], sly, "Eve\n <x>\nTrace-Id: trc_7 <e@example.org\nparent 0>")
    with Repo(str(source.place(ctx.settings))) as git:
        raw = git[made.encode()].as_raw_string()
    assert raw.count(b"race-") == 1 + raw.count(b"Trace-Id: trc_7 ")
    assert raw.split(b"\n\n")[0].count(b"\nparent ") == 1


def test_after_a_rollback_what_runs_is_found_again(ctx: Context, runs: Callable[[Source], None]) -> None:
    with source.opened(ctx) as repo:
        first = repo.baseline()
        new = repo.source(Tree.from_string(_tree_of(repo, update(repo))).id)
        runs(new)
        assert repo.baseline().commit == repo.head() != first.commit
        runs(TREE)
        assert repo.baseline() == first


def _tree_of(repo: source.SourceRepository, commit: str) -> bytes:
    found = repo.objects[repo.objects[commit.encode()].tree].as_raw_string()
    assert isinstance(found, bytes)
    return found


def test_a_newer_archive_becomes_the_baseline(ctx: Context, runs: Callable[[Source], None]) -> None:
    with source.opened(ctx) as repo:
        before = repo.head()
        newer = Source({**TREE.files, "jarvis/__init__.py": b'__version__ = "1.3.0"\n'}, TREE.executables)
        runs(newer)
        base = repo.baseline()
    assert (base.tree, base.version) == (newer.tree_id(), "1.3.0")
    with Repo(str(source.place(ctx.settings))) as git:
        assert git[base.commit.encode()].parents == [before.encode() if before else b""]  # type: ignore[attr-defined]


def test_whoever_comes_second_does_not_move_the_branch(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with source.opened(ctx) as repo, source.opened(ctx) as other:
        read = repo._head
        seen = read()

        def late() -> object:
            monkeypatch.setattr(repo, "_head", read)
            update(other, trace="trc_2")
            return seen

        applied = apply(PATCH, repo.baseline().tree.encode(), repo.objects)
        monkeypatch.setattr(repo, "_head", late)
        with pytest.raises(Conflict):
            repo.commit("trc_1", applied.tree_id, applied.new_objects, "Mine", ALICE)
        assert b"trc_2" in repo.objects[(repo.head() or "").encode()].message


def test_packed_refs_and_packs_are_read(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        made = update(repo)
    place = source.place(ctx.settings)
    with Repo(str(place)) as git:
        git.refs.pack_refs(all=True)
        git.object_store.pack_loose_objects()
    assert not (place / "refs/heads/jarvis").exists()
    with source.opened(ctx) as repo:
        assert repo.head() == made
        assert update(repo, PATCH.replace(b"+J", b"+Jay"), "trc_2") == repo.head() != made


def test_a_tree_that_is_not_there_is_not_committed(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        with pytest.raises(NotFound):
            repo.commit("trc_1", b"1" * 40, [], "x", ALICE)
        with pytest.raises(NotFound):
            repo.files(b"1" * 40)


@pytest.mark.parametrize("name", (b"..", b".git", b".GIT", b"a\xff"))
def test_a_tree_with_a_name_that_leads_elsewhere_is_not_read(ctx: Context, name: bytes) -> None:
    with source.opened(ctx) as repo:
        blob = Blob.from_string(b"x")
        tree = Tree()
        tree.set_raw_string(b"100644 " + name + b"\0" + bytes.fromhex(blob.id.decode()))
        repo.keep([blob, tree])
        with pytest.raises(Invalid):
            repo.files(tree.id)


def test_links_are_no_part_of_an_archive(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        blob, tree = Blob.from_string(b"/etc/passwd"), Tree()
        tree.add(b"x", 0o120000, blob.id)
        repo.keep([blob, tree])
        with pytest.raises(Invalid, match="x is no plain file"):
            repo.source(tree.id)


def test_a_link_in_its_place_is_not_followed(ctx: Context, tmp_path: Path) -> None:
    with source.opened(ctx):
        pass
    place = source.place(ctx.settings)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable), source.opened(ctx):
        pass
    place.unlink()
    (tmp_path / "elsewhere").rename(place)
    shutil.move(place / "refs", tmp_path / "refs")
    (place / "refs").symlink_to(tmp_path / "refs")
    with pytest.raises(Unavailable), source.opened(ctx):
        pass


def test_a_hook_is_not_run(ctx: Context, tmp_path: Path) -> None:
    with source.opened(ctx) as repo:
        repo.baseline()
    hooks = source.place(ctx.settings) / "hooks"
    hooks.mkdir()
    for name in ("post-commit", "reference-transaction", "update", "pre-commit", "post-update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    with source.opened(ctx) as repo:
        update(repo)
    assert not (tmp_path / "ran").exists()


def checkout(path: Path, branch: bytes = b"main") -> bytes:
    """A repository with a work tree and one commit of another tree."""
    with Repo.init(str(path), mkdir=True, default_branch=branch) as git:
        blob, tree, commit = Blob.from_string(b"mine\n"), Tree(), Commit()
        tree.add(b"mine", 0o100644, blob.id)
        commit.tree, commit.message = tree.id, b"Mine"
        commit.author = commit.committer = b"Bob <bob@example.org>"
        commit.author_time = commit.commit_time = commit.author_timezone = commit.commit_timezone = 0
        for each in (blob, tree, commit):
            git.object_store.add_object(each)
        git.refs[b"refs/heads/" + branch] = commit.id  # type: ignore[index]
        (path / "mine").write_bytes(b"changed and not committed\n")
        return commit.id


def test_in_somebodys_checkout_only_the_branch_is_added(ctx: Context, tmp_path: Path) -> None:
    mine = checkout(tmp_path / "repo")
    there = dataclasses.replace(ctx, settings=dataclasses.replace(ctx.settings, selfupdate_repo=str(tmp_path / "repo")))
    with source.opened(there) as repo:
        made = update(repo)
    assert sorted(path.name for path in (tmp_path / "repo").iterdir()) == [".git", "mine"]
    assert (tmp_path / "repo/mine").read_bytes() == b"changed and not committed\n"
    assert not (tmp_path / "repo/.git/index").exists()
    with Repo(str(tmp_path / "repo")) as git:
        assert git.refs.as_dict() == {b"HEAD": mine, b"refs/heads/main": mine, HEAD: made.encode()}


def test_a_branch_that_is_checked_out_is_not_moved(ctx: Context, tmp_path: Path) -> None:
    checkout(tmp_path / "repo", b"jarvis")
    there = dataclasses.replace(ctx, settings=dataclasses.replace(ctx.settings, selfupdate_repo=str(tmp_path / "repo")))
    with source.opened(there) as repo, pytest.raises(Conflict, match="checked out"):
        repo.baseline()


@pytest.mark.parametrize("damage", ("objects", "refs"))
def test_a_damaged_repository_is_one_plain_error(ctx: Context, damage: str) -> None:
    with source.opened(ctx) as repo:
        repo.baseline()
    lost = source.place(ctx.settings) / damage
    shutil.rmtree(lost) if lost.is_dir() else lost.write_bytes(b"\xff\0garbage")
    with pytest.raises(JarvisError), source.opened(ctx) as repo:
        repo.files(TREE.tree_id())
        repo.commit("trc_1", TREE.tree_id(), [], "x", ALICE)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to look at what was written")
def test_git_finds_nothing_wrong_with_it(ctx: Context) -> None:
    with source.opened(ctx) as repo:
        update(repo)
        update(repo, PATCH.replace(b"+J", b"+Jay"), "trc_2")
    command = ["git", "-c", "safe.directory=*", "-C", str(source.place(ctx.settings)), "fsck", "--strict", "--full"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
